"""Ingest: read the raw file, hold it to the schema, split it by time and by patient."""

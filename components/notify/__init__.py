"""Notify: the exit handler, which runs however the pipeline ended."""

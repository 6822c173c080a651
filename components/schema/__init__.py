"""The one schema of an encounter: raw column names, kinds, domains and ranges."""

from components.schema.columns import (
    MISSING,
    Column,
    Kind,
    Level,
    Rule,
    Schema,
    encounter_schema,
)

__all__ = ["MISSING", "Column", "Kind", "Level", "Rule", "Schema", "encounter_schema"]

"""The one schema of an encounter: raw column names, kinds, domains and ranges."""

from components.schema.columns import (
    HISTORY,
    MISSING,
    Column,
    Kind,
    Level,
    Rule,
    Schema,
    encounter_schema,
)

__all__ = [
    "HISTORY", "MISSING", "Column", "Kind", "Level", "Rule", "Schema", "encounter_schema",
]  # fmt: skip

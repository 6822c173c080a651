"""The data quality report: counts, missing values, what was set aside, and how columns lie."""

from __future__ import annotations

import math
from collections.abc import Mapping

from components.ingest.profile import Profile
from components.ingest.tables import Provenance
from components.ingest.validate import Validator
from components.reporting.page import Cell, Page
from components.schema import Column, Kind, Schema

_TOP_LEVELS = 3
_SHOWN_VALUES = 5


def quality_page(
    findings: Validator,
    removed: int,
    sizes: Mapping[str, int],
    provenance: Provenance,
    profiles: tuple[Profile, Profile] | None,
) -> str:
    """Return the report as HTML.

    Args:
        findings: what the check counted.
        removed: encounters left out because they ended in death or hospice.
        sizes: rows of each table written; empty when the file was only checked.
        provenance: where the encounters came from.
        profiles: of the reference and of the newest batch; ``None`` when the file was only checked.
    """
    page = Page("Data quality", provenance.synthetic)
    page.facts(_facts(findings, removed, provenance))
    page.table("Tables", ("table", "rows"), [(name, f"{n:,}") for name, n in sizes.items()])
    page.table(
        "Set aside, by rule",
        ("column or rule", "rows", "first row", "values"),
        [(f.name, f.rows, f.first_row, _values(f.values)) for f in findings.aside],
    )
    page.table("Missing values", ("column", "rows", "share"), _missing(findings))
    page.table(
        "Values that an open column's list does not hold", ("column", "rows"),
        list(findings.unlisted.items()),
    )  # fmt: skip
    if profiles and sizes:
        page.table(
            "Distributions, newest batch against the reference",
            ("column", "reference", "newest batch", "total variation"),
            distributions(*profiles, findings.schema),
        )
    return page.html()


def _facts(findings: Validator, removed: int, provenance: Provenance) -> dict[str, str]:
    share = findings.set_aside / findings.rows
    return {
        "Source": provenance.source,
        "sha256": provenance.sha256,
        "Encounters": f"{findings.rows:,}",
        "Set aside: broke a rule": f"{findings.set_aside:,} ({share:.3%})",
        "Left out: ended in death or hospice": f"{removed:,}",
        "Newest batch": str(provenance.batch),
    }


def _values(values: Mapping[str, int]) -> str:
    shown = [f"{value[:40]!r} ({count}x)" for value, count in list(values.items())[:_SHOWN_VALUES]]
    return ", ".join(shown) + (" …" if len(values) > _SHOWN_VALUES else "")


def _missing(findings: Validator) -> list[tuple[Cell, ...]]:
    return [
        (name, count, f"{count / findings.rows:.1%}") for name, count in findings.missing.items()
    ]


def distributions(reference: Profile, newest: Profile, schema: Schema) -> list[tuple[Cell, ...]]:
    """Return a row a column: how it lies in both, and half the sum of the shares' differences.

    Total variation is 0 for equal distributions and 1 for disjoint ones; largest first.
    """
    rows = [
        (c.name, _summary(reference, c), _summary(newest, c), _variation(reference, newest, c))
        for c in schema
        if c.kind is not Kind.IDENTIFIER
    ]
    rows.sort(key=lambda row: -row[3])
    return [(*row[:3], round(row[3], 3)) for row in rows]


def _variation(reference: Profile, newest: Profile, column: Column) -> float:
    values = reference.counts[column.name].keys() | newest.counts[column.name].keys()
    differences = [
        abs(reference.share(column.name, v) - newest.share(column.name, v)) for v in values
    ]
    return math.fsum(differences) / 2


def _summary(profile: Profile, column: Column) -> str:
    counts = profile.counts[column.name]
    if column.kind is Kind.NUMBER:
        mean = sum(int(v) * n for v, n in counts.items()) / profile.rows
        square = sum((int(v) - mean) ** 2 * n for v, n in counts.items()) / profile.rows
        return f"mean {mean:.2f}, sd {math.sqrt(square):.2f}"
    top = counts.most_common(_TOP_LEVELS)
    return ", ".join(f"{value}: {count / profile.rows:.1%}" for value, count in top)

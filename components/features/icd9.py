"""ICD-9-CM codes to chapters and three-digit categories.

Chapters follow the tabular list of ICD-9-CM; diabetes mellitus (250) is kept apart from its chapter
as in Strack et al. 2014, table 2 (doi 10.1155/2014/781670).
"""

from __future__ import annotations

from bisect import bisect_right

from components.schema import MISSING

_CHAPTERS = (
    (0, "infectious"),
    (140, "neoplasms"),
    (240, "endocrine"),
    (250, "diabetes"),
    (251, "endocrine"),
    (280, "blood"),
    (290, "mental"),
    (320, "nervous"),
    (390, "circulatory"),
    (460, "respiratory"),
    (520, "digestive"),
    (580, "genitourinary"),
    (630, "pregnancy"),
    (680, "skin"),
    (710, "musculoskeletal"),
    (740, "congenital"),
    (760, "perinatal"),
    (780, "symptoms"),
    (800, "injury"),
)
_STARTS = [start for start, _ in _CHAPTERS]

CHAPTERS = (*dict.fromkeys(name for _, name in _CHAPTERS), "external", "supplementary", MISSING)
"""Every chapter that :func:`chapter` can return."""


def category(code: str) -> str:
    """Return the code without its decimals: ``250.83`` is ``250``, ``?`` stays ``?``."""
    return code.partition(".")[0]


def chapter(code: str) -> str:
    """Return the chapter of a code that matches ``components.schema.columns.ICD9``, or ``?``."""
    if code == MISSING:
        return MISSING
    if code[0] == "E":
        return "external"
    if code[0] == "V":
        return "supplementary"
    return _CHAPTERS[bisect_right(_STARTS, int(category(code))) - 1][1]

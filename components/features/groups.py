"""Groups of codes that mean much the same: the file's own key to its codes, and ICD-9-CM.

The identifiers' meanings are those of the dataset's IDS_mapping.csv (Strack et al. 2014, doi
10.1155/2014/781670).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import product

Codes = frozenset[int]

ID_GROUPS: Mapping[str, Mapping[str, Codes]] = {
    "admission_type_id": {
        "acute": frozenset({1, 2, 7}),
        "elective": frozenset({3}),
        "unknown": frozenset({5, 6, 8}),
    },
    "discharge_disposition_id": {
        "home": frozenset({1}),
        "home_with_care": frozenset({6, 8}),
        "hospital": frozenset({2, 5, 9, 10, 12, 15, 23, 27, 28, 29, 30}),
        "nursing": frozenset({3, 4, 16, 17, 22, 24}),
        "against_advice": frozenset({7}),
        "ended": frozenset({11, 13, 14, 19, 20, 21}),
        "unknown": frozenset({18, 25, 26}),
    },
    "admission_source_id": {
        "referral": frozenset({1, 2, 3}),
        "transfer": frozenset({4, 5, 6, 10, 18, 22, 25, 26}),
        "emergency": frozenset({7}),
        "unknown": frozenset({9, 15, 17, 20, 21}),
    },
}
"""Groups of admission, discharge and source codes; "unknown" is a NULL, as the file says it."""


def _range(first: int, last: int) -> frozenset[str]:
    return frozenset(str(number) for number in range(first, last + 1))


COMORBIDITIES: Mapping[str, frozenset[str]] = {
    "myocardial_infarction": frozenset({"410", "412"}),
    "heart_failure": frozenset({"398", "425", "428"}),
    "peripheral_vascular": frozenset({"440", "441", "443", "447", "557"}),
    "cerebrovascular": _range(430, 438),
    "dementia": frozenset({"290", "294", "331"}),
    "chronic_pulmonary": frozenset({"416"}) | _range(490, 505),
    "rheumatic": frozenset({"710", "714", "725"}),
    "peptic_ulcer": _range(531, 534),
    "mild_liver": frozenset({"70", "570", "571", "573"}),
    "severe_liver": frozenset({"456", "572"}),
    "plegia": frozenset({"334", "342", "343", "344"}),
    "renal": frozenset({"403", "404", "582", "583", "585", "586", "588", "V56"}),
    "cancer": (_range(140, 172) | _range(174, 195) | _range(200, 208)) - {"173"},
    "metastatic_cancer": _range(196, 199),
    "hiv": _range(42, 44),
}
"""Charlson's comorbidities by three-digit category.

After the enhanced ICD-9-CM coding of Quan et al. 2005 (doi 10.1097/01.mlr.0000182534.19832.83).
The file gives whole categories (but for diabetes), so that a category stands for a group when the
group lists all or most of it. Diabetes is in :func:`diabetes_flags`.
"""

DIABETES_FLAGS = ("acute", "renal", "eye", "nerve", "vessel", "other", "type_1", "uncontrolled")
_COMPLICATION = {"1": 0, "2": 0, "3": 0, "4": 1, "5": 2, "6": 3, "7": 4, "8": 5, "9": 5}


def diabetes_codes() -> Iterable[str]:
    """Yield every code of diabetes mellitus: 250, 250.x and 250.xy."""
    yield "250"
    for digit in "0123456789":
        yield f"250.{digit}"
    for digits in product("0123456789", "0123"):
        yield f"250.{''.join(digits)}"


def diabetes_flags(code: str) -> tuple[float, ...]:
    """Return what the digits of a code of diabetes say, in the order of ``DIABETES_FLAGS``.

    The fourth digit is the complication (0 none, 1 to 3 acute, 4 renal, 5 eye, 6 nerves, 7
    vessels, 8 and 9 other), the fifth the type and control (1 and 3 are type 1, 2 and 3 not
    controlled): ICD-9-CM, tabular list, category 250.
    """
    fourth, fifth = code.partition(".")[2][:1], code.partition(".")[2][1:]
    flags = [0.0] * len(DIABETES_FLAGS)
    if fourth in _COMPLICATION:
        flags[_COMPLICATION[fourth]] = 1.0
    flags[6], flags[7] = float(fifth in ("1", "3")), float(fifth in ("2", "3"))
    return tuple(flags)

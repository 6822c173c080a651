from __future__ import annotations

import itertools
import json
import random
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from builders import LABELS, Row, random_rows, rows_table
from hypothesis import given, settings
from hypothesis import strategies as st

from components.errors import InputError
from components.events import Report
from components.features import icd9
from components.features.batch import encode_table
from components.features.encoder import Encoder
from components.features.fit import RARE_SHARE, fit_encoder
from components.features.step import run
from components.features.target import Target
from components.ingest.tables import Provenance, write_table
from components.schema import encounter_schema
from components.schema.columns import ICD9

ROWS = 1000
RARE = int(RARE_SHARE * ROWS)
PROVENANCE = Provenance("synthetic:rows=1000", "0" * 64, ROWS, synthetic=True, batch=3)


def rows_with(column: str, values: dict[str, int], seed: int = 1) -> list[Row]:
    """Return encounters of which ``values`` says how many hold which value; the others hold ?."""
    held = [value for value, count in values.items() for _ in range(count)]
    rows = random_rows(ROWS, seed)
    return [
        {**row, column: value}
        for row, value in zip(rows, held + ["?"] * (ROWS - len(held)), strict=True)
    ]


def fitted(rows: list[Row], readmitted: list[str] | None = None) -> Encoder:
    table = rows_table(rows, readmitted or random.Random(0).choices(LABELS, k=len(rows)))
    return fit_encoder(table, Target.ANY.labels(table), encounter_schema()).encoder


def levels(encoder: Encoder, column: str) -> set[str]:
    found = [name.partition("=") for name in encoder.outputs]
    return {level for name, _, level in found if name == column and level}


def test_a_level_that_only_validation_rows_hold_does_not_appear(tmp_path: Path) -> None:
    train = rows_with("payer_code", {"MC": 500, "HM": 300})
    validation = rows_with("payer_code", {"MC": 100, "SELDOM": 800}, seed=2)
    encoder = features_of(train, validation, tmp_path)
    assert levels(encoder, "payer_code") == {"MC", "HM", "?", "other"}
    assert encoder.known["payer_code"] == {"MC", "HM", "?"}
    assert encoder == fitted(train, random.Random("train").choices(LABELS, k=len(train)))
    with np.load(tmp_path / "out" / "validation.npz") as found:
        other = encoder.outputs.index("payer_code=other")
        assert found["x"][:, other].sum() == 800


def features_of(train: list[Row], validation: list[Row], folder: Path) -> Encoder:
    """Run the features step."""
    for name, rows in (("train", train), ("validation", validation)):
        readmitted = random.Random(name).choices(LABELS, k=len(rows))
        write_table(rows_table(rows, readmitted), str(folder / name), PROVENANCE)
    report = Report("features")
    out = folder / "out"
    run(str(folder / "train"), str(folder / "validation"), "any", 0.75, str(out), report)
    encoder = Encoder.from_json(json.loads((out / "encoder.json").read_text("utf-8")))
    assert report.facts["encoded_columns"] == encoder.width
    assert report.facts["strongest_column"] in encoder.outputs
    return encoder


def test_the_step_writes_matrices_of_both_tables_and_where_they_come_from(tmp_path: Path) -> None:
    train, validation = random_rows(ROWS, seed=3), random_rows(200, seed=4)
    encoder = features_of(train, validation, tmp_path)
    facts = json.loads((tmp_path / "out" / "facts.json").read_text("utf-8"))
    provenance = json.loads(json.dumps(asdict(PROVENANCE)))
    assert facts == {"target": "any", "history": False, "provenance": provenance}
    for name, rows in (("train", train), ("validation", validation)):
        readmitted = random.Random(name).choices(LABELS, k=len(rows))
        with np.load(tmp_path / "out" / f"{name}.npz") as found:
            expected = encode_table(encoder, rows_table(rows))
            plain = [not _is_statistic(output) for output in encoder.outputs]
            assert np.array_equal(found["x"][:, plain], expected[:, plain])
            assert np.array_equal(found["x"], expected) == (name == "validation")
            assert found["y"].tolist() == [int(label != "NO") for label in readmitted]
            assert np.unique(found["patient"]).size == len(rows)
            assert found["patient"].max() == len(rows) - 1


@pytest.mark.parametrize("one_sided", ["train", "validation"])
def test_a_table_of_one_class_is_refused_by_name(tmp_path: Path, one_sided: str) -> None:
    for name in ("train", "validation"):
        readmitted = ["NO"] * ROWS if name == one_sided else ["NO", ">30"] * (ROWS // 2)
        table = rows_table(random_rows(ROWS, seed=5), readmitted)
        write_table(table, str(tmp_path / name), PROVENANCE)
    train, validation, out = (str(tmp_path / name) for name in ("train", "validation", "out"))
    with pytest.raises(InputError, match=f"^{one_sided}: all 1000 encounters"):
        run(train, validation, "any", 0.75, out, Report("features"))


def test_a_level_below_the_share_is_folded_into_other_and_still_known() -> None:
    encoder = fitted(rows_with("payer_code", {"MC": 500, "HM": RARE, "BC": RARE - 1}))
    assert levels(encoder, "payer_code") == {"MC", "HM", "?", "other"}
    assert encoder.known["payer_code"] == {"MC", "HM", "BC", "?"}


def test_a_missing_value_is_a_level_only_where_it_is_frequent() -> None:
    few = rows_with("payer_code", {"MC": ROWS - RARE + 1})
    assert levels(fitted(few), "payer_code") == {"MC", "other"}


def test_a_drug_that_is_hardly_ever_given_gets_no_column_of_its_own() -> None:
    rows = [{**row, "examide": "No", "insulin": "Up"} for row in random_rows(ROWS, seed=6)]
    for row in rows[: RARE - 1]:
        row["examide"] = "Steady"
    encoder = fitted(rows)
    assert "insulin" in encoder.outputs
    assert "examide" not in encoder.outputs
    assert "examide" in encoder.sources


def _is_statistic(output: str) -> bool:
    return "risk(" in output


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=5, deadline=None)
def test_labels_and_identifiers_change_nothing_but_the_target_statistics(seed: int) -> None:
    rng = np.random.default_rng(seed)
    table = rows_table(random_rows(300, seed=8), ["NO", ">30", "<30"] * 100)
    other = table
    for name, values in (
        ("encounter_id", rng.integers(1, 2**50, 300)),
        ("patient_nbr", rng.integers(1, 2**50, 300)),
        ("readmitted", rng.permutation(table["readmitted"].to_pylist())),
    ):
        other = other.set_column(other.column_names.index(name), name, pa.array(values))
    first, second = (
        fit_encoder(part, Target.ANY.labels(part), encounter_schema()).encoder
        for part in (table, other)
    )
    plain = [not _is_statistic(output) for output in first.outputs]
    assert first.outputs == second.outputs
    assert first.sources.isdisjoint({"encounter_id", "patient_nbr", "readmitted"})
    one, two = encode_table(first, table), encode_table(second, other)
    assert np.array_equal(one[:, plain], two[:, plain])
    assert np.array_equal(one, encode_table(first, table.drop("readmitted")))


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=5, deadline=None)
def test_the_order_of_the_training_rows_does_not_matter(seed: int) -> None:
    table = rows_table(random_rows(300, seed=9), random.Random(9).choices(LABELS, k=300))
    order = pa.array(np.random.default_rng(seed).permutation(300))
    first, second = (
        fit_encoder(part, Target.ANY.labels(part), encounter_schema())
        for part in (table, table.take(order))
    )
    assert first == second
    assert np.array_equal(
        first.encode_training(table)[order.to_numpy()],
        second.encode_training(table.take(order)),
    )


@pytest.mark.parametrize(
    ("code", "chapter", "category"),
    [
        ("1", "infectious", "1"),
        ("139.9", "infectious", "139"),
        ("140", "neoplasms", "140"),
        ("239", "neoplasms", "239"),
        ("249", "endocrine", "249"),
        ("250", "diabetes", "250"),
        ("250.83", "diabetes", "250"),
        ("251.2", "endocrine", "251"),
        ("279", "endocrine", "279"),
        ("285.9", "blood", "285"),
        ("296", "mental", "296"),
        ("357", "nervous", "357"),
        ("390", "circulatory", "390"),
        ("428", "circulatory", "428"),
        ("459", "circulatory", "459"),
        ("460", "respiratory", "460"),
        ("519", "respiratory", "519"),
        ("574", "digestive", "574"),
        ("584", "genitourinary", "584"),
        ("648", "pregnancy", "648"),
        ("682.6", "skin", "682"),
        ("715", "musculoskeletal", "715"),
        ("747", "congenital", "747"),
        ("770", "perinatal", "770"),
        ("780", "symptoms", "780"),
        ("799", "symptoms", "799"),
        ("800", "injury", "800"),
        ("999", "injury", "999"),
        ("E885", "external", "E885"),
        ("E885.9", "external", "E885"),
        ("V57", "supplementary", "V57"),
        ("V45.81", "supplementary", "V45"),
        ("?", "?", "?"),
    ],
)
def test_a_code_belongs_to_the_chapter_of_the_tabular_list(
    code: str, chapter: str, category: str
) -> None:
    assert icd9.chapter(code) == chapter
    assert icd9.category(code) == category


@given(st.from_regex(ICD9, fullmatch=True))
@settings(max_examples=500)
def test_every_code_that_the_schema_accepts_has_a_chapter_and_a_category(code: str) -> None:
    assert icd9.chapter(code) in icd9.CHAPTERS
    category = icd9.category(code)
    assert code.startswith(category)
    assert "." not in category
    assert icd9.chapter(category) == icd9.chapter(code)


def test_chapters_follow_one_another_through_all_numbers() -> None:
    found = [icd9.chapter(str(number)) for number in range(1000)]
    runs = [name for name, _ in itertools.groupby(found)]
    assert set(runs) == set(icd9.CHAPTERS) - {"external", "supplementary", "?"}
    assert [name for name in set(runs) if runs.count(name) > 1] == ["endocrine"]


@pytest.mark.parametrize(
    ("target", "positive"), [("any", [0, 1, 1]), ("within_30_days", [0, 0, 1])]
)
def test_a_target_says_which_readmissions_count(target: str, positive: list[int]) -> None:
    table = rows_table(random_rows(3, seed=10), ["NO", ">30", "<30"])
    found = Target.parse(target).labels(table)
    assert found.tolist() == positive
    assert found.dtype == np.int8


def test_labels_are_read_from_a_dictionary_as_from_text() -> None:
    table = pa.table({"readmitted": pa.array(LABELS * 5).dictionary_encode()})
    assert Target.ANY.labels(table).tolist() == [0, 1, 1] * 5


@pytest.mark.parametrize("target", ["", "Any", "within_60_days"])
def test_an_unknown_target_is_refused_with_the_known_ones(target: str) -> None:
    with pytest.raises(InputError, match="choose one of any, within_30_days"):
        Target.parse(target)

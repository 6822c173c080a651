from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from http import HTTPStatus

import pytest
from builders import Row, encounters, random_rows, tiny_encoder
from hypothesis import given, settings
from hypothesis import strategies as st

from components.features.encoder import Encoder
from components.schema import HISTORY, encounter_schema
from serving.errors import Problems, RequestError, shown
from serving.known import Batch
from serving.payload import PayloadReader
from serving.rows import RowReader

LIMIT = 20
COMBINATIONS = (
    "glyburide-metformin",
    "glipizide-metformin",
    "glimepiride-pioglitazone",
    "metformin-rosiglitazone",
    "metformin-pioglitazone",
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)
FIELD_NAMES = st.sampled_from(encounter_schema().names) | st.text()


@dataclass
class Sent:
    name: str
    datatype: str
    shape: list[int]
    data: object


SHAPES = st.lists(st.integers(-2, 3), max_size=3)
SENT_TENSORS = st.builds(
    Sent, FIELD_NAMES, st.sampled_from(["INT64", "FP32", "BYTES", "BOOL"]), SHAPES, JSON
)


@dataclass
class Read:
    rows: list[Row]
    identifiers: list[dict[str, int]]
    encoded: bytes
    unseen: dict[str, set[str]]


@cache
def encoder() -> Encoder:
    return tiny_encoder()


def reader(*, history: bool = False) -> PayloadReader:
    return PayloadReader(encounter_schema(history=history), encoder(), LIMIT)


def taken(reader: PayloadReader, batches: Iterator[Batch]) -> Read:
    whole = Batch()
    for batch in batches:
        whole.extend(batch)
    rows = [dict(zip(reader.names, values, strict=True)) for values in whole.values]
    return Read(rows, whole.identifiers, whole.matrix.tobytes(), whole.unseen)


def twice(read: Callable[[], Read]) -> Read:
    """Read a request twice: the second time, every good value is known."""
    first = result_of(read)
    assert told(result_of(read)) == told(first)
    if isinstance(first, RequestError):
        raise first
    return first


def result_of(read: Callable[[], Read]) -> Read | RequestError:
    try:
        return read()
    except RequestError as error:
        return error


def told(result: Read | RequestError) -> object:
    return repr(result.to_json()) if isinstance(result, RequestError) else result


def read_body(body: object, *, history: bool = False) -> Read:
    used = reader(history=history)
    return twice(lambda: taken(used, used.read_instances(body)))


def read(*instances: object) -> Read:
    return read_body({"instances": list(instances)})


def read_tensors(sent: list[Sent], *, history: bool = False) -> Read:
    used = reader(history=history)
    return twice(lambda: taken(used, used.read_tensors(sent)))


def tensors(rows: list[Row]) -> list[Sent]:
    return [
        Sent(
            name,
            "INT64" if encounter_schema()[name].is_integer else "BYTES",
            [len(rows)],
            [row[name] for row in rows],
        )
        for name in rows[0]
    ]


def reader_refuses(name: str) -> bool:
    return name.replace("_", "-") not in {c.name.replace("_", "-") for c in encounter_schema()}


def encounter(**changes: object) -> dict[str, object]:
    return {**random_rows(1, seed=1)[0], **changes}


def without(*names: str) -> dict[str, object]:
    return {name: value for name, value in encounter().items() if name not in names}


def refused(body: object) -> RequestError:
    with pytest.raises(RequestError) as caught:
        read_body(body)
    return caught.value


def refused_tensors(sent: list[Sent]) -> RequestError:
    with pytest.raises(RequestError) as caught:
        read_tensors(sent)
    return caught.value


def test_a_valid_encounter_is_read_as_it_was_sent() -> None:
    rows = random_rows(5, seed=2)
    assert read(*rows).rows == rows


def test_null_and_absent_mean_missing_where_the_schema_allows_it() -> None:
    sent = without("weight")
    row = read({**sent, "race": None}).rows[0]
    assert row["weight"] == row["race"] == "?"


@pytest.mark.parametrize("instance", [without("age"), encounter(age=None)], ids=["absent", "null"])
def test_a_required_column_must_have_a_value(instance: dict[str, object]) -> None:
    (detail,) = refused({"instances": [instance]}).details
    assert (detail.row, detail.field, detail.value) == (0, "age", None)


@pytest.mark.parametrize("name", COMBINATIONS)
def test_a_combination_drug_may_be_spelt_with_an_underscore(name: str) -> None:
    sent = {**without(name), name.replace("-", "_"): "Up"}
    assert read(sent).rows[0][name] == "Up"


def test_two_spellings_of_one_drug_are_refused() -> None:
    sent = encounter(glyburide_metformin="No")
    assert [d.field for d in refused({"instances": [sent]}).details] == ["glyburide_metformin"]


@pytest.mark.parametrize("name", ["readmitted", "number inpatient", "diag_4", ""])
def test_a_field_that_is_no_feature_is_refused(name: str) -> None:
    (detail,) = refused({"instances": [encounter(**{name: "NO"})]}).details
    assert (detail.field, detail.why) == (name, "unknown field")


def test_identifiers_are_handed_back_and_are_no_features() -> None:
    batch = read(encounter(encounter_id=7, patient_nbr=8.0), encounter(patient_nbr=None))
    assert batch.identifiers == [{"encounter_id": 7, "patient_nbr": 8}, {}]
    assert set(batch.rows[0]) == {column.name for column in encounter_schema().features}


def test_an_identifier_that_is_no_integer_is_refused() -> None:
    (detail,) = refused({"instances": [encounter(encounter_id="seven")]}).details
    assert detail.field == "encounter_id"


def test_an_integral_float_is_an_integer() -> None:
    value = read(encounter(time_in_hospital=3.0)).rows[0]["time_in_hospital"]
    assert value == 3
    assert type(value) is int


@pytest.mark.parametrize(
    "value", [True, "3", 3.5, float("nan"), float("inf"), 1e300, 0, 15, [3], {}, 10**400]
)
def test_anything_else_is_refused_in_an_integer_column(value: object) -> None:
    (detail,) = refused({"instances": [encounter(time_in_hospital=value)]}).details
    assert detail.allowed == "an integer from 1 to 14"


@pytest.mark.parametrize("value", [250, True, "", "25O", "2500", [], {"code": "250"}])
def test_anything_but_a_code_is_refused_as_a_diagnosis(value: object) -> None:
    (detail,) = refused({"instances": [encounter(diag_1=value)]}).details
    assert (detail.field, detail.row) == ("diag_1", 0)


def test_every_bad_field_of_every_row_is_told_at_once() -> None:
    error = refused({"instances": [encounter(age=1, gender="x"), encounter(), 5, encounter(a=1)]})
    told = [(detail.row, detail.field) for detail in error.details]
    assert sorted(told) == [(0, "age"), (0, "gender"), (2, "instances"), (3, "a")]
    assert str(error).startswith("4 invalid fields in 3 of 4 rows")


def test_details_stop_at_a_hundred_and_say_how_many_more_there_are() -> None:
    error = refused({"instances": [{}] * LIMIT})
    required = sum(not column.missing for column in encounter_schema().features)
    assert len(error.details) == 100
    assert f"{required * LIMIT - 100} more are not listed" in str(error)


def test_a_long_value_is_cut_in_the_answer() -> None:
    (detail,) = refused({"instances": [encounter(age="x" * 5000)]}).details
    assert detail.value == "x" * 80


@pytest.mark.parametrize(
    "body",
    [None, 3, "text", [], [{}], {}, {"instances": None}, {"instances": {}}, {"instances": []}],
)
def test_a_body_without_instances_is_refused(body: object) -> None:
    assert refused(body).status == HTTPStatus.BAD_REQUEST


def test_too_many_rows_are_refused_before_they_are_read() -> None:
    error = refused({"instances": [None] * (LIMIT + 1)})
    assert error.status == HTTPStatus.REQUEST_ENTITY_TOO_LARGE
    assert f"{LIMIT + 1} rows" in str(error)


def test_too_many_rows_of_tensors_are_refused() -> None:
    error = refused_tensors(tensors(random_rows(LIMIT + 1, seed=1)))
    assert error.status == HTTPStatus.REQUEST_ENTITY_TOO_LARGE


@given(JSON | st.fixed_dictionaries({"instances": st.lists(JSON)}))
def test_any_json_body_is_read_or_refused(body: object) -> None:
    assert refused(body).status in (400, 413)


@given(st.dictionaries(FIELD_NAMES, JSON))
def test_any_unknown_fields_are_refused_in_json(fields: dict[str, object]) -> None:
    sent = {**encounter(), **fields, "readmitted": fields}
    error = refused({"instances": [sent]}).to_json()
    told = {detail["field"] for detail in json.loads(json.dumps(error, allow_nan=False))["details"]}
    assert {name[:80] for name in fields if reader_refuses(name)} <= told


@given(st.lists(SENT_TENSORS, max_size=6))
def test_any_tensors_are_refused_when_they_are_no_encounter(sent: list[Sent]) -> None:
    assert json.dumps(refused_tensors(sent).to_json(), allow_nan=False)


@given(JSON | st.integers(min_value=2**63) | st.just(10**5000))
def test_an_echoed_value_is_short_json(value: object) -> None:
    echoed = json.dumps(shown(value), allow_nan=False)
    assert len(json.loads(echoed) if isinstance(shown(value), str) else echoed) <= 80


@given(st.lists(encounters(), min_size=1, max_size=4))
@settings(max_examples=50, deadline=None)
def test_both_protocols_read_the_same_encounters(rows: list[Row]) -> None:
    assert read_tensors(tensors(rows)) == read(*rows)


def test_a_tensor_may_be_a_column_of_one_wide_rows() -> None:
    rows = random_rows(3, seed=4)
    for flat in (True, False):
        sent = tensors(rows)
        for tensor in sent:
            assert isinstance(tensor.data, list)
            tensor.shape = [3, 1]
            tensor.data = tensor.data if flat else [[value] for value in tensor.data]
        assert read_tensors(sent).rows == rows


@pytest.mark.parametrize("datatype", ["INT64", "INT32", "FP32", "FP64"])
def test_numbers_may_come_in_four_datatypes(datatype: str) -> None:
    sent = tensors(random_rows(2, seed=5))
    for tensor in sent:
        tensor.datatype = datatype if tensor.datatype == "INT64" else "BYTES"
    assert len(read_tensors(sent).rows) == 2


def test_an_absent_tensor_means_missing_or_is_told_once() -> None:
    sent = [t for t in tensors(random_rows(3, seed=6)) if t.name not in ("weight", "age")]
    (detail,) = refused_tensors(sent).details
    assert (detail.row, detail.field, detail.why) == (None, "age", "absent")


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"datatype": "BOOL"}, "datatype"),
        ({"datatype": "INT64"}, "datatype"),
        ({"shape": [2]}, "shape"),
        ({"shape": [1, 3]}, "shape"),
        ({"shape": []}, "shape"),
        ({"shape": [-1]}, "shape"),
        ({"shape": [2], "data": ["Male", "Male"]}, "rows"),
        ({"data": "Male"}, "list"),
        ({"name": "sex"}, "unknown field"),
        ({"name": "race"}, "sent twice"),
    ],
)
def test_an_unsound_tensor_is_refused(change: dict[str, object], why: str) -> None:
    sent = tensors(random_rows(3, seed=7))
    for name, value in change.items():
        setattr(sent[1], name, value)
    assert why in refused_tensors(sent).details[0].why


def test_bad_values_of_tensors_are_told_by_row() -> None:
    sent = tensors(random_rows(3, seed=8))
    ages = next(tensor for tensor in sent if tensor.name == "age")
    ages.data = ["[0-10)", None, "old"]
    told = [(detail.row, detail.field) for detail in refused_tensors(sent).details]
    assert told == [(1, "age"), (2, "age")]


def test_a_request_may_carry_a_history_and_one_without_is_the_first() -> None:
    known = {"history_encounters": 2, "history_days": 9, "history_interval": 70_000}
    known["history_number_inpatient_change"] = -1
    sent = [{**encounter(), **known}, encounter(history_days=None)]
    carried, first = read_body({"instances": sent}, history=True).rows
    assert {name: carried[name] for name in known} == known
    assert carried["history_discharge_disposition_id"] == 0
    assert not any(first[name] for name in HISTORY)
    alone = tensors([dict(encounter())])  # type: ignore[arg-type]
    assert read_tensors(alone, history=True).rows == [first]


@given(
    st.lists(encounters(), min_size=1, max_size=3),
    st.dictionaries(FIELD_NAMES, JSON, max_size=2),
    st.integers(0, 2),
)
@settings(max_examples=200, deadline=None)
def test_the_short_way_reads_what_the_long_way_reads(
    rows: list[Row], changes: dict[str, object], place: int
) -> None:
    sent: list[dict[str, object]] = [dict(row) for row in rows]
    sent[place % len(rows)].update(changes)
    found = [read_carefully(instance) for instance in sent]
    result = result_of(lambda: read(*sent))
    if isinstance(result, RequestError):
        assert None in found
    else:
        assert result.rows == found
        assert result.encoded == encoder().encode_rows(result.rows).tobytes()


def read_carefully(sent: dict[str, object]) -> Row | None:
    """Read an encounter field by field; ``None`` when a field is bad."""
    problems, careful = Problems(), RowReader(encounter_schema())
    named = careful.canonical(0, sent, problems)
    row = careful.row(0, named, problems)
    careful.identifiers(0, named, problems)
    return None if problems else row


@pytest.mark.parametrize("datatype", ["FP64", "INT64"])
def test_a_number_that_is_known_as_an_integer_is_known_as_a_float(datatype: str) -> None:
    used = reader()
    (row,) = random_rows(1, seed=9)
    (whole,) = used.read_instances({"instances": [row]})
    sent = [Sent(t.name, t.datatype, t.shape, t.data) for t in tensors([row])]
    for tensor in sent:
        if tensor.datatype == "INT64":
            assert isinstance(tensor.data, list)
            tensor.datatype, tensor.data = datatype, [float(value) for value in tensor.data]
    (again,) = used.read_tensors(sent)
    assert again.matrix.tobytes() == whole.matrix.tobytes()


def test_values_that_training_never_saw_are_told_by_column() -> None:
    result = read(encounter(payer_code="ZZ"), encounter(), encounter(diag_1="999.9"))
    assert result.unseen == {"payer_code": {"ZZ"}, "diag_1": {"999.9"}}


def test_a_model_without_history_refuses_one() -> None:
    (detail,) = refused({"instances": [encounter(history_days=3)]}).details
    assert (detail.field, detail.why) == ("history_days", "unknown field")

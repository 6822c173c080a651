"""Large bodies that are read in pieces."""

from __future__ import annotations

import json
from collections.abc import Iterator

import httpx
import numpy as np
import orjson
import pytest
from builders import Row, random_rows
from hypothesis import given, settings
from hypothesis import strategies as st
from serving_process import JSON_TYPE, PREDICT, Served, assert_error, serving

from serving.pieces import LARGE, instance_pieces, parsed_pieces

TEXTS = st.text(st.sampled_from('{}[],:"\\ab ') | st.characters(codec="utf-8"), max_size=8)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=8,
)
SPACE = st.sampled_from(["", " ", "\n\t"])


@given(st.lists(VALUES, max_size=6), SPACE, st.booleans())
@settings(max_examples=300, deadline=None)
def test_pieces_that_parse_are_the_list_that_was_cut(
    some: list[object], space: str, ascii_only: bool
) -> None:
    filler = [{"text": "x" * 1000, "},": "},{"}] * 70
    instances = [*some, *filler, *some, *filler, *some]
    text = json.dumps({"instances": instances}, ensure_ascii=ascii_only, separators=(",", ":"))
    pieces = instance_pieces(f"{space}{text}{space}".encode())
    assert pieces
    try:
        found = [each for piece in parsed_pieces(pieces) for each in piece]
    except orjson.JSONDecodeError:
        return  # the cut fell into a text: the server parses the whole body
    assert found == instances


@pytest.mark.parametrize(
    "body",
    [
        b'{"instances": []}',
        b"[" + b" " * LARGE + b"]",
        b'{"other": 1, "instances": [' + b" " * LARGE + b"]}",
        b'{"instances": {' + b" " * LARGE + b"}}",
        b" " * LARGE,
    ],
    ids=["small", "no object", "another field first", "no list", "nothing"],
)
def test_another_body_is_not_cut(body: bytes) -> None:
    assert instance_pieces(body) == []


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with serving(tmp_path_factory.mktemp("pieces"), "--max-batch", "900") as (server, _):
        yield server


def post(served: Served, body: bytes) -> httpx.Response:
    return served.client.post(PREDICT, content=body, headers=JSON_TYPE)


def many(seed: int = 70) -> list[Row]:
    return random_rows(800, seed)


def test_a_large_request_is_answered_as_its_rows_are(served: Served) -> None:
    rows = many()
    body = orjson.dumps({"instances": rows})
    assert instance_pieces(body)
    found = [each["probability"] for each in post(served, body).json()["predictions"]]
    assert np.abs(np.array(found) - served.bundle.score_rows(rows)).max() < 1e-6


@pytest.mark.parametrize("place", [0, 400, 799])
def test_every_bad_field_of_a_large_request_is_told_by_its_row(served: Served, place: int) -> None:
    rows: list[dict[str, object]] = [dict(row) for row in many()]
    rows[place]["age"] = rows[3]["gender"] = "},{"
    told = assert_error(post(served, orjson.dumps({"instances": rows})), 400)["details"]
    assert {(each["row"], each["field"]) for each in told} == {(place, "age"), (3, "gender")}


def test_a_cut_that_falls_into_a_text_does_no_harm(served: Served) -> None:
    rows = [{**row, "medical_specialty": "},{},{},{},{},{},{},{},"} for row in many()]
    answer = post(served, orjson.dumps({"instances": rows}))
    assert len(answer.json()["predictions"]) == 800


@pytest.mark.parametrize(
    ("tail", "status"),
    [(b"]", 400), (b"],}", 400), (b'],"instances":[]}', 400), (b'],"more":[1]}', 200)],
)
def test_a_body_that_ends_oddly_is_read_as_a_whole(
    served: Served, tail: bytes, status: int
) -> None:
    body = orjson.dumps({"instances": many()})[: -len("]}")] + tail
    assert post(served, body).status_code == status


def test_too_many_rows_of_a_large_body_are_counted(served: Served) -> None:
    answer = post(served, orjson.dumps({"instances": random_rows(901, seed=71)}))
    assert "901 rows" in assert_error(answer, 413)["error"]

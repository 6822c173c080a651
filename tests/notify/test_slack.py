from __future__ import annotations

import json
import re
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from components.notify.slack import escaped, slack_message
from components.notify.summary import Facts, Gate, RunState, Summary

MOST_IN_BLOCKS = 12_000  # characters; Slack answers msg_blocks_too_long at about 13,000
MARKUP = re.compile(r"<https?://[^<>|\s]+\|[^<>]+>")
ENTITY = re.compile(r"&(?:amp|lt|gt);")

TEXTS = st.text(st.characters(), max_size=80)
LONG = st.builds(str.__mul__, st.text(st.characters(), max_size=30), st.integers(1, 500))
ANY = st.one_of(TEXTS, LONG, st.sampled_from(["<!channel>", "&amp;", "<@U1>", "a|b>c", "\ud800"]))
TARGETS = st.one_of(ANY, ANY.map("https://mlflow/{}".format), ANY.map("http://{}".format))

FACTS = st.builds(
    Facts,
    failed_step=ANY,
    message=ANY,
    decision=st.sampled_from(Gate),
    reasons=st.lists(ANY, max_size=40).map(tuple),
    version=ANY,
    synthetic=st.booleans(),
    links=st.dictionaries(ANY, TARGETS, max_size=12),
)
SUMMARIES = st.builds(
    Summary, ANY, st.sampled_from(RunState), FACTS, st.lists(ANY, max_size=10).map(tuple)
)
WORST = Summary(
    "r&" * 300,
    RunState.FAILED,
    Facts(
        failed_step="s",
        message="&" * 9000,
        decision=Gate.REFUSE,
        reasons=("<" * 9000,) * 40,
        synthetic=True,
        links={f"link {number}": "&" * 9000 for number in range(40)},
    ),
    (">" * 9000,) * 40,
)
SMALL = Summary("run-1", RunState.FAILED, Facts("tune", "no trial reported a result"))


def texts(message: dict[str, Any]) -> list[str]:
    return [block["text"]["text"] for block in message["blocks"]]


def section_with(message: dict[str, Any], part: str) -> str:
    (found,) = [text for text in texts(message) if part in text]
    return found


@settings(deadline=None, max_examples=200)
@given(SUMMARIES)
@example(WORST)
@example(replace(SMALL, facts=Facts()))
def test_any_summary_fits_slacks_limits(summary: Summary) -> None:
    message = slack_message(summary)
    json.dumps(message, ensure_ascii=False).encode("utf-8")
    assert set(message) == {"text", "blocks"}
    assert 1 <= len(message["text"]) <= 3000
    assert 1 <= len(message["blocks"]) <= 50
    for block in message["blocks"]:
        limit = {"header": 150, "section": 3000}[block["type"]]
        assert 1 <= len(block["text"]["text"]) <= limit
    assert sum(map(len, texts(message))) <= MOST_IN_BLOCKS


@settings(deadline=None, max_examples=200)
@given(SUMMARIES)
@example(WORST)
def test_nothing_in_any_summary_is_taken_for_markup(summary: Summary) -> None:
    message = slack_message(summary)
    header, *sections = message["blocks"]
    assert header["text"]["type"] == "plain_text"
    for text in [message["text"], *(s["text"]["text"] for s in sections)]:
        rest = MARKUP.sub("", text)
        assert not re.search("[<>]", rest)
        assert "&" not in ENTITY.sub("", rest)
        assert all(c.isprintable() or c == "\n" for c in text)


@pytest.mark.parametrize(
    ("text", "limit", "expected"),
    [
        ("a & b <c>", 50, "a &amp; b &lt;c&gt;"),
        ("&&&", 15, "&amp;&amp;&amp;"),
        ("&&&", 14, "&amp;&amp;…"),
        ("abcdef", 5, "abcd…"),
        ("two\nlines\tand \u202emore", 50, "two lines and more"),
    ],
)
def test_control_characters_are_escaped_and_an_escape_is_never_cut(
    text: str, limit: int, expected: str
) -> None:
    assert escaped(text, limit) == expected


def test_a_failure_names_the_run_the_state_the_step_and_the_reason() -> None:
    message = slack_message(SMALL)
    assert message["text"] == "run-1 FAILED: in tune: no trial reported a result"
    assert texts(message) == [":x: run-1 FAILED", "in tune: no trial reported a result"]


def test_the_gates_reasons_and_what_was_not_done_are_listed() -> None:
    facts = Facts(decision=Gate.REFUSE, reasons=("ok: AUC 0.7 >= floor", "FAILED: Brier < 0.2"))
    summary = Summary("run-1", RunState.SUCCEEDED, facts, ("MLflow's runs may still be open: x",))
    message = slack_message(summary)
    assert section_with(message, "AUC") == "• ok: AUC 0.7 &gt;= floor\n• FAILED: Brier &lt; 0.2"
    assert section_with(message, "MLflow") == "not done: MLflow's runs may still be open: x"


def test_urls_become_links_and_paths_stay_text() -> None:
    links = {
        "MLflow run": "https://mlflow/#/experiments/1/runs/ab?x=1&y=<2>|3",
        "report": "/state folder/runs/report.html",
    }
    message = slack_message(replace(SMALL, facts=Facts(links=links)))
    assert section_with(message, "MLflow").splitlines() == [
        "<https://mlflow/#/experiments/1/runs/ab?x=1&amp;y=%3C2%3E%7C3|MLflow run>",
        "report: /state folder/runs/report.html",
    ]


def test_a_summary_of_synthetic_data_says_so() -> None:
    message = slack_message(replace(SMALL, facts=Facts(synthetic=True)))
    assert "synthetic" in message["text"]
    assert "synthetic" in texts(message)[0]

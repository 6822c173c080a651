from __future__ import annotations

import logging
import time
from dataclasses import replace
from http.server import BaseHTTPRequestHandler

import httpx
import pytest
from notify.hooks import (
    SECRET,
    SHORT,
    Answer,
    Hook,
    close,
    garbage,
    half_an_answer,
    refusing,
    status,
    webhook,
)
from pydantic import SecretStr

from components.notify.webhook import Patience, WebhookError, post

MESSAGE = {"text": "a run ended", "blocks": []}
PARTS = SECRET.split("/")


@pytest.fixture(autouse=True)
def _all_logged(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)


def failure(hook: Hook, patience: Patience = SHORT) -> str:
    with pytest.raises(WebhookError) as failed:
        post(hook.url, MESSAGE, patience)
    return str(failed.value)


def hang(request: BaseHTTPRequestHandler) -> None:
    time.sleep(0.5)


def dribble(request: BaseHTTPRequestHandler) -> None:
    for letter in b"HTTP/1.1 200 OK\r\nX-Slow: 1\r\n" * 20:
        time.sleep(0.02)
        request.wfile.write(bytes([letter]))
        request.wfile.flush()


def test_a_message_is_posted_once_as_json() -> None:
    with webhook(status(200)) as hook:
        post(hook.url, MESSAGE, SHORT)
    assert hook.bodies == [MESSAGE]


@pytest.mark.parametrize("passing", [status(500), status(503), status(429), close, garbage])
def test_a_passing_trouble_is_tried_again(passing: Answer) -> None:
    with webhook(passing, passing, status(200)) as hook:
        post(hook.url, MESSAGE, SHORT)
    assert len(hook.bodies) == 3


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (status(500), "answered 500"),
        (close, "RemoteProtocolError"),
        (garbage, "RemoteProtocolError"),
        (half_an_answer, "RemoteProtocolError"),
    ],
    ids=["500", "closes early", "garbage", "half an answer"],
)
def test_a_lasting_trouble_is_one_line_after_two_further_attempts(answer: Answer, why: str) -> None:
    with webhook(answer) as hook:
        assert failure(hook) == f"webhook at 127.0.0.1: {why}"
    assert len(hook.bodies) == 3


def test_a_server_that_hangs_is_given_up_after_two_further_attempts() -> None:
    with webhook(hang) as hook:
        why = failure(hook, replace(SHORT, attempt_s=0.2))
    assert why == "webhook at 127.0.0.1: no answer within 0.2 s"


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (status(404, b"no_service"), "answered 404 no_service"),
        (status(403, b"invalid_token\n"), "answered 403 invalid_token"),
        (status(400, b"<html>bad services</html>"), "answered 400"),
        (status(404, b"services"), "answered 404"),
        (status(400, SECRET.encode()), "answered 400"),
        (status(302, b"", {"Location": "/elsewhere"}), "answered 302"),
    ],
)
def test_a_refusal_is_not_tried_again_and_told_in_slacks_own_word(answer: Answer, why: str) -> None:
    with webhook(answer) as hook:
        assert failure(hook) == f"webhook at 127.0.0.1: {why}"
    assert len(hook.bodies) == 1


def test_a_refused_connection_is_one_line() -> None:
    assert failure(refusing()) == "webhook at 127.0.0.1: [Errno 111] Connection refused"


def test_a_server_without_tls_is_one_line() -> None:
    with webhook(status(200)) as hook:
        secure = SecretStr(hook.url.get_secret_value().replace("http://", "https://"))
        with pytest.raises(WebhookError, match=r"^webhook at 127\.0\.0\.1: \[SSL[^\n]*$"):
            post(secure, MESSAGE, SHORT)
    assert hook.bodies == []


def test_a_name_that_nobody_knows_is_one_line() -> None:
    with pytest.raises(WebhookError, match=r"^webhook at hooks\.invalid: [^\n]+$") as failed:
        post(SecretStr(f"https://hooks.invalid/services/{SECRET}"), MESSAGE, SHORT)
    assert not any(part in str(failed.value) for part in PARTS)


def test_a_server_that_answers_letter_by_letter_is_not_waited_for_beyond_the_total() -> None:
    started = time.monotonic()
    with webhook(dribble) as hook:
        why = failure(hook, Patience(attempt_s=1.0, waits_s=(), total_s=0.4))
        assert time.monotonic() - started < 5
    assert why == "webhook at 127.0.0.1: not done within 0.4 s"


def test_the_default_patience_is_bounded_by_a_quarter_of_a_minute() -> None:
    patience = Patience()
    assert patience.total_s <= 15
    assert len(patience.waits_s) <= 2
    attempts = 1 + len(patience.waits_s)
    assert attempts * patience.attempt_s + sum(patience.waits_s) <= patience.total_s


@pytest.mark.parametrize(
    "url",
    [
        f"hooks.slack.com/services/{SECRET}",
        f"https:/hooks.slack.com/services/{SECRET}",
        f"https://hooks.slack.com\\services\\{SECRET}",
        f"https://hooks.slack.com:{SECRET}",
        f"https://[hooks.slack.com/services/{SECRET}",
        f"https://hooks slack com/services/{SECRET}",
        f"ftp://hooks.slack.com/services/{SECRET}",
        f"file:///services/{SECRET}",
        f"https:///{SECRET}",
        SECRET,
    ],
)
def test_of_a_malformed_url_nothing_is_told(url: str, caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(WebhookError) as failed:
        post(SecretStr(url), MESSAGE, SHORT)
    assert str(failed.value) == "the webhook's URL is malformed; write it as https://HOST/PATH"
    assert not any(part in caplog.text for part in PARTS)


@pytest.mark.parametrize("path", ["\x00", "services\nx", "\ud800"])
def test_a_url_that_httpx_refuses_is_one_line(path: str) -> None:
    with pytest.raises(WebhookError, match=r"^webhook at 127\.0\.0\.1: \w+$"):
        post(SecretStr(f"http://127.0.0.1:9/{SECRET}/{path}/x"), MESSAGE, SHORT)


def test_white_space_around_the_url_does_no_harm() -> None:
    with webhook(status(200)) as hook:
        post(SecretStr(f" {hook.url.get_secret_value()}\n"), MESSAGE, SHORT)
    assert hook.bodies == [MESSAGE]


def test_of_the_url_only_the_host_reaches_a_log(caplog: pytest.LogCaptureFixture) -> None:
    url = ""
    for answer in (status(200), status(500), status(404, SECRET.encode()), garbage, close):
        with webhook(answer) as hook:
            url = hook.url.get_secret_value()
            try:
                post(hook.url, MESSAGE, SHORT)
            except WebhookError as error:
                logging.getLogger("test").error("%s", error, exc_info=error)
    assert "webhook at 127.0.0.1" in caplog.text
    assert not any(part in caplog.text for part in (*PARTS, url, "services"))


def test_afterwards_httpx_logs_as_before(caplog: pytest.LogCaptureFixture) -> None:
    with webhook(status(200)) as hook:
        post(hook.url, MESSAGE, SHORT)
        httpx.post(f"http://127.0.0.1:{hook.port}/plain", json=MESSAGE)
    assert "/plain" in caplog.text
    assert "httpcore" in caplog.text

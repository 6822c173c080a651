"""A quick HTTP client: one thread, several kept connections, a request in flight on each."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException

CONNECTIONS = 8
SECONDS = 20

Headers = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Request:
    """What is sent, and what it deserves.

    A body in ``chunks`` has no content-length. ``risks`` are those of a request without a fault;
    none are known of others.
    """

    method: str
    path: str
    headers: Headers
    body: bytes
    chunks: int = 0
    risks: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back; status 0 when the connection broke."""

    status: int
    kind: str
    body: bytes


def answers(port: int, requests: Iterable[Request]) -> Iterator[tuple[Request, Answer]]:
    """Send each request and yield its answer, in order."""
    with ExitStack() as stack:
        idle = deque(
            stack.enter_context(closing(HTTPConnection("127.0.0.1", port, timeout=SECONDS)))
            for _ in range(CONNECTIONS)
        )
        flying: deque[tuple[Request, HTTPConnection]] = deque()
        for request in requests:
            if not idle:
                sent, connection = flying.popleft()
                yield sent, _received(connection)
                idle.append(connection)
            flying.append((request, idle.popleft()))
            try:
                _send(*flying[-1])
            except ConnectionError:
                flying[-1][1].close()  # so that its answer is told as broken
        for sent, connection in flying:
            yield sent, _received(connection)


def _send(request: Request, connection: HTTPConnection) -> None:
    connection.putrequest(request.method, request.path, skip_accept_encoding=True)
    for name, value in request.headers:
        connection.putheader(name, value)
    if request.chunks:
        connection.putheader("Transfer-Encoding", "chunked")
        connection.endheaders(_parts(request.body, request.chunks), encode_chunked=True)
    else:
        connection.putheader("Content-Length", str(len(request.body)))
        connection.endheaders(request.body)


def _parts(body: bytes, chunks: int) -> Iterator[bytes]:
    size = max(1, len(body) // chunks)
    return (body[start : start + size] for start in range(0, len(body), size))


def _received(connection: HTTPConnection) -> Answer:
    try:
        response = connection.getresponse()
        return Answer(response.status, response.headers.get_content_type(), response.read())
    except (ConnectionError, HTTPException) as error:
        connection.close()
        return Answer(0, "", repr(error).encode())

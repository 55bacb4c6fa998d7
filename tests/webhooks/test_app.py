"""The application over a real socket: what it answers, how soon, what it wakes, and what it never tells."""

from __future__ import annotations

import hashlib
import hmac
import json
import logging
import socket
import threading
import time
from collections.abc import Iterator
from typing import NamedTuple

import httpx
import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.routing import Mount

from openrouter_video.errors import ConfigurationError
from openrouter_video.webhooks import Woken, webhook_app
from tests.support.flow_processes import wait_until

SECRET = "sixteen-letters!"
NOW = 1_790_983_457
KEY = "0123456789abcdef" * 2
MEGABYTES = 10 * 2**20


def notice(job: str = "gen-vid-1", end: str = "completed") -> bytes:
    """The body of a webhook."""
    return json.dumps({"type": f"video.generation.{end}", "data": {"id": job, "status": end}}).encode()


def signed(body: bytes, moment: int = NOW) -> dict[str, str]:
    """The headers of a webhook that is signed."""
    digest = hmac.new(SECRET.encode(), f"{moment},".encode() + body, hashlib.sha256).hexdigest()
    return {"X-OpenRouter-Signature": f"t={moment},v1={digest}"}


class Served(NamedTuple):
    """A running application, and what it has woken."""

    url: str
    port: int
    woken: list[Woken]

    def post(self, body: bytes, headers: dict[str, str], query: str = f"?key={KEY}") -> tuple[int, str]:
        """Send a webhook; the status and the words of the answer."""
        answer = httpx.post(f"{self.url}/in{query}", content=body, headers=headers, trust_env=False, timeout=60)
        return answer.status_code, str(answer.json()["message"])

    def raw(self, *pieces: bytes) -> bytes:
        """Send bytes as they are, and return all that comes until the end of the connection."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=60) as connection:
            for piece in pieces:
                connection.sendall(piece)
            return b"".join(iter(lambda: connection.recv(65536), b""))


@pytest.fixture(scope="module")
def served() -> Iterator[Served]:
    """The application below a path of another one, as people mount it; a body may take half a second."""
    woken: list[Woken] = []
    app = Starlette(
        routes=[
            Mount("/hooks", webhook_app(woken.append, SECRET, clock=lambda: NOW + 0.5, body_seconds=0.5)),
            Mount("/open", webhook_app(woken.append, None)),
        ]
    )
    server = uvicorn.Server(uvicorn.Config(app, ws="none", lifespan="off", log_config=None, access_log=False))
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = int(listening.getsockname()[1])
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
        thread.start()
        wait_until(lambda: server.started)
        yield Served(f"http://127.0.0.1:{port}/hooks", port, woken)
        server.should_exit = True
        thread.join(10)


def test_a_notice_wakes_once(served: Served) -> None:
    """However often it comes; another end, another job and another key are notices of their own."""
    served.woken.clear()
    other = KEY[::-1]
    told = [
        (notice(), KEY),
        (notice(), KEY),
        (notice(end="failed"), KEY),
        (notice("gen-vid-2"), KEY),
        (notice(), other),
    ]
    answers = [served.post(body, signed(body, NOW + n), f"?token=x&key={key}") for n, (body, key) in enumerate(told)]
    assert [status for status, _ in answers] == [202, 200, 202, 202, 202]
    assert answers[1][1] == "seen already"
    assert [*served.woken] == [
        Woken(KEY, "gen-vid-1-completed"),
        Woken(KEY, "gen-vid-1-failed"),
        Woken(KEY, "gen-vid-2-completed"),
        Woken(other, "gen-vid-1-completed"),
    ]


BODY = notice("gen-vid-3")
OTHER_EVENT = b'{"type": "video.generation.started", "data": {}}'


@pytest.mark.parametrize(
    ("body", "headers", "query", "status", "words"),
    [
        (BODY, {}, "", 401, "there is no signature"),
        (BODY, signed(b"another body"), "", 401, "the signature is wrong"),
        (BODY, signed(BODY, NOW - 301), "", 401, "the signature is 302 s old; at most 300 s are allowed"),
        (BODY, {"X-OpenRouter-Signature": "garbage"}, "", 401, "the signature does not say when it was made"),
        (b"[]", signed(b"[]"), "", 400, "this is not a notice of a job's end"),
        (b"", signed(b""), "", 400, "this is not a notice of a job's end"),
        (BODY, signed(BODY), "", 200, "not ours: there is no ledger key in the address"),
        (BODY, signed(BODY), "?key=../_money", 200, "not ours: there is no ledger key in the address"),
        (OTHER_EVENT, signed(OTHER_EVENT), f"?key={KEY}", 200, "an event of another kind; nothing to do"),
        (b" " * 65_536, signed(b""), "", 401, "the signature is wrong"),
        (b" " * 65_537, signed(b""), "", 413, "a webhook has at most 64 kB"),
        (b" " * MEGABYTES, signed(b""), "", 413, "a webhook has at most 64 kB"),
    ],
)
def test_what_wakes_nothing(
    served: Served, body: bytes, headers: dict[str, str], query: str, status: int, words: str
) -> None:
    """Each is answered in words; of a body that is too large too the sender can read the answer."""
    served.woken.clear()
    assert served.post(body, headers, query) == (status, words)
    assert [*served.woken] == []


def test_a_large_body_without_a_length(served: Served) -> None:
    """It is counted; and to one that only says that it is huge, the answer comes before it is sent."""
    pieces = (b" " * 65_536 for _ in range(MEGABYTES // 65_536))
    answer = httpx.post(f"{served.url}/in", content=pieces, trust_env=False, timeout=60)
    assert (answer.status_code, answer.headers["connection"]) == (413, "close")
    for length, status in ((MEGABYTES, 413), ("9" * 20, 413), ("9" * 30, 400), ("-1", 400)):
        said = served.raw(f"POST /hooks/in HTTP/1.1\r\nHost: x\r\nContent-Length: {length}\r\n\r\n".encode())
        assert said.startswith(b"HTTP/1.1 %d " % status)


def test_a_slow_body(served: Served) -> None:
    """It has its time; one that breaks off is nobody's. Others are answered meanwhile."""
    head = b"POST /hooks/in HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n"
    with socket.create_connection(("127.0.0.1", served.port), timeout=60) as gone:
        gone.sendall(head + b"half of")
    with socket.create_connection(("127.0.0.1", served.port), timeout=60) as slow:
        began = time.monotonic()
        slow.sendall(head + b"half of")
        assert httpx.get(f"{served.url}/health", trust_env=False).json() == {"status": "ok"}
        said = b"".join(iter(lambda: slow.recv(65536), b""))
    assert said.startswith(b"HTTP/1.1 408 ")
    assert time.monotonic() - began >= 0.4


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE", "OPTIONS", "PROPFIND"])
def test_another_method(served: Served, method: str) -> None:
    """Only POST; a health check is at its own address."""
    answer = httpx.request(method, f"{served.url}/in?key={KEY}", trust_env=False)
    assert (answer.status_code, answer.headers["allow"]) == (405, "POST")


def test_a_log_tells_no_secret_and_does_not_grow(served: Served, caplog: pytest.LogCaptureFixture) -> None:
    """Neither a body, nor a signature, nor an address; of a hundred refusals a line or two."""
    body = notice("s3cr3t-body")
    with caplog.at_level(logging.DEBUG):
        served.post(body, signed(body), "?token=s3cr3t-query&key=s3cr3t-key")
        for _ in range(100):
            served.post(body, signed(b"s3cr3t"), "?key=s3cr3t-key")
    ours = [record for record in caplog.records if record.name.startswith("openrouter_video")]
    assert len(ours) <= 2
    assert "s3cr3t" not in "".join(record.getMessage() for record in ours)


def test_without_a_secret_everybody_is_believed(served: Served) -> None:
    """For a machine of one's own."""
    served.woken.clear()
    answer = httpx.post(f"{served.url.replace('/hooks', '/open/')}?key={KEY}", content=BODY, trust_env=False)
    assert (answer.status_code, [*served.woken]) == (202, [Woken(KEY, "gen-vid-3-completed")])
    with pytest.raises(ConfigurationError, match="has 5 characters"):
        webhook_app(served.woken.append, "short")


async def test_its_memory_has_an_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """The oldest of many notices is forgotten, the latest are not; what it costs is one more collection."""
    monkeypatch.setattr("openrouter_video.webhooks.app.MOST_REMEMBERED", 3)
    woken: list[Woken] = []
    transport = httpx.ASGITransport(webhook_app(woken.append, None))
    async with httpx.AsyncClient(transport=transport, base_url="http://receiver") as client:
        told = [0, 1, 2, 3, 2, 0]
        statuses = [
            (await client.post(f"/?key={KEY}", content=notice(f"gen-vid-{number}"))).status_code for number in told
        ]
    assert statuses == [202, 202, 202, 202, 200, 202]
    assert len(woken) == 5

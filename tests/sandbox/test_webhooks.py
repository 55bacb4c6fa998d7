"""The sandbox's webhooks on the wire: who is told what, signed how, and what can go wrong with them."""

from __future__ import annotations

import hashlib
import hmac
import json
import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import pytest
from pydantic import ValidationError

from openrouter_video.sandbox import Fault, Sandbox
from openrouter_video.sandbox.jobs import Terminal
from tests.support.flow_processes import wait_until

BODY = {"model": "x-ai/grok-imagine-video", "prompt": "a kite", "duration": 1, "resolution": "480p"}
SECRET = "sandbox-webhook-secret"


class Got(NamedTuple):
    """One request of the receiver."""

    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def event(self) -> Any:
        """Its JSON."""
        return json.loads(self.body)

    @property
    def made_at(self) -> int | None:
        """When it was signed, if it was signed by who knows the secret."""
        match = re.fullmatch("t=([0-9]+),v1=([0-9a-f]{64})", self.headers.get("x-openrouter-signature", ""))
        if match is None:
            return None
        right = hmac.new(SECRET.encode(), f"{match[1]},".encode() + self.body, hashlib.sha256).hexdigest()
        return int(match[1]) if right == match[2] else None


@contextmanager
def receiver() -> Iterator[tuple[str, list[Got]]]:
    """Take every POST, and answer 204; the address, and what came."""
    got: list[Got] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            got.append(Got(self.path, {name.lower(): value for name, value in self.headers.items()}, body))
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Stay silent."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/in?key=abc", got
        server.shutdown()


def submit(sandbox: Sandbox, url: str | None) -> str:
    """Submit a job whose end is told there, and return its id."""
    body = BODY if url is None else {**BODY, "callback_url": url}
    headers = {"authorization": f"Bearer {sandbox.api_key}"}
    answer = httpx.post(f"{sandbox.base_url}/videos", json=body, headers=headers, trust_env=False)
    assert answer.status_code == 202, answer.text
    return str(answer.json()["id"])


def test_each_end_is_told_once_and_signed() -> None:
    """Completed with the price and the address of the video, the other ends with the error; a dead job is not told."""
    with receiver() as (url, got), Sandbox(job_seconds=600, webhook_secret=SECRET) as sandbox:
        ends: tuple[Terminal, ...] = ("completed", "failed", "cancelled", "expired", "dead")
        jobs = {submit(sandbox, url): end for end in ends}
        quiet = submit(sandbox, None)
        for job, end in {**jobs, quiet: "completed"}.items():
            sandbox.finish(job, end)
        wait_until(lambda: len(sandbox.webhooks) == 4)
        told = sorted(f"{job}-{end}" for job, end in jobs.items() if end != "dead")
        assert sorted(one.headers["x-openrouter-idempotency-key"] for one in got) == told
        for one in got:
            event, end = one.event, jobs[one.event["data"]["id"]]
            assert (event["type"], event["data"]["status"], one.path) == (
                f"video.generation.{end}",
                end,
                "/in?key=abc",
            )
            assert abs((one.made_at or 0) - time.time()) < 60
            more = {"unsigned_urls", "usage"} if end == "completed" else {"error"}
            assert set(event["data"]) == {"id", "status", "generation_id", "model", *more}
        served = httpx.get(f"{sandbox.base_url.removesuffix('/api/v1')}/sandbox/webhooks", trust_env=False).json()
        assert served == {"webhooks": [one.model_dump() for one in sandbox.webhooks]}
        assert {(one.signed, one.status, one.url) for one in sandbox.webhooks} == {(True, 204, url)}


def test_what_can_go_wrong_with_them() -> None:
    """Twice, forged, without a signature, old, with another body, late and so behind the next one, never."""
    faults = [
        Fault(on="webhook", mangle="twice"),
        Fault(on="webhook", mangle="forged"),
        Fault(on="webhook", mangle="unsigned"),
        Fault(on="webhook", mangle="old"),
        Fault(on="webhook", body="not JSON"),
        Fault(on="webhook", drop="before"),
        Fault(on="webhook", delay_seconds=0.3),
    ]
    with receiver() as (url, got), Sandbox(job_seconds=0, faults=faults, webhook_secret=SECRET) as sandbox:
        jobs = []
        for n, count in enumerate((2, 3, 4, 5, 6, 6)):
            jobs.append(submit(sandbox, url))
            if n == 5:  # one that is never sent leaves no trace by which it could be waited for
                jobs.append(submit(sandbox, url))
            wait_until(lambda count=count: len(sandbox.webhooks) >= count)  # type: ignore[misc]
        jobs.append(submit(sandbox, url))
        wait_until(lambda: len(sandbox.webhooks) == 8)
        job = [one.event["data"]["id"] if one.body != b"not JSON" else None for one in got]
        assert job[:6] == [jobs[0], jobs[0], jobs[1], jobs[2], jobs[3], None]
        assert len({jobs[5], jobs[6]} & {*job}) == 1
        assert jobs[7] in job[6:]
        assert [one.made_at is not None for one in got[:6]] == [True, True, False, False, True, True]
        assert "x-openrouter-signature" not in got[3].headers
        assert 3590 < time.time() - (got[4].made_at or 0) < 3700


def test_a_receiver_that_is_away_is_not_told_again(tmp_path: Path) -> None:
    """What became of it is on record; the next sandbox on the same state tells only of what ends there.

    One on another machine is not told at all, under whatever name.
    """
    state = tmp_path / "jobs.json"
    with Sandbox(job_seconds=600, state=state) as sandbox:
        first, second = (submit(sandbox, "http://127.0.0.1:9/") for _ in range(2))
        sandbox.finish(first)
        wait_until(lambda: len(sandbox.webhooks) == 1)
        assert (sandbox.webhooks[0].job_id, sandbox.webhooks[0].status) == (first, None)
    with Sandbox(job_seconds=600, state=state) as sandbox:
        sandbox.finish(second)
        wait_until(lambda: len(sandbox.webhooks) == 1)
        assert (sandbox.webhooks[0].job_id, sandbox.webhooks[0].signed) == (second, False)
        elsewhere = ("https://hooks.example.com/", "https://localhost.example.com/", "https://127.0.0.1@example.com/")
        for url in elsewhere:
            sandbox.finish(submit(sandbox, url))
        wait_until(lambda: len(sandbox.webhooks) == 4)
        assert [(one.url, one.status) for one in sandbox.webhooks[1:]] == [(url, None) for url in elsewhere]


@pytest.mark.parametrize("field", [{"status": 500}, {"headers": {"a": "b"}}, {"mangle": "html"}, {"accepted": True}])
def test_a_webhook_has_faults_of_its_own(field: dict[str, Any]) -> None:
    """What only an answer can have is refused."""
    with pytest.raises(ValidationError, match="does not fit on='webhook'"):
        Fault(on="webhook", **field)

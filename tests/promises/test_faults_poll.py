"""What can go wrong while a job is waited for, through the whole flow: a paid job is never lost, nor the key."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import pytest

from openrouter_video.sandbox import Fault, Sandbox
from tests.support.grains import in_a_lane, in_both_grains

if TYPE_CHECKING:
    from tests.support.faulty_runs import FaultyRuns

pytestmark = pytest.mark.usefixtures("prefect_server")

KEY = "one-video"


# ---- What passes -----------------------------------------------------------------------------------------------------


@in_both_grains
async def test_a_poll_that_tells_nothing_is_asked_again(runs: FaultyRuns) -> None:
    """Whatever answers in a row, the job is waited for: completed, one job, one POST."""
    faults: list[dict[str, Any]] = [
        *({"status": status, "times": 2} for status in (500, 502, 503)),
        {"status": 429, "headers": {"Retry-After": "1"}, "times": 3},
        *({"drop": "before", "times": 2}, {"drop": "after", "times": 2}, {"delay_seconds": 0.9, "times": 2}),
        *({"mangle": "not_json"}, {"mangle": "html"}),
        *({"body": body} for body in ("", "[" * 100_000, "\x00\xff")),
        *({"body": body, "status": 200} for body in ([1], "null", {}, {"status": 7}, {"status": None}, {"id": "x"})),
        *({"mangle": "unknown_status", "times": 3}, {"body": {"status": "COMPLETED\n"}}),
        *({"status": status} for status in (400, 408, 409, 418, 499, 504, 524, 529)),
    ]
    for fault in faults:
        runs.sandbox.add_fault(Fault(on="poll", **fault))
    runs.be_impatient(poll=0.4)
    outcome = await runs.generate(idempotency_key=KEY)
    assert (outcome.status, outcome.error, outcome.reused) == ("completed", None, False)
    assert runs.count("poll") == sum(fault.get("times", 1) for fault in faults) + 1
    assert (runs.jobs, runs.count("submit")) == (1, 1)


@pytest.mark.parametrize("asked", ["90", "date"])
@in_a_lane
async def test_retry_after_of_a_poll_is_kept(runs: FaultyRuns, asked: str) -> None:
    """In seconds, and as an HTTP date."""
    date = format_datetime(datetime.now(UTC) + timedelta(seconds=91), usegmt=True)
    headers = {"Retry-After": date if asked == "date" else asked}
    runs.sandbox.add_fault(Fault(on="poll", status=429, headers=headers))
    outcome = await runs.generate(idempotency_key=KEY)
    assert (outcome.status, runs.jobs) == ("completed", 1)
    assert runs.time.slept[1] == pytest.approx(90, abs=3)


@in_a_lane
async def test_surprises_in_the_last_answer_do_not_lose_the_video(runs: FaultyRuns) -> None:
    """A price that is none, and a strange date: completed all the same, at an unknown price."""
    body = '{"status": "completed", "usage": {"cost": NaN, "is_byok": "?"}, "expires_at": [1], "unsigned_urls": {}}'
    for _ in range(4):  # so many videos a sandbox draws of one request; then it has the next one at hand
        await runs.generate()
    runs.sandbox.add_fault(Fault(on="poll", body=body))
    outcome = await runs.generate(idempotency_key=KEY)
    assert (outcome.status, outcome.cost_usd, runs.jobs) == ("completed", None, 5)


# ---- What does not pass by itself ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "message", "advice"),
    [
        (401, "User not found.", "with the key that submitted it"),
        (404, "Job gen-vid-x not found", "does not know the job under this key and base URL"),
    ],
)
@in_both_grains
async def test_a_poll_that_is_refused_leaves_the_job_open_at_once(
    runs: FaultyRuns, status: int, message: str, advice: str
) -> None:
    """Asking again would not help; a new run with the key sends no POST, and collect completes it later."""
    body = {"error": {"code": status, "message": message}}
    runs.sandbox.add_fault(Fault(on="poll", status=status, body=body, times=None))
    first, retried = await runs.generate_in_retried_flow(idempotency_key=KEY)
    assert (runs.count("poll"), len(runs.time.slept)) == (2, 1)
    for outcome in (first, retried):
        assert (outcome.status, outcome.job_id) == ("open", runs.sandbox.charges[0].job_id)
        assert f"HTTP {status}: {message.rstrip('.')}" in (outcome.error or "")
        assert advice in (outcome.error or "")
        assert "`openrouter-video collect`" in (outcome.error or "")
    assert retried.reused
    runs.sandbox.clear_faults()
    assert (await runs.collect_one()).status == "completed"
    assert await runs.collect() == []
    assert (runs.jobs, runs.count("submit")) == (1, 1)


@in_a_lane
async def test_a_wrong_key_collects_nothing_and_loses_nothing(runs: FaultyRuns) -> None:
    """The sandbox's own 401: the job stays open until the right key comes."""
    runs.sandbox.add_fault(Fault(on="poll", status=401))
    first = await runs.generate(idempotency_key=KEY)
    runs.use_key("sk-or-canary-wrong")
    wrong = await runs.collect_one()
    assert (first.status, wrong.status, wrong.job_id) == ("open", "open", first.job_id)
    assert "HTTP 401: User not found" in (wrong.error or "")
    assert "canary" not in (wrong.error or "")
    runs.use(runs.sandbox)
    right = await runs.collect_one()
    assert (right.status, right.job_id, runs.jobs) == ("completed", first.job_id, 1)


@pytest.mark.parametrize(
    ("body", "error"),
    [
        ({"status": "failed", "error": {"message": "Out of memory"}}, "failed: Out of memory"),
        ({"status": "cancelled"}, "cancelled: the provider gave no reason"),
    ],
    ids=["failed", "cancelled"],
)
@in_both_grains
async def test_the_providers_word_is_final_at_once(runs: FaultyRuns, body: Any, error: str) -> None:
    """The outcome is failed with the provider's text; nothing asks, or pays, again under this key."""
    runs.sandbox.add_fault(Fault(on="poll", body=body, times=None))
    first, retried = await runs.generate_in_retried_flow(idempotency_key=KEY)
    assert (first.reused, retried.reused) == (False, True)
    for outcome in (first, retried):
        assert (outcome.status, outcome.url, outcome.job_id) == ("failed", None, runs.sandbox.charges[0].job_id)
        assert (outcome.error or "").startswith(error)
    assert await runs.collect() == []
    assert (runs.jobs, runs.count("submit"), runs.count("poll"), runs.files) == (1, 1, 1, [])


@in_both_grains
async def test_a_job_stuck_beyond_the_deadline_is_collected_later(runs: FaultyRuns) -> None:
    """A deadline is no failure: open, also for a retry and a new run, until it is ready."""
    with Sandbox(job_seconds=3600) as stuck:
        runs.use(stuck)
        first, retried = await runs.generate_in_retried_flow(idempotency_key=KEY, deadline_minutes=2)
        for outcome in (first, retried, await runs.collect_one()):
            assert (outcome.status, outcome.job_id) == ("open", stuck.charges[0].job_id)
            assert "status pending; `openrouter-video collect` finishes it" in (outcome.error or "")
        assert "not finished after 2 min" in (first.error or "")
        assert sum(runs.time.slept) == pytest.approx(240, abs=1)
        stuck.release()
        later = await runs.collect_one(wait_minutes=1)
        assert (later.status, later.job_id, runs.jobs, runs.count("submit")) == ("completed", first.job_id, 1, 1)


@in_a_lane
async def test_an_api_in_trouble_beyond_the_deadline_leaves_the_job_open(runs: FaultyRuns) -> None:
    """The last answer is told."""
    runs.sandbox.add_fault(Fault(on="poll", status=502, times=None))
    first = await runs.generate(idempotency_key=KEY, deadline_minutes=1)
    assert first.status == "open"
    assert "not finished after 1 min; the last answer was: HTTP 502" in (first.error or "")
    runs.sandbox.clear_faults()
    again = await runs.generate(idempotency_key=KEY)
    assert (again.status, again.reused, again.job_id, runs.jobs) == ("completed", True, first.job_id, 1)


# ---- Where the key goes ----------------------------------------------------------------------------------------------


class Listener:
    """Another host: ``received`` holds all that was sent to it, ``looked_up`` the names by which it was sought."""

    def __init__(self) -> None:
        received: list[str] = []

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                received.append(f"{self.requestline}\n{self.headers}")
                self.send_response(200)
                self.end_headers()

            do_POST = do_GET  # noqa: N815 (the name is http.server's)

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        self.received = received
        self.looked_up: list[str] = []
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)

    def origin(self, host: str = "127.0.0.1") -> str:
        """Return where it is, under another name perhaps."""
        return f"http://{host}:{self.server.server_port}"


@pytest.fixture
def elsewhere(monkeypatch: pytest.MonkeyPatch) -> Iterator[Listener]:
    """A second host, which every name that begins with "evil-" leads to."""
    listener, look_up = Listener(), socket.getaddrinfo

    def look_up_evil(host: Any, *args: Any, **kwargs: Any) -> Any:
        name = host.decode() if isinstance(host, bytes) else str(host)
        if name.startswith("evil-"):
            listener.looked_up.append(name)
            host = "127.0.0.1"
        return look_up(host, *args, **kwargs)

    monkeypatch.setattr(socket, "getaddrinfo", look_up_evil)
    thread = threading.Thread(target=listener.server.serve_forever, args=(0.05,))
    thread.start()
    yield listener
    listener.server.shutdown()
    thread.join()
    listener.server.server_close()


@pytest.mark.parametrize("host", ["127.0.0.1", "evil-127.0.0.1"])
@in_a_lane
async def test_urls_of_another_host_are_never_asked(runs: FaultyRuns, elsewhere: Listener, host: str) -> None:
    """Neither polling_url nor unsigned_urls lead anywhere: completed by our own URLs, and nothing arrives there."""
    for kind in ("submit", "poll"):
        mangled = {"on": kind, "mangle": "foreign_polling_url", "origin": elsewhere.origin(host), "times": None}
        runs.sandbox.add_fault(Fault.model_validate(mangled))
    outcome = await runs.generate(idempotency_key=KEY)
    assert (outcome.status, runs.jobs) == ("completed", 1)
    assert (elsewhere.received, elsewhere.looked_up) == ([], [])


@pytest.mark.parametrize("host", ["127.0.0.1", "evil-127.0.0.1"])
@pytest.mark.parametrize("status", [301, 307])
@in_a_lane
async def test_a_redirect_to_another_host_is_never_followed(
    runs: FaultyRuns, elsewhere: Listener, host: str, status: int
) -> None:
    """A redirected poll is asked again, content that is redirected to plain http leaves the job open at once."""
    there = f"{elsewhere.origin(host)}/api/v1/videos/x"
    runs.sandbox.add_fault(Fault(on="poll", status=status, redirect_to=there))
    runs.sandbox.add_fault(Fault(on="content", status=status, redirect_to=there, times=None))
    outcome = await runs.generate(idempotency_key=KEY)
    assert (outcome.status, runs.count("content")) == ("open", 1)
    assert "redirect" in (outcome.error or "")
    assert "only https is followed" in (outcome.error or "")
    runs.sandbox.clear_faults()
    assert (await runs.collect_one()).status == "completed"
    assert (runs.jobs, runs.count("submit")) == (1, 1)
    assert (elsewhere.received, elsewhere.looked_up) == ([], [])


@in_a_lane
async def test_a_redirected_submission_is_uncertain_and_goes_nowhere_else(
    runs: FaultyRuns, elsewhere: Listener
) -> None:
    """Nobody knows whether it was carried out before; the key stays here."""
    there = f"{elsewhere.origin('evil-127.0.0.1')}/api/v1/videos"
    runs.sandbox.add_fault(Fault(on="submit", redirect_to=there, accepted=True))
    for _ in range(2):
        assert (await runs.generate(idempotency_key=KEY)).status == "uncertain"
    assert (runs.jobs, runs.count("submit")) == (1, 1)
    assert (elsewhere.received, elsewhere.looked_up) == ([], [])


@in_a_lane
async def test_collect_asks_no_other_host_than_the_jobs_own(runs: FaultyRuns, elsewhere: Listener) -> None:
    """With another base URL in the environment the job is left alone, and the message names its own."""
    runs.sandbox.add_fault(Fault(on="poll", status=404))
    first = await runs.generate(idempotency_key=KEY)
    own = runs.sandbox.base_url
    runs.use(runs.sandbox, f"{elsewhere.origin()}/api/v1")
    skipped = await runs.collect_one()
    assert (skipped.status, skipped.job_id, elsewhere.received) == ("open", first.job_id, [])
    assert f"it belongs to {own}; collect it with that base URL" in (skipped.error or "")
    runs.use(runs.sandbox)
    assert (await runs.collect_one()).status == "completed"
    assert runs.jobs == 1

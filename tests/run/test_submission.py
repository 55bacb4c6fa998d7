"""Submissions: at most one POST per key, by what the answer proves; over a real socket, with injected time."""

from __future__ import annotations

import asyncio
import json
import multiprocessing
import socket
import threading
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import pytest

from openrouter_video.api import posting
from openrouter_video.api.answers import IN_FLIGHT_SECONDS, SubmitAnswer
from openrouter_video.api.client import Timeouts, VideoClient
from openrouter_video.errors import KeyConflict, LedgerError, StorageError
from openrouter_video.ledger.ledger import Ledger
from openrouter_video.ledger.records import Claim, LedgerEntry, Submitted
from openrouter_video.run.submission import CLAIM_SECONDS, SubmitPolicy, Submitter, check_conflict, retry_wait
from openrouter_video.sandbox import Fault, Sandbox
from openrouter_video.stores import open_store
from openrouter_video.threads import Threads
from tests.support.claims import claim_on
from tests.support.nobody_there import FAILURES, nobody_there

MODEL = "x-ai/grok-imagine-video"
BODY = {"model": MODEL, "prompt": "A flower", "duration": 1, "resolution": "480p"}
KEY = "0123456789abcdef0123456789abcdef"


class Time:
    """A clock that only sleeping moves."""

    def __init__(self) -> None:
        self.now = 0.0
        self.slept: list[float] = []

    def clock(self) -> float:
        """Return the seconds slept so far."""
        return self.now

    async def sleep(self, seconds: float) -> None:
        """Let the time pass at once."""
        self.slept.append(seconds)
        self.now += seconds
        await asyncio.sleep(0)


def make_claim(sandbox: Sandbox, owner: str = "me", asked: dict[str, Any] | None = None) -> Claim:
    """Return a claim on the one key of these tests."""
    return claim_on(
        KEY,
        model=MODEL,
        asked=asked or {"prompt": "A flower"},
        sent=BODY,
        base_url=sandbox.base_url,
        output="memory://videos",
        path="a-flower-01234567/x-ai--grok-imagine-video.mp4",
        token=owner,
    )


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    """A sandbox of its own for each test."""
    with Sandbox(job_seconds=0) as running:
        yield running


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    """An empty ledger on the local disk."""
    return Ledger(open_store(str(tmp_path / "jobs")))


@pytest.fixture
async def client(sandbox: Sandbox) -> AsyncIterator[VideoClient]:
    """A client with the patience of every run."""
    async with VideoClient(sandbox.api_key, sandbox.base_url) as running:
        yield running


@pytest.fixture
async def hasty(sandbox: Sandbox) -> AsyncIterator[VideoClient]:
    """A client that takes an answer for late after a fraction of a second, for the tests of lateness alone."""
    async with VideoClient(sandbox.api_key, sandbox.base_url, timeouts=Timeouts(submit=HASTE)) as running:
        yield running


def make_submitter(client: VideoClient, ledger: Ledger, time: Time | None = None) -> Submitter:
    """Return a submitter whose waits take no time."""
    time = time or Time()
    return Submitter(client, ledger, Threads(), SubmitPolicy(), sleep=time.sleep, clock=time.clock)


async def _submit(
    client: VideoClient,
    ledger: Ledger,
    claim: Claim,
    time: Time | None = None,
    patience: float = 0.0,
    told: Callable[[str], None] = lambda _: None,
) -> Submitted:
    return await make_submitter(client, ledger, time).submit(claim, BODY, patience=patience, told=told)


async def _until_recorded(ledger: Ledger, state: str) -> LedgerEntry:
    """Wait until the records of the key say so; the ledger is a folder, which sends no event."""
    async with asyncio.timeout(60):
        while ledger.entry(KEY).state != state:  # noqa: ASYNC110
            await asyncio.sleep(0.02)
    return ledger.entry(KEY)


async def test_an_accepted_job_is_recorded_and_found_again(
    sandbox: Sandbox, ledger: Ledger, client: VideoClient
) -> None:
    """The second submission under the key sends nothing and returns the same job."""
    first = await _submit(client, ledger, make_claim(sandbox))
    second = await _submit(client, ledger, make_claim(sandbox))
    assert (first.state, first.reused) == ("accepted", False)
    assert (second.state, second.reused, second.job_id) == ("accepted", True, first.job_id)
    tokens = [each.claim.token for each in (first, second) if each.claim]
    assert tokens[0] == tokens[1] != ""
    assert [charge.session_id for charge in sandbox.charges] == [KEY]


def _envelope(status: int, message: str, metadata: dict[str, Any] | None = None) -> Any:
    return {"error": {"code": status, "message": message, "metadata": metadata}}


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (Fault(on="submit", status=503, accepted=True), "HTTP 503"),
        (Fault(on="submit", status=503, accepted=True, times=2), "HTTP 503"),
        (Fault(on="submit", status=503, accepted=True, body="upstream connect error"), "upstream connect error"),
        (Fault(on="submit", status=524, accepted=True, body="<html>"), "HTTP 524"),
        (Fault(on="submit", drop="after"), "no complete answer came"),
        (Fault(on="submit", mangle="html"), "HTTP 202 without a job id"),
        (Fault(on="submit", mangle="html", status=200, accepted=True), "HTTP 200 without a job id"),
        (Fault(on="submit", status=202, accepted=True, body='{"id": "gen-v'), "HTTP 202 without a job id"),
        (Fault(on="submit", mangle="no_id"), "HTTP 202 without a job id"),
        (Fault(on="submit", redirect_to="https://evil-openrouter.ai/api/v1/videos", accepted=True), "HTTP 307"),
    ],
    ids=[
        *("503 once", "503 twice", "503 plain text", "524", "dropped", "html"),
        *("200 HTML", "202 cut in the id", "202 no id", "redirect"),
    ],
)
async def test_an_answer_that_proves_nothing_is_uncertain(
    sandbox: Sandbox, ledger: Ledger, client: VideoClient, fault: Fault, words: str
) -> None:
    """One job is charged, and no later submission under the key sends another POST."""
    sandbox.add_fault(fault)
    for reused in (False, True):
        submitted = await _submit(client, ledger, make_claim(sandbox))
        assert (submitted.state, submitted.reused, submitted.job_id) == ("uncertain", reused, None)
        assert words in (submitted.reason or "")
    assert [charge.session_id for charge in sandbox.charges] == [KEY]
    assert sum(seen.kind == "submit" for seen in sandbox.requests) == 1


@pytest.mark.parametrize("mangle", ["status_200", "no_polling_url", "relative_polling_url"])
async def test_an_id_that_was_paid_for_is_never_thrown_away(
    sandbox: Sandbox, ledger: Ledger, client: VideoClient, mangle: Any
) -> None:
    """200 instead of 202, no polling_url or a relative one."""
    sandbox.add_fault(Fault(on="submit", mangle=mangle, times=None))
    submitted = [await _submit(client, ledger, make_claim(sandbox)) for _ in range(2)]
    assert [(one.state, one.job_id) for one in submitted] == [("accepted", sandbox.charges[0].job_id)] * 2
    assert sum(seen.kind == "submit" for seen in sandbox.requests) == 1


ZOD = json.dumps([{"code": "too_small", "path": ["duration"], "message": "Number must be greater than 0"}])


@pytest.mark.parametrize(
    ("status", "body", "words", "advice"),
    [
        (400, _envelope(400, "Invalid reference URL"), "HTTP 400: Invalid reference URL", "Correct the request"),
        (
            400,
            {"success": False, "error": {"name": "ZodError", "message": ZOD}},
            "greater than 0",
            "Correct the request",
        ),
        (401, _envelope(401, "User not found."), "HTTP 401: User not found.", "Check the API key"),
        (403, _envelope(403, "Not in your region"), "HTTP 403: Not in your region", "sending it again will not help"),
        (404, _envelope(404, "No endpoints found"), "HTTP 404: No endpoints found", "zero data retention"),
        (413, _envelope(413, "Payload too large"), "HTTP 413: Payload too large", "smaller images"),
    ],
    ids=["400", "ZodError", "401", "403", "404", "413"],
)
async def test_a_definite_refusal_charges_nothing_and_frees_the_key(
    sandbox: Sandbox, ledger: Ledger, client: VideoClient, status: int, body: Any, words: str, advice: str
) -> None:
    """It is told at once in the API's words, with our next step; the same key may be tried again later."""
    sandbox.add_fault(Fault(on="submit", status=status, body=body))
    time = Time()
    submitted = await _submit(client, ledger, make_claim(sandbox), time)
    assert (submitted.state, submitted.job_id, time.slept, sandbox.charges) == ("refused", None, [], ())
    assert words in (submitted.reason or "")
    assert advice in (submitted.reason or "")
    assert ledger.entry(KEY).state == "free"
    again = await _submit(client, ledger, make_claim(sandbox))
    assert (again.state, again.reused, len(sandbox.charges)) == ("accepted", False, 1)


async def test_moderation_is_not_asked_twice(sandbox: Sandbox, ledger: Ledger, client: VideoClient) -> None:
    """Not for another take, and not by a later run under the same key, unless it asks for something else."""
    flagged = {"reasons": ["violence", "gore"], "flagged_input": "A flower"}
    sandbox.add_fault(Fault(on="submit", status=403, body=_envelope(403, "Flagged", flagged)))
    submitter, claim = make_submitter(client, ledger), make_claim(sandbox)
    take_2 = claim.model_copy(update={"key": f"{KEY[::-1]}", "take": 2})
    told = [await submitter.submit(one, BODY) for one in (claim, take_2)]
    told.append(await _submit(client, ledger, claim))
    assert [(one.state, one.failure, one.reused) for one in told] == [
        ("refused", "input_moderation", False),
        ("refused", "input_moderation", False),
        ("refused", "input_moderation", True),
    ]
    assert 'HTTP 403: Flagged (violence, gore, flagged: "A flower"). A check refused' in (told[0].reason or "")
    assert (told[1].reason or "").startswith("not sent, since another video of this run was refused: HTTP 403")
    assert told[2].reason == told[0].reason
    assert [seen.kind for seen in sandbox.requests].count("submit") == 1
    assert ledger.entry(take_2.key).attempt == 0
    mended = claim.model_copy(update={"asked": {**claim.asked, "prompt": "A leaf"}})
    assert (await _submit(client, ledger, mended)).state == "accepted"


async def test_a_spent_budget_ends_all_that_is_not_sent(sandbox: Sandbox, ledger: Ledger, client: VideoClient) -> None:
    """What has been sent is found all the same, and the next run sends the rest."""
    submitter, claim = make_submitter(client, ledger), make_claim(sandbox)
    other, third = (claim.model_copy(update={"key": digit * 32}) for digit in "ab")
    assert (await submitter.submit(claim, BODY)).state == "accepted"
    heavy = {"reason": "weight_exceeds_budget"}
    sandbox.add_fault(Fault(on="submit", status=402, body=_envelope(402, "No", heavy), headers={"retry-after": "1"}))
    told = [await submitter.submit(one, BODY) for one in (other, third, claim)]
    assert [(one.state, one.failure) for one in told] == [
        ("refused", "spent_budget"),
        ("refused", "spent_budget"),
        ("accepted", None),
    ]
    assert [seen.kind for seen in sandbox.requests].count("submit") == 2
    later = [await _submit(client, ledger, one) for one in (claim, other, third)]
    assert [one.state for one in later] == ["accepted"] * 3
    assert [charge.session_id for charge in sandbox.charges] == [claim.key, other.key, third.key]


@pytest.mark.parametrize(
    ("status", "headers", "metadata", "wait"),
    [
        (429, {"Retry-After": "90"}, None, 90),
        (429, {"Retry-After": "DATE"}, None, 90),
        (402, {"Retry-After": "90"}, {"reason": "in_flight_budget_exhausted"}, 90),
        (402, {}, {"reason": "in_flight_budget_exhausted"}, 1),
        (429, {"Retry-After": "0"}, None, 1),
        (429, {"Retry-After": "soon"}, None, 1),
    ],
    ids=["429 seconds", "429 date", "402 in flight", "402 no header", "429 at once", "429 garbage"],
)
async def test_a_passing_refusal_is_waited_for(
    sandbox: Sandbox,
    ledger: Ledger,
    client: VideoClient,
    status: int,
    headers: dict[str, str],
    metadata: dict[str, Any] | None,
    wait: float,
) -> None:
    """Retry-After is kept, and nobody hammers without one; one job."""
    date = format_datetime(datetime.now(UTC) + timedelta(seconds=91), usegmt=True)
    headers = {name: date if value == "DATE" else value for name, value in headers.items()}
    body = _envelope(status, "Not now", metadata)
    sandbox.add_fault(Fault(on="submit", status=status, headers=headers, body=body))
    time = Time()
    submitted = await _submit(client, ledger, make_claim(sandbox), time)
    assert (submitted.state, len(sandbox.charges)) == ("accepted", 1)
    assert time.slept == [pytest.approx(wait, rel=0.3)]


@pytest.mark.parametrize("failure", FAILURES)
async def test_a_connection_that_is_never_made_ends_as_a_refusal(
    sandbox: Sandbox, ledger: Ledger, failure: str, tmp_path: Path
) -> None:
    """After five minutes of attempts nothing is charged, the reason is told, and the same key works later."""
    time = Time()
    with nobody_there(failure, tmp_path) as base_url:
        async with VideoClient(sandbox.api_key, base_url) as client:
            submitted = await _submit(client, ledger, make_claim(sandbox), time)
    assert (submitted.state, submitted.job_id) == ("refused", None)
    assert f"could not connect to {base_url}: " in (submitted.reason or "")
    assert "check the network and the base URL" in (submitted.reason or "")
    assert len(time.slept) > 5
    assert 200 <= sum(time.slept) <= 300
    async with VideoClient(sandbox.api_key, sandbox.base_url) as client:
        assert (await _submit(client, ledger, make_claim(sandbox))).state == "accepted"
    assert len(sandbox.charges) == 1


async def test_retry_after_is_waited_for_without_holding_a_claim(
    sandbox: Sandbox, ledger: Ledger, client: VideoClient
) -> None:
    """A 429 releases its attempt before the wait, so that dying in the wait leaves nothing uncertain."""
    body = {"error": {"code": 429, "message": "Slow down", "metadata": None}}
    sandbox.add_fault(Fault(on="submit", status=429, headers={"Retry-After": "7"}, body=body, times=2))
    time = Time()
    submitted = await _submit(client, ledger, make_claim(sandbox), time)
    assert (submitted.state, time.slept, len(sandbox.charges)) == ("accepted", [7.0, 7.0], 1)
    entry = ledger.entry(KEY)
    assert (entry.state, entry.attempt) == ("accepted", 3)


async def test_the_waiting_has_a_budget(sandbox: Sandbox, ledger: Ledger, client: VideoClient) -> None:
    """A rate limit that outlasts it is a refusal that says so, and the key stays free."""
    body = {"error": {"code": 429, "message": "Slow down", "metadata": None}}
    sandbox.add_fault(Fault(on="submit", status=429, headers={"Retry-After": "200"}, body=body, times=None))
    time = Time()
    submitted = await _submit(client, ledger, make_claim(sandbox), time)
    assert (submitted.state, time.slept) == ("refused", [200.0])
    assert "run again later" in (submitted.reason or "")
    assert ledger.entry(KEY).state == "free"
    sandbox.clear_faults()
    assert (await _submit(client, ledger, make_claim(sandbox))).state == "accepted"


async def test_a_connection_that_is_never_made_is_tried_again(sandbox: Sandbox, ledger: Ledger) -> None:
    """Nobody listens: nothing was sent, the waits double, and the end is a refusal."""
    async with VideoClient("key", "http://127.0.0.1:9/api/v1") as nowhere:
        time = Time()
        submitted = await _submit(nowhere, ledger, make_claim(sandbox), time)
    assert submitted.state == "refused"
    assert "could not connect" in (submitted.reason or "")
    assert sum(time.slept) <= 300
    assert len(time.slept) > 5
    assert ledger.entry(KEY).state == "free"


async def test_a_claim_of_a_dead_process_becomes_uncertain_after_the_whole_wait(
    sandbox: Sandbox, ledger: Ledger, client: VideoClient
) -> None:
    """Nobody sends it again: its owner may have been killed between POST and record."""
    ledger.claim(1, make_claim(sandbox, "dead"))
    time = Time()
    submitted = await _submit(client, ledger, make_claim(sandbox), time)
    assert (submitted.state, submitted.reused) == ("uncertain", True)
    assert time.now >= client.timeouts.connect + client.timeouts.submit
    assert sandbox.requests == ()


async def test_a_claim_whose_owner_finishes_is_reused(sandbox: Sandbox, ledger: Ledger, client: VideoClient) -> None:
    """While the owner is still at it, another process looks again and finds its job."""
    ledger.claim(1, make_claim(sandbox, "other"))
    time = Time()

    async def owner_finishes(seconds: float) -> None:
        ledger.record_job(KEY, 1, "gen-vid-other")
        await time.sleep(seconds)

    threads = Threads()
    submitter = Submitter(client, ledger, threads, sleep=owner_finishes, clock=time.clock)
    submitted = await submitter.submit(make_claim(sandbox), BODY)
    assert (submitted.state, submitted.job_id, submitted.reused) == ("accepted", "gen-vid-other", True)


async def test_a_key_of_a_different_request_is_refused(sandbox: Sandbox, ledger: Ledger, client: VideoClient) -> None:
    """Also when the conflict shows only at the claim."""
    assert (await _submit(client, ledger, make_claim(sandbox))).state == "accepted"
    with pytest.raises(KeyConflict, match='prompt was "A flower", now "A tree"'):
        await _submit(client, ledger, make_claim(sandbox, asked={"prompt": "A tree"}))
    assert len(sandbox.charges) == 1


async def test_a_cancelled_submission_is_finished_and_recorded_first(
    sandbox: Sandbox, ledger: Ledger, client: VideoClient
) -> None:
    """Cancelling in the middle of the POST waits for its end: the job is in the ledger when the caller hears of it."""
    sandbox.add_fault(Fault(on="submit", delay_seconds=0.3))
    running = asyncio.create_task(_submit(client, ledger, make_claim(sandbox)))
    while not sandbox.charges:  # noqa: ASYNC110 (the sandbox is another loop's)
        await asyncio.sleep(0.01)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    entry = ledger.entry(KEY)
    assert (entry.state, entry.job_id) == ("accepted", sandbox.charges[0].job_id)


async def test_a_submission_that_is_cancelled_before_its_post_is_called_off(
    sandbox: Sandbox, ledger: Ledger, client: VideoClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While the claim is still being written: nothing is sent, and the key is free again."""
    claiming, go_on, real_claim = threading.Event(), threading.Event(), ledger.claim

    def slow_claim(attempt: int, claim: Claim) -> bool:
        claiming.set()
        go_on.wait()
        return real_claim(attempt, claim)

    monkeypatch.setattr(ledger, "claim", slow_claim)
    running = asyncio.create_task(_submit(client, ledger, make_claim(sandbox)))
    await asyncio.to_thread(claiming.wait)
    running.cancel()
    await asyncio.sleep(0)
    go_on.set()
    with pytest.raises(asyncio.CancelledError):
        await running
    entry = ledger.entry(KEY)
    assert (entry.state, entry.reason) == ("free", "interrupted before it was sent; nothing was charged")
    assert (sandbox.requests, sandbox.charges) == ((), ())


async def test_a_ledger_that_fails_after_the_answer_does_not_hide_the_job(
    sandbox: Sandbox, tmp_path: Path, client: VideoClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The claim blocks a second POST; the job's id is in the result, with the reason why it is not in the ledger."""
    folder = tmp_path / "jobs"
    broken = Ledger(open_store(str(folder)))
    real_claim = broken.claim

    def claim_then_vanish(attempt: int, claim: Claim) -> bool:
        created = real_claim(attempt, claim)
        (folder / KEY).rename(tmp_path / "gone")
        (folder / KEY).write_text("no folder any more")
        return created

    monkeypatch.setattr(broken, "claim", claim_then_vanish)
    submitted = await _submit(client, broken, make_claim(sandbox))
    assert (submitted.state, submitted.job_id) == ("accepted", sandbox.charges[0].job_id)
    assert "not recorded yet: the ledger at" in (submitted.reason or "")


def _submit_in_process(base_url: str, api_key: str, folder: str) -> tuple[str, str | None, bool]:
    async def run() -> Submitted:
        async with VideoClient(api_key, base_url) as client:
            threads = Threads()
            claim = claim_on(KEY, model=MODEL, sent=BODY, base_url=base_url, output="", path="")
            return await Submitter(client, Ledger(open_store(folder)), threads).submit(claim, BODY)

    submitted = asyncio.run(run())
    return submitted.state, submitted.job_id, submitted.reused


def test_of_two_processes_only_one_posts(sandbox: Sandbox, tmp_path: Path) -> None:
    """Both report the same job."""
    sandbox.add_fault(Fault(on="submit", delay_seconds=0.2))
    work = [(sandbox.base_url, sandbox.api_key, str(tmp_path / "jobs"))] * 2
    with multiprocessing.get_context("spawn").Pool(2) as pool:
        (one, two) = pool.starmap(_submit_in_process, work)
    assert one[:2] == two[:2] == ("accepted", sandbox.charges[0].job_id)
    assert {one[2], two[2]} == {True, False}
    assert len(sandbox.charges) == 1


@pytest.mark.parametrize(
    ("answer", "tries", "elapsed", "wait"),
    [
        (SubmitAnswer("accepted", job_id="x"), 0, 0, None),
        (SubmitAnswer("uncertain"), 0, 0, None),
        (SubmitAnswer("refused"), 0, 0, None),
        (SubmitAnswer("again"), 0, 0, 1.0),
        (SubmitAnswer("again"), 3, 0, 8.0),
        (SubmitAnswer("again"), 20, 0, 60.0),
        (SubmitAnswer("again", retry_after=0.0), 5, 0, 32.0),
        (SubmitAnswer("again", retry_after=299.0), 0, 1, 299.0),
        (SubmitAnswer("again", retry_after=299.0), 0, 2, None),
    ],
)
def test_retry_wait(answer: SubmitAnswer, tries: int, elapsed: float, wait: float | None) -> None:
    """Only what proves that nothing was accepted is tried again, and only within the budget."""
    assert retry_wait(answer, tries, elapsed, 300, jitter=0.5) == wait


async def test_the_key_goes_to_no_other_origin(sandbox: Sandbox, ledger: Ledger, client: VideoClient) -> None:
    """A redirected POST is not followed: it proves nothing, and the other host sees no request at all."""
    with Sandbox() as other:
        sandbox.add_fault(Fault(on="submit", status=307, redirect_to=f"{other.base_url}/videos"))
        submitted = await _submit(client, ledger, make_claim(sandbox))
        assert submitted.state == "uncertain"
        assert other.requests == ()


async def test_errors_hold_no_request(sandbox: Sandbox, client: VideoClient) -> None:
    """What leaves the client are our own values, without httpx objects and without the key."""
    sandbox.add_fault(Fault(on="poll", drop="before"))
    answer = await client.get_job("gen-vid-x")
    assert answer.job is None
    assert sandbox.api_key not in repr(answer)
    assert sandbox.api_key not in repr(client)
    assert answer.reason is not None


@contextmanager
def _dripping_server(job_id: str) -> Iterator[tuple[str, threading.Event]]:
    """Accept one submission and answer it a byte at a time, each in time; the last byte waits for the event."""
    body = json.dumps({"id": job_id}).encode()
    answer = b"HTTP/1.1 202 Accepted\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)
    go_on = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve() -> None:
            connection, _ = listening.accept()
            with connection:
                received = b""
                # What is left unread when it is closed would take the answer along.
                while b'"480p"}' not in received:
                    received += connection.recv(65536)
                for byte in answer[:-1]:
                    connection.sendall(bytes([byte]))
                    go_on.wait(0.01)
                go_on.wait(60)
                connection.sendall(answer[-1:])

        thread = threading.Thread(target=serve)
        thread.start()
        yield f"http://127.0.0.1:{listening.getsockname()[1]}/api/v1", go_on
        thread.join()


async def test_an_answer_that_drips_is_not_waited_for_and_still_recorded(sandbox: Sandbox, ledger: Ledger) -> None:
    """The time-out bounds the whole POST; the id that comes later is recorded for whoever asks next."""
    with _dripping_server("gen-vid-late") as (base_url, go_on):
        async with VideoClient("key", base_url, timeouts=Timeouts(submit=0.4)) as slow:
            submitted = await _submit(slow, ledger, make_claim(sandbox))
            go_on.set()
            assert (submitted.state, submitted.in_flight) == ("uncertain", True)
            assert (await _until_recorded(ledger, "accepted")).job_id == "gen-vid-late"


async def test_other_images_are_another_request(sandbox: Sandbox, ledger: Ledger, client: VideoClient) -> None:
    """The same path may hold another picture; its digest is in the body that was recorded."""
    red, blue = (make_claim(sandbox).model_copy(update={"sent": {"frame_images": [name]}}) for name in ("red", "blue"))
    await _submit(client, ledger, red)
    with pytest.raises(KeyConflict, match="frame_images was"):
        await _submit(client, ledger, blue)
    assert len(sandbox.charges) == 1


# ---- Answers that are late -------------------------------------------------------------------------------------------

HASTE, SLOW = 0.2, 1.5


def test_a_post_is_over_when_others_take_its_claim_as_over() -> None:
    """From the claim to the record of its answer; half a minute is left for the record."""
    longest = CLAIM_SECONDS + posting.SEND_SECONDS + posting.STALL_SECONDS + posting.ANSWER_SECONDS
    assert longest + 30 <= IN_FLIGHT_SECONDS


async def test_an_answer_after_the_time_out_is_waited_for(sandbox: Sandbox, ledger: Ledger, hasty: VideoClient) -> None:
    """The run goes on with its job as if the answer had come in time; meanwhile the claim stays."""
    sandbox.add_fault(Fault(on="submit", delay_seconds=SLOW))
    told: list[str] = []
    states: list[str] = []

    def tell(words: str) -> None:
        told.append(words)
        states.append(ledger.entry(KEY).state)

    submitted = await make_submitter(hasty, ledger).submit(make_claim(sandbox), BODY, patience=60, told=tell)
    assert (submitted.state, submitted.job_id) == ("accepted", sandbox.charges[0].job_id)
    assert (submitted.reused, submitted.in_flight, submitted.late_seconds > 0) == (False, False, True)
    assert (ledger.entry(KEY).state, ledger.entry(KEY).job_id) == ("accepted", submitted.job_id)
    assert [words.partition(": ")[2] for words in told] == [f"timed out after {HASTE} s; the answer is waited for"]
    assert states == ["claimed"]


async def test_an_answer_after_the_deadline_is_recorded(sandbox: Sandbox, ledger: Ledger, hasty: VideoClient) -> None:
    """Though nobody waits for it, and though the client was closed, as it is at the end of a run."""
    sandbox.add_fault(Fault(on="submit", delay_seconds=SLOW))
    submitted = await _submit(hasty, ledger, make_claim(sandbox))
    await hasty.aclose()
    assert (submitted.state, submitted.in_flight, submitted.job_id) == ("uncertain", True, None)
    assert ledger.entry(KEY).state == "claimed"
    assert (await _until_recorded(ledger, "accepted")).job_id == sandbox.charges[0].job_id


@pytest.mark.parametrize(
    ("fault", "state", "recorded"),
    [
        (Fault(on="submit", delay_seconds=SLOW, status=400), "refused", "free"),
        (Fault(on="submit", delay_seconds=SLOW, status=429), "accepted", "accepted"),
        (Fault(on="submit", delay_seconds=SLOW, status=503, accepted=True), "uncertain", "uncertain"),
        (Fault(on="submit", delay_seconds=SLOW, drop="after"), "uncertain", "uncertain"),
    ],
    ids=["refused", "rate limit", "503", "dropped"],
)
async def test_what_a_late_answer_proves(
    sandbox: Sandbox, ledger: Ledger, hasty: VideoClient, fault: Fault, state: str, recorded: str
) -> None:
    """The same as one in time: a refusal frees the key, a rate limit is tried again, the rest stays in doubt."""
    sandbox.add_fault(fault)
    submitted = await _submit(hasty, ledger, make_claim(sandbox), patience=60)
    assert (submitted.state, submitted.in_flight, ledger.entry(KEY).state) == (state, False, recorded)
    assert len(sandbox.charges) == (0 if state == "refused" else 1)


@pytest.mark.parametrize("asked", ["A flower", "A tree"])
async def test_the_same_claim_is_not_sent_again_while_its_answer_is_late(
    sandbox: Sandbox, ledger: Ledger, hasty: VideoClient, asked: str
) -> None:
    """It is the other submission's, though it looks like ours; with another request its key is refused, as ever."""
    sandbox.add_fault(Fault(on="submit", delay_seconds=SLOW))
    first = await _submit(hasty, ledger, make_claim(sandbox))
    assert (first.state, first.in_flight) == ("uncertain", True)
    with nullcontext() if asked == "A flower" else pytest.raises(KeyConflict):
        assert (await _submit(hasty, ledger, make_claim(sandbox, asked={"prompt": asked}))).reused
    assert (await _until_recorded(ledger, "accepted")).job_id == sandbox.charges[0].job_id
    assert len(sandbox.charges) == 1


async def test_a_run_that_is_cancelled_in_its_wait_still_records(
    sandbox: Sandbox, ledger: Ledger, hasty: VideoClient
) -> None:
    """The wait ends at once; the POST goes on in its thread."""
    sandbox.add_fault(Fault(on="submit", delay_seconds=SLOW))
    waiting = asyncio.Event()
    submitter = make_submitter(hasty, ledger)
    running = asyncio.create_task(
        submitter.submit(make_claim(sandbox), BODY, patience=60, told=lambda _: waiting.set())
    )
    await waiting.wait()
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert ledger.entry(KEY).state == "claimed"
    assert (await _until_recorded(ledger, "accepted")).job_id == sandbox.charges[0].job_id


@contextmanager
def _slow_reader(then: bytes | None) -> Iterator[tuple[str, threading.Event]]:
    """Take half a megabyte of a request, the rest once the event is set, and answer; or hang up without it."""
    go_on = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)

        def serve() -> None:
            connection, _ = listening.accept()
            with connection:
                taken = 0
                while taken < 500_000:
                    taken += len(connection.recv(65536))
                if then is None:
                    return
                go_on.wait(60)
                while taken < UPLOAD:
                    taken += len(connection.recv(65536))
                connection.sendall(then)

        thread = threading.Thread(target=serve)
        thread.start()
        yield f"http://127.0.0.1:{listening.getsockname()[1]}/api/v1", go_on
        thread.join()


UPLOAD = 32_000_000
PROMPT = {"prompt": "x" * UPLOAD}
ACCEPTED = b'HTTP/1.1 202 Accepted\r\nContent-Length: 24\r\n\r\n{"id": "gen-vid-upload"}'


async def test_a_slow_upload_is_not_said_to_be_sent(sandbox: Sandbox, ledger: Ledger) -> None:
    """How much has gone is told, and the answer is read once all has."""
    with _slow_reader(ACCEPTED) as (base_url, go_on):
        async with VideoClient("key", base_url, timeouts=Timeouts(submit=0.5)) as slow:
            told: list[str] = []

            def tell(words: str) -> None:
                told.append(words)
                go_on.set()

            submitted = await make_submitter(slow, ledger).submit(make_claim(sandbox), PROMPT, patience=60, told=tell)
    assert (submitted.state, submitted.job_id) == ("accepted", "gen-vid-upload")
    assert "of 32.0 MB of the request had been sent: timed out after 0.5 s" in told[0]
    assert "was sent" not in told[0]


@pytest.mark.parametrize(
    ("head", "state"), [(b"HTTP/1.1 202 Accepted", "accepted"), (b"HTTP/1.1 400 Bad Request", "uncertain")]
)
async def test_an_answer_that_breaks_off_after_the_id(
    sandbox: Sandbox, ledger: Ledger, head: bytes, state: str
) -> None:
    """The job is paid for, and its id is there; of anything else half an answer proves nothing."""
    with _slow_reader(head + b'\r\nContent-Length: 99\r\n\r\n{"id": "gen-vid-cut", "st') as (base_url, go_on):
        go_on.set()
        async with VideoClient("key", base_url) as cut:
            submitted = await make_submitter(cut, ledger).submit(make_claim(sandbox), PROMPT)
    assert submitted.state == ledger.entry(KEY).state == state
    assert submitted.job_id == ("gen-vid-cut" if state == "accepted" else None)


async def test_an_upload_that_breaks_off_proves_nothing(sandbox: Sandbox, ledger: Ledger) -> None:
    """It says how much had gone, and the key stays taken."""
    with _slow_reader(None) as (base_url, _):
        async with VideoClient("key", base_url) as broken:
            submitted = await make_submitter(broken, ledger).submit(make_claim(sandbox), PROMPT)
    assert submitted.state == ledger.entry(KEY).state == "uncertain"
    assert "of 32.0 MB of the request had been sent: " in (submitted.reason or "")


# ---- Claims of others that are in flight -----------------------------------------------------------------------------


def _young(sandbox: Sandbox) -> Claim:
    return make_claim(sandbox, "other").model_copy(update={"at": datetime.now(UTC).isoformat()})


@pytest.mark.parametrize(
    ("patience", "waits", "in_flight", "recorded"),
    [(1800.0, IN_FLIGHT_SECONDS, False, "uncertain"), (200.0, 200.0, True, "claimed"), (0.0, 75.0, True, "claimed")],
)
async def test_a_claim_in_flight_is_waited_for(
    sandbox: Sandbox,
    ledger: Ledger,
    client: VideoClient,
    patience: float,
    waits: float,
    in_flight: bool,
    recorded: str,
) -> None:
    """Until its POST must be over, or the deadline; only then it is in doubt, and nobody says so before."""
    ledger.claim(1, _young(sandbox))
    time, said = Time(), list[str]()
    submitted = await _submit(client, ledger, make_claim(sandbox), time, patience, said.append)
    assert (submitted.state, submitted.reused, submitted.in_flight) == ("uncertain", True, in_flight)
    assert waits - 5 <= time.now <= waits + 15
    assert ledger.entry(KEY).state == recorded
    assert ("in flight: begun" in (submitted.reason or "")) is in_flight
    assert sandbox.requests == ()
    # Once, since it may take ten minutes in which nothing else is told.
    assert [words for words in said if "another process has begun it, and is waited for" in words] == said
    assert len(said) == 1


async def test_a_late_answer_to_another_process_is_shared(
    sandbox: Sandbox, ledger: Ledger, client: VideoClient
) -> None:
    """It comes after five minutes: both have the job."""
    ledger.claim(1, _young(sandbox))
    time = Time()

    async def sleep(seconds: float) -> None:
        await time.sleep(seconds)
        if time.now > 300:
            ledger.record_job(KEY, 1, "gen-vid-other")

    submitter = Submitter(client, ledger, Threads(), sleep=sleep, clock=time.clock)
    submitted = await submitter.submit(make_claim(sandbox), BODY, patience=1800)
    assert (submitted.state, submitted.job_id, submitted.reused) == ("accepted", "gen-vid-other", True)


async def test_each_claim_is_dated_when_it_is_made(sandbox: Sandbox, ledger: Ledger, client: VideoClient) -> None:
    """Not when its video was planned, which may be half an hour before its turn: it would not count as in flight."""
    before = datetime.now(UTC)
    await _submit(client, ledger, make_claim(sandbox))
    assert before.isoformat(timespec="milliseconds") <= (ledger.entry(KEY).since or "") <= datetime.now(UTC).isoformat()


async def test_a_claim_that_took_too_long_to_record_sends_nothing(
    sandbox: Sandbox, ledger: Ledger, client: VideoClient
) -> None:
    """Others would take it as over while its POST is on its way."""
    moments = iter([datetime(2026, 11, 22, 12, tzinfo=UTC), datetime(2026, 11, 22, 12, 5, tzinfo=UTC)])
    last = datetime(2026, 11, 22, 12, 6, tzinfo=UTC)
    time = Time()
    submitter = Submitter(
        client, ledger, Threads(), sleep=time.sleep, clock=time.clock, now=lambda: next(moments, last)
    )
    submitted = await submitter.submit(make_claim(sandbox), BODY)
    assert (submitted.state, ledger.entry(KEY).attempt, len(sandbox.charges)) == ("accepted", 2, 1)


async def test_sources_are_signed_for_each_attempt(sandbox: Sandbox, ledger: Ledger, client: VideoClient) -> None:
    """Right before its POST, for as long as the run waits; one that cannot be signed frees the key, and tries again."""
    asked: list[float] = []

    def sign(body: Mapping[str, Any], deadline_seconds: float) -> Mapping[str, Any]:
        asked.append(deadline_seconds)
        if len(asked) == 1:
            raise StorageError("Could not sign an address for s3://bucket/clip.mp4: no credentials.")
        return {**body, "user": f"https://bucket.example/clip.mp4?sig=canary-{len(asked)}"}

    sandbox.add_fault(Fault(on="submit", status=429))
    time = Time()
    submitter = Submitter(client, ledger, Threads(), sign=sign, sleep=time.sleep, clock=time.clock)
    submitted = await submitter.submit(make_claim(sandbox), BODY, patience=1800)
    assert (submitted.state, asked, ledger.entry(KEY).attempt) == ("accepted", [1800] * 3, 3)
    assert [charge.body["user"] for charge in sandbox.charges] == ["https://bucket.example/clip.mp4?sig=canary-3"]
    records = b"".join(ledger.store.read_bytes(path) or b"" for path in ledger.store.list_files()).decode()
    assert "no credentials" in records
    assert "canary" not in records
    again = await submitter.submit(make_claim(sandbox), BODY, patience=1800)
    assert (again.job_id, len(asked)) == (submitted.job_id, 3)


async def test_to_wait_for_a_thread_is_no_part_of_the_flight(
    sandbox: Sandbox, ledger: Ledger, client: VideoClient
) -> None:
    """Hundreds of videos share a few threads: the last one's claim is as young as the first one's."""
    moment = [datetime(2026, 11, 22, 12, tzinfo=UTC)]
    threads, gate, time = Threads(submissions=1), threading.Event(), Time()
    submitter = Submitter(client, ledger, threads, sleep=time.sleep, clock=time.clock, now=lambda: moment[0])
    busy = asyncio.create_task(threads.run(gate.wait))
    await asyncio.sleep(0)
    submitting = asyncio.create_task(submitter.submit(make_claim(sandbox), BODY))
    await asyncio.sleep(0.05)
    moment[0] += timedelta(minutes=5)
    gate.set()
    submitted, _ = await asyncio.gather(submitting, busy)
    assert (submitted.state, ledger.entry(KEY).attempt) == ("accepted", 1)
    assert ledger.entry(KEY).since == moment[0].isoformat(timespec="milliseconds")


async def test_nothing_is_sent_again_once_a_person_has_recorded_a_job(
    sandbox: Sandbox, ledger: Ledger, client: VideoClient
) -> None:
    """While the next attempt was waited for."""
    time = Time()

    async def sleep(seconds: float) -> None:
        ledger.record_job(KEY, 1, "gen-vid-person", by_person=True)
        await time.sleep(seconds)

    body = {"error": {"code": 429, "message": "Slow down", "metadata": None}}
    sandbox.add_fault(Fault(on="submit", status=429, headers={"Retry-After": "1"}, body=body))
    submitter = Submitter(client, ledger, Threads(), sleep=sleep, clock=time.clock)
    submitted = await submitter.submit(make_claim(sandbox), BODY)
    assert (submitted.state, submitted.job_id, submitted.reused) == ("accepted", "gen-vid-person", True)
    assert not sandbox.charges


async def test_a_post_for_which_no_thread_can_be_started_is_tried_again(
    sandbox: Sandbox, ledger: Ledger, client: VideoClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing was sent, so nothing is uncertain."""
    real, refusals = threading.Thread.start, [1]

    def start(thread: threading.Thread) -> None:
        if thread.name == "openrouter-video-post" and refusals:
            refusals.pop()
            raise RuntimeError("can't start new thread")
        real(thread)

    monkeypatch.setattr(threading.Thread, "start", start)
    submitted = await _submit(client, ledger, make_claim(sandbox))
    assert (submitted.state, ledger.entry(KEY).attempt, len(sandbox.charges)) == ("accepted", 2, 1)


# ---- A ledger that fails for a moment --------------------------------------------------------------------------------


async def test_a_job_is_recorded_as_soon_as_the_ledger_takes_it(
    sandbox: Sandbox, ledger: Ledger, tmp_path: Path, client: VideoClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However long that takes; until then its id is held."""
    folder = tmp_path / "jobs" / KEY
    real = ledger.claim

    def claim_then_vanish(attempt: int, claim: Claim) -> bool:
        created = real(attempt, claim)
        folder.rename(tmp_path / "away")
        folder.write_text("no folder")
        return created

    monkeypatch.setattr(ledger, "claim", claim_then_vanish)
    submitter = make_submitter(client, ledger)
    submitted = await submitter.submit(make_claim(sandbox), BODY)
    assert (submitted.state, submitted.job_id) == ("accepted", sandbox.charges[0].job_id)
    left = await submitter.record_again(KEY)
    assert left is not None
    assert (left.answer.job_id, "cannot record job-1" in left.why) == (submitted.job_id, True)
    folder.unlink()
    (tmp_path / "away").rename(folder)
    assert await submitter.record_again(KEY) is None
    assert (ledger.entry(KEY).state, ledger.entry(KEY).job_id) == ("accepted", submitted.job_id)


def _break_reading(folder: Path) -> Callable[[], None]:
    """Let no record of the key be read; what is returned mends it."""
    record, aside = folder / KEY / "claim-1.json", folder / "aside"
    record.rename(aside)
    record.mkdir()

    def mend() -> None:
        if record.is_dir():
            record.rmdir()
            aside.rename(record)

    return mend


@pytest.mark.parametrize("mended", [True, False])
async def test_a_ledger_that_cannot_be_read_proves_nothing(
    sandbox: Sandbox, ledger: Ledger, tmp_path: Path, client: VideoClient, mended: bool
) -> None:
    """An earlier run's job is found once it can be read; if it never can, nobody says that nothing was charged."""
    first = await _submit(client, ledger, make_claim(sandbox))
    mend = _break_reading(tmp_path / "jobs")
    time = Time()

    async def sleep(seconds: float) -> None:
        await time.sleep(seconds)
        if mended and time.now > 5:
            mend()

    submitter = Submitter(client, ledger, Threads(), sleep=sleep, clock=time.clock)
    second = await submitter.submit(make_claim(sandbox), BODY)
    assert second.reused
    if mended:
        assert (second.state, second.job_id) == ("accepted", first.job_id)
    else:
        assert (second.state, second.job_id) == ("uncertain", None)
        assert "cannot be read" in (second.reason or "")
        assert "This run has sent nothing; whether an earlier one has is not known" in (second.reason or "")
    assert sum(seen.kind == "submit" for seen in sandbox.requests) == 1


@pytest.mark.parametrize("there", ["ours", "nothing, then ours", "nothing", "a job", "somebody else's"])
async def test_a_claim_whose_creation_ends_in_an_error(
    sandbox: Sandbox, ledger: Ledger, client: VideoClient, monkeypatch: pytest.MonkeyPatch, there: str
) -> None:
    """What the ledger holds decides: our own claim is used, an earlier job is found, and only a free key is refused."""
    real, tries = ledger.claim, 0

    def claim_in_trouble(attempt: int, claim: Claim) -> bool:
        nonlocal tries
        tries += 1
        if there == "ours" or (there == "nothing, then ours" and tries == 2):
            real(attempt, claim)
        raise LedgerError("the answer was lost")

    if there in {"a job", "somebody else's"}:
        ledger.claim(1, make_claim(sandbox, "other"))
    if there == "a job":
        ledger.record_job(KEY, 1, "gen-vid-earlier")
    monkeypatch.setattr(ledger, "claim", claim_in_trouble)
    if there == "nothing":
        with pytest.raises(LedgerError, match="the answer was lost"):
            await _submit(client, ledger, make_claim(sandbox))
        assert ledger.entry(KEY).state == "free"
    else:
        submitted = await _submit(client, ledger, make_claim(sandbox))
        expected = {"a job": ("accepted", True), "somebody else's": ("uncertain", True)}.get(there, ("accepted", False))
        assert (submitted.state, submitted.reused) == expected
    assert len(sandbox.charges) == (1 if "ours" in there else 0)


async def test_a_doubt_that_cannot_be_recorded_is_still_one(
    sandbox: Sandbox, ledger: Ledger, client: VideoClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A claim of a dead process is no proof of anything, whatever the ledger does meanwhile."""
    ledger.claim(1, make_claim(sandbox, "dead"))

    def refuse(*_: object) -> bool:
        raise LedgerError("disk full")

    monkeypatch.setattr(ledger, "doubt", refuse)
    submitted = await _submit(client, ledger, make_claim(sandbox))
    assert (submitted.state, submitted.reused) == ("uncertain", True)


# ---- Conflicts -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("state", ["free", "claimed", "uncertain", "accepted", "settled"])
def test_a_key_belongs_to_a_request_only_where_something_may_be_accepted(sandbox: Sandbox, state: Any) -> None:
    """A request that was refused may be mended under the same key, as its refusal advises."""
    entry = LedgerEntry(KEY, state, 1, make_claim(sandbox))
    if state == "free":
        check_conflict(entry, {"prompt": "A tree"}, BODY)
    else:
        with pytest.raises(KeyConflict, match='prompt was "A flower", now "A tree"'):
            check_conflict(entry, {"prompt": "A tree"}, BODY)


async def test_a_refused_request_is_mended_under_its_key(sandbox: Sandbox, ledger: Ledger, client: VideoClient) -> None:
    """And then the key belongs to the mended one."""
    sandbox.add_fault(Fault(on="submit", status=400))
    assert (await _submit(client, ledger, make_claim(sandbox))).state == "refused"
    assert (await _submit(client, ledger, make_claim(sandbox, asked={"prompt": "A tree"}))).state == "accepted"
    with pytest.raises(KeyConflict, match='prompt was "A tree", now "A flower"'):
        await _submit(client, ledger, make_claim(sandbox))
    assert len(sandbox.charges) == 1

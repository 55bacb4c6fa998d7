"""The client: four operations over a real socket, and a key that goes to one origin."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator

import pytest

from openrouter_video.api import KeyBudget
from openrouter_video.api.client import ContentUnavailable, Timeouts, VideoClient, out_of_time
from openrouter_video.api.transport import MOST_CONNECTIONS
from openrouter_video.errors import ApiUnavailable, ConfigurationError
from openrouter_video.sandbox import Budget, Fault, Sandbox

BODY = b'{"model": "x-ai/grok-imagine-video", "prompt": "A flower", "duration": 1, "resolution": "480p"}'


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    """A sandbox of its own for each test."""
    with Sandbox(job_seconds=0) as running:
        yield running


@pytest.fixture
async def client(sandbox: Sandbox) -> AsyncIterator[VideoClient]:
    """A client with the usual patience, so that a busy machine is not taken for an API that is slow."""
    async with VideoClient(sandbox.api_key, sandbox.base_url) as running:
        yield running


def asking(sandbox: Sandbox, fault: Fault) -> VideoClient:
    """Return a client that meets a fault, with short patience for one that is slow and the usual one for all others."""
    sandbox.add_fault(fault)
    slow = fault.delay_seconds > 0 or fault.mangle == "drip"
    timeouts = Timeouts(poll=0.5, content=0.5, key=0.5) if slow else Timeouts()
    return VideoClient(sandbox.api_key, sandbox.base_url, timeouts=timeouts)


async def _job(client: VideoClient) -> str:
    """Submit a job and wait until its video is drawn."""
    job_id = client.submit(BODY, "session").job_id or pytest.fail("no job")
    while not ((answer := await client.get_job(job_id)).job and answer.job.completed):  # noqa: ASYNC110
        await asyncio.sleep(0.02)
    return job_id


async def test_the_four_operations(sandbox: Sandbox, client: VideoClient) -> None:
    """List, submit, get and content; the list needs no key, the others have it."""
    assert (await client.list_models()).get("google/veo-3.1-lite") is not None
    job_id = await _job(client)
    answer = await client.get_job(job_id)
    assert answer.job is not None
    assert answer.job.completed
    with client.content(job_id) as chunks:
        assert b"ftyp" in next(chunks)[:16]
    seen = {request.kind: request for request in sandbox.requests}
    assert not seen["models"].authorized
    assert all(seen[kind].authorized for kind in ("submit", "poll", "content"))
    assert seen["submit"].session_id == "session"


async def test_the_list_needs_no_key(sandbox: Sandbox) -> None:
    """A dry run works without one."""
    async with VideoClient(None, sandbox.base_url) as keyless:
        assert (await keyless.list_models()).models


@pytest.mark.parametrize(
    ("fault", "error", "words"),
    [
        (Fault(on="models", mangle="html"), ConfigurationError, "does not look like OpenRouter's API"),
        (Fault(on="models", status=404, body="no"), ConfigurationError, "HTTP 404"),
        (Fault(on="models", body={"models": []}), ConfigurationError, "a list under 'data'"),
        (Fault(on="models", status=503, body="x"), ApiUnavailable, "try again later"),
        (Fault(on="models", status=429, body="x"), ApiUnavailable, "try again later"),
        (Fault(on="models", drop="before"), ApiUnavailable, "could not reach"),
        (Fault(on="models", mangle="drip"), ApiUnavailable, r"gave no complete answer within 0\.5 s"),
        (Fault(on="models", body="x" * 9_000_000), ConfigurationError, "more than 8388608 bytes of text/plain"),
    ],
    ids=lambda value: value.mangle or str(value.status) if isinstance(value, Fault) else "",
)
async def test_a_list_that_is_none(sandbox: Sandbox, fault: Fault, error: type[Exception], words: str) -> None:
    """What passes is told from what stays wrong."""
    async with asking(sandbox, fault) as client:
        with pytest.raises(error, match=words):
            await client.list_models()


@pytest.mark.parametrize(
    "fault",
    [
        Fault(on="poll", status=500, body="x"),
        Fault(on="poll", status=429, headers={"Retry-After": "3"}, body="x"),
        Fault(on="poll", drop="before"),
        Fault(on="poll", delay_seconds=0.8),
        Fault(on="poll", mangle="html"),
        Fault(on="poll", mangle="not_json"),
    ],
    ids=["500", "429", "dropped", "slow", "html", "not json"],
)
async def test_a_poll_never_raises(sandbox: Sandbox, client: VideoClient, fault: Fault) -> None:
    """A paid job is not lost to one bad answer."""
    job_id = await _job(client)
    async with asking(sandbox, fault) as asked:
        answer = await asked.get_job(job_id)
    assert (answer.job, answer.hopeless) == (None, False)
    assert answer.reason
    assert answer.retry_after == (3.0 if fault.status == 429 else None)
    assert (await client.get_job(job_id)).job is not None


async def test_a_poll_that_waits_for_its_turn_is_not_out_of_time(sandbox: Sandbox, client: VideoClient) -> None:
    """The time-out begins with the request, however many others are under way before it."""
    job_id = await _job(client)
    sandbox.add_fault(Fault(on="poll", delay_seconds=2.5, times=None))
    async with VideoClient(sandbox.api_key, sandbox.base_url, timeouts=Timeouts(poll=4.5)) as many:
        answers = await asyncio.gather(*(many.get_job(job_id) for _ in range(MOST_CONNECTIONS + 1)))
    assert {answer.reason for answer in answers} == {"status completed"}


async def test_the_budget_of_the_key(sandbox: Sandbox, client: VideoClient) -> None:
    """Asked with the key, and answered by a sandbox that says so."""
    assert await client.get_key_budget() == KeyBudget(sandbox=True)
    sandbox.set_budgets(Budget(limit_usd=0.4))
    assert (await client.get_key_budget()).remaining == 400_000
    assert [(seen.path, seen.authorized) for seen in sandbox.requests] == [("/api/v1/key", True)] * 2


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (Fault(on="key", status=404), "HTTP 404: Not Found"),
        (Fault(on="key", status=500, body="x"), "HTTP 500: it begins 'x'"),
        (Fault(on="key", mangle="html"), "HTTP 200: it begins '<!doctype html>"),
        (Fault(on="key", delay_seconds=5), "no complete answer within 0.5 s"),
        (Fault(on="key", mangle="drip"), "no complete answer within 0.5 s"),
        (Fault(on="key", drop="before"), "no answer: "),
        (Fault(on="key", body="x" * 9_000_000), "an answer of more than 8388608 bytes"),
        (Fault(on="key", redirect_to="https://evil-openrouter.ai/key"), "HTTP 307: an empty body"),
        (Fault(on="key", status=400, body="Bearer sandbox-key-of-a-test"), "HTTP 400: it begins 'Bearer ***'"),
    ],
)
async def test_a_look_at_the_key_never_raises(fault: Fault, words: str) -> None:
    """What went wrong is said in words, without the key, which goes nowhere else."""
    with Sandbox(api_key="sandbox-key-of-a-test") as running:
        async with asking(running, fault) as client:
            budget = await client.get_key_budget()
        assert (budget.unknown or "").startswith(words)
        assert budget.remaining is None
        assert len(running.requests) <= 1


async def test_a_look_without_a_key_asks_nobody(sandbox: Sandbox) -> None:
    """Nor does one to which nobody listens raise."""
    async with VideoClient(None, sandbox.base_url) as keyless:
        assert await keyless.get_key_budget() == KeyBudget(unknown="there is no key")
    async with VideoClient("a-key", "http://127.0.0.1:9/api/v1") as nobody:
        assert "no answer: " in ((await nobody.get_key_budget()).unknown or "")
    assert sandbox.requests == ()


async def test_the_list_tells_whether_a_sandbox_sent_it(sandbox: Sandbox, client: VideoClient) -> None:
    """By the sandbox's own word: an API that listens on this machine may bill."""
    assert (await client.list_models()).sandbox
    with Sandbox(disclosed=False) as silent:
        async with VideoClient(silent.api_key, silent.base_url) as other:
            assert not (await other.list_models()).sandbox


@pytest.mark.parametrize(
    ("passed", "words"),
    [
        (30.1, "no complete answer within 30 s"),
        (47.0, "no complete answer within 30 s; this process was busy, and looked only after 47 s"),
    ],
)
def test_what_is_said_of_a_poll_out_of_time(passed: float, words: str) -> None:
    """That this process was the slow one, where it was."""
    assert out_of_time(30.0, passed) == words


@pytest.mark.parametrize(
    ("fault", "words", "again"),
    [
        (Fault(on="content", status=401, body={"error": {"message": "User not found.", "code": 401}}), "401", False),
        (Fault(on="content", status=404, body="gone"), "404", False),
        (Fault(on="content", status=503, body="x"), "503", True),
        (Fault(on="content", status=400, body="out of range"), "400", False),
        (Fault(on="content", mangle="html"), "an HTML page, labelled text/html, not a video", True),
        (Fault(on="content", mangle="json"), "JSON, labelled application/json.*being prepared", True),
        (
            Fault(on="content", mangle="html", headers={"content-type": "video/mp4"}),
            "an HTML page, labelled video",
            True,
        ),
        (Fault(on="content", mangle="json", headers={"content-type": "video/mp4"}), "JSON, labelled video/mp4", True),
        (Fault(on="content", drop="before"), "broke off", True),
        (Fault(on="content", mangle="cut_reset"), "broke off", True),
        (Fault(on="content", delay_seconds=0.8), "broke off", True),
    ],
    ids=["401", "404", "503", "400", "html", "json", "html as video", "json as video", "dropped", "reset", "slow"],
)
async def test_content_that_is_no_video(
    sandbox: Sandbox, client: VideoClient, fault: Fault, words: str, again: bool
) -> None:
    """The reason says whether trying again may help."""
    job_id = await _job(client)
    async with asking(sandbox, fault) as asked:
        with pytest.raises(ContentUnavailable, match=words) as caught, asked.content(job_id) as chunks:
            for _ in chunks:
                pass
    assert caught.value.answer.again is again


async def test_a_page_in_the_place_of_a_video_never_repeats_the_key() -> None:
    """Wherever it stands in the page: in the part that is told, or across the end of what came first."""
    key = "sk-or-canary-0123456789abcdef0123456789abcdef"
    with Sandbox(api_key=key, job_seconds=0) as sandbox:
        async with VideoClient(key, sandbox.base_url) as client:
            job_id = await _job(client)
            for before in (1, 20, 40, 60, 180):
                page = f"<html>{'x' * before}{key}</html>"
                sandbox.add_fault(Fault(on="content", status=200, body=page))
                with (
                    pytest.raises(ContentUnavailable, match="not a video: it") as caught,
                    client.content(job_id),
                ):
                    pytest.fail("a page is no video")
                assert "canary" not in str(caught.value)


async def test_redirects_are_not_followed(sandbox: Sandbox, client: VideoClient) -> None:
    """Not even the list's: the other host sees no request."""
    job_id = await _job(client)
    with Sandbox() as other:
        for kind in ("models", "poll", "content"):
            sandbox.add_fault(Fault(on=kind, status=302, redirect_to=f"{other.base_url}/videos/{job_id}"))
        with pytest.raises(ConfigurationError):
            await client.list_models()
        assert (await client.get_job(job_id)).job is None
        with pytest.raises(ContentUnavailable), client.content(job_id):
            pytest.fail("a redirect is no video")
        assert other.requests == ()


async def test_a_proxy_of_the_environment_never_sees_the_key_to_this_machine(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Requests to the loopback go there directly."""
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:9")
    async with VideoClient(sandbox.api_key, sandbox.base_url) as direct:
        assert (await direct.list_models()).models


def test_an_id_is_quoted_into_its_url(sandbox: Sandbox) -> None:
    """An id from an answer cannot lead to another path."""
    client = VideoClient(sandbox.api_key, sandbox.base_url)
    with pytest.raises(ContentUnavailable), client.content("../../sandbox/billing?x"):
        pytest.fail("an id must not choose the path")
    assert all("billing" not in seen.path or "%2F" in seen.path or ".." in seen.path for seen in sandbox.requests)

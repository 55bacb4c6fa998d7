"""What an answer of the API proves, held against recordings of every kind of answer that it is known to give."""

from __future__ import annotations

import json
import pickle
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from openrouter_video.api.answers import (
    NOTHING_ACCEPTED,
    ContentAnswer,
    ContentUnavailable,
    SubmitAnswer,
    error_message,
    is_gone,
    read_content,
    read_poll,
    read_submit,
    retry_after,
)
from openrouter_video.api.job import JobStatus, VideoJob
from openrouter_video.api.refusals import advice
from openrouter_video.text import clip

NOW = datetime(2026, 11, 22, 12, 0, 0, tzinfo=UTC)
JOB = "gen-vid-1790983457-AbCdEfGhIjKlMnOpQrSt"
IN_FLIGHT = {"reason": "in_flight_budget_exhausted"}
HTML = b"<html><head><title>502 Bad Gateway</title></head></html>"
SIGNED = "https://storage.example/v.mp4?X-Signature=canary"


def envelope(message: Any, code: int = 400, metadata: Any = None) -> bytes:
    """An error as OpenRouter writes it."""
    return json.dumps({"error": {"message": message, "code": code, "metadata": metadata}}).encode()


def zod(message: str) -> bytes:
    """A schema failure as OpenRouter writes it."""
    return json.dumps({"success": False, "error": {"name": "ZodError", "message": message}}).encode()


def submitted(status: int, body: bytes, headers: dict[str, str] | None = None) -> SubmitAnswer:
    """What an answer to a submission proves."""
    return read_submit(status, headers or {}, body, NOW)


# ---- Submissions -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "body", "job_id"),
    [
        (202, {"id": JOB, "polling_url": f"https://openrouter.ai/api/v1/videos/{JOB}", "status": "pending"}, JOB),
        (200, {"id": "AbCdEfGhIjKlMnOpQrSt"}, "AbCdEfGhIjKlMnOpQrSt"),
        (201, {"id": JOB, "status": "failed", "error": "moderation"}, JOB),
        (202, {"id": f" {JOB}\n"}, JOB),
        (202, {"id": 4711}, "4711"),
        (202, {"id": "half\ud800"}, "half?"),
    ],
    ids=["as recorded", "old id, no polling_url", "failed already", "blanks", "a number", "half a character"],
)
def test_an_id_that_was_paid_for_is_never_thrown_away(status: int, body: Any, job_id: str) -> None:
    """Any 2xx with an id is an accepted job, whatever else is missing or odd."""
    assert submitted(status, json.dumps(body).encode()) == SubmitAnswer("accepted", job_id=job_id, status=status)


@pytest.mark.parametrize("length", [len(JOB) + 9, len(JOB) + 10, len(JOB) + 20, 10_000])
def test_the_id_in_an_answer_that_is_cut_is_kept(length: int) -> None:
    """It is whole where its closing quote is there; without that nobody knows how it goes on."""
    whole = json.dumps({"id": JOB, "polling_url": f"https://openrouter.ai/api/v1/videos/{JOB}"}).encode()
    assert submitted(202, whole[:length]) == SubmitAnswer("accepted", job_id=JOB, status=202)
    assert submitted(202, whole[: len(JOB) + 8]).proof == "uncertain"
    assert submitted(502, whole[:length]).proof == "uncertain"


@pytest.mark.parametrize(
    ("status", "body", "said"),
    [
        (202, b"{}", "HTTP 202 without a job id (it begins '{}')"),
        (202, b"", "HTTP 202 without a job id (an empty body)"),
        (202, b'{"id": ""}', "without a job id"),
        (202, b'{"id": true}', "without a job id"),
        (202, b'{"id": null}', "without a job id"),
        (202, b'[{"id": "x"}]', "without a job id"),
        (204, b"", "HTTP 204 without a job id"),
        (200, envelope("it went wrong"), "HTTP 200 without a job id (it begins"),
        (200, HTML, "it begins '<html>"),
        (202, f'{{"urls": ["{SIGNED}"]}}'.encode(), "https://storage.example/v.mp4?…"),
        (301, HTML, "HTTP 301 proves neither acceptance nor refusal"),
        *[(code, envelope("no", code), f"HTTP {code} proves neither acceptance nor refusal: no")
          for code in (405, 408, 409, 410, 425, 499, 500, 502, 503, 504, 524, 529)],
        (502, HTML, "refusal: it begins '<html><head>"),
        *[(code, HTML, f"HTTP {code} proves neither") for code in sorted(NOTHING_ACCEPTED)],
        (400, b'{"error": "a text"}', "proves neither"),
        (400, b'{"detail": "not found"}', "proves neither"),
        (403, b"", "an empty body"),
        (429, b"\xff\xfe\x00" * 99, "proves neither"),
    ],
)  # fmt: skip
def test_what_proves_nothing(status: int, body: bytes, said: str) -> None:
    """No id, gateway trouble, or a refusal that is not in OpenRouter's own envelope: the job may run."""
    answer = submitted(status, body, {"retry-after": "1"})
    assert (answer.proof, answer.status, answer.job_id, answer.retry_after) == ("uncertain", status, None, None)
    assert said in answer.reason
    assert "canary" not in answer.reason


@pytest.mark.parametrize(
    ("status", "body", "reason"),
    [
        (400, envelope("Duration 99s is not supported for this model. Supported durations: 1, 2.",
                       metadata={"failed_routing_step": "Validate Video Parameters"}),
         "Duration 99s is not supported for this model. Supported durations: 1, 2"),
        (400, zod('[{"code": "invalid_type", "path": ["provider", "options", 0], "message": "Expected object"},'
                  ' {"path": [], "message": "Required"}, {"path": "a", "message": "x"}]'),
         "provider.options.0: Expected object; the body: Required; the body: x"),
        (400, zod("no list at all"), "no list at all"),
        (400, zod("[1]"), "[1]"),
        (401, envelope("User not found.", 401), "User not found"),
        (403, envelope("Not in your region", 403, {"reasons": []}), "Not in your region"),
        (404, envelope("No endpoints found", 404), "No endpoints found"),
        (413, envelope("Too large", 413), "Too large"),
        (422, envelope("\x1b[31mBad\r\ninput\x00", 422), "[31mBad input"),
        (400, envelope(""), "no reason was given"),
    ],
)  # fmt: skip
def test_what_is_refused_for_good(status: int, body: bytes, reason: str) -> None:
    """A definite refusal in the API's own words: nothing was accepted, and there is advice for it."""
    assert submitted(status, body) == SubmitAnswer("refused", f"HTTP {status}: {reason}", status=status)
    assert advice(status, None) != advice(None, None)


@pytest.mark.parametrize(
    ("status", "headers", "metadata", "wait"),
    [
        (429, {}, None, None),
        (429, {"retry-after": "7"}, None, 7.0),
        (429, {"retry-after": "Sun, 22 Nov 2026 12:00:30 GMT"}, None, 30.0),
        (402, {"retry-after": "12"}, IN_FLIGHT, 12.0),
        (402, {}, IN_FLIGHT, None),
        (402, {"retry-after": "3"}, None, 3.0),
    ],
)
def test_what_may_be_tried_again(status: int, headers: dict[str, str], metadata: Any, wait: float | None) -> None:
    """A rate limit, and the 402 of a budget that other jobs hold at this moment: nothing was accepted."""
    answer = submitted(status, envelope("Wait.", status, metadata), headers)
    assert answer == SubmitAnswer("again", f"HTTP {status}: Wait", status=status, retry_after=wait)


# ---- Retry-After -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (None, None),
        (" ", None),
        ("0", 0.0),
        (" 2.5 ", 2.5),
        ("-5", 0.0),
        ("86400", 3600.0),
        ("inf", 3600.0),
        ("nan", None),
        ("soon", None),
        ("Sun, 22 Nov 2026 12:01:00 GMT", 60.0),
        ("Sun, 22 Nov 2026 13:01:00 +0100", 60.0),
        ("Sun, 22 Nov 2026 12:01:00 -0000", 60.0),
        ("Sun, 22 Nov 2026 11:00:00 GMT", 0.0),
        ("Sun, 22 Nov 2099 12:00:00 GMT", 3600.0),
        ("Sun, 99 Nov 2026 12:00:00 GMT", None),
        ("Mon, 1 Jan 99999999999999999999 00:00:00 GMT", None),
    ],
)
def test_retry_after(value: str | None, seconds: float | None) -> None:
    """In seconds or as a date, never negative, never more than an hour, None where it says nothing."""
    assert retry_after({} if value is None else {"retry-after": value}, NOW) == seconds


# ---- Polls -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "read"),
    [
        ({"id": JOB, "generation_id": "g", "polling_url": "/x", "status": "pending"}, {"status": "pending"}),
        ({"status": "in_progress"}, {"status": "in_progress", "terminal": False}),
        ({"status": "reviewing"}, {"status": "reviewing", "terminal": False}),
        (
            {"status": "completed", "unsigned_urls": ["a", "b"], "usage": {"cost": 0.12, "is_byok": False}, "new": 1},
            {"completed": True, "cost_usd": 0.12, "videos": 2, "error": None},
        ),
        ({"status": "completed", "unsigned_urls": []}, {"completed": True, "videos": 1, "cost_usd": None}),
        ({"status": "completed", "usage": None, "urls": [SIGNED]}, {"videos": 1, "cost_usd": None}),
        ({"status": "completed", "expires_at": 1790983457}, {"expires_at": "2026-10-02T23:24:17+00:00"}),
        ({"status": "failed", "error": "no"}, {"terminal": True, "error": "no", "completed": False}),
        ({"status": "failed", "error": {"message": "no", "code": 1}}, {"error": "no"}),
        ({"status": "failed", "error": ["no"]}, {"error": "['no']"}),
        ({"status": "expired", "error": "Job exceeded maximum time to live"}, {"unsuccessful": True}),
        ({"status": "completed", "usage": {"cost": "0.12"}}, {"completed": True, "cost_usd": None}),
        ({"status": "completed", "usage": {"cost": True}}, {"cost_usd": None}),
        ({"status": "completed", "usage": {"cost": 10**400}}, {"cost_usd": None}),
        ({"status": "completed", "usage": {"cost": float("nan")}}, {"cost_usd": None}),
        ({"status": "completed", "usage": {"cost": float("inf")}}, {"cost_usd": None}),
        ({"status": "completed", "usage": {"cost": -1}}, {"cost_usd": None}),
        ({"status": "completed", "usage": {"cost": 0, "is_byok": "yes"}}, {"cost_usd": 0.0}),
        ({"status": "failed", "error": "half \ud800"}, {"error": "half ?"}),
    ],
)
def test_a_job_is_read_whatever_else_is_odd(body: Any, read: dict[str, Any]) -> None:
    """The status decides; a surprise in the bill or the error must not lose a video."""
    answer = read_poll(200, {}, json.dumps(body).encode(), NOW, JOB)
    assert answer.job is not None
    assert answer.job.id == JOB
    assert {name: getattr(answer.job, name) for name in read} == read
    assert (answer.reason, answer.hopeless) == (f"status {body['status']}", False)
    assert "canary" not in repr(answer)


@pytest.mark.parametrize(
    ("status", "headers", "body", "reason", "wait"),
    [
        (200, {}, HTML, "HTTP 200 without a job status (it begins '<html>", None),
        (200, {}, b'{"status": 7}', "without a job status", None),
        (200, {}, b'["completed"]', "without a job status", None),
        (200, {}, b"[" * 100_000, "without a job status", None),
        (202, {}, b'{"status": "completed"}', "HTTP 202: it begins", None),
        (302, {}, b"", "HTTP 302: an empty body", None),
        (429, {"retry-after": "9"}, envelope("Slow down", 429), "HTTP 429: Slow down", 9.0),
        (500, {}, envelope("Internal", 500), "HTTP 500: Internal", None),
        (502, {"retry-after": "Sun, 22 Nov 2026 12:00:05 GMT"}, HTML, "HTTP 502: it begins '<html>", 5.0),
        (402, {}, envelope("Insufficient credits", 402), "HTTP 402: Insufficient credits", None),
    ],
)
def test_polls_that_tell_nothing(
    status: int, headers: dict[str, str], body: bytes, reason: str, wait: float | None
) -> None:
    """A reason to ask again, never an end and never an exception."""
    answer = read_poll(status, headers, body, NOW, JOB)
    assert (answer.job, answer.hopeless, answer.retry_after) == (None, False, wait)
    assert reason in (answer.reason or "")


@pytest.mark.parametrize(
    ("status", "message", "reason"),
    [
        (401, "User not found.", "User not found. The key was not accepted; collect the job with the key that"),
        (403, "Forbidden", "Forbidden. The key may not read this job"),
        (404, f"Job {JOB} not found", f"Job {JOB} not found. The API does not know the job under this key"),
    ],
)
def test_polls_that_are_hopeless(status: int, message: str, reason: str) -> None:
    """The same key will not do better; the reason says what would."""
    answer = read_poll(status, {"retry-after": "1"}, envelope(message, status), NOW, JOB)
    assert (answer.job, answer.hopeless, answer.retry_after) == (None, True, None)
    assert (answer.reason or "").startswith(f"HTTP {status}: {reason}")


# ---- Content ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "body", "again"),
    [
        (200, HTML, True),
        (400, envelope("Video index 5 out of range (1 videos available)"), False),
        (401, envelope("Missing Authentication header", 401), False),
        (403, envelope("Forbidden", 403), False),
        (404, envelope("Job not found", 404), False),
        (409, envelope("Not yet complete", 409), True),
        (410, envelope("Gone", 410), True),
        (429, envelope("Slow down", 429), True),
        (502, b"", True),
    ],
)
def test_why_no_video_came(status: int, body: bytes, again: bool) -> None:
    """And whether asking again may help."""
    answer = read_content(status, {"retry-after": "4"}, body, NOW)
    said = error_message(json.loads(body)) if body.startswith(b"{") else None
    assert (answer.again, answer.retry_after) == (again, 4.0)
    assert answer.reason.startswith(f"HTTP {status}: {said or ''}")


# ---- Words -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("a\r\n\tb\x00\x1b[2J  c", "a b [2J c"),
        ("x" * 601, "x" * 599 + "…"),
        ("x" * 600, "x" * 600),
        (f"see {SIGNED}, or <{SIGNED}>", "see https://storage.example/v.mp4?… or <https://storage.example/v.mp4?…>"),
        ("why? http://me:pw@a.example/b#c", "why? http://***@a.example/b?…"),
        ("", ""),
    ],
)
def test_foreign_words_become_one_short_line(text: str, line: str) -> None:
    """Without control characters, and without what may be a signature."""
    assert clip(text) == line


# ---- Anything --------------------------------------------------------------------------------------------------------

KEYS = ("id", "status", "error", "message", "metadata", "reason", "reasons", "usage", "cost", "unsigned_urls", "name")
ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(codec=None)),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYS), inner, max_size=5),
)
BODIES = st.binary() | ANY_JSON.map(lambda value: json.dumps(value).encode())
HEADERS = st.dictionaries(st.just("retry-after"), st.text())


@given(st.integers(100, 599), HEADERS, BODIES)
@example(400, {}, zod('[{"path": 7}]'))
@example(403, {}, envelope("no", 403, {"reasons": [None, {"a": 1}]}))
@example(402, {}, envelope("no", 402, ["x"]))
def test_no_answer_is_an_exception(status: int, headers: dict[str, str], body: bytes) -> None:
    """Whatever comes: accepted only with an id, printable words, and text that a record can hold."""
    answer = read_submit(status, headers, body, NOW)
    assert (answer.proof == "accepted") == (answer.job_id is not None)
    assert answer.proof in {"accepted", "uncertain"} or status in NOTHING_ACCEPTED
    poll = read_poll(status, headers, body, NOW, JOB)
    assert poll.job is None or status == 200
    content = read_content(status, headers, body, NOW)
    assert isinstance(content, ContentAnswer)
    for words in (answer.reason, poll.reason or "", content.reason):
        assert words.isprintable()
        assert len(words) < 1400
    texts = [answer.job_id or "", poll.job.model_dump_json() if poll.job else ""]
    assert all(text.encode() is not None for text in texts)
    assert all(wait is None or 0 <= wait <= 3600 for wait in (answer.retry_after, poll.retry_after))


@pytest.mark.parametrize(
    ("status", "expires_at", "asked_before", "gone"),
    [
        (404, "2026-11-22T11:59:59+00:00", False, True),
        (410, "2026-11-22T12:00:00+00:00", False, True),
        (404, "2026-11-22T12:00:01+00:00", True, False),
        (410, None, False, False),
        (410, None, True, True),
        (502, "2026-11-22T11:59:59+00:00", True, False),
    ],
)
def test_when_a_video_can_never_be_had(status: int, expires_at: str | None, asked_before: bool, gone: bool) -> None:
    """After its retention nothing is there, or "gone" is said again to a later run."""
    job = VideoJob(id=JOB, status=JobStatus.completed, expires_at=expires_at)
    answer = ContentAnswer(f"HTTP {status}", again=True, status=status)
    assert is_gone(answer, job, NOW, asked_before=asked_before) is gone


def test_a_missing_video_keeps_its_answer_across_processes() -> None:
    """Prefect pickles what a task raises."""
    error = ContentUnavailable(ContentAnswer("HTTP 502: bad gateway", again=True, status=502))
    copy = pickle.loads(pickle.dumps(error))  # noqa: S301 (our own)
    assert (str(copy), copy.answer) == ("HTTP 502: bad gateway", error.answer)

"""What an answer of the API proves.

Pure: status, headers and body go in, a value comes out. The one question behind every line is whether a job may have
been accepted: only a 2xx with an id proves that one was, only a definite refusal in OpenRouter's own error envelope
proves that none was, and everything else proves nothing.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, Literal, NamedTuple

from openrouter_video.api.job import VideoJob
from openrouter_video.api.refusals import read_refusal
from openrouter_video.errors import ApiUnavailable
from openrouter_video.outcome import FailureKind
from openrouter_video.text import clip

__all__ = [
    "GONE",
    "IN_FLIGHT_SECONDS",
    "LOST_STATUSES",
    "NOT_FOUND",
    "ContentAnswer",
    "ContentUnavailable",
    "PollAnswer",
    "SubmitAnswer",
    "excerpt",
    "is_gone",
    "is_sandbox",
    "parse_json",
    "read_content",
    "read_poll",
    "read_submit",
    "retry_after",
]

IN_FLIGHT_SECONDS = 600.0
"""From its claim on, a POST and the record of its answer take no longer than this; the client keeps within it."""

LONGEST_RETRY_AFTER_SECONDS = 3600.0
SANDBOX_HEADER = ("x-openrouter-sandbox", "nothing is billed")
UNAUTHORIZED, PAYMENT_REQUIRED, TOO_MANY_REQUESTS = 401, 402, 429
NOT_FOUND, GONE = 404, 410
LOST_STATUSES = frozenset({NOT_FOUND, GONE, 502})
"""With what the API answers where the content of a finished job is not there, while a stored copy of it may be."""
LARGEST_COST_USD = 1e6
CUT_AFTER_ID = re.compile(rb'\s*\{\s*"id"\s*:\s*"([\w.:-]+)"')
NOTHING_ACCEPTED = frozenset({400, 401, PAYMENT_REQUIRED, 403, 404, 413, 422, TOO_MANY_REQUESTS})


class SubmitAnswer(NamedTuple):
    """What the answer to ``POST /videos`` proves.

    ``accepted``: a job of id ``job_id`` runs and is billed. ``again``: nothing was accepted, and trying again after
    ``retry_after`` seconds may help. ``refused``: nothing was accepted, and that is final. ``uncertain``: nobody knows.
    ``failure``: of what kind the refusal is, where it says more than that this one request was wrong. ``pending`` means
    that there is no answer yet, and that it is told to somebody should it come.
    """

    proof: Literal["accepted", "again", "refused", "uncertain"]
    reason: str = ""
    job_id: str | None = None
    status: int | None = None
    retry_after: float | None = None
    pending: bool = False
    failure: FailureKind | None = None


class PollAnswer(NamedTuple):
    """What one ``GET /videos/{id}`` told: a job, or the reason why none could be read.

    ``hopeless`` means that asking again with the same key will not do better (401, 403, 404), ``missing`` that the API
    does not know the job (404).
    """

    job: VideoJob | None = None
    reason: str | None = None
    retry_after: float | None = None
    hopeless: bool = False
    missing: bool = False


class ContentAnswer(NamedTuple):
    """Why ``GET /videos/{id}/content`` gave no video, and whether trying again may help.

    ``again``: in a moment. ``final``: not even later, by the API's own word. ``copy_failed``: nor could the stored copy
    be had.
    """

    reason: str
    again: bool
    retry_after: float | None = None
    final: bool = False
    status: int | None = None
    copy_failed: bool = False


class ContentUnavailable(ApiUnavailable):
    """No video came, or it stopped coming; ``answer`` says whether trying again may help."""

    def __init__(self, answer: ContentAnswer) -> None:
        self.answer = answer
        super().__init__(answer.reason)

    def __reduce__(self) -> tuple[type[ContentUnavailable], tuple[ContentAnswer]]:
        return type(self), (self.answer,)


def retry_after(headers: Mapping[str, str], now: datetime) -> float | None:
    """Return the seconds that ``Retry-After`` asks for, given in seconds or as an HTTP date; None without it.

    Bounded to an hour, so that a wrong clock cannot park a run for ever.
    """
    value = headers.get("retry-after", "").strip()
    if not value:
        return None
    try:
        seconds = float(value)
    except ValueError:
        try:
            when = parsedate_to_datetime(value)
        except (ValueError, OverflowError):
            return None
        seconds = (when if when.tzinfo else when.replace(tzinfo=UTC)).timestamp() - now.timestamp()
    if seconds != seconds:  # noqa: PLR0124 (NaN is the one float that differs from itself)
        return None
    return min(max(seconds, 0.0), LONGEST_RETRY_AFTER_SECONDS)


def is_sandbox(headers: Mapping[str, str]) -> bool:
    """Whether an answer comes from a sandbox, which says so in full; where it listens proves nothing."""
    name, words = SANDBOX_HEADER
    return headers.get(name) == words


def read_submit(status: int, headers: Mapping[str, str], body: bytes, now: datetime) -> SubmitAnswer:
    """Classify the answer to a submission by what it proves."""
    payload = parse_json(body)
    if 200 <= status < 300:  # noqa: PLR2004 (the 2xx class)
        job_id = payload.get("id") if isinstance(payload, dict) else _id_of_cut(body)
        if isinstance(job_id, int) and not isinstance(job_id, bool):
            job_id = str(job_id)
        if isinstance(job_id, str) and job_id.strip():
            return SubmitAnswer("accepted", job_id=job_id.strip(), status=status)
        return SubmitAnswer("uncertain", f"HTTP {status} without a job id ({excerpt(body)})", status=status)
    message = error_message(payload)
    if message is None or status not in NOTHING_ACCEPTED:
        said = message or excerpt(body)
        return SubmitAnswer("uncertain", f"HTTP {status} proves neither acceptance nor refusal: {said}", status=status)
    wait = retry_after(headers, now)
    refusal = read_refusal(status, message, payload["error"].get("metadata"), wait)
    if status == TOO_MANY_REQUESTS or refusal.passes:
        return SubmitAnswer("again", f"HTTP {status}: {message}", status=status, retry_after=wait)
    details = f" ({refusal.details})" if refusal.details else ""
    return SubmitAnswer("refused", f"HTTP {status}: {message}{details}", status=status, failure=refusal.failure)


def read_poll(status: int, headers: Mapping[str, str], body: bytes, now: datetime, job_id: str) -> PollAnswer:
    """Read the answer to a poll; what cannot be understood is a reason to ask again, never an exception."""
    payload = parse_json(body)
    if status == 200:  # noqa: PLR2004
        return _read_job(payload, body, job_id)
    reason = f"HTTP {status}: {error_message(payload) or excerpt(body)}"
    if status in {401, 403, 404}:
        return PollAnswer(reason=f"{reason}. {POLL_ADVICE[status]}", hopeless=True, missing=status == NOT_FOUND)
    return PollAnswer(reason=reason, retry_after=retry_after(headers, now))


POLL_ADVICE = {
    401: "The key was not accepted; collect the job with the key that submitted it.",
    403: "The key may not read this job; collect it with the key that submitted it.",
    404: "The API does not know the job under this key and base URL.",
}


def read_content(status: int, headers: Mapping[str, str], body: bytes, now: datetime) -> ContentAnswer:
    """Say why no video came with this answer, from a bounded beginning of its body."""
    message = error_message(parse_json(body)) or excerpt(body)
    final = status in {400, 403, NOT_FOUND, GONE}
    # "Gone" is asked again all the same, since whoever hears it to the end gives the video up.
    again = status not in {400, UNAUTHORIZED, 403, NOT_FOUND}
    wait = retry_after(headers, now)
    return ContentAnswer(f"HTTP {status}: {message}", again=again, retry_after=wait, final=final, status=status)


def is_gone(answer: ContentAnswer, job: VideoJob, now: datetime, *, asked_before: bool) -> bool:
    """Whether a finished job's video can never be had any more.

    Its retention has ended and nothing is there, or the API says "gone", again and again, and not only to the run that
    made it: of what it says a moment after the job has ended, it may know better later.
    """
    expired = job.expires_at is not None and job.expires_at <= now.astimezone(UTC).isoformat(timespec="seconds")
    return (answer.status in {NOT_FOUND, GONE} and expired) or (answer.status == GONE and asked_before)


def error_message(payload: Any) -> str | None:
    """Return the message of OpenRouter's error envelope, or of the schema-failure shape; None if it is neither.

    Without its full stop, since it becomes part of a sentence.
    """
    error = payload.get("error") if isinstance(payload, dict) else None
    message = error.get("message") if isinstance(error, dict) else None
    if not isinstance(error, dict) or not isinstance(message, str):
        return None
    if error.get("name") == "ZodError":
        message = _schema_failure(message)
    return clip(message).rstrip(".") or "no reason was given"


def _read_job(payload: Any, body: bytes, job_id: str) -> PollAnswer:
    if not isinstance(payload, dict) or not isinstance(payload.get("status"), str):
        return PollAnswer(reason=f"HTTP 200 without a job status ({excerpt(body)})")
    urls = payload.get("unsigned_urls")
    usage = payload.get("usage")
    return PollAnswer(
        job=VideoJob.model_validate(
            {
                "id": job_id,
                "status": payload["status"],
                "error": payload.get("error"),
                "usage": _usage(usage) if isinstance(usage, dict) else None,
                "videos": max(1, len(urls)) if isinstance(urls, list) else 1,
                "expires_at": payload.get("expires_at"),
            }
        ),
        reason=f"status {clip(payload['status'])}",
    )


def _usage(usage: dict[str, Any]) -> dict[str, Any]:
    """Keep a cost that is a number; a surprise in the bill must not lose the video."""
    cost = usage.get("cost")
    number = isinstance(cost, int | float) and not isinstance(cost, bool) and 0 <= cost <= LARGEST_COST_USD
    return {"cost": cost if number else None}


def _schema_failure(message: str) -> str:
    """Put the list of complaints that a schema failure carries as JSON into words."""
    complaints = parse_json(message.encode())
    if not isinstance(complaints, list) or not all(isinstance(one, dict) for one in complaints):
        return message
    paths = [one["path"] if isinstance(one.get("path"), list) else [] for one in complaints]
    places = [".".join(map(str, path)) or "the body" for path in paths]
    return "; ".join(f"{place}: {one.get('message')}" for place, one in zip(places, complaints, strict=True))


def parse_json(body: bytes) -> Any:
    """Return what a body says in JSON; None if it is not JSON."""
    try:
        # JSON can spell half of a surrogate pair, which no record could hold.
        return json.loads(json.dumps(json.loads(body), ensure_ascii=False).encode("utf-8", "replace"))
    except (ValueError, RecursionError):
        return None


def _id_of_cut(body: bytes) -> str | None:
    """Return the id with which an answer begins that has been cut, so that it is not JSON any more."""
    found = CUT_AFTER_ID.match(body)
    return found[1].decode() if found and parse_json(body) is None else None


def excerpt(body: bytes) -> str:
    """Return how a body begins, for a message."""
    text = clip(body[:200].decode("utf-8", "replace"))
    return f"it begins {text!r}" if text else "an empty body"

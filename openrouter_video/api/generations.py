"""What an account says of its generations: ``POST /analytics/query`` and ``GET /generation``, as values.

Pure, and to the types of the official SDK (1.3.84). What these leave open is as OpenRouter's own guides for analytics
say: the dimension ``generation_id``, a filter by a model's dated slug, HTTP 403 for an ordinary key, 429 above 64
questions a minute. Guessed, since nobody has published it:

- a video is listed under the id of its job (``GET /generation`` takes that id), so the job is asked for by it before
  anything is recorded;
- it is dated somewhere between its acceptance and its end, all of which the window covers;
- where the filter by model finds nothing, its value may be wrong: then all is listed, and what looks like a video kept.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from openrouter_video.api.answers import error_message, excerpt, parse_json, retry_after
from openrouter_video.text import clip

__all__ = ["Generation", "Listing", "Window", "nearest_first", "query", "read_generation", "read_listing", "window"]

EARLIER, LATER = timedelta(minutes=5), timedelta(minutes=175)
"""Clocks differ, and a job may wait for two hours before it expires."""
MOST_ROWS = 1_000
OK, UNAUTHORIZED, FORBIDDEN, MISSING, TOO_LONG, TOO_MANY = 200, 401, 403, 404, 408, 429
OF_A_VIDEO = re.compile(r"gen-vid-([0-9]{10})-.+", re.ASCII)
WORDS = {
    UNAUTHORIZED: "the management key is not accepted",
    FORBIDDEN: "it is not a management key, or may not see this; openrouter.ai/settings/management-keys makes one",
    TOO_LONG: "the query took too long; try again later",
    TOO_MANY: "too many questions; try again {}",
}


class Window(NamedTuple):
    """The time around a claim in which its generation may be dated."""

    start: datetime
    end: datetime

    def __str__(self) -> str:
        return f"from {self.start:%Y-%m-%d %H:%M} to {self.end:%Y-%m-%d %H:%M} UTC"


class Listing(NamedTuple):
    """The ids of generations, or the ``trouble`` why there are none; ``useless``: others would have the same."""

    ids: tuple[str, ...] = ()
    truncated: bool = False
    trouble: str | None = None
    useless: bool = False


class Generation(NamedTuple):
    """A generation and its session, or the ``trouble`` why nothing is known of it; ``useless`` as of a listing."""

    id: str
    session_id: str | None = None
    created_at: str | None = None
    trouble: str | None = None
    useless: bool = False


def window(begun: datetime, now: datetime) -> Window:
    """Return where to look for a submission that was begun at some time; it ends now at the latest."""
    start = begun.astimezone(UTC) - EARLIER
    return Window(start, max(start + EARLIER, min(now.astimezone(UTC), begun.astimezone(UTC) + LATER)))


def query(where: Window, models: Sequence[str] = ()) -> dict[str, Any]:
    """Return the body that asks for the ids of all generations in a window, of these models if any are named."""
    start, end = (moment.isoformat(timespec="milliseconds").replace("+00:00", "Z") for moment in where)
    body: dict[str, Any] = {
        "metrics": ["request_count"],
        "dimensions": ["generation_id"],
        "time_range": {"start": start, "end": end},
        "limit": MOST_ROWS,
    }
    return body | ({"filters": [{"field": "model", "operator": "in", "value": list(models)}]} if models else {})


def read_listing(status: int, headers: Mapping[str, str], body: bytes, now: datetime) -> Listing:
    """Read the answer to a query; a row without an id is passed over."""
    payload = parse_json(body)
    if status != OK:
        return Listing(trouble=_trouble(status, headers, payload, body, now), useless=_useless(status))
    data = payload.get("data") if isinstance(payload, dict) else None
    rows = data.get("data") if isinstance(data, dict) else None
    if not isinstance(data, dict) or not isinstance(rows, list):
        return Listing(trouble=f"the answer has no rows ({excerpt(body)})")
    ids = [row.get("generation_id") for row in rows if isinstance(row, dict)]
    metadata = data.get("metadata")
    truncated = isinstance(metadata, dict) and metadata.get("truncated") is True
    return Listing(tuple(dict.fromkeys(one for one in ids if isinstance(one, str) and one)), truncated)


def read_generation(status: int, headers: Mapping[str, str], body: bytes, now: datetime, asked: str) -> Generation:
    """Read the answer to the question for one generation."""
    payload = parse_json(body)
    data = payload.get("data") if isinstance(payload, dict) else None
    if status != OK:
        # 403 says that this one is somebody else's.
        useless = _useless(status) and status != FORBIDDEN
        return Generation(asked, trouble=_trouble(status, headers, payload, body, now), useless=useless)
    if not isinstance(data, dict) or data.get("id") != asked:
        return Generation(asked, trouble=f"the answer is not about it ({excerpt(body)})")
    session_id, created_at = data.get("session_id"), data.get("created_at")
    return Generation(
        asked,
        session_id if isinstance(session_id, str) else None,
        clip(created_at) if isinstance(created_at, str) else None,
    )


def nearest_first(ids: Iterable[str], begun: datetime, *, videos_only: bool = False) -> list[str]:
    """Sort ids by how near to a time they were made, which those of videos tell; the others come last."""
    when = {one: OF_A_VIDEO.fullmatch(one) for one in ids}
    known = {one: abs(int(found[1]) - begun.timestamp()) for one, found in when.items() if found}
    return sorted(known, key=lambda one: known[one]) + (
        [] if videos_only else [one for one in when if one not in known]
    )


def _useless(status: int) -> bool:
    return status in {UNAUTHORIZED, FORBIDDEN, TOO_MANY}


def _trouble(status: int, headers: Mapping[str, str], payload: Any, body: bytes, now: datetime) -> str:
    wait = retry_after(headers, now)
    when = "in a minute" if wait is None else f"in {max(1, round(wait))} s"
    words = WORDS.get(status, "try again later" if status >= 500 else "it is not there").format(when)  # noqa: PLR2004
    return f"HTTP {status}: {words} ({error_message(payload) or excerpt(body)})"

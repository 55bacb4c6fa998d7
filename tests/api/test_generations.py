"""What an account says of its generations, by every answer that it may give."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from openrouter_video.api.generations import (
    Generation,
    Listing,
    nearest_first,
    query,
    read_generation,
    read_listing,
    window,
)

NOW = datetime(2026, 11, 26, 12, 0, 30, tzinfo=UTC)
BEGUN = datetime(2026, 11, 26, 10, 0, 0, tzinfo=UTC)


def encoded(body: Any) -> bytes:
    """A body given as a value or as text."""
    return (body if isinstance(body, str) else json.dumps(body)).encode()


def error(message: str) -> dict[str, Any]:
    """OpenRouter's envelope."""
    return {"error": {"message": message, "code": 0}}


@pytest.mark.parametrize(
    ("begun", "now", "words"),
    [
        (BEGUN, NOW, "from 2026-11-26 09:55 to 2026-11-26 12:00 UTC"),
        (BEGUN, NOW + timedelta(days=9), "from 2026-11-26 09:55 to 2026-11-26 12:55 UTC"),
        (NOW, NOW, "from 2026-11-26 11:55 to 2026-11-26 12:00 UTC"),
        (NOW + timedelta(minutes=4), NOW, "from 2026-11-26 11:59 to 2026-11-26 12:04 UTC"),
    ],
    ids=["until now", "long ago", "just now", "by a clock that is ahead"],
)
def test_the_window_is_around_the_claim(begun: datetime, now: datetime, words: str) -> None:
    """Clocks differ by minutes, a job ends within three hours, and nothing is in the future."""
    assert str(window(begun, now)) == words


def test_a_query_is_for_ids() -> None:
    """Of these models, or of all; times have seconds, or they would be refused."""
    body = query(window(BEGUN, NOW), ["a/b", "a/b-20260101"])
    assert body["time_range"] == {"start": "2026-11-26T09:55:00.000Z", "end": "2026-11-26T12:00:30.000Z"}
    assert body["filters"] == [{"field": "model", "operator": "in", "value": ["a/b", "a/b-20260101"]}]
    assert (body["metrics"], body["dimensions"], body["limit"]) == (["request_count"], ["generation_id"], 1000)
    assert "filters" not in query(window(BEGUN, NOW))


@pytest.mark.parametrize(
    ("status", "headers", "body", "expected"),
    [
        (200, {}, {"data": {"data": [], "metadata": {"truncated": False}}}, Listing()),
        (
            200,
            {},
            {"data": {"data": [{"generation_id": "b"}, {"generation_id": 7}, 5, {}, {"generation_id": "b"}]}},
            Listing(("b",)),
        ),
        (
            200,
            {},
            {"data": {"data": [{"generation_id": "b", "model": "x"}], "metadata": {"truncated": True}}},
            Listing(("b",), truncated=True),
        ),
        (200, {}, {"data": []}, Listing(trouble="the answer has no rows (it begins '{\"data\": []}')")),
        (200, {}, "<html>", Listing(trouble="the answer has no rows (it begins '<html>')")),
        (400, {}, error("no such dimension"), Listing(trouble="HTTP 400: it is not there (no such dimension)")),
        (401, {}, error("User not found."), "the management key is not accepted (User not found)"),
        (403, {}, error("no"), "it is not a management key, or may not see this; openrouter.ai/settings"),
        (404, {}, "", Listing(trouble="HTTP 404: it is not there (an empty body)")),
        (408, {}, error("slow"), Listing(trouble="HTTP 408: the query took too long; try again later (slow)")),
        (429, {"retry-after": "7"}, error("x"), "HTTP 429: too many questions; try again in 7 s (x)"),
        (429, {}, error("x"), "HTTP 429: too many questions; try again in a minute (x)"),
        (502, {}, error("x"), Listing(trouble="HTTP 502: try again later (x)")),
    ],
)
def test_a_listing_is_read(status: int, headers: dict[str, str], body: Any, expected: Listing | str) -> None:
    """A text is trouble that any other question would have too."""
    listing = read_listing(status, headers, encoded(body), NOW)
    if isinstance(expected, str):
        assert expected in (listing.trouble or "")
        assert (listing.ids, listing.useless) == ((), True)
    else:
        assert listing == expected


WHOLE = {"id": "g", "session_id": "k", "created_at": "2026-11-26T10:00:01+00:00"}


@pytest.mark.parametrize(
    ("status", "body", "expected"),
    [
        (200, {"data": WHOLE}, Generation("g", "k", "2026-11-26T10:00:01+00:00")),
        (200, {"data": {"id": "g", "session_id": None}}, Generation("g")),
        (200, {"data": {"id": "g", "session_id": 7, "created_at": 8}}, Generation("g")),
        (200, {"data": {**WHOLE, "id": "other"}}, "the answer is not about it"),
        (200, {"data": None}, "the answer is not about it"),
        (404, error("Generation g not found"), "HTTP 404: it is not there (Generation g not found)"),
        (403, error("of another user"), "(of another user)"),
        (401, error("x"), "the management key is not accepted"),
    ],
)
def test_a_generation_is_read(status: int, body: Any, expected: Generation | str) -> None:
    """Only a key that is not accepted, or asks too often, makes further questions useless."""
    generation = read_generation(status, {}, encoded(body), NOW, "g")
    if isinstance(expected, str):
        assert expected in (generation.trouble or "")
        assert (generation.session_id, generation.useless) == (None, status == 401)
    else:
        assert generation == expected


def test_what_was_made_at_that_time_comes_first() -> None:
    """The ids of videos tell when they were made; others may be anything."""
    at = int(BEGUN.timestamp())
    far, near, other = f"gen-vid-{at + 900}-abc", f"gen-vid-{at - 3}-abc", "gen-1790983457-abc"
    assert nearest_first([other, far, near], BEGUN) == [near, far, other]
    assert nearest_first([other, far, near], BEGUN, videos_only=True) == [near, far]

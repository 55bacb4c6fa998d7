"""Where a stored copy is, by a job's answer: only where a signed URL may lead, and never in words."""

from __future__ import annotations

import json

import pytest

from openrouter_video.api.answers import ContentUnavailable
from openrouter_video.api.redirects import Target, copy_target
from openrouter_video.api.stored_copy import signed_url

REAL, HERE = "https://openrouter.ai/api/v1", "http://127.0.0.1:4210/api/v1"


def answer(*urls: object) -> bytes:
    """A completed job with these signed URLs."""
    return json.dumps({"id": "j", "status": "completed", "urls": urls}).encode()


@pytest.mark.parametrize(
    ("base_url", "url", "target"),
    [
        (REAL, "https://cdn.example/a.mp4?sig=1", Target("cdn.example", 443, b"/a.mp4?sig=1", "its signed URL")),
        (REAL, "https://openrouter.ai/a?sig=1", Target("openrouter.ai", 443, b"/a?sig=1", "its signed URL")),
        (HERE, "http://127.0.0.1:4210/a", Target("127.0.0.1", 4210, b"/a", "its signed URL", "http", near=True)),
        (HERE, "/a?sig=1", Target("127.0.0.1", 4210, b"/a?sig=1", "its signed URL", "http", near=True)),
        (HERE, "https://cdn.example/a", Target("cdn.example", 443, b"/a", "its signed URL")),
    ],
)
def test_where_a_copy_is(base_url: str, url: str, target: Target) -> None:
    """Over https; without encryption only at the API itself, if that is on this machine."""
    assert copy_target(base_url, signed_url(200, answer("https://other.example/", url), 1)) == target


@pytest.mark.parametrize(
    ("status", "body", "base_url", "words", "final"),
    [
        (200, answer("https://cdn.example/canary"), REAL, "the job names none", True),
        (200, answer("", None), REAL, "the job names none", True),
        (200, answer("", 7), REAL, "the job names none", True),
        (200, b'{"status": "completed"}', REAL, "the job names none", True),
        (404, b'{"error": {"message": "canary"}}', REAL, r"could not be asked for it \(HTTP 404\)", True),
        (502, b"canary", REAL, r"could not be asked for it \(HTTP 502\)", False),
        (200, b"canary", REAL, r"could not be asked for it \(HTTP 200\)", False),
        (200, answer("", "http://openrouter.ai/canary"), REAL, "leads to http://openrouter.ai, and only https", False),
        (200, answer("", "http://127.0.0.1:4210/canary"), REAL, "leads to http://127.0.0.1, and only https", False),
        (200, answer("", "http://127.0.0.1:4211/canary"), HERE, "leads to http://127.0.0.1, and only https", False),
        (200, answer("", "http://localhost:4210/canary"), HERE, "leads to http://localhost, and only https", False),
        (200, answer("", "https://u:canary@cdn.example/"), REAL, "has no host, or has a user name", False),
        (200, answer("", "https://cdn.example:canary/"), REAL, "is not a URL", False),
    ],
)
def test_where_none_is(status: int, body: bytes, base_url: str, words: str, final: bool) -> None:
    """Final only if the API says that there is none; the words hold nothing of an answer."""
    with pytest.raises(ContentUnavailable, match=words) as caught:
        copy_target(base_url, signed_url(status, body, 1))
    assert (caught.value.answer.final, caught.value.answer.again) == (final, False)
    assert "canary" not in str(caught.value)

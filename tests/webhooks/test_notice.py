"""Notices: what a body says, and what an address names."""

from __future__ import annotations

import json
from typing import Any

import pytest

from openrouter_video.webhooks.notice import Notice, key_of_query, parse_notice

JOB = "gen-vid-1790983457-abcDEF"
KEY = "0123456789abcdef" * 2
DONE = "video.generation.completed"


def body(kind: Any = DONE, **data: Any) -> bytes:
    """The body of a webhook."""
    return json.dumps({"type": kind, "created_at": "2026-11-26T08:00:00Z", "data": {"id": JOB, **data}}).encode()


@pytest.mark.parametrize("end", ["completed", "failed", "cancelled", "expired"])
def test_each_end(end: str) -> None:
    """By its identity two deliveries are the same; what else it says counts for nothing."""
    notice = parse_notice(body(f"video.generation.{end}", status="whatever", model=None, usage={"cost": None}, new=[1]))
    assert notice == Notice(JOB, end)
    assert notice.identity == f"{JOB}-{end}"


@pytest.mark.parametrize(
    "content",
    [
        body("video.generation.paused"),
        body("batch.completed"),
        b'{"type": "video.generation.started"}',
        b'{"type": "x", "data": "anything"}',
    ],
)
def test_an_event_that_is_not_known(content: bytes) -> None:
    """It is a notice, and tells of nothing."""
    assert parse_notice(content) == Notice()


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"not JSON",
        b"\xff\xfe",
        b"null",
        b"[]",
        b'"video.generation.completed"',
        b"{}",
        b'{"data": {"id": "x"}}',
        body(7),
        body(""),
        body("video.generation.completed\n"),
        body(id=None),
        body(id=""),
        body(id=7),
        body(id="with a space"),
        body(id="line\nbreak"),
        body(id="j" * 201),
        b'{"type": "video.generation.completed", "data": null}',
        b'{"type": "video.generation.completed", "data": ["x"]}',
        b'{"type": "video.generation.completed", "data": {"id": "\\ud800"}}',
        b"[" * 60_000,
        b'{"type": ' * 10_000,
    ],
)
def test_what_is_not_a_notice(content: bytes) -> None:
    """However it is made, it is answered and does not break anything."""
    assert parse_notice(content) is None


@pytest.mark.parametrize(
    ("query", "key"),
    [
        (f"key={KEY}", KEY),
        (f"token=a%26b&key={KEY}&x=", KEY),
        ("", None),
        ("key=", None),
        (f"KEY={KEY}", None),
        (f"key={KEY.upper()}", None),
        (f"key={KEY}0", None),
        (f"key={KEY[:-1]}", None),
        (f"key={KEY}%0A", None),
        (f"key={KEY}&key={KEY}", None),
        ("key=_money%2F2026-11", None),
        ("key=ü", None),
        (f"{'a=b&' * 30}key={KEY}", None),
    ],
)
def test_the_key_of_an_address(query: str, key: str | None) -> None:
    """One, of the form that keys have; anything else is somebody else's."""
    assert key_of_query(query.encode()) == key

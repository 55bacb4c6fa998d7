"""When a stored copy is asked for, and what a vain attempt leaves of the first reason."""

from __future__ import annotations

import pytest

from openrouter_video.api import ContentAnswer, ContentUnavailable
from openrouter_video.errors import BrokenVideo, StorageError
from openrouter_video.run.rescue import after_rescue, may_be_rescued, rescued_note


def unavailable(status: int | None, reason: str = "why", *, final: bool = False) -> ContentUnavailable:
    """What an attempt to fetch raises."""
    return ContentUnavailable(ContentAnswer(reason, again=False, final=final, status=status))


@pytest.mark.parametrize(
    ("error", "may"),
    [
        *((unavailable(status), True) for status in (404, 410, 502)),
        *((unavailable(status), False) for status in (None, 400, 401, 403, 409, 429, 500, 503)),
        (BrokenVideo("cut"), False),
        (StorageError("full"), False),
    ],
)
def test_which_errors_ask_for_the_copy(error: ContentUnavailable | StorageError, may: bool) -> None:
    """The content is not there; all else is passing, the key's, or the store's."""
    assert may_be_rescued(error) is may


@pytest.mark.parametrize(
    ("failed", "final", "status"),
    [
        (unavailable(None, "the job names none", final=True), True, 410),
        (unavailable(None, "cdn.example answered HTTP 503"), False, None),
        (BrokenVideo("It was cut."), False, None),
    ],
)
def test_the_old_reason_stands(failed: ContentUnavailable | BrokenVideo, final: bool, status: int | None) -> None:
    """With what the rescue said; as long as there may be a copy, nothing is final."""
    after = after_rescue(unavailable(410, "HTTP 410: gone", final=True), failed).answer
    said = str(failed).rstrip(".")
    assert after.reason == f"HTTP 410: gone; nor could OpenRouter's stored copy be had: {said}"
    assert (after.final, after.status, after.copy_failed) == (final, status, True)


def test_a_rescued_video_says_so() -> None:
    """In a note beside it."""
    assert rescued_note(unavailable(404, "HTTP 404: x")).endswith("since its content could not be had: HTTP 404: x")

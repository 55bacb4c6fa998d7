"""When OpenRouter's stored copy of a video is asked for, because its content cannot be had, and what follows. Pure."""

from __future__ import annotations

from openrouter_video.api import LOST_STATUSES, ContentUnavailable
from openrouter_video.errors import BrokenVideo, StorageError

__all__ = ["after_rescue", "may_be_rescued", "rescued_note"]


def may_be_rescued(error: ContentUnavailable | StorageError) -> bool:
    """Whether a copy may be there: the API has no content, or none any more, or not from the provider."""
    return isinstance(error, ContentUnavailable) and error.answer.status in LOST_STATUSES


def rescued_note(error: ContentUnavailable) -> str:
    """Return what is odd about a video that came from the stored copy."""
    return f"it is OpenRouter's stored copy, since its content could not be had: {error.answer.reason}"


def after_rescue(error: ContentUnavailable, failed: ContentUnavailable | BrokenVideo) -> ContentUnavailable:
    """Return what stands in the way of a video whose copy could not be had either.

    The old reason stands; but as long as a copy may be there, it ends nothing for good.
    """
    first = error.answer
    why = failed.answer.reason if isinstance(failed, ContentUnavailable) else str(failed)
    reason = f"{first.reason}; nor could OpenRouter's stored copy be had: {why.rstrip('.')}"
    both = first._replace(reason=reason, copy_failed=True)
    none_left = isinstance(failed, ContentUnavailable) and failed.answer.final
    return ContentUnavailable(both if none_left else both._replace(final=False, status=None))

"""What httpx leaves to its user: bodies of bounded length, and errors that hold no request."""

from __future__ import annotations

import time

import httpx

from openrouter_video.text import clip

__all__ = ["LARGEST_ANSWER_BYTES", "cause_of", "read_bounded", "read_bounded_async"]

LARGEST_ANSWER_BYTES = 8 * 2**20


def read_bounded(response: httpx.Response, until: float, limit: int = LARGEST_ANSWER_BYTES) -> bytes:
    """Read a body of bounded length in bounded time; a beginning is enough to see what it is.

    So it is of a success that breaks off: what had come may hold the id of a job that is paid for.
    """
    body = bytearray()
    try:
        for chunk in response.iter_bytes():
            body += chunk
            if len(body) > limit or time.monotonic() > until:
                break
    except httpx.HTTPError:
        if not (body and response.is_success):
            raise
    return bytes(body[:limit])


async def read_bounded_async(response: httpx.Response) -> bytes | None:
    """Read a whole body, None if it is too long to be an answer; the time is for the caller to bound."""
    body = bytearray()
    async for chunk in response.aiter_bytes():
        body += chunk
        if len(body) > LARGEST_ANSWER_BYTES:
            return None
    return bytes(body)


def cause_of(error: httpx.HTTPError) -> str:
    """Return what went wrong, in words: httpx leaves the message of a time-out empty.

    The request goes, and the key in it: whoever keeps the error that is raised instead keeps this one as its context.
    """
    error._request = None  # noqa: SLF001 (its setter takes no None)
    return clip(str(error)) or type(error).__name__

"""How long a store may let those wait who have paid nothing yet: its drivers would go on trying for minutes."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from typing import TypeVar

from openrouter_video.errors import ConfigurationError
from openrouter_video.threads import start

__all__ = ["ANSWER_SECONDS", "answered_in_time"]

T = TypeVar("T")

ANSWER_SECONDS = 10.0


def answered_in_time(
    ask: Callable[[], T], url: str, *, too_late: Callable[[T], None] | None = None, seconds: float | None = None
) -> T:
    """Return the answer; after ten seconds, or so many, nobody waits for it and the process may end without it.

    ``too_late`` gets an answer that comes after all.

    Raises:
        ConfigurationError: There was none in time.
    """
    seconds = ANSWER_SECONDS if seconds is None else seconds
    answer = start(ask)
    try:
        return answer.result(seconds)
    except TimeoutError:
        if answer.done():
            return answer.result()
    if too_late is not None:
        answer.add_done_callback(lambda late: _dispose(late, too_late))
    raise ConfigurationError(
        f"The store {url} did not answer within {seconds:.0f} seconds. Check that it can be reached, and try again."
    )


def _dispose(answer: Future[T], too_late: Callable[[T], None]) -> None:
    if answer.exception() is None:
        too_late(answer.result())

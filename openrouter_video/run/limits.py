"""How long a run waits for what, how often it tries, and the time by which it measures both.

A flow runs with the defaults, which are for production. An embedder with other needs, or a test that has no minutes to
spare, sets its own around the call::

    with using_limits(Limits(timeouts=Timeouts(submit=120))):
        await generate_video(...)
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import NamedTuple

from openrouter_video.api import DownloadLimits, Timeouts, download_limits
from openrouter_video.ledger import PORTION
from openrouter_video.run.download import DOWNLOAD_ATTEMPTS
from openrouter_video.run.lanes import MOST_LANES
from openrouter_video.run.submission import SubmitPolicy

__all__ = ["Limits", "current_limits", "using_limits"]


class Limits(NamedTuple):
    """The limits of one run; all times in seconds, sizes in bytes.

    ``timeouts``: of single requests. ``submit``: how long to wait for a 429, a passing 402, a connection, or another
    process. ``download_attempts``: per video. ``download``: how long, slow and large one download may be. ``sleep`` and
    ``clock``: how the waits between requests pass, and a monotonic clock that agrees with it. ``lanes``: up to so many
    videos have task runs of their own, and more of them share at most so many. How long to wait for a job is the flow's
    own ``deadline_minutes``. ``portion``: so many videos of a batch are reserved one by one, and made side by side.
    ``approval_seconds``: how long to wait for somebody's yes to what a run may cost. ``resume_seconds``: how long
    beyond the deadline of its jobs a suspended run waits for a collection that resumes it.
    """

    timeouts: Timeouts = Timeouts()
    submit: SubmitPolicy = SubmitPolicy()
    download_attempts: int = DOWNLOAD_ATTEMPTS
    download: DownloadLimits = DownloadLimits()
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    clock: Callable[[], float] = time.monotonic
    lanes: int = MOST_LANES
    portion: int = PORTION
    approval_seconds: float = 7 * 24 * 3600.0
    resume_seconds: float = 3600.0


_limits: ContextVar[Limits | None] = ContextVar("openrouter_video_limits", default=None)


@contextmanager
def using_limits(limits: Limits) -> Iterator[None]:
    """Run every flow that is awaited within by these limits."""
    token = _limits.set(limits)
    try:
        yield
    finally:
        _limits.reset(token)


def current_limits() -> Limits:
    """Return the limits that hold here: those of the innermost ``using_limits``, else the environment's or defaults.

    Raises:
        ConfigurationError: if the environment sets one to what it cannot be.
    """
    return _limits.get() or Limits(download=download_limits(os.environ))

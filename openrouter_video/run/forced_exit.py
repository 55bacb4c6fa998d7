"""The forced exit of a process that was told to end: it exits in time, whatever hangs in it."""

from __future__ import annotations

import _thread
import os
import time

from openrouter_video.threads import wait_for_irrevocable

__all__ = ["ENDS_WITHIN_SECONDS", "exit_within"]

ENDS_WITHIN_SECONDS = 9.0
"""From the signal on; Prefect kills after 30 s, and a person loses patience before."""
AFTERWARDS_SECONDS = 3.0
"""For the messages and the reports that follow a POST whose end had to be waited for."""


def exit_within(code: int, seconds: float = ENDS_WITHIN_SECONDS) -> None:
    """End this process with that exit code after that time if it still exists, but let a POST on its way end first.

    A store, an API or Prefect's server that never answers is waited for by code that nobody can reach any more: by
    Prefect's client with its retries, and by Python itself at its exit. May be called in the middle of anything, by the
    handler of a signal, so it takes no lock, as ``threading`` would.
    """
    _thread.start_new_thread(_end, (code, seconds))


def _end(code: int, seconds: float) -> None:
    time.sleep(seconds)
    if wait_for_irrevocable():
        time.sleep(AFTERWARDS_SECONDS)
    os._exit(code)

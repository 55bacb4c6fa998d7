"""Who says whether a run may spend what it plans, where somebody stands there: the command sets its terminal.

Without one the flow asks by Prefect's page.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import NamedTuple

from openrouter_video.planning import GatedPlan

__all__ = ["Answer", "Approver", "approving", "current_approver"]


class Answer(NamedTuple):
    """What was answered, and in which words; ``waited``: whether it took time, in which prices may have changed."""

    yes: bool
    note: str = ""
    waited: bool = True


Approver = Callable[[GatedPlan, float], Answer]
"""Answers for a plan and the amount above which it needs a yes; it may take its time, in a thread of its own."""

_approver: ContextVar[Approver | None] = ContextVar("openrouter_video_approver", default=None)


@contextmanager
def approving(approver: Approver) -> Iterator[None]:
    """Let ``approver`` answer for every flow that is awaited within."""
    token = _approver.set(approver)
    try:
        yield
    finally:
        _approver.reset(token)


def current_approver() -> Approver | None:
    """Return who answers here, if anybody does."""
    return _approver.get()

"""The tags of task runs: one for all of this package, and of a single video the slug of its provider.

They are added while a task runs, which costs no request. Of a task that has tags at its start Prefect asks its server
for their limits, and where the server is away, a minute passes before the task fails without having begun. So the
limits of these tags are kept around submissions instead.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import wraps
from typing import Any, ParamSpec, TypeVar

from prefect.client.schemas.objects import TaskRun
from prefect.context import TaskRunContext

__all__ = ["RUN_TAG", "add_tags", "of_provider", "tagged"]

RUN_TAG = "openrouter-video"

P = ParamSpec("P")
T = TypeVar("T")

_provider: ContextVar[str | None] = ContextVar("provider", default=None)


@contextmanager
def of_provider(slug: str) -> Iterator[None]:
    """Let the task runs within carry the slug of a provider too, as those of a single video."""
    token = _provider.set(slug)
    try:
        yield
    finally:
        _provider.reset(token)


def tagged(body: Callable[P, Coroutine[Any, Any, T]]) -> Callable[P, Coroutine[Any, Any, T]]:
    """Let the runs of a task carry the tags."""

    @wraps(body)
    async def with_tags(*args: P.args, **kwargs: P.kwargs) -> T:
        if context := TaskRunContext.get():
            add_tags(context.task_run)
        return await body(*args, **kwargs)

    return with_tags


def add_tags(run: TaskRun) -> None:
    """Tag a task run; Prefect's server learns of it with the run's next state."""
    ours = (RUN_TAG, _provider.get())
    run.tags += [tag for tag in ours if tag and tag not in run.tags]

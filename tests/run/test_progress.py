"""Whoever watches is told, in this context and no longer than it watches."""

from __future__ import annotations

import asyncio

from openrouter_video.run.progress import Progress, tell, watching

STEP = Progress("waiting", "a/b", 1, "k", "j", "pending")


def test_without_a_watcher_nothing_happens() -> None:
    """Nor after one has gone."""
    heard: list[Progress] = []
    tell(STEP)
    with watching(heard.append):
        tell(STEP)
    tell(STEP)
    assert heard == [STEP]


async def test_tasks_that_were_begun_within_are_heard() -> None:
    """The inner of two watchers hears what is told under it; the outer one hears the rest."""
    outer: list[Progress] = []
    inner: list[Progress] = []

    async def work() -> None:
        await asyncio.sleep(0)
        tell(STEP)

    with watching(outer.append):
        task = asyncio.create_task(work())
        with watching(inner.append):
            await asyncio.gather(work(), work())
        await task
    assert (len(outer), len(inner)) == (1, 2)

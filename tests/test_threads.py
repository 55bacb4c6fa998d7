"""Blocking work off the loop: waited for, whatever is cancelled around it."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator

import pytest

from openrouter_video.threads import Threads


@pytest.fixture
def threads() -> Iterator[Threads]:
    """One thread of each kind."""
    pool = Threads(submissions=1, downloads=1)
    yield pool
    pool.close()


async def test_work_returns_its_value_and_its_error(threads: Threads) -> None:
    """As if it had been called."""
    assert await threads.run(divmod, 7, 2) == (3, 1)
    with pytest.raises(ZeroDivisionError):
        await threads.run(divmod, 7, 0)


async def test_a_cancelled_caller_waits_for_the_end(threads: Threads) -> None:
    """The work is done before the cancellation is passed on."""
    begun, done = threading.Event(), []

    def work() -> None:
        begun.set()
        threading.Event().wait(0.2)
        done.append(True)

    running = asyncio.create_task(threads.run(work))
    await asyncio.to_thread(begun.wait)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert done == [True]


async def test_work_that_has_not_begun_never_begins(threads: Threads) -> None:
    """A POST that still waits for a thread is not sent after a cancellation."""
    gate = threading.Event()
    sent: list[int] = []
    first = asyncio.create_task(threads.run(gate.wait))
    second = asyncio.create_task(threads.run(sent.append, 1))
    await asyncio.sleep(0.05)
    second.cancel()
    with pytest.raises(asyncio.CancelledError):
        await second
    gate.set()
    await first
    assert await threads.run(len, sent) == 0


async def test_stoppable_work_sees_the_flag(threads: Threads) -> None:
    """A cancelled download is told to stop, and has cleaned up when the caller goes on."""
    begun, cleaned = threading.Event(), []

    def download(stop: threading.Event) -> None:
        begun.set()
        stop.wait()
        cleaned.append(True)

    running = asyncio.create_task(threads.run_stoppable(download))
    await asyncio.to_thread(begun.wait)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert cleaned == [True]

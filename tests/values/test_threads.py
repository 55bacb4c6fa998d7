"""Blocking work off the loop: waited for, whatever is cancelled around it, unless it hangs and can be abandoned."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
from collections.abc import Iterator

import pytest

from openrouter_video import threads as module
from openrouter_video.threads import Irrevocable, Threads


@pytest.fixture
def threads() -> Threads:
    """One thread of each kind."""
    return Threads(submissions=1, downloads=1)


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> Iterator[threading.Event]:
    """No patience with what can be abandoned; the event lets go what a test has left hanging."""
    monkeypatch.setattr(module, "PATIENCE_SECONDS", 0.0)
    let_go = threading.Event()
    yield let_go
    let_go.set()


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


async def test_work_that_hangs_is_abandoned(threads: Threads, impatient: threading.Event) -> None:
    """A store that never answers keeps no interrupted run alive, neither here nor at the end of the process."""
    begun = threading.Event()

    def hang(_: object = None) -> None:
        begun.set()
        impatient.wait()

    for running in (threads.run(hang), threads.run_stoppable(hang), threads.run_to_end(hang)):
        begun.clear()
        task = asyncio.create_task(running)
        await asyncio.to_thread(begun.wait)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task


@pytest.mark.usefixtures("impatient")
async def test_what_has_left_is_waited_for(threads: Threads) -> None:
    """A POST on its way ends, and is recorded, however often its caller is cancelled meanwhile."""
    left, go_on, done = threading.Event(), threading.Event(), list[str]()

    def post(irrevocable: Irrevocable) -> None:
        assert irrevocable.begin(60)
        left.set()
        go_on.wait()
        done.append("recorded")

    running = asyncio.create_task(threads.run_to_end(post))
    await asyncio.to_thread(left.wait)
    for _ in range(3):
        running.cancel()
        await asyncio.sleep(0.01)
    assert not running.done()
    go_on.set()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert done == ["recorded"]


def test_the_wait_for_what_has_left_can_be_shortened() -> None:
    """It never becomes longer, and what has not left is not waited for at all."""
    irrevocable = Irrevocable()
    irrevocable.end_within(60)
    assert irrevocable.call_off() == 0
    irrevocable = Irrevocable()
    assert irrevocable.begin(600)
    irrevocable.end_within(0)
    irrevocable.outlast()
    irrevocable.end_within(600)
    irrevocable.outlast()
    irrevocable.end()


@pytest.mark.usefixtures("impatient")
async def test_what_has_not_left_stays(threads: Threads) -> None:
    """A POST whose caller is cancelled before it is never sent."""
    begun, go_on, answers = threading.Event(), threading.Event(), list[bool]()
    gone = threading.Event()

    def post(irrevocable: Irrevocable) -> None:
        begun.set()
        go_on.wait()
        answers.append(irrevocable.begin(60))
        gone.set()

    running = asyncio.create_task(threads.run_to_end(post))
    await asyncio.to_thread(begun.wait)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    go_on.set()
    await asyncio.to_thread(gone.wait)
    assert answers == [False]


AT_EXIT = """if True:
    import threading, time
    from openrouter_video.threads import Irrevocable, start

    def post():
        irrevocable = Irrevocable()
        assert irrevocable.begin(60)
        left.set()
        time.sleep(0.5)
        print("recorded", flush=True)
        irrevocable.end()

    left = threading.Event()
    start(threading.Event().wait)
    start(post)
    left.wait()
"""


def test_a_process_waits_at_its_end_for_what_has_left_and_for_nothing_else() -> None:
    """Whatever became of the event loop: the POST is recorded, and a store that hangs holds nobody up."""
    done = subprocess.run([sys.executable, "-c", AT_EXIT], capture_output=True, text=True, check=False, timeout=100)
    assert (done.returncode, done.stdout, done.stderr) == (0, "recorded\n", "")

"""Waking: one collection for a burst, again while it cannot be started, and never for ever."""

from __future__ import annotations

import logging
import threading
from collections.abc import Sequence
from contextlib import closing

import pytest

from openrouter_video.webhooks.waking import MOST_AT_ONCE, NotWoken, Waking, Woken
from tests.support.flow_processes import wait_until


def notices(*numbers: int) -> list[Woken]:
    """Some notices, by number."""
    return [Woken(f"{number:032x}", f"job-{number}-completed") for number in numbers]


class Starts:
    """Starts collections, of which the first few fail."""

    def __init__(self, failures: int = 0) -> None:
        self.failures = failures
        self.tried = 0
        self.started: list[list[Woken]] = []

    def __call__(self, woken: Sequence[Woken]) -> str:
        """Start one."""
        self.tried += 1
        if self.tried <= self.failures:
            raise NotWoken("Prefect's server is away")
        self.started.append(list(woken))
        return "a run"


def test_a_burst_is_one_collection() -> None:
    """What comes together is collected together, each once; what comes later is another one."""
    starts = Starts()
    with closing(Waking(starts, gather_seconds=0.2)) as waking:
        for one in [*notices(1, 2, 3), *notices(2)]:
            waking.wake(one)
        wait_until(lambda: len(starts.started) == 1)
        waking.wake(notices(4)[0])
        wait_until(lambda: len(starts.started) == 2)
    assert starts.started == [notices(1, 2, 3), notices(4)]


def test_what_cannot_be_started_is_tried_again(caplog: pytest.LogCaptureFixture) -> None:
    """With all that has come meanwhile; a long time without a server is one line of the log."""
    starts = Starts(failures=5)
    with caplog.at_level(logging.INFO), closing(Waking(starts, gather_seconds=0.01, retry_seconds=0.02)) as waking:
        waking.wake(notices(1)[0])
        wait_until(lambda: starts.tried >= 2)
        waking.wake(notices(2)[0])
        wait_until(lambda: sum(map(len, starts.started)) == 2)
    assert starts.started == [notices(1, 2)]
    assert [record.message for record in caplog.records] == [
        "no collection was started, which is tried again: Prefect's server is away",
        "the ends of 2 jobs told: a run",
    ]


def test_what_has_waited_too_long_is_dropped(caplog: pytest.LogCaptureFixture) -> None:
    """With a line; the next notice is collected as ever."""
    starts = Starts(failures=1)
    with closing(Waking(starts, gather_seconds=0.01, retry_seconds=0.01, patience_seconds=0)) as waking:
        waking.wake(notices(1)[0])
        wait_until(lambda: starts.tried == 1)
        waking.wake(notices(2)[0])
        wait_until(lambda: len(starts.started) == 1)
    assert starts.started == [notices(2)]
    assert "the end of 1 job not told, and left to the next collection by schedule" in caplog.text


def test_thousands_are_told_in_portions() -> None:
    """A run takes so many keys; the rest follows at once."""
    starts, told = Starts(), notices(*range(MOST_AT_ONCE + 1))
    with closing(Waking(starts, gather_seconds=0.05)) as waking:
        for one in told:
            waking.wake(one)
        wait_until(lambda: sum(map(len, starts.started)) == len(told))
    assert max(map(len, starts.started)) <= MOST_AT_ONCE


@pytest.mark.parametrize("failures", [0, 1])
def test_the_end_does_not_wait_for_more(failures: int, caplog: pytest.LogCaptureFixture) -> None:
    """What is waiting is told once, or tried once and left to the schedule with a line; then its thread ends."""
    starts = Starts(failures)
    waking = Waking(starts, gather_seconds=600)
    waking.wake(notices(1)[0])
    waking.close()
    assert (starts.tried, starts.started) == (1, [notices(1)] * (1 - failures))
    assert "openrouter-video-waking" not in {thread.name for thread in threading.enumerate()}
    assert ("the end of 1 job not told, and left to the next collection by schedule" in caplog.text) == (failures > 0)
    assert "tried again" not in caplog.text
    Waking(starts).close()


def test_a_flood_fills_no_memory(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    """So many are kept, with one line for the rest; what comes once they are told is told as well."""
    monkeypatch.setattr("openrouter_video.webhooks.waking.MOST_WAITING", 3)
    starts, away = Starts(), threading.Event()

    def start(woken: Sequence[Woken]) -> str:
        away.wait()
        return starts(woken)

    with caplog.at_level(logging.INFO), closing(Waking(start, gather_seconds=0)) as waking:
        for one in notices(*range(9)):
            waking.wake(one)
        away.set()
        wait_until(lambda: not waking.waiting)
        waking.wake(notices(9)[0])
        wait_until(lambda: any(notices(9)[0] in told for told in starts.started))
    # One more where it is just being taken from the queue.
    assert 3 <= sum(map(len, starts.started)) - 1 <= 4
    assert caplog.text.count("left to the next collection by schedule") == 1


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_start_that_breaks_ends_no_receiver() -> None:
    """The next notice begins anew, with what was waiting."""
    starts = Starts()

    def start(woken: Sequence[Woken]) -> str:
        if not starts.tried:
            starts.tried += 1
            raise KeyError("a bug")
        return starts(woken)

    with closing(Waking(start, gather_seconds=0.01)) as waking:
        waking.wake(notices(1)[0])
        wait_until(lambda: "openrouter-video-waking" not in {thread.name for thread in threading.enumerate()})
        waking.wake(notices(2)[0])
        wait_until(lambda: len(starts.started) == 1)
    assert starts.started == [notices(1, 2)]

"""What becomes of a run that waits without a process."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import product

import pytest

from openrouter_video.ledger.records import BEGUN_NOT_ENDED, EntryState, LedgerEntry
from openrouter_video.ledger.waiting_run import WaitingRun
from openrouter_video.outcome import FanOut, Outcome
from openrouter_video.run.waking import MOST_RESTARTS, is_over, left_words, may_go_on, shards_call, wake

NOW = datetime(2026, 11, 26, 9, 0, tzinfo=UTC)
A, B, C = "a" * 32, "b" * 32, "c" * 32
OUTCOMES = (
    Outcome(model="a/1", status="open", key=A, job_id="job-1"),
    Outcome(model="a/2", status="open", key=B, job_id="job-2"),
    Outcome(model="a/3", status="refused", key=C),
)
RUN = WaitingRun(
    run_id="c1b6f3d2-0000-4000-8000-000000000000",
    report=FanOut(status="failed", asked={}, outcomes=OUTCOMES),
    wanted=3,
    since=NOW - timedelta(minutes=5),
    until=NOW + timedelta(minutes=25),
)
STATES = (
    "SCHEDULED",
    "PENDING",
    "RUNNING",
    "PAUSED",
    "CANCELLING",
    "CANCELLED",
    "COMPLETED",
    "FAILED",
    "CRASHED",
    None,
)


@pytest.mark.parametrize(("state", "ready"), list(product(STATES, [False, True])))
def test_what_is_done_with_a_waiting_run(state: str | None, ready: bool) -> None:
    """By its state, and whether it has nothing to wait for any more; whoever does not know it leaves it alone."""
    over = dict.fromkeys(["COMPLETED", "FAILED", "CANCELLED"], "drop")
    expected = {**over, **({"PAUSED": "resume", "CRASHED": "restart"} if ready else {})}
    assert wake(RUN, state, ready=ready) == expected.get(state or "", "leave")


@pytest.mark.parametrize(
    ("restarts", "then"), [(0, "restart"), (MOST_RESTARTS - 1, "restart"), (MOST_RESTARTS, "give up")]
)
def test_a_run_that_dies_again_and_again_is_left_to_a_person(restarts: int, then: str) -> None:
    """Each time it was begun anew counts."""
    assert wake(RUN.model_copy(update={"restarts": restarts}), "CRASHED", ready=True) == then


@pytest.mark.parametrize(
    ("waited_for", "minutes", "then"),
    [
        ({A, B}, 0, False),
        ({B}, 0, False),
        ({C, "d" * 32}, 0, True),
        (set[str](), 0, True),
        ({A, B}, 24, False),
        ({A, B}, 25, True),
    ],
)
def test_when_a_run_goes_on(waited_for: set[str], minutes: int, then: bool) -> None:
    """Once none of its open jobs is waited for, or at its deadline; other runs' jobs do not count."""
    assert may_go_on(RUN, waited_for, NOW + timedelta(minutes=minutes)) is then


@pytest.mark.parametrize(
    ("first", "second", "calls"),
    [
        ("RUNNING", "SCHEDULED", False),
        ("COMPLETED", "RUNNING", False),
        ("COMPLETED", "COMPLETED", True),
        ("CRASHED", "RUNNING", True),
        ("FAILED", "PENDING", True),
        ("CANCELLED", "RUNNING", False),
        ("CANCELLED", "COMPLETED", True),
        (None, "RUNNING", False),
        (None, "COMPLETED", True),
    ],
)
def test_when_shards_call_their_batch(first: str | None, second: str, calls: bool) -> None:
    """Once all of them are over, or as soon as one has died; one that was deleted is over."""
    run = RUN.model_copy(update={"shard_runs": ("one", "two")})
    states = {name: state for name, state in (("one", first), ("two", second)) if state}
    assert shards_call(run, states) is calls


@pytest.mark.parametrize(
    ("state", "age", "reason", "over"),
    [
        ("accepted", 0, None, False),
        ("settled", 0, None, True),
        ("free", 0, None, True),
        ("claimed", 10, None, False),
        ("claimed", 3_600, None, True),
        ("uncertain", 10, BEGUN_NOT_ENDED, False),
        ("uncertain", 10, "nobody knows", True),
    ],
)
def test_what_is_not_waited_for(state: EntryState, age: int, reason: str | None, over: bool) -> None:
    """What has ended, what was never accepted, and what only a person can settle."""
    since = (NOW - timedelta(seconds=age)).isoformat()
    assert is_over(LedgerEntry(A, state, reason=reason, since=since), NOW) is over


def test_without_a_server_of_theirs_they_are_left() -> None:
    """With what to do about it."""
    assert left_words(1).startswith("1 run waits suspended on this ledger: with PREFECT_API_URL set")
    assert left_words(1_200).startswith("1,200 runs wait")

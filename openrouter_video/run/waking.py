"""What a collection does with a run that waits without a process. Pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Literal

from openrouter_video.ledger import LedgerEntry, WaitingRun, in_flight

__all__ = ["ENDED", "MOST_RESTARTS", "Wake", "is_over", "left_words", "may_go_on", "shards_call", "wake"]

MOST_RESTARTS = 3
"""So often a run is begun anew whose process died while it reported; then a person has to look at it."""

Wake = Literal["leave", "resume", "restart", "give up", "drop"]
ENDED = frozenset({"COMPLETED", "FAILED", "CANCELLED"})
OVER = ENDED | {"CRASHED"}


def wake(run: WaitingRun, state: str | None, *, ready: bool) -> Wake:
    """Return what is to be done with a run that waits, by the type of its state; None if this server does not know it.

    ``ready``: it has nothing to wait for any more. ``leave``: it waits on, or goes on already, or is another Prefect
    server's. ``resume``: it is suspended. ``restart``: its process died after it was resumed; that too often,
    ``give up``. ``drop``: it has ended, so that its record is of no use.
    """
    if state in ENDED:
        return "drop"
    if state == "CRASHED" and ready:
        return "restart" if run.restarts < MOST_RESTARTS else "give up"
    return "resume" if state == "PAUSED" and ready else "leave"


def left_words(number: int) -> str:
    """Return what is to be said of so many waiting runs where there is only a temporary Prefect server."""
    wait = "1 run waits" if number == 1 else f"{number:,} runs wait"
    return f"{wait} suspended on this ledger: with PREFECT_API_URL set to their server, collect lets them go on"


def shards_call(run: WaitingRun, states: Mapping[str, str]) -> bool:
    """Whether a batch that waits for its shards has something to do, by the types of their states, as far as known.

    All of them are over, or one of them has died, so that it is to be started again.
    """
    of_shards = [states.get(shard, "CANCELLED") for shard in run.shard_runs]
    return any(state in {"CRASHED", "FAILED"} for state in of_shards) or all(state in OVER for state in of_shards)


def may_go_on(run: WaitingRun, waited_for: Collection[str], now: datetime) -> bool:
    """Whether a run has nothing to wait for: none of its keys is ``waited_for`` any more, or its deadline is past."""
    return now >= run.until or run.keys.isdisjoint(waited_for)


def is_over(entry: LedgerEntry, now: datetime) -> bool:
    """Whether nothing comes of a key by waiting: it has its outcome, nothing was accepted, or only a person knows."""
    return entry.state != "accepted" and not in_flight(entry, now)

"""What the parent of a batch does next about one of its shards. Pure."""

from __future__ import annotations

from typing import Literal, NamedTuple

__all__ = ["MOST_ATTEMPTS", "Shard", "Step", "next_step"]

MOST_ATTEMPTS = 3
"""So often a shard is started whose worker dies, before what the ledger knows of its videos is all there is."""

Step = Literal["start", "wait", "cancel", "read", "give_up"]
"""``read``: it has told what it did. ``give_up``: it never will, so what became of its videos is read in the ledger."""


class Shard(NamedTuple):
    """A shard as it is seen at one moment.

    ``told``: what it did lies in the ledger's folder. ``attempts``: how often it was started. ``state``: that of its
    last attempt: none yet, one that may go on, one that is being cancelled, one that somebody has cancelled, or one
    that is over otherwise.
    """

    told: bool = False
    attempts: int = 0
    state: Literal["none", "live", "cancelling", "cancelled", "over"] = "none"


def next_step(shard: Shard, *, late: bool, too_late: bool) -> Step:
    """Return what to do about a shard.

    What it has told counts, whatever Prefect says of its run. A worker that died is replaced; a person's cancellation
    holds. ``late``: the time in which it can be made is over, so nothing is started any more and what goes on is
    cancelled. ``too_late``: nor did that end it.
    """
    if shard.told:
        return "read"
    if shard.state == "cancelled" or too_late:
        return "give_up"
    if shard.state == "cancelling":
        return "wait"
    if shard.state == "live":
        return "cancel" if late else "wait"
    return "give_up" if late or shard.attempts >= MOST_ATTEMPTS else "start"

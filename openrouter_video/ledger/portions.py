"""The money of a batch in portions: the journal could not hold all its videos, so what has not begun is held in lumps.

Pure. All of a batch is reserved before its first POST, in the one entry in which the caps are checked: its first
portion by video, each later one as a lump of its sum. When a portion begins, one entry puts its videos in the place of
its lump, on the lump's day, which no cap can refuse since it is not more. The id of a lump is
``<run>/portion-<number>-<batch>``, so that it is neither a ledger key nor another batch's.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import TypeVar

from openrouter_video.ledger.records import digest
from openrouter_video.ledger.reservations import CapReached, Caps, Change, Money, held_by, reserve

__all__ = ["PORTION", "batch_token", "begin_portion", "in_portions", "is_lump", "lump_of", "reserve_batch"]

PORTION = 500
"""So many videos of a batch are reserved one by one. Several batches fit into the journal beside each other, with what
stays open or uncertain of their earlier portions."""

LUMP = re.compile(r"portion-[0-9]+-[0-9a-f]{12}")

T = TypeVar("T")


def in_portions(videos: Iterable[T], counts: Callable[[T], int], size: int) -> list[list[T]]:
    """Divide the videos of a batch, in their order, so that of each portion so many count as to be paid for."""
    portions, room = list[list[T]](), 0
    for video in videos:
        count = counts(video)
        if not portions or count > max(0, room):
            portions.append([])
            room = size
        portions[-1].append(video)
        room -= count
    return portions


def batch_token(keys: Iterable[str]) -> str:
    """Return what stands for a batch in the ids of its lumps: 12 digits of all its ledger keys, sent or not.

    A run that begins again knows its own lumps by it, as long as its table of prompts is the same.
    """
    return digest(["batch", sorted(keys)])[:12]


def lump_of(batch: str, number: int) -> str:
    """Return what stands for the ledger keys of a portion that has not begun; portions count from 1."""
    return f"portion-{number}-{batch}"


def is_lump(key: str) -> bool:
    """Whether the key of a reservation is that of a portion, not of a video."""
    return LUMP.fullmatch(key) is not None


def reserve_batch(
    money: Money, run: str, batch: str, amounts: Sequence[Mapping[str, int]], day: str, until: datetime, caps: Caps
) -> Change | CapReached | None:
    """Return what reserves a batch, given the amounts of its portions by ledger key; as ``reserve`` else.

    A run that begins again, and may have divided its batch otherwise by then, gives up the lumps that it left. What it
    has reserved by video is not in its new lumps.

    Raises:
        LedgerError: if more would be open at once than an entry can hold.
    """
    held = held_by(money, run)
    lumps = {
        lump_of(batch, number): sum(max(0, amount - held.get(key, 0)) for key, amount in portion.items())
        for number, portion in enumerate(amounts[1:], start=2)
    }
    first = amounts[0] if amounts else {}
    own = re.compile(rf"portion-[0-9]+-{batch}")
    return reserve(money, run, {**first, **lumps}, day, until, caps, lambda key: own.fullmatch(key) is not None)


def begin_portion(
    money: Money, run: str, lump: str, amounts: Mapping[str, int], day: str, until: datetime, caps: Caps
) -> Change | CapReached | None:
    """Return what puts the videos of a portion in the place of its lump; as ``reserve`` else.

    A lump that is gone, since its run was taken for dead, leaves the caps to decide.

    Raises:
        LedgerError: if more would be open at once than an entry can hold.
    """
    return reserve(money, run, amounts, day, until, caps, lambda key: key == lump)

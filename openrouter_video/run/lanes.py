"""How the videos of a large run are divided into lanes, each of which is one task run. Pure."""

from __future__ import annotations

from itertools import pairwise
from typing import NamedTuple

__all__ = ["MOST_LANES", "Lane", "divide"]

MOST_LANES = 64
"""Up to so many videos have task runs of their own: three each. More of them share so many lanes.

Prefect's part of a task run is 8 to 10 ms of processor time here and as much in its server, whatever the task does, and
nobody reads a page of 3,000 task runs.
"""

LEAST_IN_A_LANE = 8
"""With fewer, a hundred videos would cost nearly a task run each."""


class Lane(NamedTuple):
    """Some videos of a run, by their numbers from ``first`` to ``last``, of ``total``.

    ``before``: how many of them are in earlier portions of a batch, whose lanes have ended.
    """

    first: int
    last: int
    total: int
    before: int = 0

    @property
    def indexes(self) -> range:
        """The places of its videos in the list of its portion."""
        return range(self.first - 1 - self.before, self.last - self.before)

    def __str__(self) -> str:
        return f"videos {self.first:,}-{self.last:,} of {self.total:,}"


def divide(videos: int, most: int, before: int = 0, total: int | None = None) -> list[Lane]:
    """Divide so many videos into lanes of almost one size; none where each may have task runs of its own.

    There are ``most`` lanes at most, and no more than fill with eight videos each. Of a batch of ``total`` videos so
    many were ``before``.
    """
    total = videos if total is None else total
    if total <= most:
        return []
    lanes = max(1, min(most, videos // LEAST_IN_A_LANE))
    ends = [videos * lane // lanes for lane in range(lanes + 1)]
    return [Lane(before + start + 1, before + end, total, before) for start, end in pairwise(ends) if end > start]

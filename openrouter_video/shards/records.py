"""What lies in the ledger's folder while a batch is made in shards: the batch itself, what each is to do, what it did.

Unlike the ledger's own records these are removed when the batch has reported, and each is read by the version
that wrote it, or a later one.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, NamedTuple

from pydantic import BaseModel

from openrouter_video.outcome import Batch, Outcome
from openrouter_video.run import PlannedVideo, RunReservation

__all__ = ["MOST_CHARACTERS", "BegunBatch", "ShardReport", "ShardWork", "as_json", "characters_of"]

MOST_CHARACTERS = 256 * 2**20
"""So much a batch may send with its images in it: its parent, and a shard its part, holds all of it in memory."""


class ShardWork(NamedTuple):
    """What one shard is to do: these videos, planned, allowed and reserved by its batch, in whose name it sends them.

    ``run_id`` and ``deployment`` are the batch's, which ``waits_suspended`` or in a process of its own. Shards are
    numbered through its portions from 1; this one is the ``place``-th of ``total`` in its portion. ``base_url``: the
    API for which it was planned, priced and reserved, and to which alone it is sent.
    """

    run_id: str
    batch: str
    number: int
    place: int
    total: int
    videos: tuple[PlannedVideo, ...]
    reserved: RunReservation
    concurrency: int
    per_provider: int | Mapping[str, int] | None = None
    deployment: str | None = None
    sandbox: bool = False
    waits_suspended: bool = False
    base_url: str | None = None

    @property
    def others(self) -> range:
        """The numbers of all shards of its portion."""
        first = self.number - self.place + 1
        return range(first, first + self.total)


class ShardReport(NamedTuple):
    """What became of the videos of one shard."""

    outcomes: tuple[Outcome, ...]


class BegunBatch(NamedTuple):
    """A batch that has passed its gates, with all that it takes to make it and to report, also in another process.

    ``report``: what its report says beside what became of its videos. ``wanted``: how many make it a success.
    ``videos``: all of them, in the order of the table; ``known``: the keys of those that are paid already. ``carried``:
    by key, what the manifest carries of the table. ``reserved``: what it has reserved. ``began``: when. ``shards``: how
    many make each portion of it; ``portions``: how many portions have begun, whose shards are at work or over, until
    ``until`` at the latest. ``base_url``: the API for which it was planned.
    """

    report: Batch
    wanted: int
    videos: tuple[PlannedVideo, ...]
    known: frozenset[str]
    carried: dict[str, dict[str, Any]]
    reserved: RunReservation
    began: datetime
    sandbox: bool = False
    shards: int = 1
    portions: int = 0
    until: datetime | None = None
    base_url: str | None = None


def characters_of(videos: Iterable[PlannedVideo]) -> int:
    """Return how many characters the bodies of videos have together, the same image once."""
    texts = set[str]()
    for video in videos:
        _gather(video.plan.body, texts)
    return sum(map(len, texts))


def _gather(value: Any, texts: set[str]) -> None:
    if isinstance(value, str):
        texts.add(value)
    elif isinstance(value, Mapping | list | tuple):
        for item in value.values() if isinstance(value, Mapping) else value:
            _gather(item, texts)


def as_json(value: Any) -> Any:
    """Return a record as JSON, with each named tuple by the names of its fields, so that one can be added."""
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json")
    if isinstance(value, tuple) and hasattr(value, "_asdict"):
        return {name: as_json(item) for name, item in value._asdict().items()}
    if isinstance(value, Mapping):
        return {name: as_json(item) for name, item in value.items()}
    if isinstance(value, tuple | list | frozenset):
        return [as_json(item) for item in (sorted(value) if isinstance(value, frozenset) else value)]
    return value if value is None or isinstance(value, bool | int | float | str) else str(value)

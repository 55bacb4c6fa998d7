"""The manifest of a batch while it is made: written after each tenth of its videos, and whole at the end.

That it cannot be written fails no batch: the videos are safe, and the ledger knows them all.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from math import ceil
from typing import Any

from prefect import get_run_logger

from openrouter_video.batch import BatchPlan, folder_of_batch
from openrouter_video.errors import StorageError
from openrouter_video.outcome import Outcome
from openrouter_video.rows import Row, row_of_outcome
from openrouter_video.run import Resources, write_manifest
from openrouter_video.threads import start

__all__ = ["BatchManifest"]

PARTS = 10


class BatchManifest:
    """The rows of a batch's videos in the order of its table; of what has not ended, those that ``earlier`` runs left.

    ``url``: where it is, once it has been written. ``problem``: why it could not be.
    """

    def __init__(self, plan: BatchPlan, resources: Resources, earlier: Iterable[Row]) -> None:
        self.url: str | None = None
        self.problem: str | None = None
        self._keys = [video.key for video in plan.videos]
        self._carried: dict[int, Mapping[str, Any]] = {row.row.number: row.row.carried for row in plan.rows}
        self._rows = {key: row for row in earlier if (key := row.get("key")) in set(self._keys)}
        self._resources, self._folder = resources, folder_of_batch(plan.batch)
        self._ended, self._step = 0, ceil(len(self._keys) / PARTS)
        self._due = self._step
        self._writing = asyncio.Lock()

    def add(self, outcome: Outcome) -> None:
        """Take the row of one more video that has ended."""
        self._rows[outcome.key or ""] = row_of_outcome(outcome, self._carried.get(outcome.row or 0))
        self._ended += 1

    async def write_tenth(self) -> None:
        """Write all rows if another tenth of the batch has ended; the last one is written at the end."""
        if self._due <= self._ended < len(self._keys):
            self._due = self._ended + self._step
            await self.write()

    async def write(self) -> None:
        """Write it, one after the other."""
        async with self._writing:
            await self._resources.threads.run(self._write, self._now())
        if self.problem:
            get_run_logger().warning("%s", self.problem)

    async def write_within(self, seconds: float) -> None:
        """Write it in a thread that is left to itself after so many seconds, in which the process may end."""
        rows = self._now()
        await asyncio.wait([asyncio.wrap_future(start(lambda: self._write(rows)))], timeout=seconds)

    def _now(self) -> list[Row]:
        return [self._rows[key] for key in self._keys if key in self._rows]

    def _write(self, rows: list[Row]) -> None:
        try:
            self.url, self.problem = write_manifest(self._resources.store, self._folder, rows, parquet=True), None
        except StorageError as error:
            self.problem = f"the manifest was not written: {error}"

"""The manifest of a batch while it is made: written after each tenth of its videos, and whole at the end.

That it cannot be written fails no batch: the videos are safe, and the ledger knows them all.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Sequence
from math import ceil

from prefect import get_run_logger

from openrouter_video.errors import StorageError
from openrouter_video.outcome import Outcome
from openrouter_video.rows import Row, row_now
from openrouter_video.run import Resources, write_manifest
from openrouter_video.shards import BegunBatch
from openrouter_video.threads import start
from openrouter_video.videos import folder_of_batch

__all__ = ["BatchManifest"]

PARTS = 10


class BatchManifest:
    """The rows of a batch's videos in the order of its table; of what has not ended, those that ``earlier`` runs left.

    Another batch whose name makes the same folder keeps its rows, behind these, and so does what was paid for when a
    sandbox makes the same batch. ``url``: where it is, once it has been
    written. ``problem``: why it could not be.
    """

    def __init__(self, batch: BegunBatch, resources: Resources, earlier: Sequence[Row]) -> None:
        self.url: str | None = None
        self.problem: str | None = None
        self._carried = batch.carried
        self._rows = {key: row for row in earlier if (key := row.get("key")) in self._carried}
        self._others = [row for row in earlier if _is_of_others(row, batch) and row.get("key") not in self._carried]
        self._resources, self._folder = resources, folder_of_batch(batch.report.batch)
        self._ended, self._step = 0, ceil(len(self._carried) / PARTS)
        self._due = self._step
        self._writing = threading.Lock()

    def add(self, outcome: Outcome) -> None:
        """Take the row of one more video that has ended."""
        self.change(outcome)
        self._ended += 1

    async def write_tenth(self) -> None:
        """Write all rows if another tenth of the batch has ended; the last one is written at the end."""
        if self._due <= self._ended < len(self._carried):
            self._due = self._ended + self._step
            await self.write()

    def change(self, outcome: Outcome) -> None:
        """Take the row of a video as it is now."""
        key = outcome.key or ""
        self._rows[key] = row_now(self._rows.get(key), outcome, self._carried.get(key))

    async def write(self) -> None:
        """Write it."""
        await self._resources.threads.run(self._write)
        if self.problem:
            get_run_logger().warning("%s", self.problem)

    async def write_within(self, seconds: float) -> None:
        """Write it in a thread that is left to itself after so many seconds, in which the process may end."""
        await asyncio.wait([asyncio.wrap_future(start(self._write))], timeout=seconds)

    def _write(self) -> None:
        """Write all that is known, one after the other: what was known later is never written over."""
        with self._writing:
            rows = [self._rows[key] for key in self._carried if key in self._rows]
            try:
                url = write_manifest(self._resources.store, self._folder, [*rows, *self._others], parquet=True)
            except StorageError as error:
                self.problem = f"the manifest is not up to date: {error}"
            else:
                self.url, self.problem = url, None


def _is_of_others(row: Row, batch: BegunBatch) -> bool:
    """Whether a row of an earlier manifest is that of another batch, or was paid for where this run pays nothing."""
    return row.get("batch") != batch.report.batch or (batch.sandbox and not row.get("sandbox"))

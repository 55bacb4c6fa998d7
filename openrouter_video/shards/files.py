"""The files of a batch in shards, at ``<ledger>/_shards/<flow run id>/``. An edge; every method blocks.

They lie in the ledger's store, since all workers of a batch see that one.
"""

from __future__ import annotations

import re
from contextlib import suppress
from typing import TypeVar

from pydantic import SecretStr, TypeAdapter, ValidationError

from openrouter_video.errors import ConfigurationError, LedgerError, StorageError
from openrouter_video.shards.records import BegunBatch, ShardReport, ShardWork, as_json
from openrouter_video.shards.sealing import seal, unseal
from openrouter_video.stores import Store

__all__ = ["ShardFiles", "UnreadableShard", "batches_in_shards", "drop_shards"]

FOLDER, BATCH = "_shards", "batch.json"
RUN_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
REPORT = re.compile(r"([1-9][0-9]*)\.done\.json")

UNREADABLE = (
    "{} of the shards at {} is not what was written there; once no shard is at work, remove that folder: a retry of "
    "the batch begins anew then, and finds in the ledger what is paid"
)

R = TypeVar("R", BegunBatch, ShardWork, ShardReport)


class UnreadableShard(LedgerError):
    """A file is damaged, and stays so however often it is read."""


class ShardFiles:
    """The files of one batch. What is secret in them is sealed with the key to OpenRouter.

    All methods raise LedgerError if the store fails, and UnreadableShard if a file is not what was written.
    """

    def __init__(self, ledger: Store, run_id: str, key: SecretStr) -> None:
        if not RUN_ID.fullmatch(run_id):
            raise ConfigurationError(f"{run_id[:80]!r} is not the id of a flow run, whose shards lie in the ledger")
        self._store, self._folder, self._key = ledger, f"{FOLDER}/{run_id}", key

    @property
    def url(self) -> str:
        """Where they are."""
        return self._store.url_of(self._folder)

    def batch(self) -> BegunBatch | None:
        """Return the batch, if it has begun its shards and has not reported yet."""
        return self._read(BATCH, BegunBatch)

    def keep_batch(self, batch: BegunBatch) -> None:
        """Write the batch, in the place of what it was before."""
        self._write(BATCH, batch)

    def work(self, number: int) -> ShardWork | None:
        """Return what a shard is to do; None if there is no such shard, or none any more."""
        return self._read(f"{number}.json", ShardWork)

    def keep_work(self, work: ShardWork) -> None:
        """Write what a shard is to do."""
        self._write(f"{work.number}.json", work)

    def report(self, number: int) -> ShardReport | None:
        """Return what a shard did; None if it has not told yet, or not so that it can be read: the ledger knows it."""
        try:
            return self._read(_report(number), ShardReport)
        except UnreadableShard:
            return None

    def keep_report(self, number: int, report: ShardReport) -> None:
        """Write what a shard did."""
        self._write(_report(number), report)

    def told(self) -> frozenset[int]:
        """List the numbers of the shards that have told what they did."""
        try:
            names = self._store.list_names(self._folder)
        except StorageError as error:
            raise LedgerError(f"the shards at {self.url} cannot be listed: {error}") from None
        return frozenset(int(found[1]) for found in map(REPORT.fullmatch, names) if found)

    def _read(self, name: str, kind: type[R]) -> R | None:
        try:
            data = self._store.read_bytes(f"{self._folder}/{name}")
            return None if data is None else TypeAdapter(kind).validate_python(unseal(data, self._key))
        except StorageError as error:
            raise LedgerError(f"{name} of the shards at {self.url} cannot be read: {error}") from None
        except (ValidationError, ValueError, LookupError):
            # Without the words of the error, which repeat what is in the file.
            raise UnreadableShard(UNREADABLE.format(name, self.url)) from None

    def _write(self, name: str, record: BegunBatch | ShardWork | ShardReport) -> None:
        try:
            self._store.write_bytes(f"{self._folder}/{name}", seal(as_json(record), self._key))
        except StorageError as error:
            raise LedgerError(f"{name} of the shards at {self.url} cannot be written: {error}") from None


def batches_in_shards(ledger: Store) -> list[str]:
    """List the flow runs of the batches whose shards have files in a ledger.

    Raises:
        LedgerError: if they cannot be listed.
    """
    try:
        folders = {folder for path in ledger.list_files(FOLDER) for folder in path.split("/")}
    except StorageError as error:
        raise LedgerError(f"the shards at {ledger.url_of(FOLDER)} cannot be listed: {error}") from None
    return sorted(filter(RUN_ID.fullmatch, folders))


def drop_shards(ledger: Store, run_id: str) -> None:
    """Remove all files of a batch's shards, the batch itself first, so that nothing goes on with it; best effort."""
    with suppress(StorageError):
        names = ledger.list_names(f"{FOLDER}/{run_id}")
        for name in sorted(names, key=lambda name: name != BATCH):
            ledger.remove(f"{FOLDER}/{run_id}/{name}")


def _report(number: int) -> str:
    return f"{number}.done.json"

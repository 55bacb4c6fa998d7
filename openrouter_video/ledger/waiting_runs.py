"""Runs that wait without a process: what each needs to report once its jobs have ended.

A record is a file at ``<ledger>/_waiting/<flow run id>.json``, written before its run is suspended and removed after
its report, so that a run which begins anew knows that it has submitted everything. An edge; blocks.
"""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import NamedTuple

from pydantic import ValidationError

from openrouter_video.errors import LedgerError, StorageError
from openrouter_video.ledger.waiting_run import WaitingRun
from openrouter_video.stores import Store

__all__ = ["WaitingRun", "WaitingRuns", "WaitingRunsFound"]

FOLDER = "_waiting"
RUN_ID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
SUFFIX = ".json"
READERS = 16


class WaitingRunsFound(NamedTuple):
    """The runs that wait, and of which flow runs the record cannot be read."""

    runs: list[WaitingRun]
    unreadable: list[str]


class WaitingRuns:
    """The waiting runs of one ledger's store. Every method blocks, and may be called from any thread."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def add(self, run: WaitingRun) -> None:
        """Write the record of a run, in place of an earlier one.

        Raises:
            LedgerError: if it could not be written, so that the run must not be suspended.
        """
        try:
            self._store.write_bytes(_path(run.run_id), run.model_dump_json(exclude_none=True).encode())
        except StorageError as error:
            raise LedgerError(f"that the run waits cannot be recorded in {self._store.url}: {error}") from None

    def drop(self, run_id: str) -> None:
        """Remove the record of a run, best effort; where files may only be written, it is emptied."""
        try:
            self._store.remove(_path(run_id))
        except StorageError:
            with suppress(StorageError):
                self._store.write_bytes(_path(run_id), b"")

    def get(self, run_id: str) -> WaitingRun | None:
        """Return the record of a run; None if it has none.

        Raises:
            LedgerError: if it cannot be read.
        """
        if not RUN_ID.fullmatch(run_id):
            return None
        try:
            content = self._store.read_bytes(_path(run_id))
        except StorageError as error:
            raise LedgerError(f"whether the run waits cannot be read in {self._store.url}: {error}") from None
        run = _parse(content) if content else None
        if content and (run is None or run.run_id != run_id):
            where, cure = self._store.url_of(_path(run_id)), "remove it and retry the run, which finds what is paid"
            raise LedgerError(f"{where} is not the record of a waiting run; {cure}")
        return run

    def ids(self) -> list[str]:
        """List the flow runs that wait.

        Raises:
            LedgerError: if they cannot be listed.
        """
        try:
            names = self._store.list_names(FOLDER)
        except StorageError as error:
            raise LedgerError(f"the runs that wait cannot be listed in {self._store.url}: {error}") from None
        ids = (name.removesuffix(SUFFIX) for name in names if name.endswith(SUFFIX))
        return sorted(run_id for run_id in ids if RUN_ID.fullmatch(run_id))

    def read(self) -> WaitingRunsFound:
        """Read all of them, the oldest first; one that cannot be read keeps no other from being found.

        Raises:
            LedgerError: if they cannot be listed.
        """
        ids = self.ids()
        with ThreadPoolExecutor(READERS) as readers:
            found = dict(zip(ids, readers.map(self._get, ids), strict=True))
        runs = sorted((run for run in found.values() if isinstance(run, WaitingRun)), key=lambda run: run.since)
        return WaitingRunsFound(runs, [run_id for run_id, run in found.items() if isinstance(run, LedgerError)])

    def _get(self, run_id: str) -> WaitingRun | LedgerError | None:
        try:
            return self.get(run_id)
        except LedgerError as error:
            return error


def _parse(content: bytes) -> WaitingRun | None:
    try:
        return WaitingRun.model_validate_json(content)
    except ValidationError:
        return None


def _path(run_id: str) -> str:
    return f"{FOLDER}/{run_id}{SUFFIX}"

"""What is remembered of recipes from one check to the next: a small file each in the ledger's folder.

A record is a file at ``<ledger>/_recipes/<digest of the recipe's name>.json``, written whole at each check. An edge;
blocks.
"""

from __future__ import annotations

import hashlib
from contextlib import suppress
from datetime import datetime

from pydantic import ValidationError

from openrouter_video.drift.verdicts import RecipeRecord
from openrouter_video.errors import LedgerError, StorageError
from openrouter_video.stores import Store

__all__ = ["RecipeRecords", "recipe_digest"]

FOLDER = "_recipes"


class RecipeRecords:
    """The records in one ledger's store; those of a ``sandbox`` are apart, whose models and prices are others."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._written = set[str]()

    def get(self, name: str, *, sandbox: bool) -> RecipeRecord | None:
        """Return the record of a recipe; None if there is none, or none that can be read.

        Raises:
            LedgerError: if the store fails.
        """
        return self._read(_file(name, sandbox=sandbox))

    def put(self, record: RecipeRecord, *, sandbox: bool) -> None:
        """Write the record of a recipe, in the place of an earlier one.

        Raises:
            LedgerError: if the store fails.
        """
        file = _file(record.name, sandbox=sandbox)
        try:
            self._store.write_bytes(f"{FOLDER}/{file}", record.model_dump_json(exclude_none=True).encode())
        except StorageError as error:
            raise LedgerError(f"the records of recipes at {self._store.url} cannot be written: {error}") from None
        self._written.add(file)

    def forget(self, before: datetime) -> list[str]:
        """Remove the records that no check has written since then, in a sandbox or not; return of which recipes.

        Best effort: where files may only be written, they stay.

        Raises:
            LedgerError: if the store cannot be read.
        """
        try:
            files = self._store.list_names(FOLDER)
        except StorageError as error:
            raise LedgerError(f"the records of recipes at {self._store.url} cannot be listed: {error}") from None
        forgotten = []
        for file in files:
            record = self._read(file) if file not in self._written else None
            if record is not None and record.checked_at < before:
                with suppress(StorageError):
                    self._store.remove(f"{FOLDER}/{file}")
                    forgotten.append(record.name)
        return forgotten

    def _read(self, file: str) -> RecipeRecord | None:
        try:
            content = self._store.read_bytes(f"{FOLDER}/{file}")
        except StorageError as error:
            raise LedgerError(f"the records of recipes at {self._store.url} cannot be read: {error}") from None
        try:
            return RecipeRecord.model_validate_json(content) if content else None
        except ValidationError:
            return None


def _file(name: str, *, sandbox: bool) -> str:
    return f"{recipe_digest(name, sandbox=sandbox)}.json"


def recipe_digest(name: str, *, sandbox: bool) -> str:
    """Return by what a recipe is known where a name would be too long, or hold what a path cannot."""
    realm = "sandbox " if sandbox else ""
    return hashlib.sha256(f"{realm}{name}".encode("utf-8", "surrogatepass")).hexdigest()[:32]

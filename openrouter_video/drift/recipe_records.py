"""What is remembered of recipes from one check to the next: a small file each in the ledger's folder.

A record is a file at ``<ledger>/_recipes/<digest of the recipe's name>.json``, written whole at each check. An edge;
blocks.
"""

from __future__ import annotations

import hashlib

from pydantic import ValidationError

from openrouter_video.drift.verdicts import RecipeRecord
from openrouter_video.errors import LedgerError, StorageError
from openrouter_video.stores import Store

__all__ = ["RecipeRecords", "recipe_digest"]

FOLDER = "_recipes"


class RecipeRecords:
    """The records of one ledger's store; those of a ``sandbox`` are apart, whose models and prices are others."""

    def __init__(self, store: Store, *, sandbox: bool) -> None:
        self._store = store
        self._sandbox = sandbox

    def get(self, name: str) -> RecipeRecord | None:
        """Return the record of a recipe; None if there is none, or none that can be read.

        Raises:
            LedgerError: if the store fails.
        """
        try:
            content = self._store.read_bytes(self._path(name))
        except StorageError as error:
            raise LedgerError(f"the records of recipes at {self._store.url} cannot be read: {error}") from None
        try:
            return RecipeRecord.model_validate_json(content) if content else None
        except ValidationError:
            return None

    def put(self, record: RecipeRecord) -> None:
        """Write the record of a recipe, in the place of an earlier one.

        Raises:
            LedgerError: if the store fails.
        """
        try:
            self._store.write_bytes(self._path(record.name), record.model_dump_json(exclude_none=True).encode())
        except StorageError as error:
            raise LedgerError(f"the records of recipes at {self._store.url} cannot be written: {error}") from None

    def _path(self, name: str) -> str:
        return f"{FOLDER}/{recipe_digest(name, sandbox=self._sandbox)}.json"


def recipe_digest(name: str, *, sandbox: bool) -> str:
    """Return by what a recipe is known where a name would be too long, or hold what a path cannot."""
    realm = "sandbox " if sandbox else ""
    return hashlib.sha256(f"{realm}{name}".encode("utf-8", "surrogatepass")).hexdigest()[:32]

"""What a collection has to decide beside its jobs: which it is asked for, which are not here, how many it finishes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from openrouter_video.errors import ConfigurationError, Problem, RequestRefused, StorageError
from openrouter_video.ledger import Claim, is_key
from openrouter_video.run.conclusions import COLLECT
from openrouter_video.stores import is_same_folder, open_store, parse_store_url
from openrouter_video.text import shown

__all__ = ["Turn", "Turns", "checked_keys", "not_here"]


class Turn:
    """The right to finish one job; ``used`` says whether that came to anything."""

    def __init__(self) -> None:
        self.used = False


class Turns:
    """How many jobs are finished at most; one that made no progress leaves its turn to the next."""

    def __init__(self, limit: int | None) -> None:
        self._left = limit
        self._free = asyncio.Semaphore(limit) if limit is not None else None

    @asynccontextmanager
    async def take(self) -> AsyncIterator[Turn | None]:
        """Lend a turn, in the order in which they were asked for; None once all of them are used up."""
        if self._free is None or self._left is None:
            yield Turn()
            return
        await self._free.acquire()
        turn = Turn() if self._left > 0 else None
        try:
            yield turn
        finally:
            if turn is not None and turn.used:
                self._left -= 1
            # A used turn is gone; after the last one all who wait are told so, one by one.
            if turn is None or not turn.used or self._left == 0:
                self._free.release()


def checked_keys(keys: Sequence[str]) -> Sequence[str]:
    """Return the ledger keys that a collection is asked for.

    Raises:
        RequestRefused: if one is none.
    """
    if wrong := [key for key in keys if not is_key(key)]:
        message = "{} is not the key of a video in a ledger: 32 of the digits 0-9 and a-f"
        raise RequestRefused([Problem("keys", message.format(shown(key))) for key in wrong])
    return keys


def not_here(claim: Claim) -> str | None:
    """Return why a video is to be fetched on another machine, into a folder that this one does not see; else None.

    Blocks. A claim of an older version names no machine: its folder must at least exist.
    """
    try:
        if parse_store_url(claim.output).is_shared:
            return None
        if is_same_folder(open_store(claim.output), claim.folder):
            return None
    except (ConfigurationError, StorageError) as error:
        return str(error)
    whose = f"{claim.output} of {claim.host}" if claim.host else claim.output
    return f"its video belongs in {whose}, a folder that this machine does not see; {COLLECT} there finishes it"

"""What the ledger says of the videos of a run that was told to end, as far as it says it in time."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import wait
from functools import partial

from openrouter_video.errors import LedgerError
from openrouter_video.ledger.ledger import Ledger
from openrouter_video.ledger.records import LedgerEntry
from openrouter_video.threads import start

__all__ = ["entries_in_time"]

ANSWERS_WITHIN_SECONDS = 2.0
READERS = 16


def entries_in_time(ledger: Ledger, keys: Sequence[str]) -> dict[str, LedgerEntry | LedgerError]:
    """Return for each key what the ledger says of it, or why it says nothing; never waits for a store that hangs."""
    found: dict[str, LedgerEntry | LedgerError] = {}

    def read(some: Sequence[str]) -> None:
        for key in some:
            try:
                found[key] = ledger.entry(key)
            except LedgerError as error:
                found[key] = error

    wait([start(partial(read, keys[first::READERS])) for first in range(READERS)], ANSWERS_WITHIN_SECONDS)
    silent = LedgerError(f"{ledger.url} did not answer within {ANSWERS_WITHIN_SECONDS:g} s")
    return {key: found.get(key, silent) for key in keys}

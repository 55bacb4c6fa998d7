"""What the ledger knows of the videos of a plan: those that are paid already, or a key for a different request."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

from openrouter_video.errors import KeyConflict, LedgerError, Problem
from openrouter_video.ledger import Ledger, LedgerEntry
from openrouter_video.run.extra_takes import FOR_GOOD
from openrouter_video.run.submission import check_conflict
from openrouter_video.threads import Threads

__all__ = ["Known", "find_known"]


class Known(NamedTuple):
    """The keys that no run submits any more, and why this run may not begin.

    ``paid_usd``: what they have cost, or may cost as long as nobody knows. ``sent``: what was sent under each of them.
    ``entries``: all that the ledger says, by key.
    """

    keys: frozenset[str] = frozenset()
    problems: tuple[Problem, ...] = ()
    paid_usd: float = 0.0
    sent: Mapping[str, Mapping[str, Any]] = MappingProxyType({})
    entries: Mapping[str, LedgerEntry] = MappingProxyType({})


async def find_known(
    bodies: Mapping[str, Mapping[str, Any]], asked: Mapping[str, Any] | None, ledger: Ledger, threads: Threads
) -> Known:
    """Return which keys the ledger knows, with a problem if one was used for a different request or if it is not told.

    ``bodies`` holds what would be sent under each key. Without ``asked`` the keys hold all that is asked themselves, so
    that no other request can have used one.
    """
    try:
        entries = await asyncio.gather(*(threads.run(ledger.entry, key) for key in bodies))
    except LedgerError as error:
        message = f"{error} It is not known what was submitted under this key; fix the ledger first"
        return Known(problems=(Problem("ledger", message),))
    for entry in entries:
        try:
            if asked is not None:
                check_conflict(entry, asked, bodies[entry.key])
        except KeyConflict as conflict:
            return Known(problems=(Problem("idempotency_key", str(conflict)),))
    known = [entry for entry in entries if entry.state in FOR_GOOD]
    sent = {entry.key: entry.claim.sent if entry.claim else {} for entry in known}
    said = {entry.key: entry for entry in entries}
    return Known(frozenset(sent), (), sum(map(_cost_of, known)), sent, said)


def _cost_of(entry: LedgerEntry) -> float:
    if entry.outcome is not None:
        return entry.outcome.cost_usd or 0.0
    expected = entry.claim.estimate if entry.claim else None
    return (expected.high_usd if expected else None) or 0.0

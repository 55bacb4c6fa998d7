"""What the ledger has against a plan: an idempotency key that was used for a different request."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from openrouter_video.errors import KeyConflict, LedgerError, Problem
from openrouter_video.ledger import Ledger
from openrouter_video.run.submission import check_conflict
from openrouter_video.threads import Threads

__all__ = ["find_conflicts"]


async def find_conflicts(
    bodies: Mapping[str, Mapping[str, Any]], asked: Mapping[str, Any], ledger: Ledger, threads: Threads
) -> list[Problem]:
    """Return a problem if a key was used for a different request, or if the ledger does not say.

    ``bodies`` holds what would be sent under each key.
    """
    try:
        entries = await asyncio.gather(*(threads.run(ledger.entry, key) for key in bodies))
    except LedgerError as error:
        return [Problem("ledger", f"{error} It is not known what was submitted under this key; fix the ledger first")]
    for entry in entries:
        try:
            check_conflict(entry, asked, bodies[entry.key])
        except KeyConflict as conflict:
            return [Problem("idempotency_key", str(conflict))]
    return []

"""The row of a video by all that its records in the ledger tell: its claim knows more than its outcome. Pure."""

from __future__ import annotations

from datetime import datetime

from openrouter_video.ledger import LedgerEntry
from openrouter_video.rows import Row, row_of_outcome
from openrouter_video.run import Facts, outcome_of

__all__ = ["row_of"]

TOLD_BY_CLAIM = ("run_id", "base_url", "store_block", "credentials_block")


def row_of(entry: LedgerEntry, now: datetime) -> Row:
    """Return the row of a video, by all that its records tell at this moment."""
    row = row_of_outcome(outcome_of(Facts.of_entry(entry, now), now))
    if entry.claim:
        row |= {"submitted_at": entry.claim.at, **{name: getattr(entry.claim, name) for name in TOLD_BY_CLAIM}}
    row["other_job_ids"] = " ".join(entry.other_job_ids) or None
    return row

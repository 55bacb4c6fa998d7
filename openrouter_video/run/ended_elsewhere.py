"""What others have brought to an end while a run went on, as a collection does beside a long one. An edge; blocks."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from openrouter_video.ledger import CLOCK_TOLERANCE_SECONDS, Ledger, LedgerEntry, read_keys
from openrouter_video.outcome import Outcome
from openrouter_video.run.conclusions import GONE, outcome_of
from openrouter_video.run.facts import Facts

__all__ = ["ended_elsewhere", "is_own", "recorded_since"]


def ended_elsewhere(ledger: Ledger, outcomes: Sequence[Outcome], since: datetime, run_id: str) -> list[Outcome]:
    """Return what has become of the videos of a run that it had left open; a key that cannot be read is left out."""
    left = {outcome.key: outcome for outcome in outcomes if outcome.status == "open" and outcome.key}
    entries = read_keys(ledger, filter(None, left)).entries
    found = (recorded_since(entry, left[entry.key], since, run_id) for entry in entries)
    return [outcome for outcome in found if outcome]


def recorded_since(entry: LedgerEntry, left: Outcome, since: datetime, run_id: str) -> Outcome | None:
    """Return the outcome of a video that a run had ``left`` open, if it was recorded since that began.

    Whoever recorded it may have a clock that is behind. Of an older video the run itself knows better, such as that its
    file is gone.
    """
    begun = (since - timedelta(seconds=CLOCK_TOLERANCE_SECONDS)).isoformat(timespec="milliseconds")
    if entry.outcome is None or (entry.outcome.made_at or "") < begun or GONE in (left.error or ""):
        return None
    now = outcome_of(Facts.of_entry(entry, own=is_own(entry, run_id)), datetime.now(UTC))
    return now.model_copy(update={"row": left.row})


def is_own(entry: LedgerEntry, run_id: str) -> bool:
    """Whether this run has submitted what is recorded."""
    return entry.claim is not None and entry.claim.run_id == run_id

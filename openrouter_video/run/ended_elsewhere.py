"""What others have brought to an end while a run went on, as a collection does beside a long one. An edge; blocks."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from openrouter_video.ledger import Ledger, read_keys
from openrouter_video.outcome import Outcome
from openrouter_video.run.conclusions import outcome_of
from openrouter_video.run.facts import Facts

__all__ = ["ended_elsewhere"]


def ended_elsewhere(ledger: Ledger, outcomes: Sequence[Outcome], since: datetime, run_id: str) -> list[Outcome]:
    """Return what has become of the videos of a run that it had left open; a key that cannot be read is left out.

    Only what was made ``since`` the run began counts: of an older video the run itself knows better, such as that its
    file is gone.
    """
    left = {outcome.key: outcome for outcome in outcomes if outcome.status == "open" and outcome.key}
    ended = []
    for entry in read_keys(ledger, filter(None, left)).entries:
        if entry.outcome is None or (entry.outcome.made_at or "") < since.isoformat(timespec="milliseconds"):
            continue
        own = entry.claim is not None and entry.claim.run_id == run_id
        known = outcome_of(Facts.of_entry(entry, own=own), datetime.now(UTC))
        ended.append(known.model_copy(update={"row": left[entry.key].row}))
    return ended

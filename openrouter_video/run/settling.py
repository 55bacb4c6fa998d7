"""The end of a job, written down once: beside its videos, then in the ledger."""

from __future__ import annotations

from datetime import datetime

from openrouter_video.errors import LedgerError
from openrouter_video.ledger import Ledger
from openrouter_video.run.conclusions import outcome_of
from openrouter_video.run.facts import Facts
from openrouter_video.run.video_files import clear, forget_damaged, write_outcome
from openrouter_video.stores import Store

__all__ = ["settle"]

OVER = frozenset({"completed", "failed"})


def settle(facts: Facts, store: Store, ledger: Ledger, now: datetime) -> Facts:
    """Record what became of a job that has ended, if it is over; blocks. One that stays open is left as it is.

    Raises:
        StorageError: if the sidecar could not be written, so that the job stays open.
    """
    outcome = outcome_of(facts, now)
    if outcome.status not in OVER:
        return facts
    claim, job = facts.ended_job()
    if facts.saved:
        write_outcome(store, claim, outcome)
    if facts.recorded is None:
        # A job may expire after a download of it has begun, and died.
        clear(store, claim, job.videos)
    unsettled = None
    try:
        ledger.settle(claim.key, outcome)
    except LedgerError as error:
        unsettled = str(error)
    if facts.saved and facts.reused and facts.saved.files[0].kind == "video":
        forget_damaged(store, claim, job.videos, facts.saved.files)
    return facts._replace(recorded=outcome, unsettled=unsettled)

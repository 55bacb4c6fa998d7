"""At most once: the records of submissions, what they prove together, and what is still open."""

from __future__ import annotations

from openrouter_video.ledger.ledger import OWNER_ONLY, Ledger
from openrouter_video.ledger.reading import Unreadable, entries_in_time, forget_settled, read_all, read_open
from openrouter_video.ledger.recording import Recorder
from openrouter_video.ledger.records import (
    BEGUN_NOT_ENDED,
    UNREADABLE_JOB,
    Claim,
    LedgerEntry,
    Scope,
    Submitted,
    Unrecorded,
    age_of,
    describe_flight,
    differences,
    in_flight,
    scope_of_key,
    scope_of_run,
)

__all__ = [
    "BEGUN_NOT_ENDED",
    "OWNER_ONLY",
    "UNREADABLE_JOB",
    "Claim",
    "Ledger",
    "LedgerEntry",
    "Recorder",
    "Scope",
    "Submitted",
    "Unreadable",
    "Unrecorded",
    "age_of",
    "describe_flight",
    "differences",
    "entries_in_time",
    "forget_settled",
    "in_flight",
    "read_all",
    "read_open",
    "scope_of_key",
    "scope_of_run",
]

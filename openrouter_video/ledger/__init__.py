"""At most once: the records of submissions, what they prove together, what is still open, and the money."""

from __future__ import annotations

from openrouter_video.ledger.journal import Journal, Repaired
from openrouter_video.ledger.learning import subject
from openrouter_video.ledger.ledger import OWNER_ONLY, Ledger
from openrouter_video.ledger.portions import PORTION, batch_token, in_portions, is_lump, lump_of
from openrouter_video.ledger.reading import (
    Reading,
    Unreadable,
    entries_in_time,
    forget_settled,
    read_accepted,
    read_all,
    read_keys,
    read_marked,
    read_open,
    read_open_of,
)
from openrouter_video.ledger.recording import Recorder
from openrouter_video.ledger.records import (
    BEGUN_NOT_ENDED,
    CLOCK_TOLERANCE_SECONDS,
    Claim,
    LedgerEntry,
    Scope,
    Submitted,
    Unrecorded,
    age_of,
    describe_flight,
    differences,
    in_flight,
    is_key,
    scope_of_key,
    scope_of_row,
    scope_of_run,
)
from openrouter_video.ledger.reservations import Bill, CapReached, Caps, Money, ledger_key, reservation_id, run_token
from openrouter_video.ledger.settlement import (
    UNCERTAIN_STATES,
    Decision,
    Settlement,
    find_key,
    older_than,
    settled_message,
    state_word,
    why_not,
)
from openrouter_video.ledger.spending import By, Reserved, Spending, Sum, reserved, spending
from openrouter_video.ledger.waiting_run import WaitingRun
from openrouter_video.ledger.waiting_runs import WaitingRuns

__all__ = [
    "BEGUN_NOT_ENDED",
    "CLOCK_TOLERANCE_SECONDS",
    "OWNER_ONLY",
    "PORTION",
    "UNCERTAIN_STATES",
    "Bill",
    "By",
    "CapReached",
    "Caps",
    "Claim",
    "Decision",
    "Journal",
    "Ledger",
    "LedgerEntry",
    "Money",
    "Reading",
    "Recorder",
    "Repaired",
    "Reserved",
    "Scope",
    "Settlement",
    "Spending",
    "Submitted",
    "Sum",
    "Unreadable",
    "Unrecorded",
    "WaitingRun",
    "WaitingRuns",
    "age_of",
    "batch_token",
    "describe_flight",
    "differences",
    "entries_in_time",
    "find_key",
    "forget_settled",
    "in_flight",
    "in_portions",
    "is_key",
    "is_lump",
    "ledger_key",
    "lump_of",
    "older_than",
    "read_accepted",
    "read_all",
    "read_keys",
    "read_marked",
    "read_open",
    "read_open_of",
    "reservation_id",
    "reserved",
    "run_token",
    "scope_of_key",
    "scope_of_row",
    "scope_of_run",
    "settled_message",
    "spending",
    "state_word",
    "subject",
    "why_not",
]

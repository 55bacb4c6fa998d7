"""What becomes of a run that was asked to end: which jobs go on and are billed, by the word of the ledger.

A submission in flight ends before the interruption gets through, so the ledger knows all of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime

from openrouter_video.api import SubmitAnswer
from openrouter_video.cli.live_view import VideoLine
from openrouter_video.cli.terminal_report import shown_path
from openrouter_video.errors import LedgerError
from openrouter_video.ledger import Ledger, LedgerEntry, Unrecorded, entries_in_time
from openrouter_video.outcome import Outcome
from openrouter_video.report import interruption_message
from openrouter_video.run import Facts, Step, outcome_of

__all__ = ["farewell", "what_became", "with_the_sandbox"]

NOT_SENT = "interrupted before it was sent; nothing was charged"
SANDBOX_ENDED = "the sandbox ended with this command, and its jobs with it; nothing was billed"


def what_became(lines: Sequence[VideoLine], ledger: Ledger) -> list[Outcome]:
    """Return the outcome of every video of a run that did not come to its end."""
    said = entries_in_time(ledger, [line.key for line in lines if line.key and line.sent and not line.outcome])
    return [line.outcome or _from_ledger(line, said.get(line.key or "")) for line in lines]


def _from_ledger(line: VideoLine, said: LedgerEntry | LedgerError | None) -> Outcome:
    entry = _entry_of(line, said)
    step = Step("leave_open", reason=entry.reason or "interrupted")
    facts = Facts.of_entry(entry, own=True)._replace(model=line.model, take=line.take, key=line.key, step=step)
    if line.job_id and entry.state in {"claimed", "uncertain"}:
        # The run was told an id that the ledger does not know.
        known = SubmitAnswer("accepted", job_id=line.job_id)
        facts = facts._replace(unrecorded=Unrecorded(known, "interrupted"))
    return outcome_of(facts, datetime.now(UTC))


def _entry_of(line: VideoLine, said: LedgerEntry | LedgerError | None) -> LedgerEntry:
    """Return what is recorded of a video, or what must be taken for granted where the ledger does not say."""
    if isinstance(said, LedgerError):
        return LedgerEntry(
            line.key or "", "accepted" if line.job_id else "uncertain", job_id=line.job_id, reason=str(said)
        )
    entry = said or LedgerEntry(line.key or "", "free")
    return entry if entry.reason or entry.state != "free" else entry._replace(reason=NOT_SENT)


def with_the_sandbox(outcomes: Sequence[Outcome], ledger: Ledger, base_url: str) -> list[Outcome]:
    """End what the embedded sandbox of that base URL takes with it: nobody could ever collect it.

    Only its own jobs: what the run has merely found may be a paid job of another API on this machine.
    """
    return [_buried(outcome, ledger, base_url) for outcome in outcomes]


def _buried(outcome: Outcome, ledger: Ledger, base_url: str) -> Outcome:
    if outcome.status not in {"open", "uncertain"} or not outcome.key:
        return outcome
    with suppress(LedgerError):
        claim = ledger.entry(outcome.key).claim
        if claim is None or claim.base_url != base_url:
            return outcome
        buried = outcome.model_copy(update={"status": "failed", "error": SANDBOX_ENDED})
        ledger.settle(outcome.key, buried)
        return buried
    return outcome


def farewell(why: str, outcomes: Sequence[Outcome], collect: str, *, sandbox: bool) -> str:
    """Return what the user of a run that broke off has to know: what goes on, what it costs, and how to fetch it.

    ``collect`` is the command that does.
    """
    told = [outcome for outcome in outcomes if outcome.status == "completed"] if sandbox else outcomes
    text = interruption_message(told, collect, why=why, shown_url=shown_path)
    return f"\n{text}\n" + (f"{SANDBOX_ENDED[0].upper()}{SANDBOX_ENDED[1:]}.\n" if sandbox else "")

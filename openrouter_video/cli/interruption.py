"""What became of videos whose run ended before they did, by interruption or by a late answer, as the ledger knows it.

A submission in flight ends before an interruption gets through, so the ledger knows all of them.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import UTC, datetime

from openrouter_video.api import SubmitAnswer
from openrouter_video.cli.report import shown_path
from openrouter_video.cli.video_lines import VideoLine
from openrouter_video.errors import LedgerError
from openrouter_video.ledger import Ledger, LedgerEntry, Unrecorded, entries_in_time
from openrouter_video.outcome import Outcome
from openrouter_video.report import interruption_message
from openrouter_video.run import STILL_AWAITED, Facts, Step, outcome_of
from openrouter_video.threads import irrevocable_until

__all__ = ["end_sandbox_jobs", "late_answers", "left_behind", "wait_for_late_answers", "what_became"]

NOT_SENT = "interrupted before it was sent; nothing was charged"
SANDBOX_ENDED = "the sandbox ended with this command, and its jobs with it; nothing was billed"
SAME_AGAIN = (
    "The same command goes on where this one has stopped{}: "
    "it sends what has not been sent, and pays for nothing twice."
)
SAME_DAY = ", as long as {date} is the same day (UTC)"
LOOK_EVERY_SECONDS = 0.2
WAITING = "A submission is on its way: waiting for its answer, {:.0f} s at most (Ctrl-C ends the wait)"


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


def wait_for_late_answers(announce: Callable[[str], None], asked_to_end: Callable[[], bool]) -> None:
    """Wait until no answer can come any more, since no other process can record it, or until the user asks to end."""
    seconds = irrevocable_until() - time.monotonic()
    if seconds > 0:
        announce(WAITING.format(seconds))
    while irrevocable_until() > time.monotonic() and not asked_to_end():
        time.sleep(LOOK_EVERY_SECONDS)


def late_answers(outcomes: Sequence[Outcome], ledger: Ledger) -> list[Outcome]:
    """Return the outcomes with what the ledger knows by now of those whose answer had not come."""
    keys = [o.key for o in outcomes if o.key and o.status == "uncertain" and STILL_AWAITED in (o.error or "")]
    said = entries_in_time(ledger, keys) if keys else {}
    return [_with_late_answer(outcome, said.get(outcome.key or "")) for outcome in outcomes]


def _with_late_answer(outcome: Outcome, said: LedgerEntry | LedgerError | None) -> Outcome:
    if not isinstance(said, LedgerEntry) or said.state not in {"accepted", "free"}:
        return outcome
    step = Step("leave_open", reason="its answer came after the deadline")
    return outcome_of(Facts.of_entry(said, own=True)._replace(step=step), datetime.now(UTC))


def end_sandbox_jobs(outcomes: Sequence[Outcome], ledger: Ledger, base_url: str) -> list[Outcome]:
    """End the jobs that the embedded sandbox of that base URL takes with it: they could never be collected.

    Only its own jobs: what the run has merely found may be a paid job of another API on this machine.
    """
    return [_ended_with_sandbox(outcome, ledger, base_url) for outcome in outcomes]


def _ended_with_sandbox(outcome: Outcome, ledger: Ledger, base_url: str) -> Outcome:
    if outcome.status not in {"open", "uncertain"} or not outcome.key:
        return outcome
    with suppress(LedgerError):
        claim = ledger.entry(outcome.key).claim
        if claim is None or claim.base_url != base_url:
            return outcome
        ended = outcome.model_copy(update={"status": "failed", "error": SANDBOX_ENDED})
        ledger.settle(outcome.key, ended)
        return ended
    return outcome


def left_behind(why: str, outcomes: Sequence[Outcome], collect: str, *, sandbox: bool, found_by: str = "") -> str:
    """Return what the user of a run that broke off must know: what goes on, what it costs, and how to go on.

    ``collect`` is the command that fetches it; ``found_by``: the name by which the same command finds it, if it does.
    """
    told = [outcome for outcome in outcomes if outcome.status == "completed"] if sandbox else outcomes
    text = interruption_message(told, collect, why=why, shown_url=shown_path)
    if sandbox:
        text += f"\n{SANDBOX_ENDED[0].upper()}{SANDBOX_ENDED[1:]}."
    elif found_by:
        text += f"\n{SAME_AGAIN.format(SAME_DAY if '{date}' in found_by else '')}"
    return f"\n{text}\n"

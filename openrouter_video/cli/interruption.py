"""What becomes of a run that was asked to end: which jobs go on and are billed, by the word of the ledger.

A submission in flight ends before the interruption gets through, so the ledger knows all of them.
"""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from contextlib import suppress

from openrouter_video.api import SubmitAnswer
from openrouter_video.cli.live_view import VideoLine
from openrouter_video.cli.options import PlaceOptions
from openrouter_video.cli.terminal_report import shown_path
from openrouter_video.errors import LedgerError
from openrouter_video.ledger import Ledger, LedgerEntry, Unrecorded, entries_in_time
from openrouter_video.outcome import Outcome, unsettled_words
from openrouter_video.run import left_open, of_entry, uncertain, with_unrecorded
from openrouter_video.text import clip, printable

__all__ = ["collect_command", "farewell", "what_became", "with_the_sandbox"]

NOT_SENT = "interrupted before it was sent; nothing was charged"
SANDBOX_ENDED = "the sandbox ended with this command, and its jobs with it; nothing was billed"


def what_became(lines: Sequence[VideoLine], ledger: Ledger) -> list[Outcome]:
    """Return the outcome of every video of a run that did not come to its end."""
    said = entries_in_time(ledger, [line.key for line in lines if line.key and line.sent and not line.outcome])
    return [line.outcome or _from_ledger(line, said.get(line.key or "")) for line in lines]


def _from_ledger(line: VideoLine, said: LedgerEntry | LedgerError | None) -> Outcome:
    known = Outcome(model=line.model, take=line.take, key=line.key, status="refused", job_id=line.job_id)
    if said is None:
        return known.model_copy(update={"error": NOT_SENT})
    if isinstance(said, LedgerError):
        return left_open(known, str(said)) if line.job_id else uncertain(known, str(said))
    if said.state == "free":
        return known.model_copy(update={"error": said.reason or NOT_SENT})
    outcome = of_entry(said).model_copy(update={"reused": False})
    if line.job_id and said.state in {"claimed", "uncertain"}:
        # The run was told an id that the ledger does not know.
        return with_unrecorded(outcome, Unrecorded(SubmitAnswer("accepted", job_id=line.job_id), "interrupted"))
    return left_open(outcome, "interrupted") if said.state == "accepted" else outcome


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


def farewell(why: str, outcomes: Sequence[Outcome], place: PlaceOptions, *, sandbox: bool) -> str:
    """Return what the user of a run that broke off has to know: what goes on, what it costs, and how to fetch it."""
    by_status = {status: [o for o in outcomes if o.status == status] for status in ("completed", "open", "uncertain")}
    lines = ["", f"{why}."]
    if by_status["completed"]:
        lines.append("These videos are safe:")
        lines += [f"  {_name(outcome)}: {shown_path(outcome.url or '')}" for outcome in by_status["completed"]]
    if sandbox:
        return "\n".join([*lines, f"{SANDBOX_ENDED[0].upper()}{SANDBOX_ENDED[1:]}.", ""])
    if by_status["open"]:
        lines.append("These jobs go on at OpenRouter and are billed:")
        lines += [f"  {_name(outcome)}: job {clip(outcome.job_id or 'unknown')}" for outcome in by_status["open"]]
        lines += [f"  {clip(words)}" for words in unsettled_words(by_status["open"])]
        lines.append(f"Fetch the videos later with: {collect_command(place)}")
    if by_status["uncertain"]:
        lines.append("Nobody knows of these whether they were accepted; they may be billed, and are never sent again:")
        lines += [f"  {_name(outcome)}: key {outcome.key}" for outcome in by_status["uncertain"]]
        lines.append("Look for the keys as session ids in OpenRouter's activity; then: openrouter-video ledger settle")
    if not by_status["open"] and not by_status["uncertain"]:
        lines.append("No job is running, and nothing more will be billed.")
    return "\n".join([*lines, ""])


def _name(outcome: Outcome) -> str:
    return clip(outcome.model) if outcome.take == 1 else f"{clip(outcome.model)} take {outcome.take}"


def collect_command(place: PlaceOptions) -> str:
    """Return the command that collects what this run leaves open."""
    words = ["openrouter-video", "collect"]
    for option in ("output", "ledger", "store", "credentials"):
        value = getattr(place, option)
        if value:
            words += [f"--{option}", value]
    return printable(shlex.join(words))

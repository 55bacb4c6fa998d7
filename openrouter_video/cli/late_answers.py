"""What the command does about answers that are late: it stays for them, since nobody else can record them."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime

from openrouter_video.ledger import Ledger, LedgerEntry, entries_in_time
from openrouter_video.outcome import Outcome
from openrouter_video.run import STILL_AWAITED, Facts, Step, outcome_of
from openrouter_video.threads import irrevocable_until

__all__ = ["looked_again", "outlast_late_answers"]

LOOK_EVERY_SECONDS = 0.2
WAITING = "A submission is on its way: waiting for its answer, {:.0f} s at most (Ctrl-C ends the wait)"


def outlast_late_answers(say: Callable[[str], None], asked_to_end: Callable[[], bool]) -> None:
    """Wait until no answer can come any more, or until the user has asked to end."""
    seconds = irrevocable_until() - time.monotonic()
    if seconds > 0:
        say(WAITING.format(seconds))
    while irrevocable_until() > time.monotonic() and not asked_to_end():
        time.sleep(LOOK_EVERY_SECONDS)


def looked_again(outcomes: Sequence[Outcome], ledger: Ledger) -> list[Outcome]:
    """Return the outcomes with what the ledger knows by now of those whose answer had not come."""
    keys = [o.key for o in outcomes if o.key and o.status == "uncertain" and STILL_AWAITED in (o.error or "")]
    said = entries_in_time(ledger, keys) if keys else {}
    return [_better(outcome, said.get(outcome.key or "")) for outcome in outcomes]


def _better(outcome: Outcome, said: object) -> Outcome:
    if not isinstance(said, LedgerEntry) or said.state not in {"accepted", "free"}:
        return outcome
    step = Step("leave_open", reason="its answer came after the deadline")
    return outcome_of(Facts.of_entry(said, own=True)._replace(step=step), datetime.now(UTC))

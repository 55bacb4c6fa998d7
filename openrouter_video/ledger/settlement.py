"""What a person may settle in the ledger: which submissions, by which decision, and the words for why not.

Pure. Only a submission of which it is not known whether it was accepted can be freed by hand. An accepted job is
billed, so its key must never become free again; it can be given up, which ends it as failed.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Literal, NamedTuple

from openrouter_video.api import IN_FLIGHT_SECONDS
from openrouter_video.errors import Problem, RequestRefused
from openrouter_video.ledger.records import UNREADABLE_JOB, EntryState, LedgerEntry, age_of, in_flight

__all__ = [
    "UNCERTAIN_STATES",
    "Decision",
    "Settlement",
    "find_key",
    "older_than",
    "settled_message",
    "state_word",
    "why_not",
]

Decision = Literal["job", "abandon", "lost"]
"""What a person says of a submission: it became this job, it became none, or its job can never be had."""

UNCERTAIN_STATES: frozenset[EntryState] = frozenset({"uncertain", "claimed"})


class Settlement(NamedTuple):
    """What a person said: which submissions are meant (one key, or all of some age), and what became of them.

    ``look``: the account shall be asked; without a key for all that are uncertain.
    """

    key: str | None = None
    job: str | None = None
    abandon: bool = False
    lost: bool = False
    everything: bool = False
    older_than: str | None = None
    look: bool = False

    def problem(self) -> str | None:
        """Return why this says too little or too much; None if it is clear."""
        if self.look:
            alone = not any((self.abandon, self.lost, self.everything, self.job, self.older_than))
            return None if alone else "--look asks the account what became of it; leave the other options out"
        return self._problem_of_decision()

    def _problem_of_decision(self) -> str | None:
        if self.everything == (self.key is not None):
            return "give one KEY, or --all with --older-than"
        if [self.abandon, self.lost, self.job is not None].count(True) != 1:
            return (
                "say --job ID if the job was found at OpenRouter, --abandon if it was not, --lost to give it up, or "
                "--look to let the account be asked"
            )
        if self.everything and (not self.abandon or self.older_than is None):
            return "--all needs --older-than, such as 1h, and --abandon"
        if not self.everything and self.older_than is not None:
            return "--older-than goes with --all"
        if self.job is not None and (not self.job.strip() or not self.job.isprintable()):
            return f"--job {self.job!r} is not the id of a job"
        return None

    @property
    def decision(self) -> Decision:
        """Which of the three it is."""
        return "lost" if self.lost else "abandon" if self.abandon else "job"


def find_key(beginning: str, keys: Sequence[str], ledger_url: str) -> str:
    """Return the key that is meant by the whole of it, or by enough of its beginning.

    Raises:
        RequestRefused: if there is none, or more than one.
    """
    found = [key for key in keys if key.startswith(beginning)] if beginning else []
    if beginning in found or len(found) == 1:
        return beginning if beginning in found else found[0]
    what = f"no key {beginning!r} is in {ledger_url}"
    if found:
        what = f"{len(found)} keys begin with {beginning!r}; give more of it"
    raise RequestRefused([Problem("key", f"{what}; `openrouter-video ledger list --all` shows them")])


def state_word(entry: LedgerEntry, now: datetime) -> str:
    """Return the state of an entry in the words of a report."""
    if entry.outcome is not None:
        return entry.outcome.status
    if in_flight(entry, now):
        return "in flight"
    return {"accepted": "open", "claimed": "begun"}.get(entry.state, entry.state)


def why_not(entry: LedgerEntry, decision: Decision, now: datetime) -> str | None:
    """Return why a person may not settle an entry so; None if it is allowed.

    To give a job's id is safe at any time, and so is to give up a job that is ``lost``; to ``abandon`` a submission
    frees the key, so no POST may be on its way.
    """
    if entry.state in {"settled", "free"}:
        over = f"it is over: {state_word(entry, now)}"
        return over if entry.outcome else "nothing was accepted under it, so it is free already"
    if entry.state == "accepted":
        collect = "`openrouter-video collect` finishes it, and --lost gives it up"
        return None if decision == "lost" else f"job {entry.job_id} was accepted and {_is_billed(entry)}; {collect}"
    if entry.reason == UNREADABLE_JOB:
        look = f"look for the session {entry.key} in OpenRouter's activity"
        refused = f"{UNREADABLE_JOB}; {look} and give --job ID, or give it up by --lost"
        return refused if decision == "abandon" else None
    if decision == "lost":
        return "it is not known whether it was accepted; say --job ID if it was, or --abandon if it was not"
    if decision == "abandon" and in_flight(entry, now):
        age = age_of(entry, now) or 0.0
        minutes = max(1, round((IN_FLIGHT_SECONDS - age) / 60))
        return f"it was begun {max(0.0, age):.0f} s ago and may be on its way; try again in {minutes} min"
    return None


def settled_message(entry: LedgerEntry, decision: Decision, job_id: str | None = None) -> str:
    """Return what it means that an entry was settled so."""
    if decision == "lost":
        job = f"job {entry.job_id or 'of unknown id'}"
        return f"given up: {job} {_is_billed(entry)}, and it is not asked for any more"
    if decision == "job":
        return f"job {job_id} is recorded; `openrouter-video collect` fetches its video"
    return "abandoned; the key is free, and a new run with it submits again"


def _is_billed(entry: LedgerEntry) -> str:
    return "is a sandbox's, which bills nothing" if entry.claim and entry.claim.sandbox else "is billed"


def older_than(entries: Iterable[LedgerEntry], seconds: float, now: datetime) -> list[LedgerEntry]:
    """Return the uncertain submissions of that age; a claim that cannot be read has none, and is settled by its key."""
    ages = ((entry, age_of(entry, now)) for entry in entries if entry.state in UNCERTAIN_STATES)
    return [entry for entry, age in ages if age is not None and age > seconds]

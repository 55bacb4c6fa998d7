"""What a person does with the ledger: look at it, and settle what no program may decide.

Only a submission of which nobody knows whether it was accepted can be freed by hand: an accepted job is billed, and its
key must never become free again. It can be given up, which ends it as failed.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, Literal

from rich.text import Text

from openrouter_video.api import IN_FLIGHT_SECONDS
from openrouter_video.cli.terminal import Terminal
from openrouter_video.errors import ConfigurationError, LedgerError, Problem, RequestRefused
from openrouter_video.ledger import UNREADABLE_JOB, Ledger, LedgerEntry, Unreadable, age_of, in_flight
from openrouter_video.outcome import dollars
from openrouter_video.run import given_up
from openrouter_video.text import clip

__all__ = ["Word", "entry_row", "find_entry", "print_rows", "settle_entry", "unreadable_row", "why_not", "words_for"]

Word = Literal["job", "abandon", "lost"]
"""What a person says of a submission: it became this job, it became none, or its job can never be had."""

SHORT_KEY = 12
WHOLE_KEY = re.compile(r"[0-9a-f]{32}")
UNITS = ((86400.0, "d"), (3600.0, "h"), (60.0, "m"))
STATE_STYLES = {"open": "cyan", "in flight": "cyan", "uncertain": "magenta", "begun": "magenta"} | {
    "completed": "green",
    "failed": "red",
    "unreadable": "red",
}


def find_entry(ledger: Ledger, key: str) -> LedgerEntry:
    """Read the entry of a key, or of the only key that begins so.

    Raises:
        RequestRefused: if there is none, or more than one.
        LedgerError: if the ledger cannot be read.
    """
    if WHOLE_KEY.fullmatch(key) and (entry := ledger.entry(key)).attempt:
        return entry
    keys = ledger.keys()
    found = [one for one in keys if one.startswith(key)] if key else []
    if key in found or len(found) == 1:
        return ledger.entry(key if key in found else found[0])
    what = f"{len(found)} keys begin with {key!r}; give more of it" if found else f"no key {key!r} is in {ledger.url}"
    raise RequestRefused([Problem("key", f"{what}; `openrouter-video ledger list --all` shows them")])


def words_for(entry: LedgerEntry, now: datetime) -> str:
    """Return the state of an entry in the words of a report."""
    if entry.outcome is not None:
        return entry.outcome.status
    if in_flight(entry, now):
        return "in flight"
    return {"accepted": "open", "claimed": "begun"}.get(entry.state, entry.state)


def entry_row(entry: LedgerEntry, now: datetime) -> dict[str, Any]:
    """Return what a list tells of an entry, for machines."""
    claim, outcome, age = entry.claim, entry.outcome, age_of(entry, now)
    return {
        "key": entry.key,
        "state": words_for(entry, now),
        "model": claim.model if claim else outcome.model if outcome else None,
        "take": claim.take if claim else outcome.take if outcome else None,
        "job_id": entry.job_id,
        "cost_usd": outcome.cost_usd if outcome else None,
        "age_seconds": round(max(0.0, age), 1) if age is not None else None,
        "since": entry.since,
        "url": outcome.url if outcome else None,
        "base_url": claim.base_url if claim else None,
        "reason": entry.reason or (outcome.error if outcome else None),
    }


def unreadable_row(one: Unreadable) -> dict[str, Any]:
    """Return what a list tells of a key whose records cannot be read."""
    unknown = ("model", "take", "job_id", "cost_usd", "age_seconds", "since", "url", "base_url")
    return {"key": one.key, "state": "unreadable", **dict.fromkeys(unknown), "reason": one.reason}


def why_not(entry: LedgerEntry, word: Word, now: datetime) -> str | None:
    """Return why a person may not settle an entry; None if he may.

    To give a job's id is safe at any time, and so is to give up a job that is ``lost``; to ``abandon`` a submission
    frees the key, so no POST may be on its way.
    """
    if entry.state in {"settled", "free"}:
        over = f"it is over: {words_for(entry, now)}"
        return over if entry.outcome else "nothing was accepted under it, so it is free already"
    if entry.state == "accepted":
        collect = "`openrouter-video collect` finishes it, and --lost gives it up"
        return None if word == "lost" else f"job {entry.job_id} was accepted and is billed; {collect}"
    if entry.reason == UNREADABLE_JOB:
        look = f"look for the session {entry.key} in OpenRouter's activity"
        return f"{UNREADABLE_JOB}; {look} and give --job ID, or give it up by --lost" if word == "abandon" else None
    if word == "lost":
        return "nobody knows whether it was accepted; say --job ID if it was, or --abandon if it was not"
    if word == "abandon" and in_flight(entry, now):
        age = age_of(entry, now) or 0.0
        rest = max(1, round((IN_FLIGHT_SECONDS - age) / 60))
        return f"it was begun {_age(max(0.0, age))} ago and may be on its way; try again in {rest} min"
    return None


def settle_entry(ledger: Ledger, entry: LedgerEntry, word: Word, job_id: str | None, now: datetime) -> str:
    """Settle an entry by a person's word: the ``job`` of that id, that there is none, or that it is lost.

    Returns what was done.

    Raises:
        ConfigurationError: if the word does not fit the entry.
        LedgerError: if the record could not be written, or somebody else was quicker.
    """
    reason = why_not(entry, word, now)
    if reason is not None:
        raise ConfigurationError(f"{entry.key} cannot be settled: {reason}")
    if word == "lost":
        done = ledger.settle(entry.key, given_up(entry))
        words = f"given up: job {entry.job_id or 'of unknown id'} is billed, and nobody asks for it any more"
    elif word == "job":
        done = ledger.record_job(entry.key, entry.attempt, job_id or "", by_person=True)
        words = f"job {job_id} is recorded; `openrouter-video collect` fetches its video"
    else:
        done = ledger.release(entry.key, entry.attempt, "abandoned by a person", by_person=True)
        words = "abandoned; the key is free, and a new run with it submits again"
    if not done:
        raise LedgerError(f"{entry.key} was settled by somebody else at this moment; look at it again")
    return f"{entry.key}: {words}"


def print_rows(terminal: Terminal, entries: Sequence[dict[str, Any]]) -> None:
    """Print a table on a terminal, else tab-separated lines with a header."""
    header = ("age", "model", "take", "state", "job", "cost", "key")
    rows = [_cells(entry) for entry in entries]
    if not terminal.is_terminal:
        for cells in (header, *rows):
            terminal.print_row(cells)
        return
    widths = [max(len(row[column]) for row in rows) for column in range(4)]
    for age, model, take, state, job, cost, key in rows:
        head = Text.assemble(
            age.rjust(widths[0]), "  ", (model.ljust(widths[1]), "bold"), f"  take {take.ljust(widths[2])}  "
        )
        terminal.print(head.append(state.ljust(widths[3]), STATE_STYLES.get(state, "")).append(f"  {cost}".rstrip()))
        # The beginning of a key is enough to settle it; whole ones are in --json and where the output is piped.
        below = Text(f"{' ' * widths[0]}  key {key[:SHORT_KEY]}" + (f"  job {job}" if job else ""), "dim")
        terminal.print(below, soft_wrap=True)


def _cells(row: dict[str, Any]) -> tuple[str, ...]:
    age, cost = row["age_seconds"], row["cost_usd"]
    cells: Iterable[str] = (
        _age(age) if age is not None else "?",
        row["model"] or "?",
        str(row["take"] or "?"),
        row["state"],
        row["job_id"] or "",
        dollars(cost) if cost is not None else "",
        row["key"],
    )
    return tuple(clip(cell) for cell in cells)


def _age(seconds: float) -> str:
    return next((f"{seconds / size:.0f}{unit}" for size, unit in UNITS if seconds >= size), f"{seconds:.0f}s")

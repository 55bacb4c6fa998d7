"""``ledger list`` and ``ledger settle``: the ledger that the options name, its rows, and what only a person decides."""

from __future__ import annotations

import asyncio
import os
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from datetime import datetime
from typing import NamedTuple

from rich.text import Text

from openrouter_video.cli.option_values import parse_seconds
from openrouter_video.cli.options import LedgerOptions
from openrouter_video.cli.prefect_server import start_prefect
from openrouter_video.cli.terminal import Terminal, print_json
from openrouter_video.errors import ConfigurationError, LedgerError, Problem, RequestRefused
from openrouter_video.ledger import (
    UNCERTAIN_STATES,
    Decision,
    Ledger,
    LedgerEntry,
    Settlement,
    Unreadable,
    age_of,
    find_key,
    older_than,
    read_all,
    read_open,
    settled_message,
    state_word,
    why_not,
)
from openrouter_video.money import dollars
from openrouter_video.run import Destination, Facts, find_destination, outcome_of, why_unreadable
from openrouter_video.text import clip, printable

__all__ = ["Row", "find_entry", "find_place", "list_entries", "open_ledger", "settle", "settle_entry"]

OLDEST_DAYS = 36_500
SHORT_KEY = 12
WHOLE_KEY = re.compile(r"[0-9a-f]{32}")
UNITS = ((86400.0, "d"), (3600.0, "h"), (60.0, "m"))
HEADER = ("age", "model", "take", "state", "job", "cost", "key")
STATE_STYLES = {"open": "cyan", "in flight": "cyan", "uncertain": "magenta", "begun": "magenta"} | {
    "completed": "green",
    "failed": "red",
    "unreadable": "red",
}


class Row(NamedTuple):
    """What a list tells of a key; the names are those of the JSON document."""

    key: str
    state: str
    model: str | None = None
    take: int | None = None
    job_id: str | None = None
    cost_usd: float | None = None
    age_seconds: float | None = None
    since: str | None = None
    url: str | None = None
    base_url: str | None = None
    reason: str | None = None
    sandbox: bool = False

    @classmethod
    def of_entry(cls, entry: LedgerEntry, now: datetime) -> Row:
        """Tell of an entry what its claim and outcome say."""
        claim, outcome, age = entry.claim, entry.outcome, age_of(entry, now)
        named = claim or outcome
        return cls(
            key=entry.key,
            state=state_word(entry, now),
            model=named.model if named else None,
            take=named.take if named else None,
            job_id=entry.job_id,
            cost_usd=outcome.cost_usd if outcome else None,
            age_seconds=round(max(0.0, age), 1) if age is not None else None,
            since=entry.since,
            url=outcome.url if outcome else None,
            base_url=claim.base_url if claim else None,
            reason=entry.reason or (outcome.error if outcome else None),
            sandbox=any(one.sandbox for one in (claim, outcome) if one),
        )

    @classmethod
    def of_unreadable(cls, one: Unreadable) -> Row:
        """Tell why the records of a key cannot be read."""
        return cls(one.key, "unreadable", reason=one.reason)

    def cells(self) -> tuple[str, ...]:
        """Return the texts below ``HEADER``."""
        cells = (
            _short_age(self.age_seconds) if self.age_seconds is not None else "?",
            self.model or "?",
            str(self.take or "?"),
            self.state,
            self.job_id or "",
            dollars(self.cost_usd, sandbox=self.sandbox) if self.cost_usd is not None else "",
            self.key,
        )
        return tuple(clip(cell) for cell in cells)


def find_place(place: LedgerOptions, announce: Callable[[str], None]) -> Destination:
    """Return where videos and ledger are that the options name; to read a block takes Prefect.

    Raises:
        ConfigurationError: if there is no such block.
    """
    if not place.store:
        return find_destination(place.output, place.ledger, os.environ)
    start_prefect(announce)
    from openrouter_video.blocks import load_store  # noqa: PLC0415 (imports Prefect)

    return asyncio.run(load_store(place.store, place.output, place.ledger))


@contextmanager
def open_ledger(place: LedgerOptions, announce: Callable[[str], None]) -> Iterator[Ledger]:
    """Open the ledger that the options name.

    Raises:
        ConfigurationError: if it cannot be opened.
    """
    with closing(find_place(place, announce).reach_ledger()) as ledger:
        yield ledger


def list_entries(
    place: LedgerOptions, now: datetime, *, only_open: bool, only_uncertain: bool, everything: bool, as_json: bool
) -> int:
    """Print the entries of a ledger: by default those that are not over. 1 if some of it could not be read, else 0.

    Raises:
        LedgerError: if the ledger cannot be read.
    """
    states = {*(["accepted"] if only_open else []), *(UNCERTAIN_STATES if only_uncertain else [])}
    states = states or {"accepted", *UNCERTAIN_STATES}
    terminal, stderr = Terminal(stderr=as_json), Terminal(stderr=True)
    with open_ledger(place, stderr.announce) as ledger:
        reading = read_all(ledger) if everything else read_open(ledger, now)
    entries = [one for one in reading.entries if (everything and one.attempt > 0) or one.state in states]
    rows = [*(Row.of_entry(entry, now) for entry in entries), *map(Row.of_unreadable, reading.unreadable)]
    if as_json:
        print_json({"ledger": ledger.url, "entries": [row._asdict() for row in rows]})
    elif rows:
        _print_rows(terminal, rows)
    else:
        what = "no submission" if everything else "no submission of that kind"
        terminal.print(Text(f"There is {what} in {printable(ledger.url)}."), soft_wrap=True)
    for one in reading.unreadable:
        stderr.print(Text(printable(f"{one.key}: {why_unreadable(one.reason)}")), soft_wrap=True)
    return 1 if reading.unreadable else 0


def settle(place: LedgerOptions, said: Settlement, now: datetime) -> int:
    """Settle what a person has decided, and print each key that it touched.

    Raises:
        RequestRefused, ConfigurationError: if it is not clear what to settle, or if it may not be settled.
        LedgerError: if the ledger cannot be read or written.
    """
    problem = said.problem()
    if problem is not None:
        raise RequestRefused([Problem("settle", problem)])
    seconds = parse_seconds("older-than", said.older_than, OLDEST_DAYS) if said.older_than is not None else 0.0
    with open_ledger(place, Terminal(stderr=True).announce) as ledger:
        return _settle(ledger, said, seconds, now)


def _settle(ledger: Ledger, said: Settlement, seconds: float, now: datetime) -> int:
    terminal = Terminal()

    def tell(text: str) -> None:
        terminal.print(Text(printable(text)), soft_wrap=True)

    if not said.everything:
        entry = find_entry(ledger, said.key or "")
        tell(settle_entry(ledger, entry, said.decision, now, said.job and said.job.strip()))
        return 0
    reading = read_open(ledger, now)
    for one in reading.unreadable:
        tell(f"{one.key}: {why_unreadable(one.reason)}")
    entries = older_than(reading.entries, seconds, now)
    return max(_abandon_all(ledger, entries, now, tell), 1 if reading.unreadable else 0)


def settle_entry(
    ledger: Ledger,
    entry: LedgerEntry,
    decision: Decision,
    now: datetime,
    job_id: str | None = None,
    evidence: str | None = None,
) -> str:
    """Settle one entry, if that is allowed, and return what was done; a job may be recorded with its evidence.

    Raises:
        ConfigurationError: if the decision does not fit the entry.
        LedgerError: if the record could not be written, or another process was quicker.
    """
    reason = why_not(entry, decision, now)
    if reason is not None:
        raise ConfigurationError(f"{entry.key} cannot be settled: {reason}")
    if decision == "lost":
        facts = Facts.of_entry(entry, own=True)._replace(given_up="given up by a person")
        done = ledger.settle(entry.key, outcome_of(facts, now))
    elif decision == "job":
        done = ledger.record_job(entry.key, entry.attempt, job_id or "", by_person=True, evidence=evidence)
    else:
        done = ledger.release(entry.key, entry.attempt, "abandoned by a person", by_person=True)
    if not done:
        raise LedgerError(f"{entry.key} was settled by another process at this moment; look at it again")
    return f"{entry.key}: {settled_message(entry, decision, job_id)}"


def find_entry(ledger: Ledger, key: str) -> LedgerEntry:
    """Return the entry of a key, or of the one that begins so.

    Raises:
        RequestRefused: if there is none, or more than one.
        LedgerError: if the ledger cannot be read.
    """
    if WHOLE_KEY.fullmatch(key) and (entry := ledger.entry(key)).attempt:
        return entry
    return ledger.entry(find_key(key, ledger.keys(), ledger.url))


def _abandon_all(ledger: Ledger, entries: Sequence[LedgerEntry], now: datetime, tell: Callable[[str], None]) -> int:
    failed = 0
    for entry in entries:
        try:
            tell(settle_entry(ledger, entry, "abandon", now))
        except (ConfigurationError, LedgerError) as error:
            tell(str(error))
            failed += 1
    tell(f"{len(entries) - failed} abandoned" + (f", {failed} not" if failed else ""))
    return 1 if failed else 0


def _print_rows(terminal: Terminal, entries: Sequence[Row]) -> None:
    """Print two lines per entry on a terminal, else tab-separated lines with a header."""
    rows = [entry.cells() for entry in entries]
    if not terminal.is_terminal:
        for cells in (HEADER, *rows):
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


def _short_age(seconds: float) -> str:
    return next((f"{seconds / size:.0f}{unit}" for size, unit in UNITS if seconds >= size), f"{seconds:.0f}s")

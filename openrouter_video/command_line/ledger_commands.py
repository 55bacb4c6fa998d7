"""``ledger list`` and ``ledger settle``: from options to lines on the terminal."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import NamedTuple

from rich.text import Text

from openrouter_video.command_line.ledger_desk import (
    entry_row,
    find_entry,
    print_entries,
    read_entries,
    settle_entry,
)
from openrouter_video.command_line.options import parse_seconds
from openrouter_video.command_line.terminal import Terminal, print_json
from openrouter_video.errors import ConfigurationError, LedgerError, Problem, RequestRefused
from openrouter_video.ledger import Ledger
from openrouter_video.plain_text import printable
from openrouter_video.records import LedgerEntry, age_of

__all__ = ["Settlement", "list_entries", "run_settle"]

OLDEST_DAYS = 36_500
UNCERTAIN = frozenset({"uncertain", "claimed"})


class Settlement(NamedTuple):
    """What a person said about uncertain submissions: which ones, and what became of them."""

    key: str | None = None
    job: str | None = None
    abandon: bool = False
    everything: bool = False
    older_than: str | None = None

    def problem(self) -> str | None:
        """Return why this says too little or too much; None if it is clear."""
        if self.everything == (self.key is not None):
            return "give one KEY, or --all with --older-than"
        if self.abandon == (self.job is not None):
            return "say --job ID if the job was found at OpenRouter, or --abandon if it was not"
        if self.everything and (self.job is not None or self.older_than is None):
            return "--all needs --older-than, such as 1h, and --abandon"
        if not self.everything and self.older_than is not None:
            return "--older-than goes with --all"
        if self.job is not None and (not self.job.strip() or not self.job.isprintable()):
            return f"--job {self.job!r} is no job's id"
        return None


def list_entries(ledger: Ledger, *, only_open: bool, only_uncertain: bool, everything: bool, as_json: bool) -> int:
    """Print the entries of a ledger: by default those that are not over.

    Raises:
        LedgerError: if the ledger cannot be read.
    """
    states = {"accepted"} if only_open else set[str]()
    states |= UNCERTAIN if only_uncertain else set()
    states = states or {"accepted", *UNCERTAIN}
    entries = read_entries(ledger, lambda entry: (everything and entry.attempt > 0) or entry.state in states)
    now, terminal = datetime.now(UTC), Terminal(stderr=as_json)
    if as_json:
        print_json({"ledger": ledger.url, "entries": [entry_row(entry, now) for entry in entries]})
    elif entries:
        print_entries(terminal, entries, now)
    else:
        what = "no submission" if everything else "no submission of that kind"
        terminal.print(Text(f"There is {what} in {printable(ledger.url)}."), soft_wrap=True)
    return 0


def run_settle(open_ledger: Callable[[], Ledger], said: Settlement) -> int:
    """Settle by a person's word, and print each key that it touched.

    Raises:
        RequestRefused, ConfigurationError: if it is not clear what to settle, or if it may not be settled.
        LedgerError: if the ledger cannot be read or written.
    """
    problem = said.problem()
    if problem is not None:
        raise RequestRefused([Problem("settle", problem)])
    oldest = parse_seconds("older-than", said.older_than, OLDEST_DAYS) if said.older_than is not None else 0.0
    ledger, now, terminal = open_ledger(), datetime.now(UTC), Terminal()

    def tell(text: str) -> None:
        terminal.print(Text(printable(text)), soft_wrap=True)

    if not said.everything:
        tell(settle_entry(ledger, find_entry(ledger, said.key or ""), said.job and said.job.strip(), now))
        return 0
    entries = read_entries(ledger, lambda entry: entry.state in UNCERTAIN and _is_older(entry, oldest, now))
    return _abandon_all(ledger, entries, now, tell)


def _abandon_all(ledger: Ledger, entries: Sequence[LedgerEntry], now: datetime, tell: Callable[[str], None]) -> int:
    failed = 0
    for entry in entries:
        try:
            tell(settle_entry(ledger, entry, None, now))
        except (ConfigurationError, LedgerError) as error:
            tell(str(error))
            failed += 1
    tell(f"{len(entries) - failed} abandoned" + (f", {failed} not" if failed else ""))
    return 1 if failed else 0


def _is_older(entry: LedgerEntry, seconds: float, now: datetime) -> bool:
    """A claim that cannot be read has no age: it is left to be settled by its key."""
    age = age_of(entry, now)
    return age is not None and age > seconds

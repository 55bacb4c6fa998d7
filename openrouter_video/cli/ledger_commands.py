"""``ledger list`` and ``ledger settle``: from options to lines on the terminal."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import NamedTuple

from rich.text import Text

from openrouter_video.cli.ledger_desk import (
    Word,
    entry_row,
    find_entry,
    print_rows,
    settle_entry,
    unreadable_row,
)
from openrouter_video.cli.options import parse_seconds
from openrouter_video.cli.terminal import Terminal, print_json
from openrouter_video.errors import ConfigurationError, LedgerError, Problem, RequestRefused
from openrouter_video.ledger import Ledger, LedgerEntry, age_of, read_all, read_open
from openrouter_video.run import why_unreadable
from openrouter_video.text import printable

__all__ = ["Settlement", "list_entries", "run_settle"]

OLDEST_DAYS = 36_500
UNCERTAIN = frozenset({"uncertain", "claimed"})


class Settlement(NamedTuple):
    """What a person said about uncertain submissions: which ones, and what became of them."""

    key: str | None = None
    job: str | None = None
    abandon: bool = False
    lost: bool = False
    everything: bool = False
    older_than: str | None = None

    def problem(self) -> str | None:
        """Return why this says too little or too much; None if it is clear."""
        if self.everything == (self.key is not None):
            return "give one KEY, or --all with --older-than"
        if [self.abandon, self.lost, self.job is not None].count(True) != 1:
            return "say --job ID if the job was found at OpenRouter, --abandon if it was not, or --lost to give it up"
        if self.everything and (not self.abandon or self.older_than is None):
            return "--all needs --older-than, such as 1h, and --abandon"
        if not self.everything and self.older_than is not None:
            return "--older-than goes with --all"
        if self.job is not None and (not self.job.strip() or not self.job.isprintable()):
            return f"--job {self.job!r} is no job's id"
        return None

    @property
    def word(self) -> Word:
        """Which of the three it is."""
        return "lost" if self.lost else "abandon" if self.abandon else "job"


def list_entries(ledger: Ledger, *, only_open: bool, only_uncertain: bool, everything: bool, as_json: bool) -> int:
    """Print the entries of a ledger: by default those that are not over. 1 if some of it could not be read, else 0.

    Raises:
        LedgerError: if the ledger cannot be read.
    """
    states = {"accepted"} if only_open else set[str]()
    states |= UNCERTAIN if only_uncertain else set()
    states = states or {"accepted", *UNCERTAIN}
    now, terminal = datetime.now(UTC), Terminal(stderr=as_json)
    reading = read_all(ledger) if everything else read_open(ledger, now)
    entries = [one for one in reading.entries if (everything and one.attempt > 0) or one.state in states]
    rows = [*(entry_row(entry, now) for entry in entries), *map(unreadable_row, reading.unreadable)]
    if as_json:
        print_json({"ledger": ledger.url, "entries": rows})
    elif rows:
        print_rows(terminal, rows)
    else:
        what = "no submission" if everything else "no submission of that kind"
        terminal.print(Text(f"There is {what} in {printable(ledger.url)}."), soft_wrap=True)
    for one in reading.unreadable:
        Terminal(stderr=True).print(Text(printable(f"{one.key}: {why_unreadable(one.reason)}")), soft_wrap=True)
    return 1 if reading.unreadable else 0


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
        tell(settle_entry(ledger, find_entry(ledger, said.key or ""), said.word, said.job and said.job.strip(), now))
        return 0
    reading = read_open(ledger, now)
    for one in reading.unreadable:
        tell(f"{one.key}: {why_unreadable(one.reason)}")
    entries = [entry for entry in reading.entries if entry.state in UNCERTAIN and _is_older(entry, oldest, now)]
    return max(_abandon_all(ledger, entries, now, tell), 1 if reading.unreadable else 0)


def _abandon_all(ledger: Ledger, entries: Sequence[LedgerEntry], now: datetime, tell: Callable[[str], None]) -> int:
    failed = 0
    for entry in entries:
        try:
            tell(settle_entry(ledger, entry, "abandon", None, now))
        except (ConfigurationError, LedgerError) as error:
            tell(str(error))
            failed += 1
    tell(f"{len(entries) - failed} abandoned" + (f", {failed} not" if failed else ""))
    return 1 if failed else 0


def _is_older(entry: LedgerEntry, seconds: float, now: datetime) -> bool:
    """A claim that cannot be read has no age: it is left to be settled by its key."""
    age = age_of(entry, now)
    return age is not None and age > seconds

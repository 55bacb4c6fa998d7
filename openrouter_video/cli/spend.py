"""``spend``: what was spent, by model, day, label and so on, and what is reserved, from the money journal."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any, NamedTuple

from rich.text import Text

from openrouter_video.cli.ledger import open_ledger
from openrouter_video.cli.options import LedgerOptions
from openrouter_video.cli.terminal import Terminal, print_json
from openrouter_video.errors import Problem, RequestRefused
from openrouter_video.ledger import By, Journal, Reserved, Spending, Sum, reserved, spending
from openrouter_video.money import MICRO, dollars
from openrouter_video.text import clip, csv_line, printable, shown

__all__ = ["parse_since", "print_spending"]

LONGEST_DAYS = 36_500
DAYS = re.compile(r"([0-9]{1,5})\s*d", re.ASCII)
COLUMNS = ("money", "videos", "cost_usd", "estimated_usd")
NOBODYS = {
    "model": "unknown",
    "day": "unknown",
    "label": "no label",
    "run": "no flow run",
    "deployment": "no deployment",
    "failure": "not failed",
}
SANDBOX = "A sandbox's money, which nobody pays:"


class Account(NamedTuple):
    """What one journal says, of real money or of a sandbox's; ``empty`` if nothing was ever reserved."""

    spent: Spending
    reserved: Reserved
    empty: bool

    @property
    def silent(self) -> bool:
        """Whether there is nothing to tell of it."""
        return not (self.spent.sums or self.reserved.videos)


def parse_since(text: str, now: datetime) -> str:
    """Return the first day to count, in UTC, from a number of days such as ``30d`` or a date such as ``2026-11-01``.

    Raises:
        RequestRefused: if it is neither, or later than today.
    """
    days = DAYS.fullmatch(text.strip().lower())
    today = now.astimezone(UTC).date()
    try:
        since = today - timedelta(days=min(int(days[1]), LONGEST_DAYS)) if days else date.fromisoformat(text.strip())
    except ValueError:
        message = f"--since {shown(text)} is neither a number of days nor a date; write 30d or 2026-11-01"
        raise RequestRefused([Problem("since", message)]) from None
    if since > today:
        message = f"--since {shown(text)} has not come yet: it is {today} (UTC)"
        raise RequestRefused([Problem("since", message)])
    return since.isoformat()


def print_spending(place: LedgerOptions, by: By, since: str, *, as_json: bool, as_csv: bool) -> int:
    """Print what was spent from a day on, and what is reserved whenever that was.

    Raises:
        LedgerError: if the journal cannot be read.
        RequestRefused: if two forms of output are asked for.
    """
    if as_json and as_csv:
        raise RequestRefused([Problem("csv", "--json and --csv exclude each other; leave one of them out")])
    with open_ledger(place, Terminal(stderr=True).announce) as ledger:
        url = ledger.url
        real, sandbox = (_account(Journal(ledger.store, sandbox=one), by, since) for one in (False, True))
    if as_json:
        print_json({"ledger": url, "by": by, "since": since, **_document(real, by), "sandbox": _document(sandbox, by)})
    elif as_csv:
        _print_csv(by, real, sandbox)
    elif Terminal().is_terminal:
        _print_accounts(url, by, since, real, sandbox)
    elif real.silent and sandbox.silent:
        Terminal().print(Text(_nothing(url, since, real)), soft_wrap=True)
    else:
        for cells in _rows(by, real, sandbox):
            Terminal().print_row(cells)
    return 0


def _account(journal: Journal, by: By, since: str) -> Account:
    months = journal.months()
    entries = [journal.entries(month) for month in months if month >= since[:7]]
    return Account(spending(entries, by, since), reserved(map(journal.money, months)), empty=not months)


def _document(account: Account, by: By) -> dict[str, Any]:
    """Return what a program reads of an account, in US dollars."""

    def amounts(one: Sum) -> dict[str, Any]:
        return {"videos": one.videos, "cost_usd": one.amount / MICRO, "estimated_usd": one.estimated / MICRO}

    spent, held = account.spent, account.reserved
    return {
        "spent": [{by: one.name, **amounts(one)} for one in spent.sums],
        "total": {**amounts(spent.total), "lost_usd": spent.lost / MICRO},
        "reserved": {"videos": held.videos, "cost_usd": held.amount / MICRO, "since": held.since},
    }


def _rows(by: By, real: Account, sandbox: Account) -> Iterator[tuple[str, ...]]:
    """Yield the lines of a table, the first with the names of its columns; what money it is stands in the first."""
    yield (COLUMNS[0], by, *COLUMNS[1:])
    for mark, account in (("", real), ("sandbox ", sandbox)):
        for one in account.spent.sums:
            amounts = (f"{one.amount / MICRO:f}", f"{one.estimated / MICRO:f}")
            yield (f"{mark}spent", clip(one.name or ""), str(one.videos), *amounts)
        held = account.reserved
        if held.videos:
            yield (f"{mark}reserved", "", str(held.videos), f"{held.amount / MICRO:f}", f"{held.amount / MICRO:f}")


def _print_csv(by: By, real: Account, sandbox: Account) -> None:
    terminal = Terminal()
    for cells in _rows(by, real, sandbox):
        terminal.print_row([csv_line(cells)])


def _print_accounts(url: str, by: By, since: str, real: Account, sandbox: Account) -> None:
    terminal = Terminal()

    def tell(text: str) -> None:
        terminal.print(Text(text), soft_wrap=True)

    tell(_nothing(url, since, real) if real.silent else f"Spent since {since} (UTC) by {by}, says {printable(url)}:")
    _print_account(terminal, real, by)
    if not sandbox.silent:
        tell(SANDBOX)
        _print_account(terminal, sandbox, by)
    if by == "label" and any(len(account.spent.sums) > 1 for account in (real, sandbox)):
        tell("A video counts once for each of its labels.")
    if real.spent.lost:
        lost = dollars(real.spent.lost / MICRO)
        tell(f"Of {lost} it is not known for what it was spent: entries of the journal were lost, and repaired.")


def _nothing(url: str, since: str, account: Account) -> str:
    if account.empty:
        return f"The money journal of {printable(url)} is empty: nothing was ever reserved or spent."
    return f"Nothing was spent since {since} (UTC) and nothing is reserved, says the money journal of {printable(url)}."


def _print_account(terminal: Terminal, account: Account, by: By) -> None:
    spent, held = account.spent, account.reserved
    rows = [
        (clip(one.name or NOBODYS[by]), one.videos, dollars(one.amount / MICRO), _estimated(one)) for one in spent.sums
    ]
    if len(spent.sums) > 1:
        rows.append(("in all", spent.total.videos, dollars(spent.total.amount / MICRO), _estimated(spent.total)))
    if held.videos:
        rows.append(
            ("reserved, not settled", held.videos, dollars(held.amount / MICRO), f"at most; since {held.since}")
        )
    widths = [max((len(str(row[column])) for row in rows), default=0) for column in range(3)]
    for name, videos, cost, note in rows:
        line = f"  {name.ljust(widths[0])}  {str(videos).rjust(widths[1])} video{'s' if videos != 1 else ' '}  "
        terminal.print(
            Text.assemble(line, (cost.rjust(widths[2]), "bold"), (f"  {note}".rstrip(), "dim")), soft_wrap=True
        )


def _estimated(one: Sum) -> str:
    return f"{dollars(one.estimated / MICRO)} of it estimated: no cost was named" if one.estimated else ""

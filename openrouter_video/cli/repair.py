"""``ledger repair``: the money journal, mended where an entry is lost."""

from __future__ import annotations

from collections.abc import Callable

from rich.text import Text

from openrouter_video.cli.ledger import open_ledger
from openrouter_video.cli.options import LedgerOptions
from openrouter_video.cli.terminal import Terminal
from openrouter_video.errors import LedgerError
from openrouter_video.ledger import Journal, Repaired
from openrouter_video.text import printable

__all__ = ["repair_journal"]


def repair_journal(place: LedgerOptions) -> int:
    """Repair each month of the money journal, also of sandboxes, and print what was done; 1 if one cannot be, else 0.

    Raises:
        LedgerError: if the journal cannot be listed.
    """
    terminal = Terminal()

    def tell(text: str) -> None:
        terminal.print(Text(printable(text)), soft_wrap=True)

    with open_ledger(place, Terminal(stderr=True).announce) as ledger:
        real, sandbox = Journal(ledger.store), Journal(ledger.store, sandbox=True)
        months = [("", real, month) for month in real.months()]
        months += [("the sandbox's ", sandbox, month) for month in sandbox.months()]
        ends = [_repair(journal, month, f"{whose}{month}", tell) for whose, journal, month in months]
        if not any(ends):
            tell(f"The money journal of {ledger.url} is whole: there is nothing to repair.")
    return 1 if "failed" in ends else 0


def _repair(journal: Journal, month: str, name: str, tell: Callable[[str], None]) -> str:
    """Repair one month, and return what became of it: nothing if it was whole."""
    try:
        done = journal.repair(month)
    except LedgerError as error:
        tell(f"{name} could not be repaired: {error}")
        return "failed"
    if done is None:
        return ""
    tell(f"{name} is repaired: {_what_was_lost(done)}")
    return "repaired"


def _what_was_lost(done: Repaired) -> str:
    spans = [str(first) if first == last else f"{first} to {last}" for first, last in done.lost]
    one = len(spans) == 1 and spans[0].isdecimal()
    lost = f"{'entry' if one else 'entries'} {', '.join(spans)} {'is' if one else 'are'} given up."
    if not done.newest_lost:
        return f"{lost} Later ones carry all that was spent and reserved."
    return (
        f"{lost} What the newest entry reserved or settled is not counted any more; what was reserved before it is "
        "settled by its run, or by `openrouter-video collect`."
    )

"""The question whether a run may spend what it may cost, at the terminal: the priced plan, and yes or no.

It is asked on stderr, since stdout may be read by a program, and in the thread of the flow.
"""

from __future__ import annotations

import os
import sys
from contextlib import suppress

from rich.table import Table
from rich.text import Text

from openrouter_video.cli.live_view import LiveView
from openrouter_video.cli.terminal import Terminal
from openrouter_video.errors import Problem, RequestRefused
from openrouter_video.planning import GatedPlan, asked_words, priced_rows
from openrouter_video.run import Answer

__all__ = ["approve"]

QUESTION = "Spend it? [y/N] "
LONGEST_ANSWER = 1024


def approve(plan: GatedPlan, above_usd: float, *, view: LiveView, yes: bool) -> Answer:
    """Show a plan with its prices and ask; ``yes`` is the answer of somebody who has said so beforehand.

    Raises:
        RequestRefused: if there is nobody to ask.
    """
    if yes:
        return Answer(yes=True, note="--yes", waited=False)
    words = asked_words(plan, above_usd)
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        message = f"{words} There is no terminal to ask at; give --yes if it may spend that"
        raise RequestRefused([Problem("approve_above_usd", message)])
    with view.standing_aside():
        terminal = Terminal(stderr=True)
        terminal.print(Text(words, "bold"))
        terminal.print(_table(plan))
        terminal.print(Text(QUESTION), end="")
        said = _line().strip().lower()
    return Answer(yes=said in {"y", "yes"})


def _table(plan: GatedPlan) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for name in ("model", "videos", "each", "together"):
        table.add_column(name, justify="right" if name == "videos" else "left")
    rows = priced_rows(plan)
    for row in rows:
        table.add_row(*map(Text, (row.model, f"{row.videos:,}", row.each, row.together)))
    if len(rows) > 1:
        table.add_row("in all", f"{sum(row.videos for row in rows):,}", "", str(plan.estimate), style="bold")
    return table


def _line() -> str:
    """Read what is typed; not by Python's own buffer, whose lock would be held when the process is told to end."""
    with suppress(OSError):
        return os.read(sys.stdin.fileno(), LONGEST_ANSWER).decode(errors="replace")
    return ""

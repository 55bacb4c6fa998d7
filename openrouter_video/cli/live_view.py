"""What a person sees while videos are made: lines that tick on a terminal, or plain ones where nothing can be redrawn.

It also remembers how far each video came, which is what an interrupted run has to tell.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress

from rich.console import Group
from rich.live import Live
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from openrouter_video.cli.terminal import Terminal
from openrouter_video.cli.video_lines import FEW, VideoLine, advance, is_told, plain_line, so_far, that_fit
from openrouter_video.outcome import Outcome
from openrouter_video.report import cost_words
from openrouter_video.run import Progress
from openrouter_video.text import clip

__all__ = ["STATUS_STYLES", "LiveView"]

STATUS_STYLES: Mapping[str, tuple[str, str]] = {
    "completed": ("✓", "green"),
    "failed": ("✗", "red"),
    "refused": ("✗", "yellow"),
    "skipped": ("-", "yellow"),
    "uncertain": ("?", "bold magenta"),
    "open": ("…", "cyan"),
}
"""Mark and style of an outcome's status."""

LONGEST_STATUS, LONGEST_ROW = 12, 16
TAKEN_LINES = 2
"""Of a screen: what the videos add up to, and the cursor's own line."""

WIDE = 80
"""From so many columns on, a model's whole id is shown, and the seconds."""

REDRAWN_A_SECOND = 4
SAYS_EVERY_SECONDS = 30.0


class LiveView:
    """Shows every step of every video to a person; hand ``tell`` to ``progress.watching``."""

    def __init__(
        self, terminal: Terminal, *, animated: bool | None = None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._terminal = terminal
        self._animated = terminal.animated if animated is None else animated
        self._clock = clock
        self._lines: list[VideoLine] = []
        self._planned: dict[tuple[int | None, str, int], int] = {}
        self._by_key: dict[str, int] = {}
        self._spinner = Spinner("dots", style="cyan")
        self._live: Live | None = None
        self._said_at = clock()

    def expect(self, lines: Iterable[VideoLine]) -> None:
        """Show these videos from the beginning, in this order."""
        self._lines = list(lines)
        self._planned = {(line.row, line.model, line.take): place for place, line in enumerate(self._lines)}

    @property
    def lines(self) -> tuple[VideoLine, ...]:
        """How far every video has come."""
        return tuple(self._lines)

    @property
    def any_sent(self) -> bool:
        """Whether a submission was begun, so that something may have been spent."""
        return any(line.sent for line in self._lines)

    def tell(self, progress: Progress) -> None:
        """Take one step in; a terminal that has gone away is no reason to fail."""
        now = self._clock()
        before, line = self._advance(progress, now)
        if self._animated:
            return
        with suppress(OSError, ValueError):
            if is_told(before, line, len(self._lines), waits=progress.stage == "waiting"):
                self._say(plain_line(line, now))
            if len(self._lines) > FEW and now - self._said_at >= SAYS_EVERY_SECONDS:
                self._said_at = now
                self._say(so_far(self._lines))

    def _advance(self, progress: Progress, now: float) -> tuple[VideoLine | None, VideoLine]:
        """Move a video on, which is known by its key from its first step on, and before by what was planned."""
        place = self._by_key.get(progress.key)
        if place is None:
            place = self._planned.pop((progress.row, progress.model, progress.take), len(self._lines))
            self._by_key[progress.key] = place
        before = self._lines[place] if place < len(self._lines) else None
        self._lines[place : place + 1] = [line := advance(before, progress, now)]
        return before, line

    def _say(self, words: str) -> None:
        self._terminal.print(Text(words), soft_wrap=True)

    @contextmanager
    def running(self) -> Iterator[None]:
        """Redraw the lines for as long as the ``with`` statement lasts, and clear them away at its end."""
        if not self._animated:
            yield
            return
        self._live = Live(
            console=self._terminal, get_renderable=self.screen, refresh_per_second=REDRAWN_A_SECOND, transient=True
        )
        self._live.start()
        try:
            yield
        finally:
            with suppress(OSError, ValueError):  # the terminal may be gone
                self._live.stop()

    @contextmanager
    def standing_aside(self) -> Iterator[None]:
        """Draw nothing for as long as the ``with`` statement lasts, in which somebody is asked something."""
        if self._live is None:
            yield
            return
        self._live.stop()
        yield
        self._live.start()

    def screen(self) -> Group:
        """Return what is to be seen at this moment: the lines that fit, and below them what all add up to."""
        lines = self.lines
        shown = that_fit(lines, self._terminal.height - TAKEN_LINES)
        parts = [self._table(shown)] if shown else []
        total = Text(so_far(lines), "bold", no_wrap=True, overflow="ellipsis")
        return Group(*parts, total) if len(lines) > 1 else Group(*parts)

    def _table(self, lines: Iterable[VideoLine]) -> Table:
        now, lines = self._clock(), list(lines)
        table = Table.grid(padding=(0, 2, 0, 0))
        table.add_column(width=1)
        rows = any(line.row_words for line in lines)
        if rows:
            table.add_column(no_wrap=True, max_width=LONGEST_ROW)
        # The only column that gives way: everything else of a line has to fit beside it.
        table.add_column()
        takes = any(line.take > 1 for line in self._lines)
        if takes:
            table.add_column(no_wrap=True)
        table.add_column(no_wrap=True, width=LONGEST_STATUS)
        if wide := self._terminal.width >= WIDE:
            table.add_column(justify="right", no_wrap=True, min_width=5)
        table.add_column(justify="right", no_wrap=True)
        for line in lines:
            mark, style = STATUS_STYLES.get(line.status, (None, "cyan" if line.sent else "dim"))
            table.add_row(
                self._spinner if mark is None and line.sent else Text(mark or " ", style),
                *([_one_line(line.row_words, "dim")] if rows else []),
                _one_line(clip(line.model if wide else line.model.rpartition("/")[2])),
                *([Text(f"take {line.take}")] if takes else []),
                _one_line(line.status, style),
                *([Text(f"{line.seconds(now):.0f} s" if line.began is not None else "", "dim")] if wide else []),
                Text(_short_cost(line.outcome) if line.outcome else ""),
            )
        return table


def _one_line(text: str, style: str = "") -> Text:
    return Text(text, style, no_wrap=True, overflow="ellipsis")


def _short_cost(outcome: Outcome) -> str:
    return "reused" if outcome.reused else cost_words(outcome)

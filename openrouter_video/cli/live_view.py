"""What a person sees while videos are made: a line per video that ticks, or plain lines where nothing can be redrawn.

It also remembers how far each video came, which is what an interrupted run has to tell.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import NamedTuple

from rich.live import Live
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from openrouter_video.api import JobStatus
from openrouter_video.cli.terminal import Terminal
from openrouter_video.outcome import Outcome
from openrouter_video.planning import Plan
from openrouter_video.report import cost_words
from openrouter_video.run import Progress
from openrouter_video.text import clip

__all__ = ["STATUS_STYLES", "LiveView", "VideoLine", "advance", "plain_line", "planned_lines"]

STATUS_STYLES: Mapping[str, tuple[str, str]] = {
    "completed": ("✓", "green"),
    "failed": ("✗", "red"),
    "refused": ("✗", "yellow"),
    "skipped": ("-", "yellow"),
    "uncertain": ("?", "bold magenta"),
    "open": ("…", "cyan"),
}
"""Mark and style of an outcome's status."""

LONGEST_NAME = 39
STAGES = {"planned": "queued", "submitting": "submitting", "waiting": "running", "downloading": "saving"}


class VideoLine(NamedTuple):
    """How far one video has come. Times are seconds of the view's clock; ``sent`` means that a submission was begun."""

    model: str
    take: int
    status: str
    key: str | None = None
    job_id: str | None = None
    began: float | None = None
    ended: float | None = None
    sent: bool = False
    outcome: Outcome | None = None

    def seconds(self, now: float) -> float:
        """Return how long somebody has been waiting for this video."""
        return 0.0 if self.began is None else (now if self.ended is None else self.ended) - self.began


def planned_lines(plan: Plan) -> list[VideoLine]:
    """Return a line per video of a plan, before anything has happened."""
    words = {"send": STAGES["planned"], "skip": "skipped", "refuse": "refused"}
    takes = range(1, plan.takes + 1)
    return [VideoLine(model.model, take, words[model.decision]) for model in plan.models for take in takes]


def advance(line: VideoLine | None, progress: Progress, now: float) -> VideoLine:
    """Return a video's line after one more step."""
    line = line or VideoLine(progress.model, progress.take, "")
    line = line._replace(key=progress.key, job_id=progress.job_id or line.job_id)
    if progress.stage == "ended" and progress.outcome is not None:
        return line._replace(status=progress.outcome.status, outcome=progress.outcome, ended=now)
    began = now if line.began is None else line.began
    sent = line.sent or progress.stage != "planned"
    word = clip(progress.status) if progress.status and progress.stage == "waiting" else STAGES[progress.stage]
    # A finished job is no finished video: that word comes when the file is safe.
    status = STAGES["downloading"] if word == JobStatus.completed else word
    return line._replace(status=status, began=began, sent=sent)


def plain_line(line: VideoLine, now: float) -> str:
    """Return how far one video has come as a line for a log."""
    parts = [line.status]
    if line.outcome is not None and line.outcome.reused:
        parts[0] += " (reused)"
    if line.job_id and line.outcome is None:
        parts.append(f"job {clip(line.job_id)}")
    if line.seconds(now) >= 1:
        parts.append(f"{line.seconds(now):.0f} s")
    if line.outcome is not None and line.outcome.cost_usd is not None:
        parts.append(cost_words(line.outcome))
    return f"{_name(line, takes=line.take > 1)}: {', '.join(parts)}"


class LiveView:
    """Shows every step of every video to a person; hand ``tell`` to ``progress.watching``."""

    def __init__(
        self, terminal: Terminal, *, animated: bool | None = None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._terminal = terminal
        self._animated = terminal.animated if animated is None else animated
        self._clock = clock
        self._lines: dict[tuple[str, int], VideoLine] = {}
        self._spinner = Spinner("dots", style="cyan")
        self._live: Live | None = None

    def expect(self, lines: Iterable[VideoLine]) -> None:
        """Show these videos from the beginning, in this order."""
        self._lines = {(line.model, line.take): line for line in lines}

    @property
    def lines(self) -> tuple[VideoLine, ...]:
        """How far every video has come."""
        return tuple(self._lines.values())

    @property
    def any_sent(self) -> bool:
        """Whether a submission was begun, so that something may have been spent."""
        return any(line.sent for line in self.lines)

    def tell(self, progress: Progress) -> None:
        """Take one step in; a terminal that has gone away is no reason to fail."""
        now, which = self._clock(), (progress.model, progress.take)
        before = self._lines.get(which)
        line = self._lines[which] = advance(before, progress, now)
        changed = (
            before is None or before.status != line.status or progress.stage == "waiting" or line.outcome is not None
        )
        if not self._animated and changed:
            with suppress(OSError, ValueError):
                self._terminal.print(Text(plain_line(line, now)), soft_wrap=True)

    @contextmanager
    def running(self) -> Iterator[None]:
        """Redraw the lines for as long as the ``with`` statement lasts, and clear them away at its end."""
        if not self._animated:
            yield
            return
        self._live = Live(console=self._terminal, get_renderable=self.table, refresh_per_second=8, transient=True)
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

    def table(self) -> Table:
        """Return the lines as they are at this moment."""
        now, lines = self._clock(), self.lines
        table = Table.grid(padding=(0, 2, 0, 0))
        table.add_column(width=1)
        table.add_column(no_wrap=True)
        table.add_column(no_wrap=True, min_width=12)
        table.add_column(justify="right", no_wrap=True, min_width=5)
        table.add_column(justify="right", no_wrap=True)
        takes = any(line.take > 1 for line in lines)
        for line in lines:
            mark, style = STATUS_STYLES.get(line.status, (None, "cyan" if line.sent else "dim"))
            table.add_row(
                self._spinner if mark is None and line.sent else Text(mark or " ", style),
                Text(_short(_name(line, takes=takes))),
                Text(line.status, style),
                Text(f"{line.seconds(now):.0f} s" if line.began is not None else "", "dim"),
                Text(_short_cost(line.outcome) if line.outcome else ""),
            )
        return table


def _short_cost(outcome: Outcome) -> str:
    return "reused" if outcome.reused else cost_words(outcome)


def _short(name: str) -> str:
    """Everything else of a line has to fit beside it, on 80 columns too."""
    return name if len(name) <= LONGEST_NAME else name[: LONGEST_NAME - 1] + "…"


def _name(line: VideoLine, *, takes: bool) -> str:
    return f"{clip(line.model)} take {line.take}" if takes else clip(line.model)

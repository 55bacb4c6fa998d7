"""How far each video of a run has come: a line each, what they add up to, and which of them fit on a screen. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from openrouter_video.api import JobStatus
from openrouter_video.money import dollars
from openrouter_video.outcome import Outcome, OutcomeStatus, is_simulated, total_cost
from openrouter_video.planning import Plan
from openrouter_video.report import cost_words
from openrouter_video.run import PlannedVideo, Progress
from openrouter_video.text import clip, video_title

__all__ = [
    "FEW",
    "VideoLine",
    "advance",
    "is_told",
    "lines_of_batch",
    "plain_line",
    "planned_lines",
    "so_far",
    "that_fit",
]

STAGES = {"planned": "queued", "submitting": "submitting", "waiting": "running", "downloading": "saving"}
WORDS = {"send": STAGES["planned"], "skip": "skipped", "refuse": "refused"}
NOT_COMPLETED: tuple[OutcomeStatus, ...] = ("failed", "refused", "skipped", "uncertain", "open")

FEW, MANY = 12, 100
"""How many videos a log tells of at every step, and at their ends."""


class VideoLine(NamedTuple):
    """How far one video has come. Times are seconds of the view's clock; ``sent`` means that a submission was begun.

    ``row`` and ``row_id``: of a video of a batch, the number of its row and the row's own id; of a ``shot`` its number.
    """

    model: str
    take: int
    status: str
    key: str | None = None
    job_id: str | None = None
    began: float | None = None
    ended: float | None = None
    sent: bool = False
    outcome: Outcome | None = None
    row: int | None = None
    row_id: str | None = None
    shot: bool = False

    def seconds(self, now: float) -> float:
        """Return how long somebody has been waiting for this video."""
        return 0.0 if self.began is None else (now if self.ended is None else self.ended) - self.began

    @property
    def running(self) -> bool:
        """Whether something was begun for it that has not ended."""
        return self.sent and self.outcome is None

    @property
    def row_words(self) -> str:
        """Which row of a batch it is of, such as ``17 rose``; empty if it is of none."""
        return clip(" ".join(str(part) for part in (self.row, self.row_id) if part is not None))


def planned_lines(plan: Plan) -> list[VideoLine]:
    """Return a line per video of a plan, before anything has happened."""
    takes = range(1, plan.takes + 1)
    return [VideoLine(model.model, take, WORDS[model.decision]) for model in plan.models for take in takes]


def lines_of_batch(videos: Iterable[PlannedVideo]) -> list[VideoLine]:
    """Return a line per video of a batch or shot of a chain, before anything has happened."""
    return [
        VideoLine(
            one.plan.model,
            one.take,
            WORDS[one.plan.decision],
            row=one.row,
            row_id=one.row_id,
            shot=one.row is not None and one.batch is None,
        )
        for one in videos
    ]


def advance(line: VideoLine | None, progress: Progress, now: float) -> VideoLine:
    """Return a video's line after one more step."""
    line = line or VideoLine(
        progress.model, progress.take, "", row=progress.row, row_id=progress.row_id, shot=progress.shot
    )
    line = line._replace(key=progress.key, job_id=progress.job_id or line.job_id)
    if progress.stage == "ended" and progress.outcome is not None:
        return line._replace(status=progress.outcome.status, outcome=progress.outcome, ended=now)
    began = now if line.began is None else line.began
    sent = line.sent or progress.stage != "planned"
    word = clip(progress.status) if progress.status and progress.stage == "waiting" else STAGES[progress.stage]
    # A finished job is no finished video: that word comes when the file is safe.
    status = STAGES["downloading"] if word == JobStatus.completed else word
    return line._replace(status=status, began=began, sent=sent)


def is_told(before: VideoLine | None, line: VideoLine, count: int, *, waits: bool) -> bool:
    """Whether a log gets a line for this step, in a run of so many videos.

    Of a few it gets every step, of many the end of each, of very many the end of those that are not completed.
    """
    if count <= FEW:
        return before is None or before.status != line.status or waits or line.outcome is not None
    return line.outcome is not None and (count <= MANY or line.outcome.status != "completed")


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
    return f"{video_title(line.model, line.take, line.row, line.row_id, shot=line.shot)}: {', '.join(parts)}"


def so_far(lines: Sequence[VideoLine]) -> str:
    """Return what all videos add up to at this moment, such as ``13 of 24, 3 running, 1 failed, $1.20 so far``."""
    outcomes = [line.outcome for line in lines if line.outcome is not None]
    counts = Counter(outcome.status for outcome in outcomes)
    parts = [f"{counts['completed']:,} of {len(lines):,}"]
    told = {"running": sum(line.running for line in lines)} | {word: counts[word] for word in NOT_COMPLETED}
    told["reused"] = sum(outcome.reused for outcome in outcomes)
    parts += [f"{count:,} {word}" for word, count in told.items() if count]
    if cost := total_cost(outcomes):
        parts.append(f"{dollars(cost, sandbox=is_simulated(outcomes))} so far")
    return ", ".join(parts)


def that_fit(lines: Sequence[VideoLine], room: int) -> list[VideoLine]:
    """Return as many lines as there is room for, in their order: what runs, what went wrong, what has ended last."""
    if len(lines) <= room:
        return list(lines)
    numbers = sorted(range(len(lines)), key=lambda number: (*_rank(lines[number]), number))
    return [lines[number] for number in sorted(numbers[: max(0, room)])]


def _rank(line: VideoLine) -> tuple[int, float]:
    if line.running:
        return 0, line.began or 0.0
    if line.outcome is None:
        return 3, 0.0
    return 2 if line.outcome.status == "completed" else 1, -(line.ended or 0.0)

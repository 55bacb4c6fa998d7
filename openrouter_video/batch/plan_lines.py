"""What the plan of a batch looks like to people, as short for ten thousand rows as for ten. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence

from openrouter_video.batch.plan import MOST_TOLD, BatchPlan
from openrouter_video.money import MICRO, dollars
from openrouter_video.planning import ModelShare, extra_words
from openrouter_video.report import (
    KNOWN,
    UNDER_REFUSAL,
    VERDICTS,
    LineKind,
    PlanLine,
    group_left_out,
    in_all,
    options_of_others,
)
from openrouter_video.run import PlannedVideo
from openrouter_video.text import clip, printable

__all__ = ["batch_plan_lines"]

DEAREST = 3


def batch_plan_lines(plan: BatchPlan) -> list[PlanLine]:
    """Return a plan line by line: what is wrong, what each model gets and may cost, the dearest rows, and all of it."""
    lines = [PlanLine(printable(f"refused: {problem}"), "refused") for problem in plan.refusal]
    lines += [PlanLine(printable(f"left out: {words}"), "problem") for words in plan.row_words if plan.skips]
    if plan.row_problems:
        lines.append(PlanLine(f"in {plan.source} {plan.counted}", "note"))
    lines += [PlanLine(printable(f"warning: {warning}"), "warning") for warning in plan.warnings]
    if plan.refused and plan.rows:
        lines.append(PlanLine("nothing is sent for any row; without these problems:", "refused"))
    if plan.rows:
        lines.append(PlanLine(clip(_subject(plan)), "model"))
    lines += [line for model, videos in _by_model(plan).items() for line in _model_lines(plan, model, videos)]
    if others := options_of_others(
        option for video in plan.videos if video.plan.body for option in video.plan.left_out
    ):
        lines.append(PlanLine(others, "note"))
    if dearest := _dearest(plan):
        lines.append(PlanLine(f"dearest: {dearest}", "price"))
    return [*lines, PlanLine(f"in all: {in_all(plan)}", "price")] if plan.rows else lines


def _subject(plan: BatchPlan) -> str:
    out = f" ({plan.rows_left_out:,} of {plan.total_rows:,} rows cannot be made)" if plan.rows_left_out else ""
    return f"{plan.subject}, {len(plan.videos):,} video{'s' * (len(plan.videos) != 1)}{out}"


def _by_model(plan: BatchPlan) -> dict[str, list[PlannedVideo]]:
    videos: dict[str, list[PlannedVideo]] = {}
    for video in plan.videos:
        videos.setdefault(video.plan.model, []).append(video)
    return videos


def _model_lines(plan: BatchPlan, model: str, videos: Sequence[PlannedVideo]) -> Iterator[PlanLine]:
    """Say how many videos of a model are made and what they may cost, and once what holds for many of them."""
    verdicts = UNDER_REFUSAL if plan.refused else VERDICTS
    counts = Counter(KNOWN if video.key in plan.known else verdicts[video.plan.decision] for video in videos)
    told = ", ".join(f"{counts[verdict]:,} {verdict}" for verdict in (*verdicts.values(), KNOWN) if counts[verdict])
    yield PlanLine(printable(f"{model}: {told}"), "model")
    for share in plan.shares:
        if share.model == model:
            yield PlanLine(f"  {clip(_price_words(share, sandbox=plan.sandbox))}", "price")
    yield from _said(videos, lambda video: [one.message for one in video.plan.problems], "", "problem")
    yield from _said(videos, lambda video: video.plan.notes, "note: ", "note")
    yield from _said(videos, lambda video: group_left_out(video.plan.left_out), "left out: ", "left out")


def _price_words(share: ModelShare, *, sandbox: bool) -> str:
    if share.unpriced:
        some = "" if share.unpriced == share.videos else f" of {share.unpriced:,} of them"
        return f"the price{some} is not known ({share.each.ground})"
    each, together = (one.words(sandbox=sandbox) for one in (share.each, share.together))
    count = f"{share.videos:,} video{'s' * (share.videos != 1)}"
    more = f"; {count}: {together}{extra_words(share.extra)}" if share.videos > 1 or share.extra else ""
    return f"may cost {each} a video ({share.each.ground}){more}"


def _said(
    videos: Sequence[PlannedVideo], say: Callable[[PlannedVideo], Iterable[str]], prefix: str, kind: LineKind
) -> Iterator[PlanLine]:
    """Say each thing once, with how many of the videos it holds for."""
    counts = Counter(line for video in videos for line in say(video))
    for line, count in counts.most_common(MOST_TOLD):
        where = "" if count == len(videos) else f" (in {count:,} of {len(videos):,} videos)"
        yield PlanLine(f"  {prefix}{printable(line)}{where}", kind)
    if len(counts) > MOST_TOLD:
        yield PlanLine(f"  {prefix}and {len(counts) - MOST_TOLD:,} more", kind)


def _dearest(plan: BatchPlan) -> str | None:
    """Name the rows that may cost most, where rows differ in that."""
    costs = [(plan.most_of(row), row.row.title) for row in plan.rows]
    if len({cost for cost, _ in costs}) < DEAREST - 1:
        return None
    told = sorted(costs, key=lambda one: -one[0])[:DEAREST]
    return ", ".join(f"{title} up to {dollars(cost / MICRO, sandbox=plan.sandbox)}" for cost, title in told)

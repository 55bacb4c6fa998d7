"""What the plan of a chain looks like to people: what is wrong, each shot with what is sent and its price. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from openrouter_video.money import Estimate
from openrouter_video.report import KNOWN, UNDER_REFUSAL, VERDICTS, PlanLine, in_all, sent_lines
from openrouter_video.run import PlannedVideo
from openrouter_video.shots.plan import ChainPlan
from openrouter_video.text import printable

__all__ = ["chain_plan_lines"]

BY = {
    "previous_job_id": "each shot continues the one before it by its job (previous_job_id)",
    "last_frame": "each shot begins with the last frame of the one before it",
}


def chain_plan_lines(plan: ChainPlan) -> list[PlanLine]:
    """Return a plan line by line: what is wrong, what each shot gets and may cost, and all of it."""
    lines = [PlanLine(printable(f"refused: {problem}"), "refused") for problem in plan.refusal]
    lines += [PlanLine(printable(f"warning: {warning}"), "warning") for warning in plan.warnings]
    if plan.refused and plan.shots:
        lines.append(PlanLine("nothing is sent for any shot; without these problems:", "refused"))
    if plan.shots:
        lines.append(PlanLine(printable(plan.subject), "model"))
    if plan.way:
        lines.append(PlanLine(BY[plan.way], "note"))
    lines += [line for shot in plan.shots for line in _shot_lines(shot, plan)]
    return [*lines, PlanLine(f"in all: {in_all(plan, 'shot')}", "price")] if plan.shots else lines


def _shot_lines(shot: PlannedVideo, plan: ChainPlan) -> Iterator[PlanLine]:
    known = shot.key in plan.known
    verdict = KNOWN if known else (UNDER_REFUSAL if plan.refused else VERDICTS)[shot.plan.decision]
    yield PlanLine(printable(f"shot {shot.row}, {shot.plan.model}: {verdict}"), "model")
    each = shot.plan.estimate if not known else None
    yield from sent_lines(shot.plan, _price_words(each, plan) if each else "")


def _price_words(each: Estimate, plan: ChainPlan) -> str:
    return f"may cost {each.words(sandbox=plan.sandbox)} ({each.ground})" if each.priced else each.ground

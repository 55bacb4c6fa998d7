"""What the plan of a chain looks like to people: what is wrong, each shot with what is sent and its price. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterator

from openrouter_video.money import MICRO, Estimate, dollars
from openrouter_video.report import UNDER_REFUSAL, VERDICTS, PlanLine, group_left_out
from openrouter_video.run import PlannedVideo
from openrouter_video.shots.plan import ChainPlan
from openrouter_video.text import clip, printable, printable_json

__all__ = ["chain_plan_lines", "chain_plan_text"]

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
    return [*lines, PlanLine(f"in all: {_in_all(plan)}", "price")] if plan.shots else lines


def chain_plan_text(plan: ChainPlan) -> str:
    """Return a plan as text for a log."""
    return "\n".join(line.text for line in chain_plan_lines(plan))


def _shot_lines(shot: PlannedVideo, plan: ChainPlan) -> Iterator[PlanLine]:
    known = shot.key in plan.known
    verdict = "in the ledger already, and not paid for again" if known else _verdict(shot, plan)
    yield PlanLine(printable(f"shot {shot.row}, {shot.plan.model}: {verdict}"), "model")
    if shot.plan.sent is not None:
        body = printable_json(json.dumps(shot.plan.sent, indent=2, ensure_ascii=False))
        yield from (PlanLine(f"  {line}", "body") for line in body.split("\n"))
    if shot.plan.estimate is not None and not known:
        yield PlanLine(f"  {clip(_price_words(shot.plan.estimate, plan))}", "price")
    yield from (PlanLine(printable(f"  note: {note}"), "note") for note in shot.plan.notes)
    yield from (PlanLine(f"  left out: {text}", "left out") for text in group_left_out(shot.plan.left_out))


def _verdict(shot: PlannedVideo, plan: ChainPlan) -> str:
    return (UNDER_REFUSAL if plan.refused else VERDICTS)[shot.plan.decision]


def _price_words(each: Estimate, plan: ChainPlan) -> str:
    return f"may cost {each.words(sandbox=plan.sandbox)} ({each.ground})" if each.priced else each.ground


def _in_all(plan: ChainPlan) -> str:
    """Return what the chain may cost, such as ``3 shots, $0.36 to $0.60``."""
    count, cost = len(plan.new_shots), plan.estimate
    words = f"{count}{' new' * bool(plan.known)} shot{'s' * (count != 1)}"
    if not cost.priced and cost.low:
        return f"{words}, {dollars(cost.low / MICRO, sandbox=plan.sandbox)} or more, since some are unpriced"
    return f"{words}, {cost.words(sandbox=plan.sandbox)}" if count else words

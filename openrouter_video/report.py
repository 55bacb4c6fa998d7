"""What a plan and a run's outcomes look like to people: lines, rows for a table, and what an interruption leaves.

Pure. Values of the API and of users end up in tables and terminals, so control characters never pass.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable, Iterable, Sequence
from typing import Literal, NamedTuple

from openrouter_video.money import MICRO, Estimate, dollars
from openrouter_video.outcome import LeftOut, Outcome, failure_words, unsettled_words
from openrouter_video.planning import GatedPlan, ModelPlan, Plan, extra_words
from openrouter_video.text import clip, printable, printable_json, row_title, video_title

__all__ = [
    "KNOWN",
    "UNDER_REFUSAL",
    "VERDICTS",
    "LineKind",
    "PlanLine",
    "collect_command",
    "cost_words",
    "explanation",
    "final_line",
    "group_left_out",
    "in_all",
    "interruption_message",
    "options_of_others",
    "plan_lines",
    "plan_text",
    "sent_lines",
    "status_words",
    "table_rows",
]

VERDICTS = {"send": "to be sent", "skip": "skipped by policy", "refuse": "refused"}
UNDER_REFUSAL = {**VERDICTS, "send": "would be sent"}
KNOWN = "in the ledger already, and not paid for again"
GO_ON = "These jobs go on at OpenRouter and are billed:"
GO_ON_UNBILLED = "These jobs go on in the sandbox, and nothing is billed:"


LineKind = Literal["refused", "warning", "model", "problem", "body", "price", "note", "left out"]


class PlanLine(NamedTuple):
    """One line of a plan, and what it is, by which a terminal chooses its colour."""

    text: str
    kind: LineKind


def plan_lines(plan: Plan) -> list[PlanLine]:
    """Return a plan line by line: what is wrong, for each model what is sent, what it may cost and what is left out."""
    lines = [PlanLine(printable(f"refused: {problem}"), "refused") for problem in plan.problems]
    lines += [PlanLine(printable(f"warning: {warning}"), "warning") for warning in plan.warnings]
    of_models = [line for model in plan.models for line in _model_lines(model, plan)]
    if plan.refused and of_models:
        lines.append(PlanLine("nothing is sent to any model; without these problems:", "refused"))
    lines += of_models
    if others := options_of_others(option for model in plan.models if model.sent for option in model.left_out):
        lines.append(PlanLine(others, "note"))
    return [*lines, PlanLine(f"in all: {in_all(plan)}", "price")] if plan.paying or plan.known else lines


def _model_lines(model: ModelPlan, plan: Plan) -> list[PlanLine]:
    verdict = (UNDER_REFUSAL if plan.refused else VERDICTS)[model.decision]
    lines = [PlanLine(printable(f"{model.model}: {verdict}"), "model")]
    if model.decision == "refuse":
        said = " ".join(problem.message for problem in plan.problems)
        news = [problem for problem in model.problems if problem.message not in said]
        lines += [PlanLine(printable(f"  {problem.message}"), "problem") for problem in news]
        return lines if news else []
    return [*lines, *sent_lines(model, _price_words(model, model.estimate, plan) if model.estimate else "")]


def sent_lines(model: ModelPlan, price: str) -> list[PlanLine]:
    """Return what is sent to a model, its ``price`` in words, if there is one, and what else is to be said of it."""
    lines = []
    if model.sent is not None:
        body = printable_json(json.dumps(model.sent, indent=2, ensure_ascii=False))
        lines += [PlanLine(f"  {line}", "body") for line in body.split("\n")]
    if price:
        lines.append(PlanLine(f"  {clip(price)}", "price"))
    lines += [PlanLine(printable(f"  note: {note}"), "note") for note in model.notes]
    return [*lines, *(PlanLine(f"  left out: {text}", "left out") for text in group_left_out(model.left_out))]


def _price_words(model: ModelPlan, each: Estimate, plan: Plan) -> str:
    """Return what one video of a model may cost and by what, and what those together that are still to be paid."""
    words = f"may cost {each.words(sandbox=plan.sandbox)} a video ({each.ground})" if each.priced else each.ground
    new = plan.new_takes(model)
    if new < plan.takes:
        return f"{words}; {plan.takes - new} of {plan.takes} {KNOWN}"
    together, extra = plan.cost_of(model).words(sandbox=plan.sandbox), plan.extra_of(model)
    takes = f"{new} take{'s' * (new != 1)}: {together}{extra_words(extra)}"
    return f"{words}; {takes}" if (new > 1 or extra) and each.priced else words


def in_all(plan: GatedPlan, thing: str = "video") -> str:
    """Return what all of a plan may cost, such as ``3 videos, $0.36 to $0.60``."""
    count, extra = sum(share.videos for share in plan.shares), sum(share.extra for share in plan.shares)
    words, cost = f"{count:,}{' new' * bool(plan.known)} {thing}{'s' * (count != 1)}", plan.estimate
    if not cost.priced and cost.low:
        return f"{words}, {dollars(cost.low / MICRO, sandbox=plan.sandbox)} or more, since some are unpriced"
    return f"{words}, {cost.words(sandbox=plan.sandbox)}{extra_words(extra)}" if count or extra else words


def plan_text(lines: Iterable[PlanLine]) -> str:
    """Return the lines of a plan as text for a log."""
    return "\n".join(line.text for line in lines)


def group_left_out(left_out: Iterable[LeftOut]) -> list[str]:
    """Return what was lost, one line per reason and suggestion, with every option that it holds for."""
    groups: dict[tuple[str, str | None], list[str]] = {}
    for option in left_out:
        if option.lost:
            groups.setdefault((option.reason, option.suggestion), []).append(option.key)
    return [
        clip(f"{', '.join(keys)}: {reason}" + (f"; did you mean {suggestion}?" if suggestion else ""))
        for (reason, suggestion), keys in groups.items()
    ]


def options_of_others(left_out: Iterable[LeftOut]) -> str:
    """Return one line for a whole run about options that only the models of one provider get; empty without any.

    That the others did not get them is no surprise, only good to know.
    """
    by_slug: dict[str, dict[str, None]] = {}
    for slug, _, key in (option.key.partition(".") for option in left_out if not option.lost):
        by_slug.setdefault(slug, {})[key] = None
    told = [f"{', '.join(keys)} for the provider {slug}" for slug, keys in by_slug.items()]
    return clip(f"not sent to models of other providers: {'; '.join(told)}") if told else ""


def table_rows(outcomes: Sequence[Outcome]) -> list[dict[str, str | int | float]]:
    """Return one flat row per video, the same columns in each, empty where there is nothing to say.

    Prefect's page shows the first columns and scrolls to the rest, so what a person must know comes first: of a batch
    the row of its table.
    """
    rows = [_table_row(outcome) for outcome in outcomes]
    if all(outcome.row is None for outcome in outcomes):
        return rows
    titles = ["" if one.row is None else row_title(one.row, one.row_id, shot=one.is_shot) for one in outcomes]
    name = "shot" if any(outcome.is_shot for outcome in outcomes) else "row"
    return [{name: title, **row} for title, row in zip(titles, rows, strict=True)]


def _table_row(outcome: Outcome) -> dict[str, str | int | float]:
    return {
        "model": clip(outcome.model),
        "take": outcome.take,
        "status": status_words(outcome),
        "cost": cost_words(outcome),
        "estimate": outcome.estimate.words(sandbox=outcome.sandbox) if outcome.estimate else "",
        "why": explanation(outcome),
        "left out": clip(", ".join(option.key for option in outcome.left_out)),
        "video": printable(outcome.url or ""),
        "size": f"{outcome.width}x{outcome.height}" if outcome.width else "",
        "seconds": _number(outcome.duration_seconds),
        "waited": _number(outcome.elapsed_seconds),
        "job": clip(outcome.job_id or ""),
        "key": outcome.key or "",
    }


def collect_command(
    *, output: str | None = None, ledger: str | None = None, store: str | None = None, credentials: str | None = None
) -> str:
    """Return the command that finishes what a run with these options leaves open."""
    options = {"output": output, "ledger": ledger, "store": store, "credentials": credentials}
    words = [word for name, value in options.items() if value for word in (f"--{name}", value)]
    return printable(shlex.join(["openrouter-video", "collect", *words]))


def interruption_message(
    outcomes: Sequence[Outcome],
    collect: str,
    *,
    why: str = "Interrupted",
    shown_url: Callable[[str], str] = printable,
) -> str:
    """Return what an interrupted run leaves behind: what is saved, which jobs go on, who is billed, and what to do."""
    completed, running, uncertain = (
        [outcome for outcome in outcomes if outcome.status == status] for status in ("completed", "open", "uncertain")
    )
    lines = [f"{why}."]
    if completed:
        lines += ["These videos are safe:", *(f"  {_title(o)}: {shown_url(o.url or '')}" for o in completed)]
    if running:
        for words, sandbox in ((GO_ON, False), (GO_ON_UNBILLED, True)):
            jobs = [
                f"  {_title(o)}: job {clip(o.job_id or 'unknown')}, key {o.key}"
                for o in running
                if o.sandbox is sandbox
            ]
            lines += [words, *jobs] if jobs else []
        lines += [f"  {clip(words)}" for words in unsettled_words(running)]
        lines.append(f"Fetch their videos later with the flow collect-videos, or with: {collect}")
    if uncertain:
        billed = "a sandbox bills nothing" if all(o.sandbox for o in uncertain) else "they may be billed"
        lines.append(f"It is not known whether these were accepted; {billed}, and they are never sent again:")
        lines += [f"  {_title(o)}: key {o.key}" + (f": {clip(o.error)}" if o.error else "") for o in uncertain]
    if not running and not uncertain:
        lines.append("No job of this run goes on, and nothing more will be billed.")
    return "\n".join(lines)


def final_line(outcome: Outcome) -> str:
    """Return in one line what became of a video, such as ``x-ai/grok take 2: completed, $0.05, s3://bucket/x.mp4``."""
    url = printable(outcome.url) if outcome.url else None
    told = [status_words(outcome), cost_words(outcome), url, explanation(outcome)]
    return f"{_title(outcome)}: {', '.join(filter(None, told))}"


def status_words(outcome: Outcome) -> str:
    """Return how a video ended, such as ``failed (output moderation)`` or ``completed (reused)``."""
    kind = failure_words(outcome.failure) if outcome.failure != "provider" else ""
    more = ", ".join(filter(None, [kind, "reused" if outcome.reused else ""]))
    return f"{outcome.status} ({more})" if more else outcome.status


def cost_words(outcome: Outcome) -> str:
    """Return what a video has cost; nothing if that is not known."""
    if outcome.cost_usd is None:
        return ""
    cost = dollars(outcome.cost_usd, sandbox=outcome.sandbox)
    return f"{cost} paid before" if outcome.reused else cost


def explanation(outcome: Outcome) -> str:
    """Return in one line why a video is not there, or why it is not quite what was asked."""
    return clip("; ".join([*filter(None, [outcome.error]), *outcome.notes]))


def _title(outcome: Outcome) -> str:
    return video_title(outcome.model, outcome.take, outcome.row, outcome.row_id, shot=outcome.is_shot)


def _number(value: float | None) -> str | float:
    return round(value, 1) if value is not None else ""

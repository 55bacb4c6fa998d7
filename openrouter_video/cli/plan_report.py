"""The dry run on the command line: what would be sent to each model, exactly, and what would be left out."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from typing import Any

from rich.text import Text

from openrouter_video.cli.embedded_sandbox import embedded_sandbox
from openrouter_video.cli.preflight import dry_plan
from openrouter_video.cli.refusal import refused_run, tell_refusal
from openrouter_video.cli.terminal import Terminal, print_json
from openrouter_video.cli.terminal_report import group_left_out
from openrouter_video.cli.video_run import EXIT_REFUSED
from openrouter_video.errors import VideoError
from openrouter_video.planning import ModelPlan, Plan
from openrouter_video.request import RunRequest
from openrouter_video.text import printable, printable_json

__all__ = ["plan_document", "run_plan"]

VERDICTS = {"send": "to be sent", "skip": "skipped by policy", "refuse": "refused"}


def run_plan(read: Callable[[], RunRequest], *, sandbox: bool, as_json: bool) -> int:
    """Print what a run would send; nothing is sent to the API but the question which models it has."""
    terminal, asked = Terminal(stderr=as_json), dict[str, Any]()
    try:
        run = read()
        asked = run.asked()
        with embedded_sandbox(sandbox, terminal):
            plan = dry_plan(run, os.environ)
    except VideoError as error:
        tell_refusal(error)
        if as_json:
            print_json(plan_document(None, refused_run(asked, error).model_dump(mode="json")))
        return EXIT_REFUSED
    if as_json:
        print_json(plan_document(plan, {}))
    else:
        _print_plan(terminal, plan)
    return EXIT_REFUSED if plan.refused else 0


def plan_document(plan: Plan | None, refused: dict[str, Any]) -> dict[str, Any]:
    """Return the plan for machines; ``refused`` is what there is to say if it could not be made."""
    if plan is None:
        return {**{key: refused[key] for key in ("status", "asked", "problems")}, "warnings": [], "models": []}
    models = [
        {
            "model": model.model,
            "decision": model.decision,
            "sent": model.sent,
            "left_out": [option.model_dump(mode="json") for option in model.left_out],
            "notes": list(model.notes),
            "problems": [problem.message for problem in model.problems],
        }
        for model in plan.models
    ]
    return {
        "status": "refused" if plan.refused else "planned",
        "asked": plan.asked,
        "problems": [str(problem) for problem in plan.problems],
        "warnings": list(plan.warnings),
        "models": models,
    }


def _print_plan(terminal: Terminal, plan: Plan) -> None:
    def show(text: str, style: str = "") -> None:
        terminal.print(Text(printable(text), style), soft_wrap=True)

    for problem in plan.problems:
        show(f"refused: {problem}", "red")
    for warning in plan.warnings:
        show(f"warning: {warning}", "yellow")
    for model in plan.models:
        _print_model(model, show)
    counts = {word: sum(VERDICTS[model.decision] == word for model in plan.models) for word in VERDICTS.values()}
    takes = f", {plan.takes} takes each" if plan.takes > 1 else ""
    would = ", ".join(f"{count} {word}" for word, count in counts.items() if count) + takes
    show(f"Nothing was sent. {'The run would be refused' if plan.refused else f'A run would be: {would}'}.", "bold")


def _print_model(model: ModelPlan, show: Callable[[str, str], None]) -> None:
    show(f"{model.model}: {VERDICTS[model.decision]}", "bold")
    if model.decision == "refuse":
        for problem in model.problems:
            show(f"  {problem.message}", "yellow")
        return
    if model.sent is not None:
        for line in printable_json(json.dumps(model.sent, indent=2, ensure_ascii=False)).split("\n"):
            show(f"  {line}", "")
    for note in model.notes:
        show(f"  note: {note}", "")
    for text in group_left_out(model.left_out):
        show(f"  left out: {text}", "yellow")

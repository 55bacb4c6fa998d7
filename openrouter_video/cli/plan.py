"""``plan``: what would be sent to each model, exactly, and what would be left out; nothing is sent."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager, suppress
from typing import Any

from rich.text import Text

from openrouter_video.api import DEFAULT_BASE_URL
from openrouter_video.cli.model_health import served_for_plan
from openrouter_video.cli.model_list import read_catalog
from openrouter_video.cli.refusal import EXIT_REFUSED, refused_run, tell_refusal
from openrouter_video.cli.sandbox import embedded_sandbox
from openrouter_video.cli.terminal import Terminal, print_json
from openrouter_video.drift import recipe_of, write_recipe
from openrouter_video.errors import ConfigurationError, LedgerError, VideoError
from openrouter_video.ledger import Journal, Ledger
from openrouter_video.money import Bills
from openrouter_video.planning import GatedPlan, Plan, asked_words, dry_run, hold_to_ceiling, needs_approval
from openrouter_video.report import VERDICTS, PlanLine, plan_lines
from openrouter_video.request import RunRequest
from openrouter_video.run import approval_threshold, find_destination
from openrouter_video.text import printable

__all__ = ["STYLES", "bills_in", "dry_plan", "ledger_of_run", "plan_document", "print_whole", "run_plan"]

STYLES = {
    "refused": "red",
    "warning": "yellow",
    "model": "bold",
    "problem": "yellow",
    "price": "cyan",
    "note": "dim",
    "left out": "yellow",
}


def run_plan(read: Callable[[], RunRequest], *, sandbox: bool, as_json: bool, save_recipe: str | None = None) -> int:
    """Print what a run would send; nothing is sent to the API but the question which models it has."""
    terminal, asked = Terminal(stderr=as_json), dict[str, Any]()
    try:
        run = read()
        asked = run.asked()
        with embedded_sandbox(sandbox, terminal):
            plan = dry_plan(run, os.environ, health=True)
            above = approval_threshold(run.approve_above_usd, None, os.environ)
        saved = write_recipe(save_recipe, recipe_of(run)) if save_recipe and not plan.refused else None
    except VideoError as error:
        tell_refusal(error)
        if as_json:
            refused = refused_run(asked, error).model_dump(mode="json")
            print_json({**plan_document(None, refused), "needs_approval": False})
        return EXIT_REFUSED
    asks = asked_words(plan, above) if above is not None and needs_approval(plan, above) else None
    if as_json:
        print_json({**plan_document(plan, {}), "needs_approval": asks is not None})
    else:
        _print_plan(terminal, plan)
        if asks and not plan.refused:
            terminal.say(asks, "bold")
    if saved is not None:
        terminal.announce(f"Recipe: {printable(saved)}")
    return EXIT_REFUSED if plan.refused else 0


def dry_plan(run: RunRequest, environ: Mapping[str, str], *, health: bool = False) -> Plan:
    """Plan a run over the environment's API; nothing is sent, and no key is needed.

    ``health``: also say which models are down or slow. Who serves them is asked in any case where options depend on it.

    Raises:
        ApiUnavailable, ConfigurationError: if the list of models could not be read.
    """
    catalog = read_catalog(environ)
    if catalog.lacks(run.models):
        # The API itself lists less for a moment now and then.
        catalog = read_catalog(environ)
    offered = [model for model in run.models if catalog.get(model)]
    served = served_for_plan(offered, environ) if health or run.request.provider_options else {}
    base_url = (environ.get("OPENROUTER_BASE_URL") or DEFAULT_BASE_URL).strip().rstrip("/")
    with ledger_of_run(run, environ) as ledger:
        bills = bills_in(ledger, sandbox=catalog.sandbox)
        plan = dry_run(run, catalog, bills=bills, health=served, ledger=ledger, base_url=base_url)
    # Under a key a video may be paid for already, and a block says where the bills are: the run itself looks there.
    return hold_to_ceiling(plan, None if run.idempotency_key or run.store else run.max_usd)


@contextmanager
def ledger_of_run(run: RunRequest, environ: Mapping[str, str]) -> Iterator[Ledger | None]:
    """Open a run's ledger; one that cannot be read refuses the run, and not its plan, and a block is only Prefect's."""
    with ExitStack() as opened:
        ledger = None
        if not run.store:
            with suppress(ConfigurationError):
                ledger = opened.enter_context(closing(find_destination(run.output, run.ledger, environ).open_ledger()))
        yield ledger


def bills_in(ledger: Ledger | None, *, sandbox: bool) -> Mapping[str, Bills]:
    """Return what earlier bills in a run's ledger say."""
    with suppress(LedgerError):
        return Journal(ledger.store, sandbox=sandbox).money().bills() if ledger is not None else {}
    return {}


def plan_document(plan: Plan | None, refused: dict[str, Any]) -> dict[str, Any]:
    """Return the plan for machines; ``refused`` is what there is to say if it could not be made."""
    if plan is None:
        said = {key: refused[key] for key in ("status", "asked", "problems", "estimate", "sandbox")}
        return {**said, "warnings": [], "models": []}
    models = [
        {
            "model": model.model,
            "decision": model.decision,
            "sent": model.sent,
            "left_out": [option.model_dump(mode="json") for option in model.left_out],
            "notes": list(model.notes),
            "problems": [problem.message for problem in model.problems],
            "estimate": model.estimate.model_dump(mode="json") if model.estimate else None,
        }
        for model in plan.models
    ]
    return {
        "status": "refused" if plan.refused else "planned",
        "asked": plan.asked,
        "problems": [str(problem) for problem in plan.problems],
        "estimate": plan.estimate.model_dump(mode="json"),
        "sandbox": plan.sandbox,
        "warnings": list(plan.warnings),
        "models": models,
    }


def _print_lines(terminal: Terminal, lines: Iterable[PlanLine]) -> None:
    """Print the lines of a plan, each in the colour of its kind."""
    for line in lines:
        if line.kind == "body":
            # A body is not broken, so that it can be copied.
            terminal.print(Text(line.text), soft_wrap=True)
        else:
            terminal.say(line.text, STYLES.get(line.kind, ""))


def print_whole(
    terminal: Terminal, lines: Iterable[PlanLine], plan: GatedPlan, above_usd: float | None, what: str
) -> None:
    """Print the plan of a batch or a chain, whether it needs somebody's yes, and what would become of it."""
    _print_lines(terminal, lines)
    if above_usd is not None and needs_approval(plan, above_usd) and not plan.refused:
        terminal.say(asked_words(plan, above_usd), "bold")
    terminal.say(f"Nothing was sent. The {what} would be {'refused' if plan.refused else 'made'}.", "bold")


def _print_plan(terminal: Terminal, plan: Plan) -> None:
    _print_lines(terminal, plan_lines(plan))
    counts = {word: sum(VERDICTS[model.decision] == word for model in plan.models) for word in VERDICTS.values()}
    takes = f", {plan.takes} takes each" if plan.takes > 1 else ""
    would = ", ".join(f"{count} {word}" for word, count in counts.items() if count) + takes
    verdict = "The run would be refused" if plan.refused else f"A run would be: {would}"
    terminal.say(f"Nothing was sent. {verdict}.", "bold")

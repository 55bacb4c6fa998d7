"""The plan of what a command asks for: what would be sent, what would be left out, and what it may cost."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

from rich.text import Text

from openrouter_video.api import Catalog, ModelEndpoints, base_url_of
from openrouter_video.cli.asked import Asked, P, R
from openrouter_video.cli.model_health import served_for_plan
from openrouter_video.cli.model_list import read_catalog
from openrouter_video.cli.refusal import EXIT_REFUSED, refused_run, tell_refusal
from openrouter_video.cli.sandbox import embedded_sandbox
from openrouter_video.cli.terminal import Terminal, print_json
from openrouter_video.drift import recipe_of, write_recipe
from openrouter_video.errors import VideoError
from openrouter_video.planning import asked_words, needs_approval
from openrouter_video.report import PlanLine
from openrouter_video.run import approval_threshold
from openrouter_video.text import printable

__all__ = ["Offer", "look_up_models", "print_plan"]

STYLES = {
    "refused": "red",
    "warning": "yellow",
    "model": "bold",
    "problem": "yellow",
    "price": "cyan",
    "note": "dim",
    "left out": "yellow",
}


class Offer(NamedTuple):
    """What an API offers to a plan: its models, who serves those that are asked for, and where it is."""

    catalog: Catalog
    health: Mapping[str, ModelEndpoints]
    base_url: str


def print_plan(
    kind: type[Asked[R, P]], read: Callable[[], R], *, sandbox: bool, as_json: bool, save_recipe: str | None = None
) -> int:
    """Print what would be sent and may cost; nothing is sent to the API but the question which models it has."""
    terminal, report = Terminal(stderr=as_json), dict[str, Any]()
    try:
        asked = kind(read())
        report = asked.report
        with embedded_sandbox(sandbox, terminal):
            plan = asked.dry_plan(os.environ, health=True)
        above = approval_threshold(asked.run.approve_above_usd, None, os.environ)
        saved = write_recipe(save_recipe, recipe_of(asked.run)) if save_recipe and not plan.refused else None
    except VideoError as error:
        tell_refusal(error)
        if as_json:
            refused = refused_run(report, error).model_dump(mode="json")
            said = {name: refused[name] for name in ("status", "asked", "problems", "estimate", "sandbox")}
            print_json({**said, "warnings": [], "needs_approval": False, kind.parts: []})
        return EXIT_REFUSED
    asks = asked_words(plan, above) if above is not None and needs_approval(plan, above) else None
    if as_json:
        told = {
            "status": "refused" if plan.refused else "planned",
            "asked": report,
            "problems": [str(problem) for problem in plan.problems],
            "estimate": plan.estimate.model_dump(mode="json"),
            "sandbox": plan.sandbox,
            "warnings": plan.warnings,
            "needs_approval": asks is not None,
        }
        print_json({**told, **asked.plan_details(plan)})
    else:
        _print_lines(terminal, asked.plan_lines(plan))
        if asks and not plan.refused:
            terminal.say(asks, "bold")
        terminal.say(f"Nothing was sent. {asked.verdict(plan)}.", "bold")
    if saved is not None:
        terminal.announce(f"Recipe: {printable(saved)}")
    return EXIT_REFUSED if plan.refused else 0


def _print_lines(terminal: Terminal, lines: Iterable[PlanLine]) -> None:
    """Print the lines of a plan, each in the colour of its kind."""
    for line in lines:
        if line.kind == "body":
            # A body is not broken, so that it can be copied.
            terminal.print(Text(line.text), soft_wrap=True)
        else:
            terminal.say(line.text, STYLES.get(line.kind, ""))


def look_up_models(models: Iterable[str], environ: Mapping[str, str], *, health: bool) -> Offer:
    """Ask the environment's API for its models and, with ``health``, who serves these.

    Raises:
        ApiUnavailable, ConfigurationError: if the list of models could not be read.
    """
    models, catalog = [*models], read_catalog(environ)
    if catalog.lacks(models):
        # The API itself lists less for a moment now and then.
        catalog = read_catalog(environ)
    served = served_for_plan(filter(catalog.get, models), environ) if health else {}
    return Offer(catalog, served, base_url_of(environ))

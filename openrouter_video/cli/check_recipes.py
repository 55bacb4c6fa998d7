"""``check-recipes``: which recipes break by today's list of models, and which are dearer or cheaper."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any, cast

from openrouter_video.cli.flow_thread import StartFlow, run_flow
from openrouter_video.cli.prefect_server import has_own_server, start_prefect
from openrouter_video.cli.refusal import EXIT_REFUSED, refused_run, tell_refusal
from openrouter_video.cli.sandbox import embedded_sandbox
from openrouter_video.cli.signals import EXIT_INTERRUPTED
from openrouter_video.cli.terminal import Terminal, print_json
from openrouter_video.drift import RecipeCheck, check_lines, summary_of
from openrouter_video.errors import ConfigurationError, Problem, RequestRefused, VideoError

__all__ = ["check"]

EXIT_BROKEN = 1
STYLES = {"works": "green", "broken": "red", "problem": "yellow", "needs": "bold", "warning": "yellow", "price": "cyan"}
NOTHING = (
    "there is nothing to check: name a recipe or a folder of them, or set PREFECT_API_URL to the server whose "
    "deployments are to be checked"
)
INTERRUPTED = "Interrupted; the next check finds what this one did not."


def check(
    recipes: Sequence[str], asked: Mapping[str, Any], start: StartFlow, *, sandbox: bool, as_json: bool, verbose: bool
) -> int:
    """Check, show and report; 0 if every recipe works, 1 if one breaks. ``start`` calls the flow."""
    terminal = Terminal(stderr=as_json)
    try:
        if sandbox and asked["credentials"]:
            raise ConfigurationError(
                "--sandbox and --credentials contradict each other: a sandbox has a base URL of its own"
            )
        with embedded_sandbox(sandbox, terminal):
            start_prefect(terminal.announce, verbose=verbose)
            if not recipes and not (asked["deployments"] and has_own_server()):
                raise RequestRefused([Problem("recipes", NOTHING)])
            finished = run_flow(start)
        if isinstance(finished.result, Exception):
            raise finished.result
    except VideoError as error:
        tell_refusal(error)
        if as_json:
            print_json(refused_run(asked, error).model_dump(mode="json"))
        return EXIT_REFUSED
    except KeyboardInterrupt:
        with suppress(OSError):
            sys.stderr.write(f"\n{INTERRUPTED}\n")
        if as_json:
            print_json(refused_run(asked, INTERRUPTED).model_dump(mode="json"))
        return EXIT_INTERRUPTED
    found = cast(RecipeCheck, finished.result)
    if as_json:
        print_json(found.model_dump(mode="json"))
    else:
        _print(terminal, found)
    return EXIT_BROKEN if found.broken else 0


def _print(terminal: Terminal, found: RecipeCheck) -> None:
    for line in check_lines(found):
        indent = "" if line.kind in {"works", "broken"} else "  "
        terminal.say(f"{indent}{line.text}", STYLES.get(line.kind, "dim"))
    terminal.say(f"Nothing was sent. {summary_of(found)}.", "bold")

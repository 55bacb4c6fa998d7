"""The commands that start no flow, and so need no Prefect: models, plan and sandbox."""

from __future__ import annotations

from functools import partial
from typing import Annotated

from cyclopts import Parameter

from openrouter_video.cli.options import (
    AS_THE_MODEL_LIKES,
    USUAL_PLACE,
    USUAL_RUN,
    Json,
    MinSuccess,
    Models,
    Prompt,
    RequestOptions,
    Whole,
)

# ruff: noqa: PLC0415 (every command imports what it needs when it runs, so that --help is quick)

__all__ = ["models", "plan", "sandbox"]

Sandboxed = Annotated[bool, Parameter(help="Ask a stand-in for OpenRouter.", negative=())]


def models(
    pattern: Annotated[str | None, Parameter(help="A part of the id, or a pattern with *.")] = None,
    /,
    *,
    sandbox: Sandboxed = False,
    json: Json = False,
) -> int:
    """List the video models and what each can be asked for; needs no key."""
    from openrouter_video.cli.model_list import list_models

    return list_models(pattern, sandbox=sandbox, as_json=json)


def plan(
    prompt: Prompt,
    /,
    *,
    models: Models = (),
    min_success: MinSuccess = None,
    sandbox: Sandboxed = False,
    json: Json = False,
    request: RequestOptions = AS_THE_MODEL_LIKES,
) -> int:
    """Show exactly what would be sent to each model, and what would be left out; sends nothing and needs no key."""
    from openrouter_video.cli.plan_report import run_plan
    from openrouter_video.cli.preflight import read_options

    read = partial(read_options, prompt, models, request, USUAL_PLACE, USUAL_RUN, min_success=min_success)
    return run_plan(read, sandbox=sandbox, as_json=json)


def sandbox(
    *,
    port: Annotated[Whole, Parameter(help="0 takes any that is free.", show_default=True)] = 8787,
    speed: Annotated[float, Parameter(help="8 makes 4 s of video in 5 to 8 s; 1 is real.", show_default=True)] = 8.0,
    state: Annotated[str | None, Parameter(help="File that keeps the jobs for the next time.")] = None,
) -> int:
    """Serve a stand-in for OpenRouter's video API on this machine, until Ctrl-C. Nothing is billed."""
    from openrouter_video.cli.embedded_sandbox import serve_sandbox

    return serve_sandbox(port, speed, state)

"""The ``openrouter-video`` command.

It names commands and options and starts flows; what a command does is in modules that are imported when it runs, so
that ``--help`` needs neither Prefect nor an HTTP client.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Awaitable, Callable, Sequence
from contextlib import ExitStack, closing, suppress
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import App, CycloptsError, Parameter

from openrouter_video.cli import texts
from openrouter_video.cli.offline_commands import models, plan, sandbox
from openrouter_video.cli.options import (
    AS_THE_MODEL_LIKES,
    USUAL_LEDGER,
    USUAL_PLACE,
    USUAL_RUN,
    Json,
    LedgerOptions,
    MinSuccess,
    Models,
    PlaceOptions,
    Prompt,
    RequestOptions,
    RunOptions,
    Whole,
    parse_seconds,
    refuse_blanks,
    whole,
)
from openrouter_video.cli.refusal import check_words, refuse
from openrouter_video.cli.signals import EXIT_INTERRUPTED, ended_like_ctrl_c
from openrouter_video.cli.terminal import prepare_streams
from openrouter_video.errors import VideoError

if TYPE_CHECKING:
    from openrouter_video.cli.video_run import Announce, Engine
    from openrouter_video.ledger import Ledger
    from openrouter_video.request import RunRequest

# ruff: noqa: PLC0415 (every command imports what it needs when it runs, so that --help is quick)

__all__ = ["app", "main"]

# What a command opens and nobody closes before; empty again when it has ended.
_opened = ExitStack()

Flag = partial(Parameter, negative=())

app = App(
    name="openrouter-video",
    help=texts.ABOUT,
    help_format="plaintext",
    help_epilogue=texts.EXAMPLES,
    version=texts.version,
    default_parameter=Parameter(negative_iterable=(), show_default=False),
    suppress_keyboard_interrupt=False,
)
ledger_app = App(name="ledger", help=texts.LEDGER, help_epilogue=texts.LIST)
app.command(ledger_app)
app.command(models, help_epilogue=texts.MODELS)
app.command(plan, help_epilogue=texts.PLAN)
app.command(sandbox, help_epilogue=texts.SANDBOX)


@app.command(help_epilogue=texts.GENERATE)
def generate(
    prompt: Prompt,
    /,
    *,
    models: Models = (),
    request: RequestOptions = AS_THE_MODEL_LIKES,
    place: PlaceOptions = USUAL_PLACE,
    run: RunOptions = USUAL_RUN,
) -> int:
    """Turn a prompt into a video, or several takes of it, from one model."""
    from openrouter_video.cli.preflight import read_options
    from openrouter_video.cli.video_run import run_videos

    async def start(asked: RunRequest) -> Any:
        from openrouter_video.flows import generate_video

        return await generate_video(**asked.parameters(one_model=True), return_state=True)

    read = partial(read_options, prompt, models, request, place, run, only_one=True)
    return run_videos(read, run, lambda asked: _engine(lambda: start(asked), place, run.verbose))


@app.command(name="fan-out", help_epilogue=texts.FAN_OUT)
def fan_out(
    prompt: Prompt,
    /,
    *,
    models: Models = (),
    min_success: MinSuccess = None,
    concurrency: Annotated[Whole, Parameter(help="Videos that are made at the same time. Default: 8.")] = 8,
    request: RequestOptions = AS_THE_MODEL_LIKES,
    place: PlaceOptions = USUAL_PLACE,
    run: RunOptions = USUAL_RUN,
) -> int:
    """Turn a prompt into videos from several models, side by side.

    Every model gets the same request; options of a provider go only to the models that allow them.
    """
    from openrouter_video.cli.preflight import read_options
    from openrouter_video.cli.video_run import run_videos

    async def start(asked: RunRequest) -> Any:
        from openrouter_video.flows import fan_out_video

        return await fan_out_video(**asked.parameters(), return_state=True)

    read = partial(read_options, prompt, models, request, place, run, min_success=min_success, concurrency=concurrency)
    return run_videos(read, run, lambda asked: _engine(lambda: start(asked), place, run.verbose))


@app.command(help_epilogue=texts.COLLECT)
def collect(
    *,
    limit: Annotated[Whole | None, Parameter(help="How many jobs to finish. Default: all.", converter=whole)] = None,
    wait: Annotated[
        str | None,
        Parameter(help="How long to wait for jobs that still run, such as 10m.", allow_leading_hyphen=True),
    ] = None,
    place: PlaceOptions = USUAL_PLACE,
    json: Json = False,
    verbose: Annotated[bool, Flag(help="Show Prefect's own log.")] = False,
) -> int:
    """Finish what earlier runs left open: fetch the videos that are ready. Never submits anything."""
    from openrouter_video.cli.collect_run import run_collection

    refuse_blanks(place)
    seconds = parse_seconds("wait", wait) if wait is not None else 0.0
    given = {"store": place.store, "output": place.output, "ledger": place.ledger, "credentials": place.credentials}

    async def start() -> Any:
        from openrouter_video.flows import collect_videos

        return await collect_videos(**given, limit=limit, wait_minutes=seconds / 60, return_state=True)

    from openrouter_video.stores import safe_url

    shown = {name: safe_url(value) if "://" in value else value for name, value in given.items() if value is not None}
    asked = {**shown, **({"limit": limit} if limit is not None else {})}
    return run_collection(_engine(start, place, verbose), asked, as_json=json, verbose=verbose)


@ledger_app.command(name="list", help_epilogue=texts.LIST)
def ledger_list(
    *,
    only_open: Annotated[bool, Flag(name="--open", help="Accepted jobs that are not over.")] = False,
    uncertain: Annotated[bool, Flag(help="Submissions of which it is not known whether they were accepted.")] = False,
    everything: Annotated[bool, Flag(name="--all", help="Also what is over.")] = False,
    place: LedgerOptions = USUAL_LEDGER,
    json: Json = False,
) -> int:
    """List submissions: what is open or uncertain, unless other options say otherwise."""
    from openrouter_video.cli.ledger import list_entries

    return list_entries(
        _open_ledger(place, _to_stderr),
        datetime.now(UTC),
        only_open=only_open,
        only_uncertain=uncertain,
        everything=everything,
        as_json=json,
    )


@ledger_app.command(name="settle", help_epilogue=texts.SETTLE)
def ledger_settle(
    key: Annotated[str | None, Parameter(help="The key, or enough of its beginning.")] = None,
    /,
    *,
    job: Annotated[str | None, Parameter(help="The job that was found at OpenRouter; `collect` fetches it.")] = None,
    abandon: Annotated[bool, Flag(help="There is no such job: free the key for another submission.")] = False,
    lost: Annotated[bool, Flag(help="The job was accepted, but its video can never be had: give it up.")] = False,
    everything: Annotated[bool, Flag(name="--all", help="Every uncertain submission; never an accepted job.")] = False,
    older_than: Annotated[
        str | None, Parameter(help="Only those older than this, such as 1h.", allow_leading_hyphen=True)
    ] = None,
    place: LedgerOptions = USUAL_LEDGER,
) -> int:
    """Say what became of a submission of which it is not known whether it was accepted, or give an accepted job up.

    Look for the key in OpenRouter's activity first, where it stands as the session id.
    """
    from openrouter_video.cli.ledger import settle
    from openrouter_video.ledger import Settlement

    said = Settlement(key, job, abandon, lost, everything, older_than)
    return settle(lambda: _open_ledger(place, _to_stderr), said, datetime.now(UTC))


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command with these words, or those of the process, and return its exit code."""
    words = list(sys.argv[1:] if argv is None else argv)
    prepare_streams()
    try:
        with ended_like_ctrl_c():
            check_words(words)
            return app(words, exit_on_error=False, print_error=False, result_action="return_value") or 0
    except CycloptsError as error:
        return refuse(words, f"{error} See `openrouter-video --help`.")
    except VideoError as error:
        return refuse(words, error)
    except KeyboardInterrupt:
        with suppress(OSError):  # the terminal may be gone
            sys.stderr.write("\nInterrupted.\n")
        return EXIT_INTERRUPTED
    finally:
        _opened.close()


def _engine(start: Callable[[], Awaitable[Any]], place: LedgerOptions, verbose: bool) -> Engine:
    from openrouter_video.cli.prefect_engine import run_flow, start_prefect
    from openrouter_video.cli.video_run import Engine

    return Engine(
        start=partial(start_prefect, verbose=verbose, meanwhile=_import_flows),
        run=partial(run_flow, start),
        open_ledger=partial(_open_ledger, place),
    )


def _import_flows() -> None:
    from openrouter_video.flows import fan_out_video  # noqa: F401


def _open_ledger(place: LedgerOptions, announce: Announce) -> Ledger:
    """Open the ledger that the options name; one of a block needs Prefect."""
    if place.store:
        import asyncio

        from openrouter_video.cli.prefect_engine import start_prefect

        start_prefect(announce, verbose=False)
        from openrouter_video.blocks import load_store

        destination = asyncio.run(load_store(place.store, place.output, place.ledger))
    else:
        from openrouter_video.run import find_destination

        destination = find_destination(place.output, place.ledger, os.environ)
    return _opened.enter_context(closing(destination.reach_ledger()))


def _to_stderr(text: str) -> None:
    sys.stderr.write(f"{text}\n")

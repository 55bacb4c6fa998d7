"""The ``openrouter-video`` command.

It names commands and options and starts flows; what a command does is in modules that are imported when it runs, so
that ``--help`` needs neither Prefect nor an HTTP client.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import App, CycloptsError, Parameter

from openrouter_video.cli import help_texts
from openrouter_video.cli.batch_options import DEFAULT_BATCH, BatchOptions, read_batch
from openrouter_video.cli.chain_options import (
    DEFAULT_CHAIN,
    DEFAULT_CHAIN_RUN,
    DEFAULT_SHOTS,
    ChainOptions,
    OneModel,
    read_chain,
)
from openrouter_video.cli.ledger_commands import ledger_app
from openrouter_video.cli.option_values import parse_seconds, whole
from openrouter_video.cli.options import (
    DEFAULT_HOW,
    DEFAULT_LEDGER,
    DEFAULT_MONEY,
    DEFAULT_PLACE,
    DEFAULT_REQUEST,
    DEFAULT_RUN,
    ChainRunOptions,
    HowOptions,
    Json,
    LedgerOptions,
    MinSuccess,
    Models,
    MoneyOptions,
    PlaceOptions,
    Prompt,
    RequestOptions,
    RunOptions,
    ShotOptions,
    Whole,
    read_options,
    refuse_blanks,
)
from openrouter_video.cli.recipe_command import check_recipes
from openrouter_video.cli.refusal import check_arguments, refuse
from openrouter_video.cli.signals import EXIT_INTERRUPTED, ended_like_ctrl_c
from openrouter_video.cli.terminal import prepare_streams
from openrouter_video.errors import VideoError

if TYPE_CHECKING:
    from prefect.client.schemas.objects import State

By = Literal["model", "day", "label", "run", "deployment", "failure"]

# ruff: noqa: PLC0415 (every command imports what it needs when it runs, so that --help is quick)

__all__ = ["app", "main"]

Flag = partial(Parameter, negative=())
Sandboxed = Annotated[bool, Flag(help="Ask a stand-in for OpenRouter.")]

app = App(
    name="openrouter-video",
    help=help_texts.ABOUT,
    help_format="plaintext",
    help_epilogue=help_texts.EXAMPLES,
    version=help_texts.version,
    default_parameter=Parameter(negative_iterable=(), show_default=False),
    suppress_keyboard_interrupt=False,
)
app.command(ledger_app)


@app.command(help_epilogue=help_texts.MODELS)
def models(
    pattern: Annotated[str | None, Parameter(help="A part of the id, or a pattern with *.")] = None,
    /,
    *,
    health: Annotated[bool, Flag(help="Show who serves each, whether it works, and how long videos take.")] = False,
    sandbox: Sandboxed = False,
    json: Json = False,
) -> int:
    """List the video models and what each can be asked for; needs no key."""
    from openrouter_video.cli.model_list import list_models

    return list_models(pattern, sandbox=sandbox, as_json=json, health=health)


@app.command(help_epilogue=help_texts.PLAN)
def plan(
    prompt: Prompt = "",
    /,
    *,
    models: Models = (),
    min_success: MinSuccess = None,
    save_recipe: Annotated[
        str | None, Parameter(help="File.json to save it in, as the parameters of fan_out_video, if it would be sent.")
    ] = None,
    sandbox: Sandboxed = False,
    json: Json = False,
    request: RequestOptions = DEFAULT_REQUEST,
    money: MoneyOptions = DEFAULT_MONEY,
) -> int:
    """Show exactly what would be sent to each model, and what would be left out; sends nothing and needs no key."""
    from openrouter_video.cli.plan import print_plan
    from openrouter_video.cli.run import AskedFanOut

    read = partial(read_options, prompt, models, request, DEFAULT_PLACE, DEFAULT_RUN, money, min_success=min_success)
    return print_plan(AskedFanOut, read, sandbox=sandbox, as_json=json, save_recipe=save_recipe)


@app.command(help_epilogue=help_texts.GENERATE)
def generate(
    prompt: Prompt = "",
    /,
    *,
    models: Models = (),
    request: RequestOptions = DEFAULT_REQUEST,
    place: PlaceOptions = DEFAULT_PLACE,
    run: RunOptions = DEFAULT_RUN,
    money: MoneyOptions = DEFAULT_MONEY,
) -> int:
    """Turn a prompt into a video, or several takes of it, from one model."""
    from openrouter_video.cli.run import AskedVideo
    from openrouter_video.cli.videos import make_videos

    read = partial(read_options, prompt, models, request, place, run, money, only_one=True)
    return make_videos(AskedVideo, read, place, run)


@app.command(name="fan-out", help_epilogue=help_texts.FAN_OUT)
def fan_out(
    prompt: Prompt = "",
    /,
    *,
    models: Models = (),
    min_success: MinSuccess = None,
    concurrency: Annotated[Whole, Parameter(help="Videos that are made at the same time. Default: 8.")] = 8,
    request: RequestOptions = DEFAULT_REQUEST,
    place: PlaceOptions = DEFAULT_PLACE,
    run: RunOptions = DEFAULT_RUN,
    money: MoneyOptions = DEFAULT_MONEY,
) -> int:
    """Turn a prompt into videos from several models, side by side.

    Every model gets the same request; options of a provider go only to the models that allow them.
    """
    from openrouter_video.cli.run import AskedFanOut
    from openrouter_video.cli.videos import make_videos

    read = partial(
        read_options, prompt, models, request, place, run, money, min_success=min_success, concurrency=concurrency
    )
    return make_videos(AskedFanOut, read, place, run)


@app.command(help_epilogue=help_texts.BATCH)
def batch(
    file: Annotated[str, Parameter(help="Table of prompts: CSV, JSON Lines or Parquet, a path or any fsspec URL.")],
    /,
    *,
    models: Models = (),
    batch: BatchOptions = DEFAULT_BATCH,
    request: RequestOptions = DEFAULT_REQUEST,
    place: PlaceOptions = DEFAULT_PLACE,
    run: HowOptions = DEFAULT_HOW,
    money: MoneyOptions = DEFAULT_MONEY,
) -> int:
    """Turn a table of prompts into videos: each row for each of its models.

    A row may set its own model, takes, settings and labels by columns of these names; what it leaves out comes from the
    options here. A second run of the same file makes only what is new or changed.
    """
    from openrouter_video.cli.batch import AskedBatch
    from openrouter_video.cli.videos import make_videos

    read = partial(read_batch, file, models, batch, request, place, run, money)
    return make_videos(AskedBatch, read, place, run, dry_run=batch.dry_run)


@app.command(help_epilogue=help_texts.CHAIN)
def chain(
    *shots: Annotated[str, Parameter(help="What each shot should show, in their order.")],
    models: OneModel = (),
    chain: ChainOptions = DEFAULT_CHAIN,
    request: ShotOptions = DEFAULT_SHOTS,
    place: PlaceOptions = DEFAULT_PLACE,
    run: ChainRunOptions = DEFAULT_CHAIN_RUN,
    money: MoneyOptions = DEFAULT_MONEY,
) -> int:
    """Turn a list of shots into one film: each shot is a video that continues the one before it.

    The whole chain is priced before the first shot is sent. With --idempotency-key one that broke off goes on where it
    stopped, and nothing is paid for twice.
    """
    from openrouter_video.cli.chain import AskedChain
    from openrouter_video.cli.videos import make_videos

    read = partial(read_chain, shots, models, chain, request, place, run, money)
    return make_videos(AskedChain, read, place, run, dry_run=chain.dry_run)


@app.command(help_epilogue=help_texts.CONCAT)
def concat(
    *files: Annotated[str, Parameter(help="Videos in their order, and last the file to write: paths or fsspec URLs.")],
    force: Annotated[bool, Flag(help="Write over a file that is there already.")] = False,
    json: Json = False,
) -> int:
    """Join videos to one file as they are coded, or say what differs. Nothing is encoded anew, and nothing billed."""
    from openrouter_video.cli.concat import concat_files

    return concat_files(files, force=force, as_json=json)


@app.command(help_epilogue=help_texts.COLLECT)
def collect(
    *,
    limit: Annotated[Whole | None, Parameter(help="How many jobs to finish. Default: all.", converter=whole)] = None,
    wait: Annotated[
        str | None,
        Parameter(help="How long to wait for jobs that still run, such as 10m.", allow_leading_hyphen=True),
    ] = None,
    key: Annotated[tuple[str, ...], Parameter(help="Ledger key of a job to finish, and no other; once for each.")] = (),
    place: PlaceOptions = DEFAULT_PLACE,
    json: Json = False,
    verbose: Annotated[bool, Flag(help="Show Prefect's own log.")] = False,
) -> int:
    """Finish what earlier runs left open: fetch the videos that are ready. Never submits anything."""
    from openrouter_video.cli.collect import collect as run

    refuse_blanks(place)
    seconds = parse_seconds("wait", wait) if wait is not None else 0.0

    async def start() -> State[Any]:
        from openrouter_video.flows import collect_videos

        given = {**vars(place), "limit": limit, "wait_minutes": seconds / 60, "keys": [*key] or None}
        return await collect_videos(**given, return_state=True)

    return run(place, limit, key, start, as_json=json, verbose=verbose)


app.command(check_recipes, name="check-recipes", help_epilogue=help_texts.CHECK_RECIPES)


@app.command(help_epilogue=help_texts.GALLERY)
def gallery(
    output: Annotated[
        str | None,
        Parameter(
            help="Folder or URL of a run, of a batch or of all. Default: OPENROUTER_VIDEO_OUTPUT, else ./videos."
        ),
    ] = None,
    /,
    *,
    store: Annotated[str | None, Parameter(help="Prefect block OpenRouter Video Store, by name.")] = None,
    json: Json = False,
) -> int:
    """Make the page of a folder anew, index.html in it: its videos side by side, from what lies beside them."""
    from openrouter_video.cli.gallery import make_gallery

    refuse_blanks(LedgerOptions(output=output, store=store))
    return make_gallery(output, store, as_json=json)


@app.command(help_epilogue=help_texts.SPEND)
def spend(
    *,
    by: Annotated[By, Parameter(help="What to add up by.", show_default=True)] = "model",
    since: Annotated[str, Parameter(help="Days, such as 30d, or a date in UTC.", show_default=True)] = "30d",
    place: LedgerOptions = DEFAULT_LEDGER,
    json: Json = False,
    csv: Annotated[bool, Flag(help="Print comma-separated lines on stdout.")] = False,
) -> int:
    """Tell what was spent, and what is reserved by runs that have not settled yet. Sandbox money stands apart."""
    from openrouter_video.cli.spend import parse_since, print_spending

    refuse_blanks(place)
    return print_spending(place, by, parse_since(since, datetime.now(UTC)), as_json=json, as_csv=csv)


@app.command(help_epilogue=help_texts.SANDBOX)
def sandbox(
    *,
    port: Annotated[Whole, Parameter(help="0 takes any that is free.", show_default=True)] = 8787,
    speed: Annotated[float, Parameter(help="8 makes 4 s of video in 5 to 8 s; 1 is real.", show_default=True)] = 8.0,
    state: Annotated[
        str | None, Parameter(help="File that keeps the jobs for the next time; a folder beside it, their inputs.")
    ] = None,
    budget_usd: Annotated[float | None, Parameter(help="Dollars that its key may spend. Default: no limit.")] = None,
) -> int:
    """Serve a stand-in for OpenRouter's video API on this machine, until Ctrl-C. Nothing is billed."""
    from openrouter_video.cli.sandbox import serve_sandbox

    return serve_sandbox(port, speed, state, budget_usd)


@app.command(help_epilogue=help_texts.WEBHOOKS)
def webhooks(
    *,
    host: Annotated[str, Parameter(help="Address to listen on.", show_default=True)] = "127.0.0.1",
    port: Annotated[Whole, Parameter(help="0 takes any that is free.", show_default=True)] = 4230,
    deployment: Annotated[
        str, Parameter(help="Deployment of collect_videos that is run, as FLOW/DEPLOYMENT.", show_default=True)
    ] = "collect-videos/collect-videos",
) -> int:
    """Receive OpenRouter's webhooks, until Ctrl-C, and collect the videos that they tell of.

    By a run of the deployment, or without a Prefect server of your own by `openrouter-video collect`.
    """
    from openrouter_video.cli.webhooks import serve_webhooks

    return serve_webhooks(host, port, deployment)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command with these arguments, or those of the process, and return its exit code."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    prepare_streams()
    try:
        with ended_like_ctrl_c():
            check_arguments(arguments)
            return app(arguments, exit_on_error=False, print_error=False, result_action="return_value") or 0
    except CycloptsError as error:
        return refuse(arguments, f"{error} See `openrouter-video --help`.")
    except VideoError as error:
        return refuse(arguments, error)
    except KeyboardInterrupt:
        with suppress(OSError):  # the terminal may be gone
            sys.stderr.write("\nInterrupted.\n")
        return EXIT_INTERRUPTED

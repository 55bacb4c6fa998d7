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
from openrouter_video.cli.option_values import parse_seconds, whole
from openrouter_video.cli.options import (
    DEFAULT_HOW,
    DEFAULT_LEDGER,
    DEFAULT_MONEY,
    DEFAULT_PLACE,
    DEFAULT_REQUEST,
    DEFAULT_RUN,
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
    Whole,
    read_options,
    refuse_blanks,
)
from openrouter_video.cli.refusal import check_arguments, refuse
from openrouter_video.cli.signals import EXIT_INTERRUPTED, ended_like_ctrl_c
from openrouter_video.cli.terminal import prepare_streams
from openrouter_video.errors import VideoError

if TYPE_CHECKING:
    from prefect.client.schemas.objects import State

    from openrouter_video.request import RunRequest


By = Literal["model", "day", "label", "run", "deployment"]

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
ledger_app = App(name="ledger", help=help_texts.LEDGER, help_epilogue=help_texts.LIST)
app.command(ledger_app)


@app.command(help_epilogue=help_texts.MODELS)
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


@app.command(help_epilogue=help_texts.PLAN)
def plan(
    prompt: Prompt = "",
    /,
    *,
    models: Models = (),
    min_success: MinSuccess = None,
    sandbox: Sandboxed = False,
    json: Json = False,
    request: RequestOptions = DEFAULT_REQUEST,
    money: MoneyOptions = DEFAULT_MONEY,
) -> int:
    """Show exactly what would be sent to each model, and what would be left out; sends nothing and needs no key."""
    from openrouter_video.cli.plan import run_plan

    read = partial(read_options, prompt, models, request, DEFAULT_PLACE, DEFAULT_RUN, money, min_success=min_success)
    return run_plan(read, sandbox=sandbox, as_json=json)


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
    from openrouter_video.cli.videos import make_videos

    async def start(asked: RunRequest) -> State[Any]:
        from openrouter_video.flows import generate_video

        return await generate_video(**asked.parameters(one_model=True), return_state=True)

    read = partial(read_options, prompt, models, request, place, run, money, only_one=True)
    return make_videos(read, place, run, start)


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
    from openrouter_video.cli.videos import make_videos

    async def start(asked: RunRequest) -> State[Any]:
        from openrouter_video.flows import fan_out_video

        return await fan_out_video(**asked.parameters(), return_state=True)

    read = partial(
        read_options, prompt, models, request, place, run, money, min_success=min_success, concurrency=concurrency
    )
    return make_videos(read, place, run, start)


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
    from openrouter_video.cli.batch import make_batch, print_plan

    read = partial(read_batch, file, models, batch, request, place, run, money)
    if batch.dry_run:
        return print_plan(read, sandbox=run.sandbox, as_json=run.json)

    async def start(form: dict[str, Any]) -> State[Any]:
        from openrouter_video.flows import batch_videos

        return await batch_videos(**form, return_state=True)

    return make_batch(read, place, run, lambda form: partial(start, form))


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


@ledger_app.command(name="list", help_epilogue=help_texts.LIST)
def ledger_list(
    *,
    only_open: Annotated[bool, Flag(name="--open", help="Accepted jobs that are not over.")] = False,
    uncertain: Annotated[bool, Flag(help="Submissions of which it is not known whether they were accepted.")] = False,
    everything: Annotated[bool, Flag(name="--all", help="Also what is over.")] = False,
    place: LedgerOptions = DEFAULT_LEDGER,
    json: Json = False,
) -> int:
    """List submissions: what is open or uncertain, unless other options say otherwise."""
    from openrouter_video.cli.ledger import list_entries

    return list_entries(
        place,
        datetime.now(UTC),
        only_open=only_open,
        only_uncertain=uncertain,
        everything=everything,
        as_json=json,
    )


@ledger_app.command(name="settle", help_epilogue=help_texts.SETTLE)
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
    look: Annotated[
        bool, Flag(help="Ask the account, with a management key; without a KEY for every uncertain one.")
    ] = False,
    credentials: Annotated[
        str | None, Parameter(help="Block with the keys for --look. Default: the environment.")
    ] = None,
    place: LedgerOptions = DEFAULT_LEDGER,
) -> int:
    """Say what became of a submission of which it is not known whether it was accepted, or give an accepted job up.

    Look for the key in OpenRouter's activity first, where it stands as the session id; or let --look do it.
    """
    from openrouter_video.cli.ledger import settle
    from openrouter_video.cli.settle_look import settle_by_look
    from openrouter_video.errors import Problem, RequestRefused
    from openrouter_video.ledger import Settlement

    if credentials is not None and not look:
        # A person who names an account expects it to be asked.
        raise RequestRefused([Problem("credentials", "--credentials is for --look only; add --look, or leave it out")])
    said = Settlement(key, job, abandon, lost, everything, older_than, look)
    if look:
        return settle_by_look(place, said, credentials, datetime.now(UTC))
    return settle(place, said, datetime.now(UTC))


@ledger_app.command(name="repair", help_epilogue=help_texts.REPAIR)
def ledger_repair(*, place: LedgerOptions = DEFAULT_LEDGER) -> int:
    """Mend the money journal after an entry was lost or damaged; what can be read is kept.

    Until then nothing is reserved, so that nothing is sent.
    """
    from openrouter_video.cli.repair import repair_journal

    refuse_blanks(place)
    return repair_journal(place)


@ledger_app.command(name="export", help_epilogue=help_texts.EXPORT)
def ledger_export(
    *,
    to: Annotated[str | None, Parameter(help="File to write: a path or any fsspec URL. Default: stdout.")] = None,
    form: Annotated[
        Literal["jsonl", "csv", "parquet"],
        Parameter(name="--format", help="Parquet needs the extra [parquet].", show_default=True),
    ] = "jsonl",
    place: LedgerOptions = DEFAULT_LEDGER,
) -> int:
    """Write one flat row per video that was ever submitted, whatever became of it, for DuckDB or a spreadsheet."""
    from openrouter_video.cli.ledger_export import export

    refuse_blanks(place)
    return export(place, to, form, datetime.now(UTC))


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

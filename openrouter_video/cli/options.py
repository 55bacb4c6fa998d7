"""The options of the command line: what they are called, what they mean, and what they say together."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import Group, Parameter

from openrouter_video.cli.option_values import (
    parse_assumptions,
    parse_label_pairs,
    parse_provider_options,
    parse_reference,
    parse_seconds,
    parse_slugs,
    parse_usd,
    whole,
)
from openrouter_video.errors import Problem, RequestRefused

if TYPE_CHECKING:
    from openrouter_video.request import RunRequest

__all__ = [
    "DEFAULT_HOW",
    "DEFAULT_LEDGER",
    "DEFAULT_MONEY",
    "DEFAULT_PLACE",
    "DEFAULT_REQUEST",
    "DEFAULT_RUN",
    "ChainRunOptions",
    "HowOptions",
    "Json",
    "LedgerOptions",
    "MinSuccess",
    "Models",
    "MoneyOptions",
    "PlaceOptions",
    "Prompt",
    "RequestOptions",
    "RunOptions",
    "ShotOptions",
    "Whole",
    "read_options",
    "refuse_blanks",
    "run_form",
]

WHAT = Group.create_ordered("The video")
OPTIONS = Group.create_ordered("Options of the provider")
WHERE = Group.create_ordered("Files and keys")
MONEY = Group.create_ordered("Money")
HOW = Group.create_ordered("The run")


Whole = Annotated[int, Parameter(converter=whole)]
"""A whole number, written as one."""

MinSuccess = Annotated[
    Whole | None, Parameter(help="How many videos make the run a success. Default: all.", converter=whole)
]
Prompt = Annotated[str, Parameter(help="What the video should show; may be left out where there is an input.")]
Models = Annotated[
    tuple[str, ...], Parameter(name="--model", help="Id of a model, such as google/veo-3.1-lite; once for each.")
]
Json = Annotated[bool, Parameter(name="--json", help="Print one JSON document on stdout.", negative=())]


@Parameter(name="*", group=WHAT)
@dataclass(frozen=True, kw_only=True)
class RequestOptions:
    """What the video should be; what is not given is left to the model."""

    duration: Annotated[Whole | None, Parameter(help="Length in whole seconds.", converter=whole)] = None
    resolution: Annotated[str | None, Parameter(help="Such as 480p, 720p, 1080p, 4K.")] = None
    aspect_ratio: Annotated[str | None, Parameter(help="Such as 16:9, 9:16, 1:1.")] = None
    size: Annotated[str | None, Parameter(help="Pixels, such as 1280x720, instead of the two above.")] = None
    audio: Annotated[bool | None, Parameter(help="With or without sound. Not given: up to the model.")] = None
    seed: Annotated[Whole | None, Parameter(help="Starting point of the random numbers.", converter=whole)] = None
    first_frame: Annotated[str | None, Parameter(help="Image to begin with: path, URL of any store, https URL.")] = None
    last_frame: Annotated[str | None, Parameter(help="Image to end with.")] = None
    input_reference: Annotated[
        tuple[str, ...],
        Parameter(
            help="Image that guides the video; or video_url=URL, audio_url=URL: https, or in a store that signs."
        ),
    ] = ()
    previous_job_id: Annotated[
        str | None, Parameter(help="Video to continue or edit, of the same model: job id, ledger key, path or URL.")
    ] = None
    upscale_factor: Annotated[float | None, Parameter(help="How many times wider and higher; upscalers only.")] = None
    creativity: Annotated[
        Whole | None, Parameter(help="How freely an upscaler adds details: 0 or 1.", converter=whole)
    ] = None
    takes: Annotated[Whole, Parameter(help="Videos per model.", converter=whole)] = 1
    extra_takes_on_output_moderation: Annotated[
        Whole,
        Parameter(
            name="--extra-takes", help="More takes of a video that its provider withheld, 0 to 5.", converter=whole
        ),
    ] = 0
    provider_options: Annotated[
        str | None, Parameter(help='JSON by provider slug, {"*": ...} for all, or @FILE with it.', group=OPTIONS)
    ] = None
    on_unsupported: Annotated[
        Literal["fallback", "drop", "skip", "fail"],
        Parameter(
            help="If a model lacks an option: send it no options, leave out what it lacks, skip it, or run nothing.",
            group=OPTIONS,
            show_default=True,
        ),
    ] = "fallback"
    provider_slug: Annotated[
        tuple[str, ...], Parameter(help="MODEL=SLUG, where the built-in table is wrong.", group=OPTIONS)
    ] = ()
    callback_url: Annotated[str | None, Parameter(help="https address that OpenRouter calls at the end.")] = None
    user: Annotated[str | None, Parameter(help="Your own name for the end user.")] = None

    def settings(self) -> dict[str, Any]:
        """Return the normalized fields that were given, as a request takes them."""
        references = [parse_reference(text) for text in self.input_reference]
        given = {
            "duration": self.duration,
            "resolution": self.resolution,
            "aspect_ratio": self.aspect_ratio,
            "size": self.size,
            "generate_audio": self.audio,
            "seed": self.seed,
            "first_frame": self.first_frame,
            "last_frame": self.last_frame,
            "input_references": references or None,
            "previous_job_id": self.previous_job_id,
            "upscale_factor": self.upscale_factor,
            "creativity": self.creativity,
            "callback_url": self.callback_url,
            "user": self.user,
        }
        return {field: value for field, value in given.items() if value is not None}


@Parameter(name="*", group=WHERE)
@dataclass(frozen=True, kw_only=True)
class LedgerOptions:
    """Where the records of submissions are."""

    output: Annotated[
        str | None, Parameter(help="Folder or URL of the videos. Default: OPENROUTER_VIDEO_OUTPUT, else ./videos.")
    ] = None
    ledger: Annotated[
        str | None,
        Parameter(help="Folder or URL of the ledger. Default: OPENROUTER_VIDEO_LEDGER, else _jobs in the output."),
    ] = None
    store: Annotated[str | None, Parameter(help="Prefect block OpenRouter Video Store, by name, instead.")] = None


@Parameter(name="*", group=WHERE)
@dataclass(frozen=True, kw_only=True)
class PlaceOptions(LedgerOptions):
    """Where the videos go, and with which key."""

    credentials: Annotated[
        str | None, Parameter(help="Prefect block OpenRouter Credentials, by name, instead of OPENROUTER_API_KEY.")
    ] = None


@Parameter(name="*", group=HOW)
@dataclass(frozen=True, kw_only=True)
class HowOptions:
    """How a run or a batch behaves."""

    deadline: Annotated[
        str, Parameter(help="How long to wait for a job: 90s, 30m, 2h.", show_default=True, allow_leading_hyphen=True)
    ] = "30m"
    no_wait: Annotated[bool, Parameter(help="Only submit; `collect` finishes the videos.", negative=())] = False
    yes: Annotated[
        bool, Parameter(help="Do not ask whether the run may spend what it may cost: it may.", negative=())
    ] = False
    sandbox: Annotated[bool, Parameter(help="Use a stand-in for OpenRouter: no key, no bill.", negative=())] = False
    json: Annotated[bool, Parameter(help="Print one JSON document on stdout, all else on stderr.", negative=())] = False
    verbose: Annotated[bool, Parameter(help="Show Prefect's own log.", negative=())] = False


@Parameter(name="*", group=HOW)
@dataclass(frozen=True, kw_only=True)
class RunOptions(HowOptions):
    """How a run behaves, whose videos are found again by a key."""

    idempotency_key: Annotated[
        str | None, Parameter(help="Runs with the same key share their videos, paid once. {date} is today (UTC).")
    ] = None


@Parameter(name="*", group=WHAT)
@dataclass(frozen=True, kw_only=True)
class ShotOptions(RequestOptions):
    """What the shots of a chain should be. What is refused for a chain is read, so that it is told why, not offered."""

    takes: Annotated[Whole, Parameter(show=False, converter=whole)] = 1
    extra_takes_on_output_moderation: Annotated[Whole, Parameter(name="--extra-takes", show=False, converter=whole)] = 0


@Parameter(name="*", group=HOW)
@dataclass(frozen=True, kw_only=True)
class ChainRunOptions(RunOptions):
    """How the run of a chain behaves; what is refused is read, and not offered."""

    no_wait: Annotated[bool, Parameter(show=False, negative=())] = False


@Parameter(name="*", group=MONEY)
@dataclass(frozen=True, kw_only=True)
class MoneyOptions:
    """What a run may cost, and whose money it is."""

    max_usd: Annotated[
        str | None,
        Parameter(
            help="Ceiling: a run that may cost more is refused before anything is sent.", allow_leading_hyphen=True
        ),
    ] = None
    approve_above_usd: Annotated[
        str | None, Parameter(help="A run that may cost more asks you first.", allow_leading_hyphen=True)
    ] = None
    assume_usd: Annotated[
        tuple[str, ...], Parameter(help="MODEL=DOLLARS per video, for a model whose price nobody knows.")
    ] = ()
    label: Annotated[tuple[str, ...], Parameter(help="NAME=TEXT for every record of the run, such as team=film.")] = ()
    send_labels: Annotated[bool, Parameter(help="Tell OpenRouter the labels too.", negative=())] = False


DEFAULT_REQUEST, DEFAULT_LEDGER, DEFAULT_PLACE = RequestOptions(), LedgerOptions(), PlaceOptions()
DEFAULT_HOW, DEFAULT_RUN, DEFAULT_MONEY = HowOptions(), RunOptions(), MoneyOptions()


def refuse_blanks(*groups: LedgerOptions | HowOptions) -> None:
    """Refuse an option that is given and empty, as by an unset variable: it would silently mean something else.

    Raises:
        RequestRefused: with one problem per option.
    """
    given = [item for group in groups for item in vars(group).items()]
    blank = [name for name, value in given if isinstance(value, str) and not value.strip()]
    if blank:
        problems = [(name, f"--{name.replace('_', '-')} is empty; give a value or leave it out") for name in blank]
        raise RequestRefused([Problem(name, message) for name, message in problems])


def read_options(
    prompt: str,
    models: tuple[str, ...],
    request: RequestOptions,
    place: PlaceOptions,
    run: RunOptions,
    money: MoneyOptions = DEFAULT_MONEY,
    *,
    min_success: int | None = None,
    concurrency: int = 8,
    only_one: bool = False,
) -> RunRequest:
    """Turn the options of a run into what is asked; whether such a run can be is left to ``RunRequest.problems``.

    Raises:
        RequestRefused: if one cannot be read.
    """
    if not models:
        message = "no model was chosen; give --model, and see `openrouter-video models` for what there is"
        raise RequestRefused([Problem("models", message)])
    if only_one and len(models) > 1:
        message = f"generate takes one model, not {len(models)}; for several use fan-out, or --takes"
        raise RequestRefused([Problem("model", message)])
    form = run_form(models, request, place, run, money)
    form |= {"idempotency_key": run.idempotency_key, "min_success": min_success, "concurrency": concurrency}
    from openrouter_video.request import parse_run_request  # noqa: PLC0415 (pydantic, which --help does not need)

    return parse_run_request(prompt=prompt, checked=False, **form)


def run_form(
    models: tuple[str, ...], request: RequestOptions, place: PlaceOptions, run: HowOptions, money: MoneyOptions
) -> dict[str, Any]:
    """Return what options that a run and a batch share say, as the parameters of their flows.

    Raises:
        RequestRefused: if one cannot be read.
    """
    refuse_blanks(place, run)
    return {
        "models": models,
        "settings": request.settings(),
        "provider_options": parse_provider_options(request.provider_options),
        "on_unsupported": request.on_unsupported,
        "provider_slugs": parse_slugs(request.provider_slug),
        "takes": request.takes,
        "extra_takes_on_output_moderation": request.extra_takes_on_output_moderation,
        "deadline_minutes": parse_seconds("deadline", run.deadline) / 60,
        "wait": "no" if run.no_wait else "here",
        **vars(place),
        "max_usd": parse_usd("max-usd", money.max_usd),
        "assumed_usd": parse_assumptions(money.assume_usd),
        "labels": parse_label_pairs(money.label),
        "send_labels": money.send_labels,
        "approve_above_usd": parse_usd("approve-above-usd", money.approve_above_usd),
    }

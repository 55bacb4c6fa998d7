"""The options of ``batch``: what they are called, what they mean, and how their text becomes a batch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import Group, Parameter

from openrouter_video.cli.option_values import whole
from openrouter_video.cli.options import (
    HowOptions,
    MinSuccess,
    MoneyOptions,
    PlaceOptions,
    RequestOptions,
    Whole,
    run_form,
)
from openrouter_video.errors import Problem, RequestRefused
from openrouter_video.text import shown

if TYPE_CHECKING:
    from openrouter_video.batch import BatchRequest

__all__ = ["DEFAULT_BATCH", "BatchOptions", "parse_per_provider", "read_batch"]

TABLE = Group.create_ordered("The table")


@Parameter(name="*", group=TABLE)
@dataclass(frozen=True, kw_only=True)
class BatchOptions:
    """How a table of prompts is read, and how its videos are made."""

    batch: Annotated[
        str | None, Parameter(help="Name, by which a later run finds its videos. {date} is today. Default: the file's.")
    ] = None
    prompt_template: Annotated[
        str | None, Parameter(help='Makes each prompt from the row\'s columns, such as "A {colour} orchid".')
    ] = None
    path_template: Annotated[
        str | None, Parameter(help="Where videos go. Default: {batch}/{row}-{slug}-{hash}/{model}.")
    ] = None
    on_invalid_row: Annotated[
        Literal["refuse", "skip"],
        Parameter(help="If a row cannot be made: send nothing at all, or leave it out.", show_default=True),
    ] = "refuse"
    min_success: MinSuccess = None
    concurrency: Annotated[
        Whole, Parameter(help="Videos that are made at the same time. Default: 8.", converter=whole)
    ] = 8
    concurrency_per_provider: Annotated[
        tuple[str, ...], Parameter(help="N of each provider at the same time, or SLUG=N; once for each.")
    ] = ()
    dry_run: Annotated[bool, Parameter(help="Show the plan and its price; send nothing.", negative=())] = False


DEFAULT_BATCH = BatchOptions()


def read_batch(
    source: str,
    models: tuple[str, ...],
    batch: BatchOptions,
    request: RequestOptions,
    place: PlaceOptions,
    run: HowOptions,
    money: MoneyOptions,
) -> tuple[BatchRequest, dict[str, Any]]:
    """Turn the options into a batch, and into the parameters of the flow that makes it.

    Raises:
        RequestRefused: if one cannot be read.
    """
    from openrouter_video.batch import name_of_source, parse_batch_request  # noqa: PLC0415 (--help does not need it)

    form = run_form(models, request, place, run, money)
    form |= {
        "prompt_template": batch.prompt_template,
        "path_template": batch.path_template,
        "on_invalid_row": batch.on_invalid_row,
        "min_success": batch.min_success,
        "concurrency": batch.concurrency,
        "concurrency_per_provider": parse_per_provider(batch.concurrency_per_provider),
    }
    name = batch.batch or name_of_source(source)
    today = datetime.now(UTC).strftime("%Y-%m-%d")
    parsed = parse_batch_request(batch=name.replace("{date}", today), **form)
    return parsed, {**form, "source": source, "batch": name, "models": list(models) or None}


def parse_per_provider(texts: Sequence[str]) -> int | dict[str, int] | None:
    """Return how many videos of each provider are made at the same time from ``N``, or by slug from ``SLUG=N``.

    Raises:
        RequestRefused: if one is not of that form, or if they contradict each other.
    """
    numbers: dict[str, int] = {}
    for text in texts:
        slug, _, number = (part.strip() for part in text.rpartition("="))
        if not number.isdecimal() or slug in numbers:
            why = "is not N or SLUG=N, such as google-vertex=4" if not number.isdecimal() else "is given twice"
            raise _refused(f"--concurrency-per-provider {shown(text)} {why}")
        numbers[slug] = int(number)
    if "" in numbers and len(numbers) > 1:
        raise _refused("--concurrency-per-provider: give one number for each provider, or one by each slug, not both")
    return numbers.get("", numbers or None)


def _refused(message: str) -> RequestRefused:
    return RequestRefused([Problem("concurrency_per_provider", message)])

"""The options of ``chain``: what they are called, what they mean, and how their text becomes a chain."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import Group, Parameter

from openrouter_video.cli.options import (
    ChainRunOptions,
    MoneyOptions,
    PlaceOptions,
    ShotOptions,
    run_form,
)
from openrouter_video.errors import Problem, RequestRefused

if TYPE_CHECKING:
    from openrouter_video.shots import ChainRequest

__all__ = [
    "DEFAULT_CHAIN",
    "DEFAULT_CHAIN_RUN",
    "DEFAULT_SHOTS",
    "ChainOptions",
    "OneModel",
    "read_chain",
]

CHAIN = Group.create_ordered("The chain")


@Parameter(name="*", group=CHAIN)
@dataclass(frozen=True, kw_only=True)
class ChainOptions:
    """How the shots of a chain follow each other."""

    continue_by: Annotated[
        Literal["auto", "previous_job_id", "last_frame"],
        Parameter(
            help="Name the job of the shot before, or send the picture that it ends with; auto: the job if the model's "
            "price list has it.",
            show_default=True,
        ),
    ] = "auto"
    concat: Annotated[bool, Parameter(help="Join the shots to one file at the end. Default: yes.")] = True
    dry_run: Annotated[bool, Parameter(help="Show the plan and its price; send nothing.", negative=())] = False


OneModel = Annotated[
    tuple[str, ...], Parameter(name="--model", help="Id of the model of all shots, such as google/veo-3.1-lite.")
]

DEFAULT_CHAIN, DEFAULT_SHOTS, DEFAULT_CHAIN_RUN = ChainOptions(), ShotOptions(), ChainRunOptions()


def read_chain(
    shots: Sequence[str],
    models: tuple[str, ...],
    chain: ChainOptions,
    request: ShotOptions,
    place: PlaceOptions,
    run: ChainRunOptions,
    money: MoneyOptions,
) -> tuple[ChainRequest, dict[str, Any]]:
    """Turn the options into a chain, and into the parameters of the flow that makes it.

    Raises:
        RequestRefused: if one cannot be read, or is not for a chain.
    """
    from openrouter_video.shots import parse_chain_request  # noqa: PLC0415 (--help does not need it)

    problems = []
    if not shots:
        problems.append(Problem("shots", 'no shot was given; give a prompt for each: "shot one" "shot two"'))
    if len(models) != 1:
        problems.append(Problem("model", f"a chain has one model; give --model once, not {len(models)} times"))
    if request.takes != 1 or request.extra_takes_on_output_moderation:
        message = "a chain has one video of each shot; leave --takes and --extra-takes out"
        problems.append(Problem("takes", message))
    if run.no_wait:
        problems.append(Problem("wait", "each shot needs the one before it, so a chain waits; leave --no-wait out"))
    if problems:
        raise RequestRefused(problems)
    form = run_form(models, request, place, run, money)
    for name in ("models", "takes", "extra_takes_on_output_moderation", "wait"):
        del form[name]
    form |= {"idempotency_key": run.idempotency_key, "shots": list(shots), "model": models[0]}
    form |= {"continue_by": chain.continue_by, "concat": chain.concat}
    return parse_chain_request(**form), form

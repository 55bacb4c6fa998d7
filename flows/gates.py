"""The gates of money between a plan and its first submission, in their order; one that is closed refuses the run.

The ceiling of the run is part of its plan. What passes here is reserved in the money journal.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from math import ceil

from openrouter_video.batch import BatchPlan
from openrouter_video.errors import LedgerError, Problem, RequestRefused
from openrouter_video.ledger import CapReached
from openrouter_video.planning import GatedPlan, cap_problem, hold_to_caps
from openrouter_video.request import RunRequest
from openrouter_video.run import RunReservation, reserve_batch_money, reserve_money
from openrouter_video.stores import parse_store_url

from .opened_run import OpenedRun

__all__ = ["pass_gates", "pass_gates_of_batch", "time_for"]

SLACK = timedelta(hours=1)
"""What a video takes at most beside the wait for its job: to be submitted, and to be downloaded."""

NOT_LASTING = (
    "a cap of a day or a month counts what earlier runs spent, and the ledger at {} ends with this process; name a "
    "ledger that lasts, by a store block, ledger, or OPENROUTER_VIDEO_LEDGER"
)


async def pass_gates(plan: GatedPlan, amounts: Mapping[str, int], videos: int, run: OpenedRun) -> RunReservation:
    """Let a plan of so many videos pass that may spend what it may cost, and reserve that: ``amounts`` by ledger key.

    Raises:
        RequestRefused: if a gate is closed; nothing was sent.
        ConfigurationError: if a cap cannot be read.
    """
    until = time_for(videos, run.asked)
    return await _pass(plan, run, partial(reserve_money, amounts=amounts, until=until))


async def pass_gates_of_batch(
    plan: BatchPlan, batch: str, portions: Sequence[Mapping[str, int]], run: OpenedRun
) -> RunReservation:
    """Let a batch pass as a whole, and reserve it: what may be spent by ledger key, of each of its portions.

    Raises:
        RequestRefused: if a gate is closed; nothing was sent.
        ConfigurationError: if a cap cannot be read.
    """
    until = time_for(len(portions[0]) if portions else 0, run.asked)
    return await _pass(plan, run, partial(reserve_batch_money, batch=batch, portions=portions, until=until))


def time_for(videos: int, asked: RunRequest) -> datetime:
    """Return when so many videos have been made at the latest, each of which takes until its deadline.

    Extra takes are among them, and begin when the video is over in whose place they are made.
    """
    waves = ceil(videos / asked.concurrency) + asked.extra_takes_on_output_moderation
    return datetime.now(UTC) + waves * (timedelta(minutes=asked.deadline_minutes) + SLACK)


async def _pass(plan: GatedPlan, run: OpenedRun, reserve: Callable[..., RunReservation | CapReached]) -> RunReservation:
    identity, resources, caps = run.identity, run.resources, run.caps
    plan = hold_to_caps(plan, caps)
    if any(caps) and parse_store_url(resources.ledger.url).ends_with_the_process:
        raise RequestRefused([Problem("ledger", NOT_LASTING.format(resources.ledger.url))])
    if plan.refused:
        raise RequestRefused(plan.refusal)
    journal = resources.journal(sandbox=plan.sandbox)
    reserve = partial(reserve, journal, identity.root_id, caps=caps, run_id=identity.run_id)
    try:
        reserved = await resources.threads.run(reserve)
    except LedgerError as error:
        raise RequestRefused([Problem("ledger", f"{error}. Nothing was sent")]) from None
    if isinstance(reserved, CapReached):
        raise RequestRefused(plan.with_problems([cap_problem(plan, reserved)]).refusal)
    return reserved

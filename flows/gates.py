"""The gates of money between a plan and its first submission, in their order; one that is closed refuses the run.

The ceiling of the run is part of its plan. What passes here is reserved in the money journal.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from math import ceil

from openrouter_video.blocks import OpenRouterCredentials
from openrouter_video.errors import LedgerError, Problem, RequestRefused
from openrouter_video.ledger import CapReached
from openrouter_video.planning import Plan, cap_problem, hold_to_caps
from openrouter_video.request import RunRequest
from openrouter_video.run import Resources, RunReservation, caps_of, reserve_money, to_reserve
from openrouter_video.stores import parse_store_url

from .run_identity import RunIdentity

__all__ = ["pass_gates"]

SLACK = timedelta(hours=1)
"""What a video takes at most beside the wait for its job: to be submitted, and to be downloaded."""

NOT_LASTING = (
    "a cap of a day or a month counts what earlier runs spent, and the ledger at {} ends with this process; name a "
    "ledger that lasts, by a store block, ledger, or OPENROUTER_VIDEO_LEDGER"
)


async def pass_gates(
    plan: Plan,
    keys: Mapping[tuple[str, int], str],
    run: RunRequest,
    identity: RunIdentity,
    credentials: OpenRouterCredentials,
    resources: Resources,
) -> RunReservation:
    """Let a plan pass that may spend what it may cost, and reserve that; ``keys`` holds the ledger key of each video.

    Raises:
        RequestRefused: if a gate is closed; nothing was sent.
        ConfigurationError: if a cap cannot be read.
    """
    caps = caps_of(credentials.max_usd_per_day, credentials.max_usd_per_month, os.environ)
    plan = hold_to_caps(plan, caps)
    if any(caps) and parse_store_url(resources.ledger.url).ends_with_the_process:
        raise RequestRefused([Problem("ledger", NOT_LASTING.format(resources.ledger.url))])
    if plan.refused:
        raise RequestRefused(plan.refusal)
    waves = ceil(len(keys) / run.concurrency)
    until = datetime.now(UTC) + waves * (timedelta(minutes=run.deadline_minutes) + SLACK)
    try:
        reserved = await resources.threads.run(
            reserve_money,
            resources.journal(sandbox=plan.sandbox),
            identity.root_id,
            to_reserve(plan, keys),
            until,
            caps,
            identity.run_id,
        )
    except LedgerError as error:
        raise RequestRefused([Problem("ledger", f"{error}. Nothing was sent")]) from None
    if isinstance(reserved, CapReached):
        raise RequestRefused(plan.with_problems([cap_problem(plan, reserved)]).refusal)
    return reserved

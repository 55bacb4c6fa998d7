"""Waiting suspended: a run leaves a record and its process, and once it is resumed, reports as if it had waited here.

A run that finds its own record plans nothing, passes no gate and submits nothing: it reports by the ledger.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import NamedTuple, TypeVar, cast

from prefect import get_run_logger

from openrouter_video.errors import LedgerError, Problem, RequestRefused
from openrouter_video.ledger import Claim, LedgerEntry, WaitingRun, WaitingRuns, read_keys
from openrouter_video.outcome import FanOut, Outcome, reused_cost, run_status, summary, total_cost
from openrouter_video.run import Facts, is_over, is_own, outcome_of, recorded_since, settle_left
from openrouter_video.tasks import publish_report, publish_table, refresh_galleries, unsearched
from openrouter_video.text import clip

from .opened_run import OpenedRun
from .suspension import suspend_until
from .termination import log_if_interrupted
from .video_chain import finish
from .video_events import emit_video_event
from .video_steps import AsCalls, AsTasks, VideoSteps

__all__ = ["carry_out"]

PAUSES = (1.0, 10.0, 60.0)
"""Before the ledger is asked again, when it could not be read."""
INTERRUPTED = (
    "Interrupted while it reported; what is still open is collected. Unless it was cancelled, a collection begins "
    "the run anew."
)
SUSPENDED = "Suspended: {}. A collection resumes the run once its jobs have ended."

R = TypeVar("R", bound=FanOut)


class End(NamedTuple):
    """How one video stands: by whose claim, if that is known; ``facts`` are what this process has found out itself."""

    outcome: Outcome
    claim: Claim | None = None
    facts: Facts | None = None


async def carry_out(run: OpenedRun, produce: Callable[[], Awaitable[tuple[R, int]]]) -> tuple[R, int]:
    """Make the videos of a run and report; return the report, and how many videos are wanted.

    One that waits suspended ends its process in here, and begins anew; it finds its own record then, and only reports.

    Raises:
        RequestRefused: if nothing could be sent, or if nobody knows whether that is done already.
    """
    records, run_id = WaitingRuns(run.resources.ledger.store), run.identity.run_id
    suspended, began = run.asked.wait == "suspended", datetime.now(UTC)
    waiting = await _own_record(records, run) if suspended else None
    if waiting is None or waiting.shard_runs:
        result, wanted = await produce()
        waiting = None
    else:
        get_run_logger().info("Begun anew: nothing is submitted, the ledger tells what has become of the videos")
        with log_if_interrupted(INTERRUPTED):
            result, wanted = cast(R, await _reported(waiting, run, 0.0)), waiting.wanted
    if suspended:
        waiting = waiting or _waiting_from_now(result, wanted, began, run)
        result = await _wait(waiting.model_copy(update={"report": result}), run, result)
    await publish_report(unsearched(result.outcomes), run.resources, result.gallery_url)
    if suspended:
        await run.resources.threads.run(records.drop, run_id)
    return result, wanted


async def _own_record(records: WaitingRuns, run: OpenedRun) -> WaitingRun | None:
    """Return what this run left when it was suspended; None if it begins for the first time."""
    for pause in (*PAUSES, None):
        try:
            return await run.resources.threads.run(records.get, run.identity.run_id)
        except LedgerError as error:
            if pause is None:
                raise RequestRefused([Problem("ledger", str(error))]) from None
            await run.resources.limits.sleep(pause)
    return None


def _waiting_from_now(report: FanOut, wanted: int, since: datetime, run: OpenedRun) -> WaitingRun:
    until = datetime.now(UTC) + timedelta(seconds=run.asked.deadline_seconds)
    return WaitingRun(run_id=run.identity.run_id, report=report, wanted=wanted, since=since, until=until)


async def _wait(waiting: WaitingRun, run: OpenedRun, report: R) -> R:
    """Suspend a run, which ends this process, if there is something and time to wait for; return its report at last.

    One that Prefect does not suspend waits here.
    """
    left = (waiting.until - datetime.now(UTC)).total_seconds()
    if left <= 0 or not waiting.keys:
        return report
    if await _goes_on(waiting, run):
        await _suspend(waiting, run)
    else:
        left = 0.0
    return cast(R, await _reported(waiting, run, left))


async def _goes_on(waiting: WaitingRun, run: OpenedRun) -> bool:
    """Whether something may still come of what the run waits for; what cannot be read may."""
    reading, now = await run.resources.threads.run(read_keys, run.resources.ledger, waiting.keys), datetime.now(UTC)
    return bool(reading.unreadable) or not all(is_over(entry, now) for entry in reading.entries)


async def _suspend(waiting: WaitingRun, run: OpenedRun) -> None:
    """Leave a record and a table of what goes on, then suspend; returns only if one of them cannot be."""
    resources, outcomes = run.resources, waiting.report.outcomes
    try:
        await resources.threads.run(WaitingRuns(resources.ledger.store).add, waiting)
    except LedgerError as error:
        get_run_logger().warning("The run could not be suspended, and waits here: %s", error)
        return
    await publish_table(outcomes, SUSPENDED.format(summary(outcomes)))
    await suspend_until(waiting.until, resources.limits.resume_seconds)


async def _reported(waiting: WaitingRun, run: OpenedRun, seconds: float) -> FanOut:
    """Return the report as it is now, after so many seconds of waiting for what is still open."""
    resources, report = run.resources, waiting.report
    reading = await resources.threads.run(read_keys, resources.ledger, waiting.keys)
    entries = {entry.key: entry for entry in reading.entries}
    steps = AsTasks(resources) if len(entries) <= resources.limits.lanes else AsCalls(resources, get_run_logger())
    look = partial(_look, since=waiting.since, run=run, steps=steps, seconds=seconds)
    ends = await asyncio.gather(*(look(outcome, entries.get(outcome.key or "")) for outcome in report.outcomes))
    await _bring_up_to_date(ends, run, waiting.until)
    outcomes = tuple(end.outcome for end in ends)
    now = {
        "status": run_status(outcomes, waiting.wanted),
        "cost_usd": total_cost(outcomes),
        "reused_cost_usd": reused_cost(outcomes),
        "outcomes": outcomes,
    }
    return report.model_copy(update=now)


async def _look(
    outcome: Outcome, entry: LedgerEntry | None, *, since: datetime, run: OpenedRun, steps: VideoSteps, seconds: float
) -> End:
    """Return how one video stands: by its record, else by its job; what nobody foresaw leaves it as it was."""
    if entry is None:
        return End(outcome)
    if known := recorded_since(entry, outcome, since, run.identity.run_id):
        return End(known, entry.claim)
    if entry.outcome is not None or entry.claim is None:
        return End(outcome)
    (facts,) = await asyncio.gather(_ask(entry, run, steps, seconds), return_exceptions=True)
    if isinstance(facts, Facts):
        now = outcome_of(facts, datetime.now(UTC)).model_copy(update={"row": outcome.row})
        return End(now, entry.claim, facts)
    if not isinstance(facts, Exception):
        raise facts
    get_run_logger().error("%s: unexpected %s", clip(outcome.model), type(facts).__name__, exc_info=facts)
    return End(outcome)


async def _ask(entry: LedgerEntry, run: OpenedRun, steps: VideoSteps, seconds: float) -> Facts:
    facts = Facts.of_entry(entry, datetime.now(UTC), own=is_own(entry, run.identity.run_id))
    if entry.state != "accepted" or entry.claim is None:
        return facts
    step = await steps.poll(entry.claim, entry.job_id or "", seconds, fresh=False)
    return await finish(facts._replace(step=step), steps, run.resources)


async def _bring_up_to_date(ends: Sequence[End], run: OpenedRun, until: datetime) -> None:
    """Let pages, journal and events know what has ended since the run was suspended."""
    resources, log = run.resources, get_run_logger()
    over = [(end.claim, end.outcome) for end in ends if end.claim and end.outcome.status != "open"]
    own = [(end.claim, end.outcome) for end in ends if end.claim and end.facts and end.outcome.status != "open"]
    if over:
        await refresh_galleries(unsearched({claim.path: outcome for claim, outcome in over}), resources)
    if own:
        # What a collection has ended, it has settled too.
        settle = partial(settle_left, resources.ledger, datetime.now(UTC), own, only_ended=True)
        try:
            await resources.threads.run(settle)
        except LedgerError as error:
            log.warning("The bills are not in the money journal yet (%s); a collection brings them there", error)
    for end in ends:
        if end.facts and (end.outcome.status != "open" or datetime.now(UTC) >= until):
            emit_video_event(end.outcome, end.facts)

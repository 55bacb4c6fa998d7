"""All videos of a run, side by side or in lanes; with what goes on where the run is stopped."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from functools import partial
from typing import Any, TypeVar

from prefect import get_run_logger
from prefect.logging.handlers import APILogHandler

from openrouter_video.errors import LedgerError
from openrouter_video.ledger import LedgerEntry, entries_in_time
from openrouter_video.outcome import Outcome, summary
from openrouter_video.report import interruption_message
from openrouter_video.run import Facts, Lane, PlannedVideo, divide, ended_elsewhere, next_take, outcome_of
from openrouter_video.tasks import ProgressBar, make_lane, publish_table, unsearched
from openrouter_video.text import clip
from openrouter_video.threads import start

from .video_chain import VideoRun, make_video
from .video_events import emit_video_event
from .video_steps import AsCalls

__all__ = ["make_all", "make_some", "say_what_goes_on", "takes_by_ledger", "with_ends_elsewhere"]

LOG_WITHIN_SECONDS = 1.0
TABLE_WITHIN_SECONDS = 2.0

GOING_ON = ("open", "uncertain")
FETCH = "What is open goes on and is fetched by a collection."

T = TypeVar("T")

Ended = Callable[[Outcome], Awaitable[None]]
Make = Callable[[Sequence[PlannedVideo], VideoRun, Ended], Awaitable[Sequence[Outcome]]]
"""Makes the videos of a run, and tells of the end of each."""


async def make_all(videos: Sequence[PlannedVideo], run: VideoRun, make: Make | None = None) -> list[Outcome]:
    """Make all videos of a run, and tell how far it is; of one that is stopped, what goes on.

    ``make``: in another way than side by side.
    """
    bar, began = ProgressBar(len(videos)), datetime.now(UTC)

    async def ended(outcome: Outcome) -> None:
        await bar.advance(outcome)

    try:
        await bar.start()
        return await with_ends_elsewhere(await (make or make_some)(videos, run, ended), began, run)
    except asyncio.CancelledError:
        await say_what_goes_on(videos, run)
        raise


async def make_some(
    videos: Sequence[PlannedVideo],
    run: VideoRun,
    ended: Callable[[Outcome], Awaitable[None]],
    before: int = 0,
    total: int | None = None,
) -> list[Outcome]:
    """Make videos side by side, each a chain of tasks, or many of them in lanes; none touches another.

    ``ended`` hears of each of them. Of a batch of ``total`` videos so many were made ``before``.
    """
    ledger = run.resources.ledger
    ledger.expect([key for video in videos if video.plan.decision == "send" for key in video.keys])

    async def make_in_lane(lane: Lane) -> list[Outcome]:
        calls = run._replace(steps=AsCalls(run.resources, get_run_logger()))
        return _flat(await _side_by_side(_make(videos[index], calls, ended) for index in lane.indexes))

    async def in_lane(lane: Lane) -> Sequence[Outcome]:
        made = asyncio.ensure_future(make_lane(lane, unsearched(make_in_lane)))
        await asyncio.gather(made, return_exceptions=True)
        # Prefect's own trouble with a task run is none of its videos', and of no other lane.
        if error := made.exception():
            return _flat([await _of_broken_lane(videos[index], error, run) for index in lane.indexes])
        return made.result()

    if lanes := divide(len(videos), run.resources.limits.lanes, before, total):
        get_run_logger().info("%s videos in %s lanes, each of which is one task run", len(videos), len(lanes))
        outcomes = _flat(await _side_by_side(in_lane(lane) for lane in lanes))
    else:
        outcomes = _flat(await _side_by_side(_make(video, run, ended) for video in videos))
    await run.resources.threads.run(ledger.drop_marks)
    return outcomes


async def with_ends_elsewhere(outcomes: Sequence[Outcome], since: datetime, run: VideoRun) -> list[Outcome]:
    """Return the outcomes of a run as they are at its end: what it had left open a collection may have finished."""
    if not any(outcome.status == "open" for outcome in outcomes):
        return list(outcomes)
    resources = run.resources
    found = await resources.threads.run(ended_elsewhere, resources.ledger, outcomes, since, run.run_id)
    now = {outcome.key: outcome for outcome in found}
    return [now.get(outcome.key, outcome) for outcome in outcomes]


async def _make(video: PlannedVideo, run: VideoRun, ended: Callable[[Outcome], Awaitable[None]]) -> list[Outcome]:
    """Make one video, and after it each extra take that is to be made in its place."""
    made, take = list[Outcome](), video
    while True:
        made.append(await _make_take(take, run, ended))
        following = next_take(video, made)
        if following is None:
            return made
        words = "%s: withheld by its provider; take %s is made in its place"
        get_run_logger().warning(words, clip(video.plan.model), following.take)
        take = following


async def _make_take(video: PlannedVideo, run: VideoRun, ended: Callable[[Outcome], Awaitable[None]]) -> Outcome:
    """Make one take; an error that nobody foresaw is in its outcome, and ends nothing else."""
    (result,) = await asyncio.gather(make_video(video, run), return_exceptions=True)
    outcome = result if isinstance(result, Outcome) else await _of_broken_chain(video, result, run)
    # Where a row stood when its video was made is of no use to anybody who looks at the table of today.
    outcome = outcome.model_copy(update={"row": video.row or outcome.row})
    run.steps.log_end(outcome)
    await ended(outcome)
    return outcome


async def _side_by_side(coroutines: Iterable[Coroutine[Any, Any, T]]) -> list[T]:
    """Await all at once, and return what they return, in their order; one cancellation is for all."""
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(coroutine) for coroutine in coroutines]
    return [task.result() for task in tasks]


def _flat(groups: Iterable[Sequence[Outcome]]) -> list[Outcome]:
    return [outcome for group in groups for outcome in group]


async def say_what_goes_on(videos: Sequence[PlannedVideo], run: VideoRun) -> None:
    """Tell whoever stopped the run what it leaves behind; every submission has ended, so the ledger knows them all."""
    keys = [key for video in videos for key in video.keys]
    said = await asyncio.wrap_future(start(partial(entries_in_time, run.resources.ledger, keys)))
    held = {key: run.resources.submitter.unrecorded(key) for key in keys}
    if silent := [entry for entry in said.values() if isinstance(entry, LedgerError)]:
        jobs = ", ".join(
            f"{kept.answer.job_id} (key {key})" for key, kept in held.items() if kept and kept.answer.job_id
        )
        known = f"; not in the ledger: {jobs}" if jobs else ""
        billed = "" if run.sandbox else " and be billed"
        words = "Interrupted. Jobs may go on%s; fetch them with: %s (%s)%s"
        get_run_logger().warning(words, billed, run.collect, silent[0], known)
    else:
        facts = [
            Facts.of_entry(entry, own=entry.claim.run_id == run.run_id)._replace(unrecorded=held[entry.key])
            for entry in said.values()
            if isinstance(entry, LedgerEntry) and entry.claim
        ]
        outcomes = [outcome_of(known, datetime.now(UTC)) for known in facts]
        get_run_logger().warning("%s", interruption_message(outcomes, run.collect))
        outcomes.sort(key=lambda outcome: outcome.status not in GOING_ON)
        await publish_table(outcomes, f"Interrupted: {summary(outcomes)}. {FETCH}", TABLE_WITHIN_SECONDS)
    with suppress(TimeoutError):
        # A process that dies by a signal sends no log any more.
        await asyncio.wait_for(APILogHandler.aflush(), LOG_WITHIN_SECONDS)


async def _of_broken_chain(video: PlannedVideo, error: BaseException, run: VideoRun) -> Outcome:
    """Tell from the ledger what became of a take whose chain broke off unexpectedly."""
    return await outcome_by_ledger(video, _unexpected(video, error), run)


async def _of_broken_lane(video: PlannedVideo, error: BaseException, run: VideoRun) -> list[Outcome]:
    """Tell from the ledger what became of a video whose lane broke off unexpectedly."""
    return await takes_by_ledger(video, _unexpected(video, error), run)


def _unexpected(video: PlannedVideo, error: BaseException) -> str:
    if not isinstance(error, Exception):
        raise error
    get_run_logger().error("%s: unexpected %s", clip(video.plan.model), type(error).__name__, exc_info=error)
    return clip(f"unexpected {type(error).__name__}: {error}")


async def takes_by_ledger(video: PlannedVideo, why: str, run: VideoRun) -> list[Outcome]:
    """Tell from the ledger what became of a video, and of its extra takes that were submitted."""
    made = [await outcome_by_ledger(video, why, run)]
    while (extra := next_take(video, made)) and await _is_submitted(extra, run):
        made.append(await outcome_by_ledger(extra, why, run))
    return made


async def _is_submitted(video: PlannedVideo, run: VideoRun) -> bool:
    try:
        return (await run.resources.threads.run(run.resources.ledger.entry, video.key)).state != "free"
    except LedgerError:
        return True


async def outcome_by_ledger(video: PlannedVideo, why: str, run: VideoRun) -> Outcome:
    """Tell from the ledger what became of a video; ``why`` nobody else tells it."""
    key, claim = video.key, run.claim(video)
    try:
        entry = await run.resources.threads.run(run.resources.ledger.entry, key)
    except LedgerError as unreadable:
        entry = LedgerEntry(key, "uncertain", reason=str(unreadable))
    own = entry.claim is None or entry.claim.run_id == run.run_id
    facts = Facts.of_entry(entry._replace(claim=entry.claim or claim), own=own)
    facts = facts._replace(unrecorded=run.resources.submitter.unrecorded(key), unexpected=why)
    outcome = outcome_of(facts, datetime.now(UTC))
    emit_video_event(outcome, facts)
    return outcome

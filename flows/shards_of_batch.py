"""A batch in shards, seen from its parent: divided, started, waited for, and put together again.

The parent has planned, gated and reserved all of it. A shard sends the videos of its part in the parent's name, so that
they are the parent's own: in the ledger, in the journal and in the report.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial

import httpx
from prefect import get_run_logger
from prefect.exceptions import PrefectException

from openrouter_video.api import origin
from openrouter_video.batch import BatchRequest
from openrouter_video.errors import LedgerError, Problem, RequestRefused
from openrouter_video.ledger import WaitingRun, WaitingRuns
from openrouter_video.outcome import Outcome
from openrouter_video.run import PlannedVideo, Resources, provider_of
from openrouter_video.shards import (
    MOST_CHARACTERS,
    BegunBatch,
    ShardFiles,
    ShardReport,
    ShardWork,
    SharedLimits,
    UnreadableShard,
    characters_of,
    deal_videos,
    drop_shards,
    next_step,
    share_limits,
)
from openrouter_video.text import clip

from .all_videos import takes_by_ledger
from .batch_portions import Ended
from .gates import time_for
from .opened_run import OpenedRun
from .shard_runs import SeenShard, cancel_shard, look_at_shards, start_shard
from .suspension import can_be_suspended, suspend_until
from .video_chain import VideoRun

__all__ = ["ShardsOfBatch", "check_same_api", "forget_shards", "keep_batch", "kept_batch", "shared_limits"]

LOOKS_EVERY_SECONDS = 5.0
ENDS_WITHIN = timedelta(minutes=10)
"""In which a shard that was cancelled is over."""
UNTOLD = "its shard does not tell what became of it"
TOO_MUCH = (
    f"what the batch sends, with its images, is more than {MOST_CHARACTERS // 2**20} MiB, the most for shards; give "
    "images as https URLs, divide the table, or leave shards out"
)
ANOTHER_API = (
    "the batch was planned, priced and reserved for the API at {}, and this process would send it to {}; give all "
    "workers that run it one OPENROUTER_BASE_URL, or a credentials block"
)
TROUBLE = (httpx.HTTPError, PrefectException, TimeoutError)


def shared_limits(batch: BatchRequest, videos: Sequence[PlannedVideo], known: Collection[str]) -> SharedLimits:
    """Return how many shards a batch of these videos has, and what each may make at the same time.

    ``known``: the keys of those that are paid already, for which nobody needs a process of its own.

    Raises:
        RequestRefused: if there is more to send than shards can be given.
    """
    if batch.shards > 1 and characters_of(videos) > MOST_CHARACTERS:
        raise RequestRefused([Problem("shards", TOO_MUCH)])
    unpaid = sum(video.plan.decision == "send" and video.key not in known for video in videos)
    return share_limits(batch.shards, batch.run.concurrency, batch.per_provider, _providers_of(videos), unpaid)


def _providers_of(videos: Sequence[PlannedVideo]) -> list[str]:
    return [provider_of(video.plan) for video in videos if video.plan.decision == "send"]


async def kept_batch(files: ShardFiles, run: OpenedRun) -> BegunBatch | None:
    """Return the batch that this run has begun before, in another process; None if it has not.

    Raises:
        RequestRefused: if that cannot be read, so that nobody knows what its shards do, or was planned for another API.
    """
    try:
        begun = await run.resources.threads.run(files.batch)
    except LedgerError as error:
        raise RequestRefused([Problem("ledger", str(error))]) from None
    if begun:
        check_same_api(begun, run.resources)
    return begun


def check_same_api(planned: BegunBatch | ShardWork, resources: Resources) -> None:
    """Make sure that a batch is sent to the API for which it was priced and reserved: no paid one for a sandbox.

    Raises:
        RequestRefused: if this process would send it to another one.
    """
    here, meant = resources.client.base_url, planned.base_url
    if meant is not None and origin(meant) != origin(here):
        raise RequestRefused([Problem("credentials", ANOTHER_API.format(meant, here))])


async def keep_batch(begun: BegunBatch, files: ShardFiles, run: OpenedRun) -> None:
    """Write a batch down before its first shard is started, so that another process can go on with it.

    Raises:
        RequestRefused: if that cannot be; nothing was sent.
    """
    try:
        await run.resources.threads.run(files.keep_batch, begun)
    except LedgerError as error:
        raise RequestRefused([Problem("ledger", f"{error}. Nothing was sent")]) from None


async def forget_shards(run: OpenedRun) -> None:
    """Remove what was kept for a batch in shards, once it has reported."""
    threads, ledger, run_id = run.resources.threads, run.resources.ledger.store, run.identity.run_id
    await threads.run(drop_shards, ledger, run_id)
    await threads.run(WaitingRuns(ledger).drop, run_id)


class ShardsOfBatch:
    """The shards of a batch that has begun. Their files lie in its ledger, until it has reported."""

    def __init__(self, begun: BegunBatch, batch: BatchRequest, files: ShardFiles, run: OpenedRun) -> None:
        self._begun, self._files, self._run = begun, files, run
        providers = _providers_of(begun.videos)
        self._shares = share_limits(begun.shards, batch.run.concurrency, batch.per_provider, providers).shares
        self._threads = run.resources.threads

    async def make(
        self,
        number: int,
        videos: Sequence[PlannedVideo],
        run: VideoRun,
        ended: Ended,
        _before: int,
        _total: int,
    ) -> Sequence[Outcome]:
        """Let the shards make the videos of a portion, and return what became of each.

        Raises:
            LedgerError: if what they are to do could not be written, so that nothing of it is sent.
        """
        if number > self._begun.portions:
            await self._begin(number, videos, run)
        first = (number - 1) * len(self._shares) + 1
        left, made = {*range(first, first + len(self._shares))}, dict[str, Outcome]()
        while left:
            for shard, outcomes in (await self._look(left, run)).items():
                left.discard(shard)
                for outcome in outcomes:
                    made[outcome.key or ""] = outcome
                    await ended(outcome)
            if left:
                await self._wait(left)
        for video in videos:
            if video.key not in made:
                for outcome in await takes_by_ledger(video, UNTOLD, run):
                    made[outcome.key or ""] = outcome
                    await ended(outcome)
        return [made[key] for video in videos for key in video.keys if key in made]

    async def _wait(self, left: set[int]) -> None:
        """Wait for the shards that are left: suspended where that can be, so that one worker suffices, else a while."""
        if can_be_suspended():
            await self._suspend(left)
        await self._run.resources.limits.sleep(LOOKS_EVERY_SECONDS)

    async def _suspend(self, left: set[int]) -> None:
        """Suspend the run if its shards are all at work; returns only if not, or if that cannot be."""
        limits, until = self._run.resources.limits, self._begun.until or self._begun.began
        try:
            seen = await look_at_shards(self._name, left, await self._threads.run(self._files.told))
            if any(next_step(one.shard, late=False, too_late=False) != "wait" for one in seen.values()):
                return
            waiting = WaitingRun(
                run_id=self._run.identity.run_id,
                report=self._begun.report,
                wanted=self._begun.wanted,
                since=self._begun.began,
                until=until,
                shard_runs=tuple(str(one.run.id) for one in seen.values() if one.run),
            )
            await self._threads.run(WaitingRuns(self._run.resources.ledger.store).add, waiting)
        except (*TROUBLE, LedgerError) as error:
            get_run_logger().warning("The run is not suspended yet: %s: %s", type(error).__name__, error)
            return
        get_run_logger().info("Suspended until its shards are over; the last one, or a collection, resumes this run")
        await suspend_until(until, limits.resume_seconds)

    # ---- A portion -----------------------------------------------------------------------------------------------

    async def _begin(self, number: int, videos: Sequence[PlannedVideo], run: VideoRun) -> None:
        """Write down what each shard is to do, and then that the portion has begun."""
        total = len(self._shares)
        parts = deal_videos([provider_of(video.plan) for video in videos], total)
        for place, (part, share) in enumerate(zip(parts, self._shares, strict=True), start=1):
            shard = (number - 1) * total + place
            if not part:
                await self._threads.run(self._files.keep_report, shard, ShardReport(()))
            work = ShardWork(
                run_id=run.run_id,
                batch=self._begun.report.batch,
                number=shard,
                place=place,
                total=total,
                videos=tuple(videos[index] for index in part),
                reserved=run.reserved,
                concurrency=share.concurrency,
                per_provider=share.per_provider,
                deployment=run.deployment,
                sandbox=run.sandbox,
                waits_suspended=can_be_suspended(),
                base_url=self._begun.base_url,
            )
            await self._threads.run(self._files.keep_work, work)
        until = time_for(sum(len(video.keys) for video in videos), self._run.asked)
        self._begun = self._begun._replace(portions=number, until=until, reserved=run.reserved)
        await self._threads.run(self._files.keep_batch, self._begun)

    async def _look(self, left: set[int], run: VideoRun) -> dict[int, Sequence[Outcome]]:
        """Look at the shards that are left, do what is next about each, and return what those did that are over."""
        try:
            told = await self._threads.run(self._files.told)
            seen = await look_at_shards(self._name, left, told)
        except (*TROUBLE, LedgerError) as error:
            get_run_logger().warning("The shards cannot be looked at now: %s: %s", type(error).__name__, error)
            return {}
        ended = dict[int, Sequence[Outcome]]()
        for number, shard in seen.items():
            outcomes = await self._do_next(number, shard, run)
            if outcomes is not None:
                ended[number] = outcomes
        return ended

    async def _do_next(self, number: int, seen: SeenShard, run: VideoRun) -> Sequence[Outcome] | None:
        """Do what is next about one shard; return what it did if it is over."""
        now, until = datetime.now(UTC), self._begun.until or datetime.max.replace(tzinfo=UTC)
        step = next_step(seen.shard, late=now > until, too_late=now > until + ENDS_WITHIN)
        try:
            if step == "read" and (report := await self._threads.run(self._files.report, number)):
                return report.outcomes
            if step in {"read", "give_up"}:
                return await self._give_up(number, seen, run)
            if step == "start":
                await self._start(number, seen)
            if step == "cancel" and seen.run:
                await cancel_shard(seen.run)
        except (*TROUBLE, LedgerError) as error:
            get_run_logger().warning("Shard %s: %s: %s; trying again", number, type(error).__name__, error)
        return None

    async def _start(self, number: int, seen: SeenShard) -> None:
        attempt, asked = seen.shard.attempts + 1, self._run.asked
        if attempt > 1:
            get_run_logger().warning("Shard %s is started again, since its run is over (%s)", number, clip(seen.words))
        parameters = {
            "parent": self._run.identity.run_id,
            "number": number,
            "store": asked.store,
            "output": asked.output,
            "ledger": asked.ledger,
            "credentials": asked.credentials,
        }
        await start_shard(self._name, number, attempt, self._title(number), parameters)

    async def _give_up(self, number: int, seen: SeenShard, run: VideoRun) -> Sequence[Outcome]:
        """Tell by the ledger what became of the videos of a shard that does not, and keep that as its report."""
        try:
            work = await self._threads.run(self._files.work, number)
        except UnreadableShard:
            work = None
        why = clip(f"{self._title(number)} did not tell what became of it ({seen.words})")
        get_run_logger().warning("%s; the ledger says what became of its videos", why)
        known = partial(takes_by_ledger, why=why, run=run)
        takes = await asyncio.gather(*(known(video) for video in (work.videos if work else ())))
        outcomes = [outcome for of_video in takes for outcome in of_video]
        await self._threads.run(self._files.keep_report, number, ShardReport(tuple(outcomes)))
        return outcomes

    @property
    def _name(self) -> str:
        """What the runs of its shards are known by; a run that begins its batch anew has others."""
        return f"{self._run.identity.run_id}-{self._begun.began:%Y%m%dT%H%M%S%f}"

    def _title(self, number: int) -> str:
        total, batch = len(self._shares), clip(self._begun.report.batch)
        portion, place = divmod(number - 1, total)
        of_portion = f" of portion {portion + 1}" if portion else ""
        return f"{batch}, shard {place + 1} of {total}{of_portion}"

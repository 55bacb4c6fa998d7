"""The videos of a batch, a portion after the other: reserved in the money journal, made, settled.

All of a batch has passed the gates before its first portion begins. What keeps a later one from beginning ends the
batch there: what is left is refused, and made by the next run of the same table.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime
from functools import partial

from prefect import get_run_logger

from openrouter_video.batch import BatchPlan
from openrouter_video.errors import ApiUnavailable, ConfigurationError, LedgerError, Problem, RequestRefused
from openrouter_video.ledger import CapReached, batch_token, in_portions, is_lump, lump_of, read_accepted
from openrouter_video.outcome import Outcome, count_asked
from openrouter_video.planning import cap_problem, dearer_now
from openrouter_video.run import PlannedVideo, RunReservation, give_up, reserve_portion
from openrouter_video.tasks import ProgressBar
from openrouter_video.threads import start

from .all_videos import make_some, say_what_goes_on, with_ends_elsewhere
from .batch_manifest import BatchManifest
from .gates import pass_gates_of_batch, time_for
from .opened_run import OpenedRun
from .production import settle_run
from .video_chain import VideoRun

__all__ = ["BatchPortions", "MakePortion", "make_here"]

PAUSES = (1.0, 10.0, 60.0)
"""Before the money journal is asked again, when it could not be read or written."""
ENDS_WITHIN_SECONDS = 2.0


Ended = Callable[[Outcome], Awaitable[None]]
MakePortion = Callable[[int, Sequence[PlannedVideo], VideoRun, Ended, int, int], Awaitable[Sequence[Outcome]]]
"""Makes the videos of a portion by its number, and tells of each; so many were made before, of so many in all."""


async def make_here(
    _number: int, videos: Sequence[PlannedVideo], run: VideoRun, ended: Ended, before: int, total: int
) -> Sequence[Outcome]:
    """Make the videos of a portion in this process."""
    return await make_some(videos, run, ended, before, total)


class BatchPortions:
    """The portions of a batch, and what is reserved for them.

    ``videos``: all of them; ``known``: the keys of those that are paid already, and of extra takes that are paid
    already or not needed. ``begun``: how many portions have begun in an earlier process of this run.
    """

    def __init__(
        self, videos: Sequence[PlannedVideo], known: frozenset[str], run: OpenedRun, *, begun: int = 0
    ) -> None:
        self._videos, self._known, self._run, self._begun = videos, known, run, begun
        self._portions = in_portions(videos, lambda video: len(self._new_keys(video)), run.resources.limits.portion)
        self._amounts = [self._amounts_of(of_portion) for of_portion in self._portions]
        self._token = batch_token(video.key for video in videos)

    async def reserve(self, plan: BatchPlan) -> RunReservation:
        """Let the batch pass the gates as a whole.

        Raises:
            RequestRefused: if a gate is closed; nothing was sent.
        """
        return await pass_gates_of_batch(plan, self._token, self._amounts, self._run)

    async def find_sent(self) -> None:
        """Look up what an earlier process of this run has sent of portions that it made itself, after a spent budget.

        That is paid for: nothing is reserved for it anew, and no price or cap of today refuses it.

        Raises:
            RequestRefused: if the ledger does not tell.
        """
        later = self._portions[self._begun :] if self._begun else []
        if not (keys := [key for videos in later for video in videos for key in self._new_keys(video)]):
            return
        try:
            sent = await self._run.resources.threads.run(read_accepted, self._run.resources.ledger, keys)
        except LedgerError as error:
            raise RequestRefused([Problem("ledger", str(error))]) from None
        # The portions stay as they were divided, by which their shards are numbered.
        self._known |= sent
        self._amounts = [self._amounts_of(videos) for videos in self._portions]

    async def make(
        self, run: VideoRun, manifest: BatchManifest, began: datetime, make: MakePortion = make_here
    ) -> list[Outcome]:
        """Make all videos, and record what each came to; of a batch that is stopped, tell what goes on."""
        outcomes, of_portion = list[Outcome](), list[Outcome]()
        bar, videos = ProgressBar(len(self._videos)), next(iter(self._portions), [])

        async def ended(outcome: Outcome) -> None:
            of_portion.append(outcome)
            manifest.add(outcome)
            await bar.advance(outcome)
            await manifest.write_tenth()

        why: Problem | None = None
        try:
            await bar.start()
            for number, videos in enumerate(self._portions, start=1):
                dearer: Mapping[str, Problem] = {}
                if number > max(1, self._begun) and why is None:
                    run, why = await self._begin(number, run)
                    dearer = {} if why else await self._dearer(videos, run)
                made = [self._refused(video, why or dearer.get(video.key)) for video in videos]
                made_before, total = count_asked(outcomes), len(self._videos)
                try:
                    done = await make(number, made, run, ended, made_before, total)
                except LedgerError as error:
                    why = Problem("ledger", f"{error}. It was not sent")
                    made = [self._refused(video, why) for video in made]
                    done = await make_here(number, made, run, ended, made_before, total)
                await settle_run(done, run, made)
                of_portion.clear()
                outcomes += done
                make = make if number < self._begun else _make_next(make, done)
            left, outcomes = outcomes, await with_ends_elsewhere(outcomes, began, run)
        except asyncio.CancelledError:
            await self._stopped(videos, [*outcomes, *of_portion], run, manifest, here=make is make_here)
            raise
        for before, now in zip(left, outcomes, strict=True):
            if now is not before:
                manifest.change(now)
        await self._give_up(run)
        return outcomes

    async def _dearer(self, videos: Sequence[PlannedVideo], run: VideoRun) -> Mapping[str, Problem]:
        """Return of which videos the price has risen since they were planned, which may be days ago."""
        new = [video for video in videos if self._is_new(video)]
        try:
            catalog = await run.steps.list_models_afresh() if new else None
        except (ApiUnavailable, ConfigurationError) as error:
            get_run_logger().warning("Whether prices have risen since the batch was planned is not known: %s", error)
            catalog = None
        models = {model.id: model for model in catalog.models} if catalog else {}
        risen = {
            video.key: dearer_now(video.plan, models[video.plan.model]) for video in new if video.plan.model in models
        }
        return {key: problems[0] for key, problems in risen.items() if problems}

    async def _begin(self, number: int, run: VideoRun) -> tuple[VideoRun, Problem | None]:
        """Reserve a portion by video; if that cannot be, say why."""
        amounts, threads = self._amounts[number - 1], run.resources.threads
        journal, lump = run.resources.journal(sandbox=run.sandbox), lump_of(self._token, number)
        until = time_for(len(amounts), self._run.asked)
        reserve = partial(reserve_portion, journal, run.reserved, lump, amounts, until, self._run.caps, run.run_id)
        for pause in (*PAUSES, None):
            try:
                reserved = await threads.run(reserve)
                break
            except LedgerError as error:
                if pause is None:
                    return run, Problem("ledger", f"{error}. It was not sent")
                get_run_logger().warning("The next portion of the batch cannot begin: %s; trying again", error)
                await run.resources.limits.sleep(pause)
        if isinstance(reserved, CapReached):
            return run, cap_problem(None, reserved)
        return run._replace(reserved=reserved), None

    async def _stopped(
        self,
        videos: Sequence[PlannedVideo],
        ended: Sequence[Outcome],
        run: VideoRun,
        manifest: BatchManifest,
        *,
        here: bool,
    ) -> None:
        """Leave everything in good order, as far as there is time: the process may be killed at any moment.

        What is not made ``here`` may still be sent, so that what is reserved for it is left to a collection.
        """
        now = {key for video in videos for key in video.keys}
        goes_on = {outcome.key for outcome in ended if outcome.status in {"open", "uncertain"}}
        told = [video for video in self._videos if not (goes_on | now).isdisjoint(video.keys)]
        ends = [asyncio.wait_for(self._settle(ended, [*now], run), ENDS_WITHIN_SECONDS)] if here else []
        await asyncio.gather(
            manifest.write_within(ENDS_WITHIN_SECONDS), *ends, say_what_goes_on(told, run), return_exceptions=True
        )

    async def _settle(self, ended: Sequence[Outcome], keys: Sequence[str], run: VideoRun) -> None:
        """Put in the journal what the videos of a portion that was broken off have come to."""
        await settle_run([outcome for outcome in ended if outcome.key in {*keys}], run)
        await self._give_up(run, keys)

    async def _give_up(self, run: VideoRun, unsent: Sequence[str] = ()) -> None:
        """Give up what is reserved for portions that never begin, and for videos that have not been sent."""
        journal, ledger = run.resources.journal(sandbox=run.sandbox), run.resources.ledger
        lumps = [key for key in run.reserved.keys if is_lump(key) and key.endswith(self._token)]
        keys = [*lumps, *unsent]
        try:
            await asyncio.wrap_future(start(partial(give_up, journal, ledger, run.reserved, keys, run.run_id)))
        except LedgerError as error:
            get_run_logger().warning("What is reserved for the rest of the batch is given up later: %s", error)

    def _is_new(self, video: PlannedVideo) -> bool:
        return video.plan.decision == "send" and video.key not in self._known

    def _new_keys(self, video: PlannedVideo) -> list[str]:
        """Return under which keys a video, and its extra takes, may be paid for."""
        return [key for key in video.keys if key not in self._known] if video.plan.decision == "send" else []

    def _amounts_of(self, videos: Sequence[PlannedVideo]) -> Mapping[str, int]:
        """Return the top of the estimate of each video and extra take that may be paid for, by its key."""
        estimates = {key: video.plan.estimate for video in videos for key in self._new_keys(video)}
        return {key: (estimate.high if estimate else None) or 0 for key, estimate in estimates.items()}

    def _refused(self, video: PlannedVideo, why: Problem | None) -> PlannedVideo:
        if why is None or not self._is_new(video):
            return video
        plan = video.plan.model_copy(update={"decision": "refuse", "body": {}, "problems": (why,)})
        return video._replace(plan=plan)


def _make_next(make: MakePortion, done: Sequence[Outcome]) -> MakePortion:
    """Return how the next portion is made: after a spent budget here, where one submission tells whether it still is.

    Each of its shards would be a process, started only to be refused.
    """
    return make_here if any(outcome.failure == "spent_budget" for outcome in done) else make

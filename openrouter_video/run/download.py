"""From a finished job to files that are safe: fetch, verify, publish, and try again where it can help.

The store's edge and the API's edge meet here, in one thread per download; the decision to try again is a pure function.
"""

from __future__ import annotations

import asyncio
import random
import threading
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import UTC, datetime
from functools import partial

from openrouter_video.api import ContentUnavailable, DownloadLimits, VideoClient, VideoJob
from openrouter_video.errors import BrokenVideo, StorageError
from openrouter_video.ledger import Claim, Ledger
from openrouter_video.run.conclusions import COLLECT
from openrouter_video.run.facts import Facts, Saved, Trouble
from openrouter_video.run.outputs import Outputs, is_of_one_output
from openrouter_video.run.polling import backoff
from openrouter_video.run.rescue import after_rescue, may_be_rescued, rescued_note
from openrouter_video.run.settling import settle
from openrouter_video.run.video_files import find, video_paths
from openrouter_video.stores import Store
from openrouter_video.threads import Threads
from openrouter_video.videos import Stopped, save_damaged, save_video, sidecar_path

__all__ = ["Downloader", "download_wait"]

DOWNLOAD_ATTEMPTS = 5
LONGEST_WAIT_SECONDS = 300.0
STAYS_OPEN = f"Nothing was published. The job stays open: {COLLECT} downloads it once more."


class Downloader:
    """Downloads the videos of finished jobs into one store, and records in the ledger that they are safe."""

    def __init__(
        self,
        client: VideoClient,
        store: Store,
        ledger: Ledger,
        threads: Threads,
        *,
        attempts: int = DOWNLOAD_ATTEMPTS,
        limits: DownloadLimits | None = None,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._client = client
        self._store = store
        self._ledger = ledger
        self._threads = threads
        self._attempts = attempts
        self._limits = limits or DownloadLimits()
        self._sleep = sleep

    async def keep(self, facts: Facts) -> Facts:
        """Bring the videos of a job to safety: files first, then the sidecar, which says "complete", then the ledger.

        What an earlier run has already brought there is not downloaded again. Nobody looks for it where the job is this
        run's own (not ``reused``), which spares each new video a question to its store.

        Each output of the job counts for itself. With one video safe, an output that can never be had is a note; one
        that may still come leaves the job open, and is given up by the next collection that tries in vain.

        Raises:
            ContentUnavailable, StorageError: the last reason, if there is no video and no further attempt can help.
        """
        outputs, tries = Outputs(min(2, self._attempts)), 0
        while True:
            done = outputs.done
            try:
                return await self._threads.run_stoppable(partial(self._keep, facts, outputs))
            except (ContentUnavailable, StorageError) as error:
                outputs.failed(error)
                tries = 0 if outputs.done > done else tries
                jitter = random.random()  # noqa: S311 (spreads load)
                wait = None if outputs.ended else download_wait(error, tries, self._attempts, jitter)
                if wait is None:
                    # Another process may have been quicker, and have cleared our temporary away, even the sidecar's.
                    if (ended := await self._threads.run(self._find_after_all, facts)) is not None:
                        return ended
                    trouble = error if outputs.ended else await self._rescue(facts, outputs, error)
                    if trouble is not None and (outputs.ended or not is_of_one_output(trouble)):
                        return self._with_what_is_safe(facts, outputs, trouble)
                    if trouble is not None:
                        outputs.give_up(trouble)
                    tries = 0
                    continue
            await self._sleep(wait)
            tries += 1

    def _keep(self, facts: Facts, outputs: Outputs, stop: threading.Event) -> Facts:
        """Do all of it in one thread; ``outputs`` holds what earlier attempts have brought to safety, and grows."""
        claim, job = facts.ended_job()
        if facts.reused and not outputs.done and (ended := self._find(facts)) is not None:
            return ended
        paths = video_paths(claim, job.videos)
        for index in range(outputs.done, len(paths)):
            if stop.is_set():
                raise Stopped(f"The download of {claim.title} was stopped before its video {index + 1}.")
            with self._client.content(job.id, index, limits=self._limits, stop=stop) as chunks:
                outputs.keep(save_video(chunks, self._store, paths[index], stop=stop, companion=len(paths) > 1))
        outputs.ended = True
        if error := self._keep_damaged(job, paths, outputs, stop):
            raise error
        return self._settle(facts._replace(saved=self._saved(claim, job, outputs)))

    async def _rescue(
        self, facts: Facts, outputs: Outputs, error: ContentUnavailable | StorageError
    ) -> ContentUnavailable | StorageError | None:
        """Bring the next output to safety from the stored copy, if there may be one; return what is in the way then."""
        if not isinstance(error, ContentUnavailable) or not may_be_rescued(error):
            return error
        try:
            await self._threads.run_stoppable(partial(self._keep_copy, facts, outputs, rescued_note(error)))
        except (ContentUnavailable, BrokenVideo) as failed:
            return after_rescue(error, failed)
        except StorageError as failed:
            return failed
        return None

    def _keep_copy(self, facts: Facts, outputs: Outputs, note: str, stop: threading.Event) -> None:
        claim, job = facts.ended_job()
        paths, index = video_paths(claim, job.videos), outputs.done
        with self._client.stored_copy(job.id, index, limits=self._limits, stop=stop) as chunks:
            saved = save_video(chunks, self._store, paths[index], stop=stop, companion=len(paths) > 1)
        outputs.keep(saved.model_copy(update={"notes": (*saved.notes, note)}))

    def _keep_damaged(
        self, job: VideoJob, paths: list[str], outputs: Outputs, stop: threading.Event
    ) -> ContentUnavailable | StorageError | None:
        """Keep what came more than once the same and is not a whole video, rather than lose it or fetch it for ever.

        Return what stands in the way of the job if nothing of it is safe.
        """
        error = outputs.error()
        for index, sha256 in outputs.same_again():
            with self._client.content(job.id, index, limits=self._limits, stop=stop) as chunks:
                kept = save_damaged(chunks, self._store, paths[index], sha256, stop=stop)
            if kept is not None:
                outputs.keep_damaged(index, kept[0], seen_before=kept[1])
                error = None
            elif not outputs.has_video:
                fault = outputs.fault(index)
                error = BrokenVideo(f"It is not a whole video, and came differently each time: {fault}. {STAYS_OPEN}")
        return None if outputs.has_video else error

    def _saved(self, claim: Claim, job: VideoJob, outputs: Outputs) -> Saved:
        return outputs.saved(job.videos, self._store.url_of(sidecar_path(claim.path)))

    def _settle(self, facts: Facts) -> Facts:
        return settle(facts, self._store, self._ledger, datetime.now(UTC))

    def _find(self, facts: Facts) -> Facts | None:
        """Return the facts with what another run has brought to safety of the same job."""
        claim, job = facts.ended_job()
        outcome = find(self._store, claim, job.id)
        return self._settle(facts._replace(recorded=outcome)) if outcome else None

    def _find_after_all(self, facts: Facts) -> Facts | None:
        with suppress(StorageError):
            return self._find(facts)
        return None

    def _with_what_is_safe(self, facts: Facts, outputs: Outputs, error: ContentUnavailable | StorageError) -> Facts:
        """Return the facts with the videos that are safe, where something else than one output stands in the way.

        Raises:
            ContentUnavailable, StorageError: what was given, if no video is safe, or nobody waits for the outcome.
        """
        if isinstance(error, Stopped) or not outputs.has_video:
            raise error
        return facts._replace(saved=self._saved(*facts.ended_job(), outputs), trouble=Trouble.of(error))


def download_wait(error: ContentUnavailable | StorageError, tries: int, attempts: int, jitter: float) -> float | None:
    """Return the seconds to wait before the next attempt, or None when there is to be none.

    A broken transfer or a passing answer is tried again; a store that refuses the file will refuse it once more. Who
    asks for more than five minutes of patience is asked by a later collection.
    """
    again = error.answer.again if isinstance(error, ContentUnavailable) else isinstance(error, BrokenVideo)
    if not again or tries + 1 >= attempts:
        return None
    asked = error.answer.retry_after if isinstance(error, ContentUnavailable) else None
    wait = asked or backoff(tries, 30.0, jitter)
    return wait if wait <= LONGEST_WAIT_SECONDS else None

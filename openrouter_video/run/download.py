"""From a finished job to a file that is safe: fetch, verify, publish, sidecar, and try again where it can help.

The store's edge and the API's edge meet here, in one thread per download; the decision to try again is a pure function.
"""

from __future__ import annotations

import asyncio
import random
import threading
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from functools import partial

from pydantic import ValidationError

from openrouter_video.api import ContentUnavailable, DownloadLimits, VideoClient, VideoJob
from openrouter_video.errors import BrokenVideo, LedgerError, StorageError
from openrouter_video.ledger import Claim, Ledger
from openrouter_video.outcome import Outcome, SavedFile
from openrouter_video.run.conclusions import COLLECT, completed, elapsed_since, left_open, started
from openrouter_video.run.haul import Haul, is_of_one_output
from openrouter_video.run.polling import backoff
from openrouter_video.stores import Store
from openrouter_video.threads import Threads
from openrouter_video.videos import (
    Stopped,
    find_saved,
    kept_names,
    numbered_path,
    output_count,
    possible_names,
    read_sidecar,
    save_damaged,
    save_video,
    sidecar_path,
    write_sidecar,
    written_path,
)

__all__ = ["Downloader", "download_wait", "video_paths"]

DOWNLOAD_ATTEMPTS = 5
LONGEST_WAIT_SECONDS = 300.0
MOST_OUTPUTS = 16
NO_VIDEO = {"status": "failed", "error": "none of the job's outputs is a video; what came is kept"}
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

    async def keep(self, claim: Claim, job: VideoJob, *, reused: bool = False) -> Outcome:
        """Bring the videos of a job to safety: files first, then the sidecar, which says "complete", then the ledger.

        What an earlier run has already brought there is not downloaded again. Nobody looks for it where the job is this
        run's own (not ``reused``), which spares each new video a question to its store.

        Each output of the job counts for itself. With one video safe, an output that can never be had is a note; one
        that may still come leaves the job open, and is given up by the next collection that tries in vain.

        Raises:
            ContentUnavailable, StorageError: the last reason, if there is no video and no further attempt can help.
        """
        haul, tries = Haul(min(2, self._attempts)), 0
        while True:
            done = haul.done
            try:
                return await self._threads.run_stoppable(partial(self._keep, claim, job, reused, haul))
            except (ContentUnavailable, StorageError) as error:
                haul.failed(error)
                tries = 0 if haul.done > done else tries
                jitter = random.random()  # noqa: S311 (spreads load)
                wait = None if haul.ended else download_wait(error, tries, self._attempts, jitter)
                if wait is None:
                    # Another process may have been quicker, and have cleared our temporary away, even the sidecar's.
                    outcome = await self._threads.run(self._find_after_all, claim, job.id)
                    if outcome is not None:
                        return await self._threads.run(self._settle, claim, outcome, reused)
                    if haul.ended or not is_of_one_output(error):
                        return _with_what_is_safe(claim, job, haul, error)
                    haul.give_up(error)
                    tries = 0
                    continue
            await self._sleep(wait)
            tries += 1

    def _keep(self, claim: Claim, job: VideoJob, reused: bool, haul: Haul, stop: threading.Event) -> Outcome:
        """Do all of it in one thread; ``haul`` holds what earlier attempts have brought to safety, and grows."""
        outcome = self.find(claim, job.id) if reused and not haul.done else None
        if outcome is not None:
            return self._settle(claim, outcome, reused)
        paths = video_paths(claim, min(job.videos, MOST_OUTPUTS))
        for index in range(haul.done, len(paths)):
            if stop.is_set():
                raise Stopped(f"The download of {claim.title} was stopped before its video {index + 1}.")
            with self._client.content(job.id, index, limits=self._limits, stop=stop) as chunks:
                haul.keep(save_video(chunks, self._store, paths[index], stop=stop, companion=len(paths) > 1))
        haul.ended = True
        known = started(claim, job_id=job.id)
        if not haul.has_video:
            return self._without_video(claim, job, known, haul, reused, stop)
        for again in haul.same_again():
            if (kept := self._fetch_damaged(claim, job, again[0], again[1], stop)) is not None:
                haul.keep_damaged(again[0], kept[0])
        outcome = completed(known, job, haul.files, None, haul.notes(job.videos))
        if haul.waits and not reused:
            return left_open(outcome, "; ".join(haul.notes(job.videos)), job)
        outcome = self._settle(claim, self._describe(claim, job, outcome), reused)
        if reused:
            self._forget_damaged(claim, job, haul.files)
        return outcome

    def _without_video(
        self, claim: Claim, job: VideoJob, known: Outcome, haul: Haul, reused: bool, stop: threading.Event
    ) -> Outcome:
        """Keep what came more than once the same and is no whole video, rather than lose it or fetch it for ever.

        What plays all the same completes the job. Of what does not, the provider may still have the whole: the job
        stays open until a later run has got the same once more.
        """
        if not (again := haul.same_again()):
            error = haul.error()
            if error is None:
                outcome = completed(known, job, haul.files, None).model_copy(update=NO_VIDEO)
                return self._settle(claim, self._describe(claim, job, outcome), reused)
            raise error
        index, sha256, fault = again[0]
        if (kept := self._fetch_damaged(claim, job, index, sha256, stop)) is None:
            raise BrokenVideo(f"It is not a whole video, and came differently each time: {fault} {STAYS_OPEN}")
        file, seen_before = kept
        damage = f"damaged: it came like this each time, and is kept at {file.url}. {fault}".rstrip(".")
        outcome = completed(known, job, [file, *haul.files], None)
        if file.kind == "playable":
            outcome = outcome.model_copy(update={"notes": (*outcome.notes, damage)})
        elif seen_before:
            outcome = outcome.model_copy(update={"status": "failed", "error": damage})
        else:
            return left_open(outcome, f"{damage}. {COLLECT} looks for a whole one, and ends the job without", job)
        return self._settle(claim, self._describe(claim, job, outcome), reused)

    def _fetch_damaged(
        self, claim: Claim, job: VideoJob, index: int, sha256: str, stop: threading.Event
    ) -> tuple[SavedFile, bool] | None:
        path = video_paths(claim, min(job.videos, MOST_OUTPUTS))[index]
        with self._client.content(job.id, index, limits=self._limits, stop=stop) as chunks:
            return save_damaged(chunks, self._store, path, sha256, stop=stop)

    def _forget_damaged(self, claim: Claim, job: VideoJob, files: Sequence[SavedFile]) -> None:
        """Remove what an earlier run had kept damaged, now that the whole is here; best effort."""
        folder = claim.path.rpartition("/")[0]
        kept = {name for path in video_paths(claim, min(job.videos, MOST_OUTPUTS)) for name in kept_names(path)}
        kept -= {file.url.rpartition("/")[2] for file in files}
        with suppress(StorageError):
            for name in kept.intersection(self._store.list_names(folder)):
                self._store.remove(f"{folder}/{name}".lstrip("/"))

    def _describe(self, claim: Claim, job: VideoJob, outcome: Outcome) -> Outcome:
        path = sidecar_path(claim.path)
        ended = {"elapsed_seconds": elapsed_since(claim, datetime.now(UTC)), "sidecar_url": self._store.url_of(path)}
        outcome = outcome.model_copy(update=ended)
        write_sidecar(self._store, path, {"asked": claim.asked, **outcome.model_dump(mode="json")})
        self.clear(claim, job.videos)
        return outcome

    def _settle(self, claim: Claim, outcome: Outcome, reused: bool) -> Outcome:
        outcome = outcome.model_copy(update={"reused": reused})
        try:
            self._ledger.settle(claim.key, outcome)
        except LedgerError as error:
            return outcome.model_copy(update={"notes": (*outcome.notes, f"the file is safe, but {error}")})
        return outcome

    def _find_after_all(self, claim: Claim, job_id: str) -> Outcome | None:
        with suppress(StorageError):
            return self.find(claim, job_id)
        return None

    def clear(self, claim: Claim, videos: int = 1) -> None:
        """Remove what processes that died have left of a job's files, once they are complete or will never be."""
        folder, _, sidecar = sidecar_path(claim.path).rpartition("/")
        names = {name for path in video_paths(claim, min(videos, MOST_OUTPUTS)) for name in possible_names(path)}
        self._store.clear_leftovers(folder, names | {sidecar})

    def find(self, claim: Claim, job_id: str | None = None) -> Outcome | None:
        """Return the outcome in a claim's sidecar, if it is of that job and its files are all there and whole."""
        content = read_sidecar(self._store, sidecar_path(claim.path))
        if content is None or (job_id is not None and content.get("job_id") != job_id):
            return None
        try:
            outcome = Outcome.model_validate({key: content[key] for key in Outcome.model_fields if key in content})
        except ValidationError:
            return None
        paths = [written_path(claim.path, url) for url in (outcome.url, *outcome.extra_urls)]
        sizes = [outcome.bytes, *[None] * len(outcome.extra_urls)]
        whole = all(find_saved(self._store, path, size=size) for path, size in zip(paths, sizes, strict=True))
        if not whole:
            return None
        # Another process may have died while it was bringing the same videos here.
        self.clear(claim, output_count((outcome.url, *outcome.extra_urls)))
        return outcome


def _with_what_is_safe(claim: Claim, job: VideoJob, haul: Haul, error: ContentUnavailable | StorageError) -> Outcome:
    """Return the open job with the videos that are safe, where something else than one output stands in the way.

    Raises:
        ContentUnavailable, StorageError: what was given, if no video is safe, or nobody waits for the outcome.
    """
    if isinstance(error, Stopped) or not haul.has_video:
        raise error
    return left_open(completed(started(claim, job_id=job.id), job, haul.files, None), str(error), job)


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


def video_paths(claim: Claim, videos: int) -> list[str]:
    """Return the paths of a job's videos: the claim's own, or numbered ones if there are several."""
    if videos == 1:
        return [claim.path]
    return [numbered_path(claim.path, claim.take, number) for number in range(1, videos + 1)]

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

from openrouter_video.client import ContentUnavailable, VideoClient
from openrouter_video.errors import BrokenVideo, LedgerError, StorageError
from openrouter_video.job import Outcome, VideoJob
from openrouter_video.ledger import Ledger
from openrouter_video.outcomes import completed, elapsed_since, started
from openrouter_video.records import Claim
from openrouter_video.storage import (
    SavedFile,
    Stopped,
    find_saved,
    read_sidecar,
    save_video,
    sidecar_path,
    write_sidecar,
)
from openrouter_video.stores import Store, clear_leftovers
from openrouter_video.threads import Threads
from openrouter_video.video_paths import numbered_path

__all__ = ["Downloader", "download_wait", "video_paths"]

DOWNLOAD_ATTEMPTS = 5
LONGEST_WAIT_SECONDS = 300.0


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
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._client = client
        self._store = store
        self._ledger = ledger
        self._threads = threads
        self._attempts = attempts
        self._sleep = sleep

    async def keep(self, claim: Claim, job: VideoJob, *, reused: bool = False) -> Outcome:
        """Bring the videos of a job to safety: files first, then the sidecar, which says "complete", then the ledger.

        What an earlier run has already brought there is not downloaded again. Nobody looks for it where the job is this
        run's own (not ``reused``), which spares each new video a question to its store.

        Raises:
            ContentUnavailable, StorageError: the last reason, once no further attempt can help. Nothing was published
                of the video that failed, and the job stays collectable.
        """
        saved: list[SavedFile] = []
        tries = 0
        while True:
            before = len(saved)
            try:
                return await self._threads.run_stoppable(partial(self._keep, claim, job, reused, saved))
            except (ContentUnavailable, StorageError) as error:
                tries = 0 if len(saved) > before else tries
                wait = download_wait(error, tries, self._attempts, random.random())  # noqa: S311 (spreads load)
                if wait is None:
                    # Another process may have been quicker, and have cleared our temporary away.
                    outcome = await self._threads.run(self._find_after_all, claim, job.id)
                    if outcome is None:
                        raise
                    return await self._threads.run(self._settle, claim, outcome, reused)
            await self._sleep(wait)
            tries += 1

    def _keep(
        self, claim: Claim, job: VideoJob, reused: bool, saved: list[SavedFile], stop: threading.Event
    ) -> Outcome:
        """Do all of it in one thread; ``saved`` holds what earlier attempts have brought to safety, and grows."""
        outcome = self.find(claim, job.id) if reused and not saved else None
        if outcome is None:
            paths = video_paths(claim, job.videos)
            for index in range(len(saved), len(paths)):
                if stop.is_set():
                    raise Stopped(f"The download of {claim.title} was stopped before its video {index + 1}.")
                with self._client.content(job.id, index) as chunks:
                    saved.append(save_video(chunks, self._store, paths[index], stop=stop))
            outcome = self._describe(claim, job, saved)
        return self._settle(claim, outcome, reused)

    def _describe(self, claim: Claim, job: VideoJob, saved: Sequence[SavedFile]) -> Outcome:
        path = sidecar_path(claim.path)
        outcome = completed(started(claim, job_id=job.id), job, saved, self._store.url_of(path))
        outcome = outcome.model_copy(update={"elapsed_seconds": elapsed_since(claim, datetime.now(UTC))})
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
        names = {path.rpartition("/")[2] for path in video_paths(claim, videos)}
        clear_leftovers(self._store, folder, names | {sidecar})

    def find(self, claim: Claim, job_id: str | None = None) -> Outcome | None:
        """Return the outcome in a claim's sidecar, if it is of that job and its files are all there and whole."""
        content = read_sidecar(self._store, sidecar_path(claim.path))
        if content is None or (job_id is not None and content.get("job_id") != job_id):
            return None
        try:
            outcome = Outcome.model_validate({key: content[key] for key in Outcome.model_fields if key in content})
        except ValidationError:
            return None
        paths = video_paths(claim, 1 + len(outcome.extra_urls))
        sizes = [outcome.bytes, *[None] * len(outcome.extra_urls)]
        whole = all(find_saved(self._store, path, size=size) for path, size in zip(paths, sizes, strict=True))
        if not whole:
            return None
        # Another process may have died while it was bringing the same videos here.
        self.clear(claim, len(paths))
        return outcome


def download_wait(error: ContentUnavailable | StorageError, tries: int, attempts: int, jitter: float) -> float | None:
    """Return the seconds to wait before the next attempt, or None when there is to be none.

    A broken transfer or a passing answer is tried again; a store that refuses the file will refuse it once more. Who
    asks for more than five minutes of patience is asked by a later collection.
    """
    again = error.answer.again if isinstance(error, ContentUnavailable) else isinstance(error, BrokenVideo)
    if not again or tries + 1 >= attempts:
        return None
    asked = error.answer.retry_after if isinstance(error, ContentUnavailable) else None
    wait = asked or min(30.0, 2.0**tries) * (0.75 + 0.5 * jitter)
    return wait if wait <= LONGEST_WAIT_SECONDS else None


def video_paths(claim: Claim, videos: int) -> list[str]:
    """Return the paths of a job's videos: the claim's own, or numbered ones if there are several."""
    if videos == 1:
        return [claim.path]
    return [numbered_path(claim.path, claim.take, number) for number in range(1, videos + 1)]

"""Records what the answers to POSTs prove: at once, and again as long as the ledger does not take it."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

from openrouter_video.api import SubmitAnswer
from openrouter_video.errors import LedgerError
from openrouter_video.ledger.ledger import Ledger
from openrouter_video.ledger.records import Unrecorded

__all__ = ["Recorder"]

LATE_PAUSES = (1.0, 3.0, 10.0, 30.0)


class Recorder:
    """Records answers in one ledger, and holds what it does not take. Every method may be called from any thread."""

    def __init__(self, ledger: Ledger, *, pause: Callable[[float], None] = time.sleep) -> None:
        self._ledger = ledger
        self._pause = pause
        self._left: dict[tuple[str, int], Unrecorded] = {}

    def keep(self, key: str, attempt: int, answer: SubmitAnswer) -> bool:
        """Record what an answer proves; False if the ledger did not take it, so that it is held."""
        try:
            self._record(key, attempt, answer)
        except LedgerError as error:
            # The claim stays and blocks a second POST.
            self._left[key, attempt] = Unrecorded(answer, str(error))
            return False
        self._left.pop((key, attempt), None)
        return True

    def keep_late(self, key: str, attempt: int, answer: SubmitAnswer) -> None:
        """Insist for a minute, since nobody may wait for the answer any more; then say at least what it proved."""
        for seconds in LATE_PAUSES:
            if (key, attempt) not in self._left:
                return
            self._pause(seconds)
            self.keep_left(key)
        left = self._left.get((key, attempt))
        if left is not None and answer.job_id:
            settle = f"`openrouter-video ledger settle {key} --job {answer.job_id}`"
            words = "job %s is billed, but the ledger could not record it (%s); record it with %s"
            logging.getLogger(__name__).error(words, answer.job_id, left.why, settle)

    def left(self, key: str) -> Unrecorded | None:
        """Return what is held for a key, a job before all else; None if all is recorded."""
        held = [unrecorded for (of, _), unrecorded in tuple(self._left.items()) if of == key]
        return min(held, key=lambda one: one.answer.proof != "accepted", default=None)

    def keep_left(self, key: str) -> Unrecorded | None:
        """Try again to record what is held for a key; return what is left after that."""
        for (of, attempt), unrecorded in tuple(self._left.items()):
            if of == key:
                self.keep(key, attempt, unrecorded.answer)
        return self.left(key)

    def _record(self, key: str, attempt: int, answer: SubmitAnswer) -> None:
        if answer.proof == "accepted":
            self._ledger.keep_job(key, attempt, answer.job_id or "")
        elif answer.proof == "uncertain":
            self._ledger.doubt(key, attempt, answer.reason)
        else:
            self._ledger.release(key, attempt, answer.reason, failure=answer.failure)

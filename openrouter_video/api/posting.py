"""One POST on its way, in a thread of its own: how much of it has gone, and its answer, however late that comes.

Nobody waits for it longer than the submit time-out, but it is listened to for minutes, since what it answers may be a
job that is paid for. So its limits are those of lateness; together they stay within ``IN_FLIGHT_SECONDS`` of its claim.
An answer that comes after the process has ended is lost, so the process waits for it at its end.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from concurrent.futures import wait as wait_for

from openrouter_video.api.answers import IN_FLIGHT_SECONDS, SubmitAnswer
from openrouter_video.threads import RECORD_SECONDS, Irrevocable

__all__ = ["ANSWER_SECONDS", "SEND_SECONDS", "STALL_SECONDS", "Posting", "UploadTooSlowError"]

SEND_SECONDS = 180.0  # from the beginning until the last chunk is begun
STALL_SECONDS = 60.0  # without a byte moving while it is sent
ANSWER_SECONDS = 300.0  # from the last byte that was sent, or that came
CHUNK_BYTES = 64 * 2**10
MEGABYTE = 10**6


class UploadTooSlowError(Exception):
    """The body did not go within its time; raised into the client that is sending it."""


class Posting:
    """One POST: what is to be sent, what of it has gone, and the answer once there is one."""

    def __init__(self, body: bytes) -> None:
        self._began = time.monotonic()
        self._body = body
        self._gone = 0
        self._answer: Future[SubmitAnswer] = Future()
        self._lateness = Irrevocable()

    def chunks(self) -> Iterator[bytes]:
        """Yield the body piece by piece; a piece that is followed by another was handed to the network.

        Raises:
            UploadTooSlowError: once it takes so long that its answer could come when nobody expects one any more.
        """
        for start in range(0, len(self._body), CHUNK_BYTES):
            self._gone = start
            if time.monotonic() - self._began > SEND_SECONDS:
                raise UploadTooSlowError
            yield self._body[start : start + CHUNK_BYTES]
        self._gone = len(self._body)

    def unanswered(self, cause: str) -> SubmitAnswer:
        """Return what is known without an answer: nothing, save how much had gone."""
        if self._gone == len(self._body):
            gone = "the request was sent, but no complete answer came"
        elif self._gone:
            gone = f"{self._gone / MEGABYTE:.1f} of {len(self._body) / MEGABYTE:.1f} MB of the request had been sent"
        else:
            gone = "nothing of the request's body had been sent"
        return SubmitAnswer("uncertain", f"{gone}: {cause}")

    def begin(self, post: Callable[[], SubmitAnswer]) -> None:
        """Let ``post`` send it and read its answer, in a thread that ends with the process."""

        def run() -> None:
            try:
                self._answer.set_result(post())
            except BaseException as error:
                self._answer.set_exception(error)
                raise

        threading.Thread(target=run, name="openrouter-video-post", daemon=True).start()

    def wait(self, seconds: float, late: Callable[[SubmitAnswer], None] | None) -> SubmitAnswer:
        """Return the answer, or after some time that there is none yet: it is then told to ``late``."""
        if wait_for([self._answer], seconds).done:
            return self._answer.result()
        answer = self.unanswered(f"timed out after {seconds:g} s")
        if late is None:
            return answer
        self._lateness.begin(self._began + IN_FLIGHT_SECONDS - RECORD_SECONDS - time.monotonic())
        self._answer.add_done_callback(lambda _: self._tell(late))
        return answer._replace(pending=True)

    def _tell(self, late: Callable[[SubmitAnswer], None]) -> None:
        error = self._answer.exception()
        try:
            late(self.unanswered(type(error).__name__) if error else self._answer.result())
        finally:
            self._lateness.end()

    def end_within(self, seconds: float) -> None:
        """Keep the process no longer than that from ending; the answer is recorded all the same should it come."""
        self._lateness.end_within(seconds)

"""One submission: at most one POST in flight or accepted per key, ever.

``claim -> POST -> record`` runs in one thread to its end. Waiting between attempts holds no claim, so a process that
dies while it waits leaves nothing uncertain.
"""

from __future__ import annotations

import asyncio
import json
import random
import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from functools import partial
from typing import Any, Literal, NamedTuple

from pydantic import BaseModel, ConfigDict

from openrouter_video.answers import ADVICE, SubmitAnswer
from openrouter_video.client import VideoClient
from openrouter_video.errors import KeyConflict, LedgerError
from openrouter_video.job import Outcome
from openrouter_video.ledger import Ledger
from openrouter_video.records import BEGUN_NOT_ENDED, Claim, LedgerEntry, differences
from openrouter_video.threads import Departure, Threads

__all__ = ["SubmitPolicy", "Submitted", "Submitter", "check_conflict", "retry_wait"]

RECORD_TRIES = 3
LOOK_EVERY_SECONDS = 2.0
CALLED_OFF = "interrupted before it was sent; nothing was charged"
IMAGES = ("frame_images", "input_references")


class SubmitPolicy(NamedTuple):
    """How long to wait, in seconds.

    ``budget``: for 429, a passing 402 and connections that cannot be made. ``margin``: beyond the submit time-out, for
    another process that holds the claim.
    """

    budget: float = 300.0
    margin: float = 5.0


class Submitted(BaseModel):
    """What is known after a submission.

    ``accepted``: ``job_id`` runs and is billed. ``refused``: nothing was accepted. ``uncertain``: nobody knows.
    ``settled``: an earlier run finished it, with ``outcome``. ``reused`` means that this run sent nothing; ``claim`` is
    then the one that was recorded.
    """

    model_config = ConfigDict(frozen=True)

    state: Literal["accepted", "refused", "uncertain", "settled"]
    claim: Claim
    job_id: str | None = None
    reason: str | None = None
    api_message: str | None = None
    reused: bool = False
    status: int | None = None
    outcome: Outcome | None = None
    other_job_ids: tuple[str, ...] = ()


class Submitter:
    """Submits bodies to one API under the guard of one ledger; time is injected for tests."""

    def __init__(
        self,
        client: VideoClient,
        ledger: Ledger,
        threads: Threads,
        policy: SubmitPolicy | None = None,
        *,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._client = client
        self._ledger = ledger
        self._threads = threads
        self._policy = policy or SubmitPolicy()
        self._sleep = sleep
        self._clock = clock

    async def submit(self, claim: Claim, body: Mapping[str, Any]) -> Submitted:
        """Submit a body under its claim's key, or find what an earlier attempt has become.

        Raises:
            KeyConflict: if the key belongs to a different request.
            LedgerError: if the claim could not be written; nothing was sent.
        """
        content = json.dumps(body, ensure_ascii=False).encode()
        began, attempt, tries = self._clock(), 1, 0
        while True:
            answer = await self._threads.run_to_end(partial(self._attempt, attempt, claim, content))
            if answer is None:
                entry = await self._wait_for_owner(claim)
                if entry.state != "free":
                    return _found(entry, claim)
                attempt = entry.attempt + 1
                continue
            jitter = random.random()  # noqa: S311 (spreads load)
            wait = retry_wait(answer, tries, self._clock() - began, self._policy.budget, jitter)
            if wait is None:
                return _submitted(answer, claim)
            await self._sleep(wait)
            attempt, tries = attempt + 1, tries + 1

    def _attempt(self, attempt: int, claim: Claim, content: bytes, departure: Departure) -> SubmitAnswer | None:
        """Claim, POST and record, once. None: the attempt is somebody else's."""
        if not self._ledger.claim(attempt, claim):
            return None
        if departure.leave(self._client.timeouts.submit):
            answer = self._client.submit(
                content, session_id=claim.key, late=lambda late: self._record_late(claim.key, attempt, late)
            )
        else:
            answer = SubmitAnswer("again", CALLED_OFF)
        for remaining in reversed(range(RECORD_TRIES)):
            try:
                self._record(claim.key, attempt, answer)
                break
            except LedgerError as error:
                # The claim stays and blocks a second POST; what the answer said must still reach the result.
                if not remaining:
                    return answer._replace(reason=f"{answer.reason} Not recorded: {error}".strip())
                time.sleep(1)
        return answer

    def _record(self, key: str, attempt: int, answer: SubmitAnswer) -> None:
        if answer.proof == "accepted":
            self._ledger.keep_job(key, attempt, answer.job_id or "")
        elif answer.proof == "uncertain":
            self._ledger.doubt(key, attempt, answer.reason)
        else:
            self._ledger.release(key, attempt, answer.reason)

    def _record_late(self, key: str, attempt: int, answer: SubmitAnswer) -> None:
        """Record what an answer proves that came when nobody waited for it any more; a job's id most of all."""
        with suppress(LedgerError):
            self._record(key, attempt, answer)

    async def _wait_for_owner(self, claim: Claim) -> LedgerEntry:
        """Read what became of a claim that is not ours; give its owner the whole time-out to finish."""
        began = self._clock()
        patience = self._client.timeouts.connect + self._client.timeouts.submit + self._policy.margin
        while True:
            entry = await self._threads.run(self._ledger.entry, claim.key)
            check_conflict(entry, claim.asked, claim.sent)
            if entry.state != "claimed":
                return entry
            if self._clock() - began >= patience:
                await self._threads.run(self._ledger.doubt, claim.key, entry.attempt, BEGUN_NOT_ENDED)
                return entry._replace(state="uncertain", reason=BEGUN_NOT_ENDED)
            await self._sleep(LOOK_EVERY_SECONDS)


def retry_wait(answer: SubmitAnswer, tries: int, elapsed: float, budget: float, jitter: float) -> float | None:
    """Return the seconds to wait before the next attempt, or None when there is to be none.

    ``Retry-After`` is kept; without it the wait doubles from one second to a minute, jittered by a quarter. So it does
    with one of no time at all, or of a time gone by: the whole budget would be spent in POSTs without a pause.
    """
    if answer.proof != "again":
        return None
    wait = answer.retry_after or min(60.0, 2.0**tries) * (0.75 + 0.5 * jitter)
    return wait if elapsed + wait <= budget else None


def check_conflict(entry: LedgerEntry, asked: Mapping[str, Any], sent: Mapping[str, Any]) -> None:
    """Refuse a key that was used for a different request: asked in other words, or with other images of the same name.

    Raises:
        KeyConflict: naming each difference.
    """
    if entry.claim is None:
        return
    changed = differences(entry.claim.asked, asked)
    if not changed and entry.claim.sent and sent:
        before, now = ({name: body.get(name) for name in IMAGES} for body in (entry.claim.sent, sent))
        changed = differences(before, now)
    if changed:
        raise KeyConflict(
            f"the idempotency key was used for a different request: {'; '.join(changed)}. "
            "Use another key, or ask for the same as before"
        )


def _found(entry: LedgerEntry, claim: Claim) -> Submitted:
    state: Literal["settled", "accepted", "uncertain"] = "uncertain"
    if entry.state in {"settled", "accepted"}:
        state = "settled" if entry.state == "settled" else "accepted"
    return Submitted(
        state=state,
        claim=entry.claim or claim,
        job_id=entry.job_id,
        reason=entry.reason,
        reused=True,
        outcome=entry.outcome,
        other_job_ids=entry.other_job_ids,
    )


def _submitted(answer: SubmitAnswer, claim: Claim) -> Submitted:
    if answer.proof == "accepted":
        return Submitted(state="accepted", claim=claim, job_id=answer.job_id, reason=answer.reason or None)
    if answer.proof == "uncertain":
        return Submitted(state="uncertain", claim=claim, reason=answer.reason, status=answer.status)
    advice = ADVICE.get(answer.status or 0, "Nothing was sent; check the network and the base URL.")
    reason = f"{answer.reason}. {advice}"
    return Submitted(state="refused", claim=claim, reason=reason, api_message=answer.reason, status=answer.status)

"""One submission: at most one POST in flight or accepted per key, ever.

``claim -> POST -> record`` runs in one thread to its end. Waiting between attempts holds no claim, so a process that
dies while it waits leaves nothing uncertain.
"""

from __future__ import annotations

import asyncio
import json
import random
import secrets
import time
from collections.abc import Awaitable, Callable, Mapping
from concurrent.futures import Future
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from functools import cache, partial
from typing import Any, NamedTuple, TypeVar

from openrouter_video.api import SubmitAnswer, VideoClient, advice
from openrouter_video.errors import ConfigurationError, KeyConflict, LedgerError, StorageError
from openrouter_video.ledger import (
    BEGUN_NOT_ENDED,
    Claim,
    Ledger,
    LedgerEntry,
    Recorder,
    Submitted,
    Unrecorded,
    describe_flight,
    differences,
    in_flight,
)
from openrouter_video.run.facts import found
from openrouter_video.run.polling import backoff, poll_interval
from openrouter_video.run.refused_in_run import RefusedInRun
from openrouter_video.run.signing import SignBody, as_it_is
from openrouter_video.threads import Irrevocable, Threads

__all__ = ["SubmitPolicy", "Submitter", "check_conflict", "retry_wait"]

RECORD_TRIES, CLAIM_TRIES, RECORD_PAUSE_SECONDS = 3, 3, 1.0
QUIET_SECONDS = 5.0  # in which another process mostly ends its submission, so that nothing is said of it
CLAIM_SECONDS = 30.0  # from a claim's date to its POST, which must be over when others take the claim as over
GRACE_SECONDS = 10.0  # for a late answer, once the process was asked to end
CALLED_OFF = "interrupted before it was sent; nothing was charged"
SENT_NOTHING = "This run has sent nothing; whether an earlier one has is not known"
INPUTS = ("frame_images", "input_references", "previous_job_id")


T = TypeVar("T")


class SubmitPolicy(NamedTuple):
    """How long to wait, in seconds.

    ``budget``: for 429, a passing 402 and connections that cannot be made. ``margin``: beyond the submit time-out, for
    another process that holds the claim.
    """

    budget: float = 300.0
    margin: float = 5.0


class _Sent(NamedTuple):
    """What is known after one POST, and what a late answer is to be told by."""

    answer: SubmitAnswer
    late: Future[SubmitAnswer] | None = None


class _Content(NamedTuple):
    """A body as it was planned, by which it is known, and what makes it into what is sent: or says why nothing is."""

    plain: bytes
    signed: Callable[[], bytes | SubmitAnswer]


class Submitter:
    """Submits bodies to one API under the guard of one ledger; time is injected for tests.

    ``clock`` measures how long is waited, ``now`` dates the claims.
    """

    def __init__(
        self,
        client: VideoClient,
        ledger: Ledger,
        threads: Threads,
        policy: SubmitPolicy | None = None,
        *,
        sign: SignBody = as_it_is,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        clock: Callable[[], float] = time.monotonic,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._client = client
        self._ledger = ledger
        self._threads = threads
        self._policy = policy or SubmitPolicy()
        self._sign = sign
        self._recorder = Recorder(ledger)
        self._refused = RefusedInRun()
        self._sleep = sleep
        self._clock = clock
        self._now = now

    async def submit(
        self,
        claim: Claim,
        body: Mapping[str, Any],
        *,
        patience: float = 0.0,
        told: Callable[[str], None] = lambda _: None,
    ) -> Submitted:
        """Submit a body under its claim's key, or find what an earlier attempt has become.

        ``patience``: the seconds to wait for an answer that does not come within the submit time-out, to this POST or
        to that of another process; ``told`` hears of it before the wait.

        Raises:
            KeyConflict: if the key belongs to a different request.
            LedgerError: if the claim could not be written, and its key was seen to be free; nothing was sent.
        """
        content = _Content(json.dumps(body, ensure_ascii=False).encode(), partial(self._signed, body, patience))
        # By its token a claim is known as ours: not even the same claim, submitted twice, may pass for its other self.
        claim = claim.model_copy(update={"token": secrets.token_hex(8)})
        began, attempt, tries, late_seconds = self._clock(), 1, 0, 0.0
        while True:
            sent = await self._attempt(attempt, claim, content, patience, told)
            if isinstance(sent, LedgerEntry):
                if sent.state != "free" or _is_refused_for_good(sent, claim):
                    # A doubt is not in flight here: its end has been waited for.
                    return found(sent, self._now() if sent.state == "claimed" else None)
                attempt = sent.attempt + 1
                continue
            answer = sent.answer
            if sent.late is not None:
                told(f"{answer.reason}; the answer is waited for")
                since = time.monotonic()
                answer = await self._await_late(answer, sent.late, patience - late_seconds)
                late_seconds += time.monotonic() - since
            left = await self._insist(claim.key)
            jitter = random.random()  # noqa: S311 (spreads load)
            wait = retry_wait(answer, tries, self._clock() - began, self._policy.budget, jitter)
            if wait is None:
                submitted = _submitted(answer, claim, left)
                return submitted.model_copy(update={"late_seconds": late_seconds})
            await self._sleep(wait)
            attempt, tries = attempt + 1, tries + 1

    def unrecorded(self, key: str) -> Unrecorded | None:
        """Return what the ledger did not take under a key; None if there is nothing of that kind."""
        return self._recorder.left(key)

    async def record_again(self, key: str) -> Unrecorded | None:
        """Try once more to record what the ledger did not take under a key; return what is left after that."""
        if self._recorder.left(key) is None:
            return None
        return await self._threads.run(self._recorder.keep_left, key)

    async def _insist(self, key: str) -> Unrecorded | None:
        for _ in range(RECORD_TRIES):
            left = await self.record_again(key)
            if left is None:
                return None
            await self._sleep(RECORD_PAUSE_SECONDS)
        return self._recorder.left(key)

    async def _attempt(
        self, attempt: int, claim: Claim, content: _Content, patience: float, told: Callable[[str], None]
    ) -> _Sent | LedgerEntry:
        """Claim and POST, once. An entry instead: the attempt was somebody else's, and this is what became of it.

        Where the claim could not be written, what the ledger holds is read before anything is said: the claim may be
        there all the same, or an earlier one that was accepted.
        """

        @cache
        def dated() -> Claim:
            # In its thread: to wait for a place among hundreds of videos is not part of its flight.
            return claim.model_copy(update={"at": self._now().isoformat(timespec="milliseconds")})

        tries = 0
        while True:
            trouble: LedgerError | None = None
            try:
                sent = await self._run(partial(self._send, attempt, dated, content))
                if sent is not None:
                    return sent
            except LedgerError as error:
                trouble = error
            entry = await self._wait_for_owner(claim, attempt if trouble else 0, patience, told)
            if trouble is None or (entry.state, entry.attempt) != ("free", attempt - 1):
                if trouble is not None and _is_own(entry, claim, attempt):
                    return await self._run(partial(self._post, attempt, dated(), content))
                return entry
            tries += 1
            if tries >= CLAIM_TRIES:
                raise trouble
            await self._sleep(RECORD_PAUSE_SECONDS)

    async def _run(self, work: Callable[[Irrevocable], T]) -> T:
        """Do the work with a POST in it to its end; whoever is cancelled has waited the whole submit time-out then."""
        try:
            return await self._threads.run_to_end(work)
        except asyncio.CancelledError:
            self._client.end_within(0)
            raise

    def _send(
        self, attempt: int, dated: Callable[[], Claim], content: _Content, irrevocable: Irrevocable
    ) -> _Sent | None:
        """Claim and POST, once. None: the attempt is somebody else's, or a job was recorded since the one before.

        What would be refused for sure is neither claimed nor sent.
        """
        claim = dated()
        if refusal := self._refused.why_not(content.plain):
            return _Sent(refusal) if self._ledger.entry(claim.key).state == "free" else None
        if attempt > 1 and self._ledger.entry(claim.key).state in {"accepted", "settled"}:
            return None
        return self._post(attempt, claim, content, irrevocable) if self._ledger.claim(attempt, claim) else None

    def _post(self, attempt: int, claim: Claim, content: _Content, irrevocable: Irrevocable) -> _Sent:
        """POST and record what the answer proves, once, under a claim that is ours."""
        late: Future[SubmitAnswer] = Future()
        late.set_running_or_notify_cancel()

        def keep_late(answer: SubmitAnswer) -> None:
            self._refused.learn(content.plain, answer)
            self._recorder.keep(claim.key, attempt, answer)
            late.set_result(answer)
            self._recorder.keep_late(claim.key, attempt, answer)

        # Last of all, for it is a secret, and holds for a certain time.
        sent = content.signed()
        if isinstance(sent, SubmitAnswer):
            answer = sent
        elif (self._now() - datetime.fromisoformat(claim.at)).total_seconds() > CLAIM_SECONDS:
            # Others would take it as over while the POST is on its way.
            answer = SubmitAnswer("again", f"it took more than {CLAIM_SECONDS:g} s to record the claim")
        elif not irrevocable.begin(self._client.timeouts.submit):
            answer = SubmitAnswer("again", CALLED_OFF)
        else:
            answer = self._client.submit(sent, session_id=claim.key, late=keep_late)
        if answer.pending:
            return _Sent(answer, late)
        self._refused.learn(content.plain, answer)
        self._recorder.keep(claim.key, attempt, answer)
        return _Sent(answer)

    def _signed(self, body: Mapping[str, Any], deadline_seconds: float) -> bytes | SubmitAnswer:
        """Return what is sent for a body; if its sources cannot be signed, an answer that says so."""
        try:
            return json.dumps(self._sign(body, deadline_seconds), ensure_ascii=False).encode()
        except (ConfigurationError, StorageError) as error:
            return SubmitAnswer("again", str(error).rstrip("."))

    async def _await_late(self, answer: SubmitAnswer, late: Future[SubmitAnswer], patience: float) -> SubmitAnswer:
        """Wait for an answer that has not come in time; return the pending one if it still has not."""
        try:
            done, _ = await asyncio.wait({asyncio.wrap_future(late)}, timeout=max(0.0, patience))
        except asyncio.CancelledError:
            self._client.end_within(GRACE_SECONDS)
            raise
        return done.pop().result() if done else answer

    async def _wait_for_owner(
        self, claim: Claim, own: int, patience: float, told: Callable[[str], None]
    ) -> LedgerEntry:
        """Read what became of a claim that is not ours; while its POST may be in flight, wait for its end.

        ``own`` is the number of an attempt that may be ours after all; 0 if none is. A ledger that cannot be read for
        the whole time makes it uncertain: this run has sent nothing, but another may have.
        """
        began, seen, said = self._clock(), self._now(), False
        least = self._client.timeouts.connect + self._client.timeouts.submit + self._policy.margin
        while True:
            await self.record_again(claim.key)
            waited = self._clock() - began
            try:
                entry = await self._threads.run(self._ledger.entry, claim.key)
            except LedgerError as error:
                entry = LedgerEntry(claim.key, "uncertain", reason=f"{error}. {SENT_NOTHING}")
                if waited >= least:
                    return entry
            else:
                check_conflict(entry, claim.asked, claim.sent)
                if entry.state != "claimed" or (own and _is_own(entry, claim, own)):
                    return entry
                now = seen + timedelta(seconds=waited)
                flies = in_flight(entry, now)
                if flies and not said and waited >= QUIET_SECONDS:
                    said = True
                    told(f"{describe_flight(entry, now)}; another process has begun it, and is waited for")
                if waited >= (max(least, patience) if flies else least):
                    return entry if flies else await self._doubt(entry)
            await self._sleep(poll_interval(waited))

    async def _doubt(self, entry: LedgerEntry) -> LedgerEntry:
        with suppress(LedgerError):  # it follows from the claim's age as well
            await self._threads.run(self._ledger.doubt, entry.key, entry.attempt, BEGUN_NOT_ENDED)
        return entry._replace(state="uncertain", reason=BEGUN_NOT_ENDED)


def retry_wait(answer: SubmitAnswer, tries: int, elapsed: float, budget: float, jitter: float) -> float | None:
    """Return the seconds to wait before the next attempt, or None when there is to be none.

    ``Retry-After`` is kept; without it the wait doubles from one second to a minute. So it does with one of no
    time at all, or of a time gone by: the whole budget would be spent in POSTs without a pause.
    """
    if answer.proof != "again":
        return None
    wait = answer.retry_after or backoff(tries, 60.0, jitter)
    return wait if elapsed + wait <= budget else None


def check_conflict(entry: LedgerEntry, asked: Mapping[str, Any], sent: Mapping[str, Any]) -> None:
    """Refuse a key that was used for a different request: asked in other words, or with other inputs of the same name.

    One under which nothing was accepted is free for any.

    Raises:
        KeyConflict: naming each difference.
    """
    if entry.claim is None or entry.state == "free":
        # Where nothing was accepted, the request may be mended.
        return
    if changed := _changes(entry.claim, asked, sent):
        raise KeyConflict(
            f"the idempotency key was used for a different request: {'; '.join(changed)}. "
            "Use another key, or ask for the same as before"
        )


def _changes(claim: Claim, asked: Mapping[str, Any], sent: Mapping[str, Any]) -> list[str]:
    """Name what differs from the request of a claim."""
    changed = differences(claim.asked, asked)
    if not changed and claim.sent and sent:
        before, now = ({name: body.get(name) for name in INPUTS} for body in (claim.sent, sent))
        changed = differences(before, now)
    return changed


def _is_refused_for_good(entry: LedgerEntry, claim: Claim) -> bool:
    """Whether moderation has refused the very request of a claim under its key, which is then never sent again."""
    moderated = entry.failure == "input_moderation" and entry.claim is not None
    return moderated and not _changes(entry.claim or claim, claim.asked, claim.sent)


def _is_own(entry: LedgerEntry, claim: Claim, attempt: int) -> bool:
    """Tell whether the claim of an attempt is ours, though its creation was answered with an error."""
    token = entry.claim.token if entry.claim else ""
    return (entry.state, entry.attempt, token) == ("claimed", attempt, claim.token) and bool(token)


def _submitted(answer: SubmitAnswer, claim: Claim, left: Unrecorded | None) -> Submitted:
    if answer.proof == "accepted":
        reason = f"not recorded yet: {left.why}" if left else None
        return Submitted(state="accepted", claim=claim, job_id=answer.job_id, reason=reason)
    if answer.proof == "uncertain":
        known = Submitted(state="uncertain", claim=claim, reason=answer.reason, status=answer.status)
        return known.model_copy(update={"in_flight": answer.pending})
    unsent = answer.failure is not None and answer.status is None
    reason = answer.reason if unsent else f"{answer.reason}. {advice(answer.status, answer.failure)}"
    known = Submitted(state="refused", claim=claim, reason=reason, status=answer.status)
    return known.model_copy(update={"api_message": answer.reason, "failure": answer.failure})

"""Which outcome follows from a plan, a submission, a poll or a file.

Pure: every end that one video can have is built here, so that each says the same things in the same words.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from pydantic import ValidationError

from openrouter_video.api import VideoJob
from openrouter_video.ledger import Claim, LedgerEntry, Submitted, Unrecorded, describe_flight, in_flight
from openrouter_video.outcome import SETTLE_COMMAND, LeftOut, Outcome, SavedFile
from openrouter_video.planning import ModelPlan
from openrouter_video.text import clip

__all__ = [
    "COLLECT",
    "STILL_AWAITED",
    "completed",
    "elapsed_since",
    "failed",
    "given_up",
    "gone",
    "left_open",
    "not_sent",
    "of_entry",
    "of_plan",
    "of_submission",
    "started",
    "uncertain",
    "unreadable",
    "why_unreadable",
    "with_unrecorded",
]

COLLECT = "`openrouter-video collect`"
COLLECT_SENTENCE = re.compile(rf"[^.;]*{COLLECT}[^.;]*[.;]?")
FINAL = "This is final for"
FINAL_FOR: Mapping[bool | None, str] = {
    True: "this key and take: to try again, use another key or another take",
    False: "this run and its retries: to try again, start a new run",
    None: "this key and take: to try again, use another key or take; without a key, start a new run",
}
STILL_AWAITED = "As long as this process lives, it listens for the answer and records it"
SETTLE = f"`{SETTLE_COMMAND} {{key}} --job ID` if the job is found at OpenRouter, or `--abandon` if it is not"
NO_CLAIM = "its claim cannot be read, so it is not known where its video belongs: correct the record"
LOST = f"`{SETTLE_COMMAND} {{key}} --lost`"


def of_plan(plan: ModelPlan, take: int, key: str | None = None) -> Outcome:
    """Return the outcome of a model to which nothing is sent."""
    return Outcome(
        model=plan.model,
        take=take,
        key=key,
        status="skipped" if plan.decision == "skip" else "refused",
        left_out=plan.left_out,
        notes=plan.notes,
        error="; ".join(problem.message for problem in plan.problems) or None,
    )


def unreadable(key: str, reason: str) -> Outcome:
    """Return the outcome of a key whose records cannot be read: nobody knows, and nothing is done until they can."""
    return Outcome(model="unknown", key=key, status="open", reused=True, error=why_unreadable(reason))


def why_unreadable(reason: str) -> str:
    """Return why the records of a key cannot be read, with what to do about it."""
    cure = "Once that is fixed (access rights, storage class, a folder in place of a file)"
    return f"{reason} {cure}, {COLLECT} goes on with it; until then nothing is sent or fetched under this key"


def started(claim: Claim, *, job_id: str | None = None, reused: bool = False) -> Outcome:
    """Return what is known of a video from its claim alone: the job is open until something ends it."""
    return Outcome(
        model=claim.model,
        take=claim.take,
        key=claim.key,
        status="open",
        reused=reused,
        job_id=job_id,
        sent=claim.sent,
        left_out=_left_out(claim),
        notes=claim.notes,
    )


def _left_out(claim: Claim) -> tuple[LeftOut, ...]:
    """Read what a claim says was left out; a record that somebody edited must not stop anything."""
    try:
        return tuple(LeftOut.model_validate(option) for option in claim.left_out)
    except ValidationError:
        return ()


def of_submission(submitted: Submitted) -> Outcome:
    """Return the outcome of a submission that left no job to wait for, or of the open job that it left."""
    if submitted.outcome is not None:
        known = _said_final(submitted.outcome, submitted.claim.shared).model_copy(update={"reused": True})
        return _with_other_jobs(known, submitted.other_job_ids)
    outcome = started(submitted.claim, job_id=submitted.job_id, reused=submitted.reused)
    outcome = _with_other_jobs(outcome, submitted.other_job_ids)
    if submitted.in_flight and submitted.reused:
        return outcome.model_copy(update={"error": submitted.reason})
    if submitted.state == "uncertain":
        return uncertain(outcome, f"{submitted.reason}. {STILL_AWAITED}" if submitted.in_flight else submitted.reason)
    if submitted.state == "refused":
        return outcome.model_copy(update={"status": "refused", "error": submitted.reason})
    return outcome


def of_entry(entry: LedgerEntry, now: datetime | None = None) -> Outcome:
    """Return the outcome that the records of a key tell by themselves.

    With ``now``, a submission whose answer may still come is open: in flight, and not yet uncertain.
    """
    if entry.outcome is not None:
        shared = entry.claim.shared if entry.claim else None
        known = _said_final(entry.outcome, shared).model_copy(update={"reused": True})
        return _with_other_jobs(known, entry.other_job_ids)
    if entry.claim is None:
        base = Outcome(model="unknown", key=entry.key, status="open", reused=True, job_id=entry.job_id)
    else:
        base = started(entry.claim, job_id=entry.job_id, reused=True)
    base = _with_other_jobs(base, entry.other_job_ids)
    if now is not None and in_flight(entry, now):
        return base.model_copy(update={"status": "open", "error": describe_flight(entry, now)})
    if entry.state in {"uncertain", "claimed"}:
        return uncertain(base, entry.reason)
    if entry.state == "free":
        return base.model_copy(update={"status": "refused", "error": entry.reason})
    if entry.claim is None:
        return base.model_copy(update={"error": f"{NO_CLAIM}, or give it up by {LOST.format(key=entry.key)}"})
    return base


def _with_other_jobs(outcome: Outcome, job_ids: Sequence[str]) -> Outcome:
    """Say what else is billed under a key: jobs that a person had given up, and that were accepted all the same."""
    if not job_ids:
        return outcome
    return _with_note(outcome, f"accepted under the same key, and billed too: {', '.join(job_ids)}")


def uncertain(outcome: Outcome, reason: str | None) -> Outcome:
    """Return the outcome of a submission that nobody can vouch for, with what a person can do about it."""
    key = outcome.key or "KEY"
    advice = f"It may be billed, and is never sent again by itself. Look for session {key} in OpenRouter's activity: "
    said = f"{reason}. " if reason else ""
    return outcome.model_copy(update={"status": "uncertain", "error": f"{said}{advice}{SETTLE.format(key=key)}"})


def with_unrecorded(outcome: Outcome, left: Unrecorded | None) -> Outcome:
    """Add what the ledger has not taken of a submission, and what a person can do about it.

    A job's id is then known from this outcome only, and no collection finishes it.
    """
    if left is None or left.answer.proof == "uncertain":
        return outcome
    settle = f"`{SETTLE_COMMAND} {outcome.key}"
    if left.answer.proof != "accepted":
        words = f"the ledger could not record that nothing was accepted ({left.why})"
        return _with_note(outcome, f"{words}: the key is taken until {settle} --abandon`")
    job_id = left.answer.job_id
    words = f"job {job_id} is billed, but the ledger could not record it ({left.why})"
    words = f"{words}: no collection finds it until {settle} --job {job_id}`"
    if outcome.status not in {"open", "uncertain"}:
        return _with_note(outcome, words)
    said = COLLECT_SENTENCE.sub("", outcome.error or "").rstrip(" .;") if outcome.status == "open" else ""
    error = "; ".join(filter(None, [said, words]))
    return outcome.model_copy(update={"status": "open", "job_id": job_id, "error": error})


def _with_note(outcome: Outcome, note: str) -> Outcome:
    return outcome.model_copy(update={"notes": tuple(dict.fromkeys((*outcome.notes, note)))})


def not_sent(claim: Claim, reason: str) -> Outcome:
    """Return the outcome of a video whose submission could not even be recorded."""
    return started(claim).model_copy(update={"status": "refused", "error": reason})


def failed(outcome: Outcome, job: VideoJob, *, shared: bool | None = None) -> Outcome:
    """Return the outcome of a job that the provider has given up, in its words, and what asks for another one.

    ``shared``: whether the user gave a key; None if nobody knows.
    """
    said = clip(job.error) if job.error else "the provider gave no reason"
    known = outcome.model_copy(update={"status": "failed", "error": f"{job.status}: {said}", "cost_usd": job.cost_usd})
    return _said_final(known, shared)


def _said_final(outcome: Outcome, shared: bool | None) -> Outcome:
    """Say of a failure that it stays so, unless it says it already, as those of older versions do not."""
    error = outcome.error or ""
    if outcome.status != "failed" or FINAL in error:
        return outcome
    said = f"{error.rstrip('.')}. " if error else ""
    return outcome.model_copy(update={"error": f"{said}{FINAL} {FINAL_FOR[shared]}"})


def gone(outcome: Outcome, job: VideoJob, reason: str, *, shared: bool | None = None) -> Outcome:
    """Return the outcome of a finished job whose video the provider does not keep any more."""
    error = f"expired: the provider does not keep the video any more ({reason.rstrip('.')})"
    known = outcome.model_copy(update={"status": "failed", "error": error, "cost_usd": job.cost_usd})
    return _said_final(known, shared)


def given_up(entry: LedgerEntry) -> Outcome:
    """Return the outcome of a job that a person has given up; what it cost, the provider's activity page tells."""
    return of_entry(entry).model_copy(update={"status": "failed", "reused": False, "error": "given up by a person"})


def left_open(outcome: Outcome, reason: str | None, job: VideoJob | None = None, *, missing: bool = False) -> Outcome:
    """Return the outcome of a job that goes on, or whose video is still to be fetched.

    ``missing``: the API knows no such thing. That may be for a wrong key or base URL, so only a person ends it.
    """
    cost = job.cost_usd if job else None
    then = f"{COLLECT} finishes it"
    if missing:
        then = f"{COLLECT} asks again; if it can never be had, end it by {LOST.format(key=outcome.key or 'KEY')}"
    told = reason is not None and COLLECT in reason
    error = reason if told else "; ".join(filter(None, [(reason or "").rstrip("."), then]))
    return outcome.model_copy(update={"status": "open", "error": error, "cost_usd": cost})


def completed(
    outcome: Outcome, job: VideoJob, files: Sequence[SavedFile], sidecar_url: str | None, notes: Sequence[str] = ()
) -> Outcome:
    """Return the outcome of a video whose files are safe, with what is odd about them."""
    first = files[0]
    known: dict[str, Any] = {
        "status": "completed",
        "error": None,
        "url": first.url,
        "extra_urls": tuple(file.url for file in files[1:]),
        "sidecar_url": sidecar_url,
        "bytes": first.bytes,
        "sha256": first.sha256,
        "duration_seconds": first.duration_seconds,
        "width": first.width,
        "height": first.height,
        "cost_usd": job.cost_usd,
        "notes": (*outcome.notes, *(note for file in files for note in file.notes), *notes),
    }
    return outcome.model_copy(update=known)


def elapsed_since(claim: Claim, now: datetime) -> float | None:
    """Return the seconds from the claim to a moment, which is how long somebody waited for the video.

    None if the claim's time has been edited into something that is none.
    """
    try:
        return round(max(0.0, (now - datetime.fromisoformat(claim.at)).total_seconds()), 3)
    except (ValueError, TypeError):
        return None

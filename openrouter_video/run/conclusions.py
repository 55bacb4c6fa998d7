"""What became of a video, by the facts that are known of it: one decision for every end that it can have.

Pure. A fresh run, an earlier one's record, a collection, an interruption and a person's word say the same things in
the same words.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from pydantic import ValidationError

from openrouter_video.api import NOT_FOUND, VideoJob, is_gone
from openrouter_video.ledger import Claim, Submitted, Unrecorded
from openrouter_video.money import dollars, micro
from openrouter_video.outcome import SETTLE_COMMAND, LeftOut, Outcome
from openrouter_video.planning import ModelPlan
from openrouter_video.run.extra_takes import NOT_KEPT, with_failure
from openrouter_video.run.facts import Facts, Saved
from openrouter_video.text import clip
from openrouter_video.videos import checked

__all__ = ["COLLECT", "GONE", "STILL_AWAITED", "outcome_of", "unreadable", "why_unreadable"]

COLLECT = "`openrouter-video collect`"
COLLECT_SENTENCE = re.compile(rf"[^.;]*{COLLECT}[^.;]*[.;]?")
FINAL = "This is final for"
FINAL_FOR: Mapping[bool | None, str] = {
    True: "this key and take: to try again, use another key or another take",
    False: "this run and its retries: to try again, start a new run",
    None: "this key and take: to try again, use another key or take; without a key, start a new run",
}
FINAL_FOR_ROW = "this row as it is: to try again, change what it asks for, or raise takes"
FINAL_FOR_SHOT = "this shot as it is: to try again, change what it asks for, or use another key"
STILL_AWAITED = "As long as this process lives, it listens for the answer and records it"
SETTLE = f"`{SETTLE_COMMAND} {{key}} --job ID` if the job is found at OpenRouter, or `--abandon` if it is not"
NO_CLAIM = "its claim cannot be read, so it is not known where its video belongs: correct the record"
LOST = f"`{SETTLE_COMMAND} {{key}} --lost`"
GONE = "is no longer there"
TRIED_AGAIN = "a retry of this run{other} tries again"
BY_KEY, OF_BATCH = ", or another run with the same idempotency key,", ", or another run of the batch,"
NO_VIDEO = "none of the job's outputs is a video; what came is kept"


def outcome_of(facts: Facts, now: datetime) -> Outcome:
    """Return what became of a video, by all that is known of it at this moment."""
    outcome = _with_origin(with_failure(_ended(facts, now), facts.job), facts)
    outcome = _with_notes(outcome, _above_estimate(outcome))
    if facts.unchecked and facts.claim:
        where = facts.claim.output
        outcome = _with_notes(outcome, [f"it was saved at {where}, which this run does not see and has not checked"])
    if facts.unsettled:
        safe = "the file is safe, but " if outcome.url else ""
        outcome = _with_notes(outcome, [f"{safe}{facts.unsettled}"])
    outcome = _with_unrecorded(outcome, facts.unrecorded)
    if facts.unexpected:
        error = "; ".join(filter(None, [facts.unexpected, outcome.error]))
        outcome = outcome.model_copy(update={"error": error})
    return outcome


def unreadable(key: str, reason: str) -> Outcome:
    """Return the outcome of a key whose records cannot be read: nobody knows, and nothing is done until they can."""
    return Outcome(model="unknown", key=key, status="open", reused=True, error=why_unreadable(reason))


def why_unreadable(reason: str) -> str:
    """Return why the records of a key cannot be read, with what to do about it."""
    cure = "Once that is fixed (access rights, storage class, a folder in place of a file)"
    return f"{reason} {cure}, {COLLECT} goes on with it; until then nothing is sent or fetched under this key"


def _with_origin(outcome: Outcome, facts: Facts) -> Outcome:
    """Add what the claim tells of the run that made it, where its record does not, as those of older versions."""
    claim = facts.claim
    if claim is None:
        return outcome
    prompt = claim.asked.get("prompt")
    return _changed(
        outcome,
        made_at=_made_at(outcome, facts, claim),
        prompt=outcome.prompt or (prompt if isinstance(prompt, str) else None),
        labels=outcome.labels or claim.labels,
        estimate=outcome.estimate or claim.estimate,
        sandbox=outcome.sandbox or claim.sandbox,
        batch=outcome.batch or claim.batch,
        row=outcome.row or claim.row,
        row_id=outcome.row_id or claim.row_id,
        instead_of=outcome.instead_of or claim.instead_of,
    )


def _above_estimate(outcome: Outcome) -> list[str]:
    """Say of a video that it has cost more than anybody could expect."""
    expected, cost = outcome.estimate, outcome.cost_usd
    if expected is None or expected.high is None or cost is None or micro(cost) <= expected.high:
        return []
    spent = dollars(cost, sandbox=outcome.sandbox)
    return [f"it cost {spent}, more than the estimate of {expected}"]


def _made_at(outcome: Outcome, facts: Facts, claim: Claim) -> str | None:
    """Return when a video ended, in UTC; one that is fetched once more was made when it was made first."""
    if outcome.status not in {"completed", "failed"}:
        return None
    earlier = facts.submitted.outcome if facts.submitted else None
    made = earlier or outcome
    begun = _moment(claim)
    if made.made_at or begun is None or made.elapsed_seconds is None:
        return made.made_at
    return (begun + timedelta(seconds=made.elapsed_seconds)).isoformat(timespec="milliseconds")


# ---- How far it came -------------------------------------------------------------------------------------------------


def _ended(facts: Facts, now: datetime) -> Outcome:
    """Decide by the last thing that is known: a plan, a submission, an earlier end, or the end of the job."""
    submitted = facts.submitted
    if submitted is None:
        return _not_submitted(facts, now)
    known = _begun(facts, now)
    if facts.given_up:
        return _changed(known, status="failed", error=facts.given_up)
    if facts.recorded:
        notes = dict.fromkeys((*known.notes, *facts.recorded.notes))
        return _changed(facts.recorded, reused=facts.paid_before, notes=tuple(notes))
    if submitted.outcome is not None and facts.job is None:
        earlier = _changed(submitted.outcome, reused=facts.paid_before)
        return _with_notes(_final(earlier, facts.claim), _other_jobs(submitted))
    if submitted.state in {"refused", "uncertain"}:
        return _without_job(known, submitted)
    return _of_job(known, facts, now)


def _not_submitted(facts: Facts, now: datetime) -> Outcome:
    """A plan that sends nothing, or a submission that could not even begin."""
    if facts.plan is not None and facts.plan.decision != "send":
        return _of_plan(facts.plan, facts)
    return _changed(_begun(facts, now), status="refused", error=facts.trouble.reason if facts.trouble else None)


def _of_plan(plan: ModelPlan, facts: Facts) -> Outcome:
    return Outcome(
        model=plan.model,
        take=facts.take,
        key=facts.key,
        status="skipped" if plan.decision == "skip" else "refused",
        left_out=plan.left_out,
        notes=plan.notes,
        error="; ".join(problem.message for problem in plan.problems) or None,
    )


def _begun(facts: Facts, now: datetime) -> Outcome:
    """Tell what is known from the claim and the submission alone: the job is open until something ends it."""
    claim, submitted = facts.claim, facts.submitted
    known = Outcome(model=facts.model, take=facts.take, key=facts.key, status="open", reused=facts.paid_before)
    if claim is not None:
        elapsed = _elapsed(claim, now)
        known = _changed(known, sent=claim.sent, left_out=_left_out(claim), notes=claim.notes, elapsed_seconds=elapsed)
        known = _changed(known, sandbox=claim.sandbox)
    if submitted is not None:
        known = _with_notes(_changed(known, job_id=submitted.job_id), _other_jobs(submitted))
    return known


def _without_job(known: Outcome, submitted: Submitted) -> Outcome:
    """A submission that was refused, that is still in flight, or of which nobody knows."""
    if submitted.state == "refused":
        # Nobody has paid for what was refused, whichever run was told so.
        told = {"error": submitted.reason, "failure": submitted.failure}
        return _changed(known, status="refused", reused=False, **told)
    if submitted.in_flight and submitted.reused:
        return _changed(known, error=submitted.reason)
    reason = f"{submitted.reason}. {STILL_AWAITED}" if submitted.in_flight else submitted.reason
    advice = "A sandbox bills nothing, and it" if known.sandbox else "It may be billed, and"
    where = "the sandbox's /sandbox/billing" if known.sandbox else "OpenRouter's activity"
    advice += f" is never sent again by itself. Look for session {known.key} in {where}: {SETTLE.format(key=known.key)}"
    return _changed(known, status="uncertain", error=f"{reason}. {advice}" if reason else advice)


def _of_job(known: Outcome, facts: Facts, now: datetime) -> Outcome:
    """An accepted job, by what the last poll and the download told."""
    if facts.step is None:
        lost = f"{NO_CLAIM}, or give it up by {LOST.format(key=known.key)}"
        return known if facts.claim else _changed(known, error=lost)
    job = facts.step.job
    if job is None:
        return _left_open(known, facts.step.reason, missing=facts.step.missing)
    known = _changed(known, job_status=clip(job.status))
    if not job.completed:
        said = clip(job.error) if job.error else "the provider gave no reason"
        return _failed(known, f"{job.status}: {said}", job, facts.claim)
    if facts.saved is not None:
        return _of_files(_with_files(known, facts.saved, job), facts, facts.saved, job)
    return _without_files(known, facts, job, now)


# ---- What the download brought ---------------------------------------------------------------------------------------


def _with_files(known: Outcome, saved: Saved, job: VideoJob) -> Outcome:
    """Add the files that are safe, with what is odd about them."""
    first, *others = saved.files
    known = _changed(
        known,
        url=first.url,
        extra_urls=tuple(file.url for file in others),
        bytes=first.bytes,
        sha256=first.sha256,
        duration_seconds=first.duration_seconds,
        width=first.width,
        height=first.height,
        has_audio=first.has_audio,
        c2pa=first.c2pa,
        poster_url=first.poster_url,
        cost_usd=job.cost_usd,
    )
    known = _with_notes(known, [note for file in saved.files for note in file.notes])
    if first.kind not in {"video", "playable"}:
        return known
    found = checked(known.sent or {}, first)
    return _with_notes(_changed(known, checks=found.checks), found.notes)


def _of_files(known: Outcome, facts: Facts, saved: Saved, job: VideoJob) -> Outcome:
    """Files are safe: all there is to come, or some of it, or no whole video.

    For an output that may still come a run leaves the job open, and a collection does not.
    """
    if facts.trouble is not None:
        return _left_open(known, facts.trouble.reason, job)
    known = _with_notes(known, saved.missing)
    first = saved.files[0]
    if saved.waits and not facts.reused and first.kind in {"video", "playable"}:
        return _left_open(known, "; ".join(saved.missing), job)
    over = _changed(known, status="completed", sidecar_url=saved.sidecar_url)
    if first.kind == "video":
        return over
    if saved.fault is None:
        return _changed(over, status="failed", error=NO_VIDEO)
    damage = f"damaged: it came like this each time, and is kept at {first.url}. {saved.fault}".rstrip(".")
    return _with_notes(over, [damage]) if first.kind == "playable" else _of_damage(over, damage, saved, job)


def _of_damage(over: Outcome, damage: str, saved: Saved, job: VideoJob) -> Outcome:
    """What is safe does not play; the provider may still have the whole, or another output that is the video.

    The job stays open until a later run has got the same once more, and nothing else can come.
    """
    known = _changed(over, sidecar_url=None)
    if saved.waits:
        return _left_open(known, "; ".join([damage, *saved.missing]), job)
    if saved.seen_before:
        return _changed(over, status="failed", error=damage)
    return _left_open(known, f"{damage}. {COLLECT} looks for a whole one, and ends the job without", job)


def _without_files(known: Outcome, facts: Facts, job: VideoJob, now: datetime) -> Outcome:
    """The job is completed, and nothing of it could be fetched."""
    reason = facts.trouble.reason if facts.trouble else None
    answer = facts.trouble.answer if facts.trouble else None
    earlier = facts.submitted.outcome if facts.submitted else None
    if earlier is not None:
        why = f": {reason.rstrip('.')}" if reason else ""
        words = f"{earlier.url} {GONE}, and the video could not be downloaded again{why}"
        # Its record is complete, so that no collection looks at it any more.
        return _changed(known, error=f"{words}; {_who_tries_again(facts.claim)}")
    if answer is not None and is_gone(answer, job, now, asked_before=facts.reused):
        error = f"{NOT_KEPT} ({(reason or '').rstrip('.')})"
        return _failed(known, error, job, facts.claim)
    missing = answer is not None and (answer.status == NOT_FOUND or answer.copy_failed)
    return _left_open(known, reason, job, missing=missing)


# ---- The words -------------------------------------------------------------------------------------------------------


def _who_tries_again(claim: Claim | None) -> str:
    """Say who fetches a video again that is gone; of older claims it is not known whether others share their key."""
    if claim and claim.batch:
        return TRIED_AGAIN.format(other=OF_BATCH)
    return TRIED_AGAIN.format(other="" if claim and claim.shared is False else BY_KEY)


def _left_open(outcome: Outcome, reason: str | None, job: VideoJob | None = None, *, missing: bool = False) -> Outcome:
    """Say of a job that goes on, or whose video is still to be fetched, what finishes it.

    ``missing``: the API knows no such thing, or has neither the video nor its copy. That may be for a wrong key or
    base URL, or pass, so only a person ends it.
    """
    then = f"{COLLECT} finishes it"
    if missing:
        then = f"{COLLECT} asks again; if it can never be had, end it by {LOST.format(key=outcome.key or 'KEY')}"
    told = reason is not None and COLLECT in reason
    error = reason if told else "; ".join(filter(None, [(reason or "").rstrip("."), then]))
    return _changed(outcome, status="open", error=error, cost_usd=job.cost_usd if job else None)


def _failed(outcome: Outcome, error: str, job: VideoJob, claim: Claim | None) -> Outcome:
    return _final(_changed(outcome, status="failed", error=error, cost_usd=job.cost_usd), claim)


def _final(outcome: Outcome, claim: Claim | None) -> Outcome:
    """Say of a failure that it stays so, unless it says it already, as those of older versions do not."""
    error = outcome.error or ""
    if outcome.status != "failed" or FINAL in error:
        return outcome
    said = f"{error.rstrip('.')}. " if error else ""
    what = FINAL_FOR_ROW if claim and claim.batch else FINAL_FOR[claim.shared if claim else None]
    what = FINAL_FOR_SHOT if claim and claim.is_shot and claim.shared else what
    return _changed(outcome, error=f"{said}{FINAL} {what}")


def _with_unrecorded(outcome: Outcome, left: Unrecorded | None) -> Outcome:
    """Add what the ledger has not taken of a submission, and what a person can do about it.

    A job's id is then known from this outcome only, and no collection finishes it.
    """
    if left is None or left.answer.proof == "uncertain":
        return outcome
    settle = f"`{SETTLE_COMMAND} {outcome.key}"
    if left.answer.proof != "accepted":
        words = f"the ledger could not record that nothing was accepted ({left.why})"
        return _with_notes(outcome, [f"{words}: the key is taken until {settle} --abandon`"])
    job_id = left.answer.job_id
    billed = "was accepted by a sandbox" if outcome.sandbox else "is billed"
    words = f"job {job_id} {billed}, but the ledger could not record it ({left.why})"
    words = f"{words}: no collection finds it until {settle} --job {job_id}`"
    if outcome.status not in {"open", "uncertain"}:
        return _with_notes(outcome, [words])
    said = COLLECT_SENTENCE.sub("", outcome.error or "").rstrip(" .;") if outcome.status == "open" else ""
    return _changed(outcome, status="open", job_id=job_id, error="; ".join(filter(None, [said, words])))


def _other_jobs(submitted: Submitted) -> list[str]:
    """Say what else is billed under a key: jobs that a person had given up, and that were accepted all the same."""
    others = ", ".join(submitted.other_job_ids)
    billed = "too" if submitted.claim and submitted.claim.sandbox else "and billed too"
    return [f"accepted under the same key, {billed}: {others}"] if others else []


def _with_notes(outcome: Outcome, notes: Iterable[str]) -> Outcome:
    """Add what has not been said yet."""
    return _changed(outcome, notes=tuple(dict.fromkeys((*outcome.notes, *notes))))


def _changed(outcome: Outcome, **known: Any) -> Outcome:
    return outcome.model_copy(update=known)


def _left_out(claim: Claim) -> tuple[LeftOut, ...]:
    """Read what a claim says was left out; a record that somebody edited must not stop anything."""
    try:
        return tuple(LeftOut.model_validate(option) for option in claim.left_out)
    except ValidationError:
        return ()


def _elapsed(claim: Claim, now: datetime) -> float | None:
    """Return the seconds from the claim to a moment, which is how long somebody waited for the video.

    None if the claim's time has been edited into something that is none.
    """
    begun = _moment(claim)
    return round(max(0.0, (now - begun).total_seconds()), 3) if begun else None


def _moment(claim: Claim) -> datetime | None:
    """Return the time of a claim in UTC; None if it has been edited into something that is none."""
    try:
        moment = datetime.fromisoformat(claim.at)
    except ValueError:
        return None
    return moment.astimezone(UTC) if moment.tzinfo else None

"""Which job ``previous_job_id`` means, and whether it can be continued, as far as that is known for free. Pure.

What is known is told before anything is sent. What is not, is the API's to say: a refusal costs nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from openrouter_video.api import PollAnswer, is_loopback
from openrouter_video.ledger import LedgerEntry
from openrouter_video.outcome import Outcome
from openrouter_video.request import PreviousJob
from openrouter_video.text import clip, shown

__all__ = ["Look", "continued_jobs", "job_of_entry", "job_of_sidecar", "looked_at", "made_elsewhere"]

FIELD = "previous_job_id"


class Look(NamedTuple):
    """What one look at a job has told: why it cannot be continued, or what could not be found out."""

    problem: str | None = None
    note: str | None = None


def job_of_entry(written: str, entry: LedgerEntry, ledger_url: str) -> PreviousJob | str:
    """Return the job under a key of the ledger, or why there is none that can be continued."""
    if entry.state == "free":
        hint = "give a key of this ledger, a job id, or the path of a video that has its record beside it"
        return f"the ledger {ledger_url} has no job under the key {written}; {hint}"
    if entry.job_id is None:
        why = f" ({entry.reason})" if entry.reason else ""
        return f"whether the job under the key {written} was accepted is not known{why}; settle it first"
    if entry.outcome is not None and (why_not := _not_finished(entry.outcome)):
        return why_not
    job = _job(entry.job_id, entry.outcome)
    claim = entry.claim
    return job if claim is None else job._replace(model=claim.model, base_url=claim.base_url)


def job_of_sidecar(outcome: Outcome, entry: LedgerEntry | None, base_url: str | None) -> PreviousJob | str:
    """Return the job of a video by the record beside it, or why it cannot be continued.

    ``entry``: what the ledger knows of its key. ``base_url``: where this run is to be made.
    """
    if why_not := _not_finished(outcome):
        return why_not
    if not (outcome.job_id and outcome.job_id.strip()):
        return "the record beside it names no job"
    if outcome.sandbox and base_url is not None and not is_loopback(base_url):
        return f"it was made in a sandbox, of which {base_url} knows nothing"
    claim = entry.claim if entry is not None and entry.job_id == outcome.job_id else None
    job = _job(outcome.job_id, outcome)._replace(model=outcome.model)
    return job._replace(base_url=claim.base_url) if claim else job


def made_elsewhere(job: PreviousJob, base_url: str | None) -> str | None:
    """Say that a job was made by another API than the one that is to continue it."""
    if None in {job.base_url, base_url} or job.base_url == base_url:
        return None
    hint = f"if both reach the same account, give its id: {job.job_id}"
    return f"the job was made at {job.base_url}, and this run goes to {base_url}; {hint}"


def _not_finished(outcome: Outcome) -> str | None:
    if outcome.status in {"completed", "open"} or outcome.job_status == "completed":
        return None
    why = f": {clip(outcome.error)}" if outcome.error else ""
    return f"the video that it names is {outcome.status}{why}; only a finished one can be continued"


def _job(job_id: str, outcome: Outcome | None) -> PreviousJob:
    if outcome is None:
        return PreviousJob(job_id)
    return PreviousJob(job_id, seconds=outcome.duration_seconds, width=outcome.width, height=outcome.height)


def looked_at(job_id: str, answer: PollAnswer, base_url: str) -> Look:
    """Return what the API says of a job that is to be continued; trouble is a note, never a refusal."""
    job = answer.job
    if answer.missing:
        why = "it was made with another account, or is not kept any more"
        return Look(f"{base_url} does not know the job {shown(job_id)}: {why}")
    if job is None:
        return Look(note=f"whether the previous job is finished could not be looked up: {clip(answer.reason or '')}")
    if job.unsuccessful:
        why = f": {clip(job.error)}" if job.error else ""
        return Look(f"the previous job {shown(job_id)} is {job.status}{why}; only a finished one can be continued")
    if not job.completed:
        return Look(f"the previous job {shown(job_id)} is {shown(job.status)}; wait until it is finished")
    return Look()


def continued_jobs(bodies: Iterable[Mapping[str, Any]]) -> tuple[str, ...]:
    """Return the ids of the jobs that these bodies continue, each once."""
    return tuple(dict.fromkeys(str(body[FIELD]) for body in bodies if FIELD in body))

"""Of what kind the failure of a video is, and which extra takes follow from it.

Pure. Only of what a provider has made and withheld another take may be lucky; each is a video of its own, paid for once
under a key of its own, so that a run which begins again goes on where it stopped.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from openrouter_video.api import JobStatus, VideoJob, failure_of_job
from openrouter_video.ledger import LedgerEntry
from openrouter_video.outcome import Outcome
from openrouter_video.run.planned_video import PlannedVideo

__all__ = ["FOR_GOOD", "NOT_KEPT", "is_last_take", "needless_takes", "next_take", "with_failure"]

NOT_KEPT = "expired: the provider does not keep the video any more"
FOR_GOOD = frozenset({"accepted", "settled"})
"""States in which a key is never sent again. A claim, and a doubt, may still turn out to be free, and then cost."""


def with_failure(outcome: Outcome, job: VideoJob | None = None) -> Outcome:
    """Add of what kind it is that a job failed, as records of older versions do not; what a person gave up has none."""
    status = outcome.job_status
    if outcome.status != "failed" or outcome.failure or status is None:
        return outcome
    if status == JobStatus.completed:
        # What came is not a video, or none came in time.
        gone = (outcome.error or "").startswith(NOT_KEPT)
        return outcome.model_copy(update={"failure": "expired" if gone else "provider"})
    return outcome.model_copy(update={"failure": failure_of_job(status, job.error if job else outcome.error)})


def next_take(video: PlannedVideo, made: Sequence[Outcome]) -> PlannedVideo | None:
    """Return the extra take that is to be made after these takes of a video; None if there is to be none."""
    left = video.extra_takes[len(made) - 1 :]
    return left[0] if left and _is_withheld(made[-1]) else None


def needless_takes(keys: Sequence[str], entries: Mapping[str, LedgerEntry]) -> list[str]:
    """Return under which keys of extra takes nothing will be paid for, by what the ledger knows of a video.

    ``keys``: its own, then those of its extra takes in their order.
    """
    for place, key in enumerate(keys):
        entry = entries.get(key)
        if entry is None or entry.state not in FOR_GOOD:
            # This one may be submitted, and those after it.
            return list(keys[1:place])
        if entry.outcome is None:
            return list(keys[1 : place + 1])
        if not _is_withheld(with_failure(entry.outcome)):
            break
    return list(keys[1:])


def is_last_take(entry: LedgerEntry) -> bool:
    """Whether the take of an entry has ended in such a way that no extra take comes after it.

    A job that a person has given up may still go on, and its run may still be told that it was withheld.
    """
    outcome = entry.outcome
    if outcome is None or (outcome.status == "failed" and outcome.job_status is None):
        return False
    return not _is_withheld(with_failure(outcome))


def _is_withheld(outcome: Outcome) -> bool:
    return outcome.status == "failed" and outcome.failure == "output_moderation"

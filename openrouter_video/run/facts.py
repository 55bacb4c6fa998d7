"""What is known of one video: each step of a run adds what it has learned, and ``outcome_of`` tells what that makes.

Pure values, of a fresh run, of what the ledger says of an earlier one, and of a collection alike.
"""

from __future__ import annotations

from datetime import datetime
from typing import Literal, NamedTuple, Self

from openrouter_video.api import ContentAnswer, ContentUnavailable, VideoJob, advice
from openrouter_video.errors import VideoError
from openrouter_video.ledger import Claim, LedgerEntry, Submitted, Unrecorded, describe_flight, in_flight
from openrouter_video.outcome import Outcome, SavedFile
from openrouter_video.planning import ModelPlan
from openrouter_video.run.polling import Step
from openrouter_video.text import printable

__all__ = ["Facts", "Saved", "Trouble", "found"]

STATES: dict[str, Literal["accepted", "refused", "uncertain", "settled"]] = {
    "accepted": "accepted",
    "settled": "settled",
    "free": "refused",
}


class Trouble(NamedTuple):
    """What stands in the way of a video, in words, with the API's answer where it was one."""

    reason: str
    answer: ContentAnswer | None = None

    @classmethod
    def of(cls, error: VideoError) -> Self:
        """Keep what an error says, and no more of it."""
        return cls(str(error), error.answer if isinstance(error, ContentUnavailable) else None)


class Saved(NamedTuple):
    """What a download has brought to safety, at least one file, the videos first.

    ``missing`` says which outputs are not there, and why; with ``waits`` one of them may still come. ``fault``: why the
    first file, for want of a video, is not a whole one; with ``seen_before`` an earlier run had got the same.
    """

    files: tuple[SavedFile, ...]
    sidecar_url: str
    missing: tuple[str, ...] = ()
    waits: bool = False
    fault: str | None = None
    seen_before: bool = False


class Facts(NamedTuple):
    """What is known of one video, in the order in which it is learned.

    ``model``, ``take``, ``key``: which video it is. ``claim``: what was decided before its submission, by the run that
    submitted it. ``plan``: what its model was to get. ``submitted``: what the submission came to, now or earlier.
    ``step``: what the last poll said. ``saved`` and ``trouble``: what the download brought, and what ended the last
    step early. ``recorded``: the outcome that now stands beside the video and in the ledger, whichever run wrote it.
    ``unsettled``: why the ledger did not take it. ``unrecorded``: what it did not take of the submission.
    ``unchecked``: nobody has looked whether an earlier run's video is still there. ``given_up``: why nobody asks for
    the job any more. ``unexpected``: what broke the run off. ``run_id``: the run that wants the video.
    """

    model: str
    take: int = 1
    key: str | None = None
    claim: Claim | None = None
    plan: ModelPlan | None = None
    submitted: Submitted | None = None
    step: Step | None = None
    saved: Saved | None = None
    trouble: Trouble | None = None
    recorded: Outcome | None = None
    unsettled: str | None = None
    unrecorded: Unrecorded | None = None
    unchecked: bool = False
    given_up: str | None = None
    unexpected: str | None = None
    run_id: str | None = None

    @classmethod
    def of_plan(cls, plan: ModelPlan, claim: Claim) -> Self:
        """Begin with what a model is to get, and what is claimed before it does."""
        return cls(claim.model, claim.take, claim.key, claim, plan, run_id=claim.run_id)

    @classmethod
    def of_entry(cls, entry: LedgerEntry, now: datetime | None = None, *, own: bool = False) -> Self:
        """Begin with what the records of a key tell by themselves.

        With ``now``, a submission whose answer may still come is in flight; without, nobody listens for it any more.
        ``own``: this run has submitted it.
        """
        known = found(entry, now).model_copy(update={"reused": not own})
        if entry.claim is None:
            return cls("unknown", 1, entry.key, submitted=known)
        return cls(entry.claim.model, entry.claim.take, entry.key, entry.claim, submitted=known)

    def after_submission(self, submitted: Submitted) -> Self:
        """Add what the submission came to; the claim that counts is the one that was recorded."""
        return self._replace(submitted=submitted, claim=submitted.claim or self.claim)

    @property
    def job(self) -> VideoJob | None:
        """The job, once it has ended at the provider."""
        return self.step.job if self.step else None

    @property
    def reused(self) -> bool:
        """Whether it was submitted before: by an earlier run, or by an earlier attempt of this one."""
        return self.submitted is not None and self.submitted.reused

    @property
    def paid_before(self) -> bool:
        """Whether another run has submitted it, and so has paid for it; a run that is retried stays the same run."""
        ours = self.claim is not None and self.run_id is not None and self.claim.run_id == self.run_id
        return self.reused and not ours

    @property
    def video(self) -> str:
        """Where the video is and how large, for a log."""
        file = self.recorded or (self.saved.files[0] if self.saved else None)
        return f"{printable(file.url or '')} ({file.bytes} bytes)" if file else "no video"

    def ended_job(self) -> tuple[Claim, VideoJob]:
        """Return the job that has ended at the provider, and the claim that says where its video goes.

        Raises:
            ValueError: if there is none, so that there is nothing to fetch or to record.
        """
        if self.claim is None or self.job is None:
            raise ValueError(f"the job of key {self.key} has not ended")
        return self.claim, self.job


def found(entry: LedgerEntry, now: datetime | None = None) -> Submitted:
    """Return what an earlier submission has come to, by its records; ``now`` as for ``Facts.of_entry``."""
    flies = now is not None and in_flight(entry, now)
    reason = describe_flight(entry, now) if flies and now else entry.reason
    if entry.failure:
        reason = f"{reason}. {advice(None, entry.failure)}"
    return Submitted(
        state=STATES.get(entry.state, "uncertain"),
        claim=entry.claim,
        job_id=entry.job_id,
        reason=reason,
        reused=True,
        outcome=entry.outcome,
        other_job_ids=entry.other_job_ids,
        in_flight=flies,
        failure=entry.failure,
    )

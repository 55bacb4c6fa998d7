"""One video from its plan to its file: submit, poll, download, as tasks of their own or inside a lane's."""

from __future__ import annotations

import platform
from datetime import UTC, datetime
from functools import partial
from typing import Any, NamedTuple

from openrouter_video.api import ContentUnavailable, callback_url, shown_callback_url
from openrouter_video.errors import ApiUnavailable, ConfigurationError, KeyConflict, LedgerError, StorageError
from openrouter_video.ledger import Claim, Submitted
from openrouter_video.outcome import Outcome
from openrouter_video.planning import ModelPlan, named_options, replan_options
from openrouter_video.request import RunRequest
from openrouter_video.run import (
    Concurrency,
    Facts,
    PlannedVideo,
    Progress,
    Resources,
    RunReservation,
    Step,
    Trouble,
    look_again,
    outcome_of,
    provider_of,
    settle,
    tell,
)
from openrouter_video.tasks import of_provider

from .named_limits import NamedLimits
from .video_events import emit_video_event
from .video_steps import VideoSteps

__all__ = ["VideoRun", "finish", "make_video"]

BAD_REQUEST = 400
NOT_WAITED_FOR = "it is submitted, and this run does not wait for it"
WAITED_FOR_SUSPENDED = "it is submitted, and this run waits for it suspended"


class VideoRun(NamedTuple):
    """What all videos of one run share.

    ``collect`` is the command that finishes what it leaves open; ``webhook``: where OpenRouter tells of the ends of its
    jobs.
    """

    resources: Resources
    steps: VideoSteps
    concurrency: Concurrency
    run_id: str
    reserved: RunReservation
    collect: str
    deployment: str | None = None
    folder: str | None = None
    sandbox: bool = False
    limits: NamedLimits = NamedLimits()
    webhook: str | None = None

    def body(self, video: PlannedVideo) -> dict[str, Any]:
        """Return what is sent for one video: its body, and where its end is told if it does not say."""
        told = {"callback_url": callback_url(self.webhook, video.key)} if self.webhook else {}
        return {**told, **video.body}

    def claim(self, video: PlannedVideo) -> Claim:
        """Return the claim of one video: all that must be known of it if this process dies in the next moment."""
        plan, asked = video.plan, video.asked
        told = {"callback_url": shown_callback_url(self.webhook)} if self.webhook and plan.sent else {}
        return Claim(
            at=datetime.now(UTC).isoformat(timespec="milliseconds"),
            key=video.key,
            model=plan.model,
            take=video.take,
            asked=asked.request.asked(),
            sent={**told, **(plan.sent or {})},
            base_url=self.resources.client.base_url,
            output=self.resources.store.url,
            path=video.path,
            run_id=self.run_id,
            deployment=self.deployment,
            store_block=asked.store,
            credentials_block=asked.credentials,
            shared=video.scope.shared,
            host=platform.node() if self.folder else None,
            folder=self.folder,
            left_out=tuple(option.model_dump() for option in plan.left_out),
            notes=plan.notes,
            labels=dict(asked.labels),
            estimate=plan.estimate,
            sandbox=self.sandbox,
            reservation=self.reserved.name_of(video.key),
            batch=video.batch,
            row=video.row,
            row_id=video.row_id,
            provider=plan.slug,
            instead_of=video.instead_of,
            extra_keys=video.later_keys,
        )


async def make_video(video: PlannedVideo, run: VideoRun) -> Outcome:
    """Make one video of a plan, and return what became of it; the errors that this package knows become outcomes."""
    claim = run.claim(video)
    facts = Facts.of_plan(video.plan, claim)
    if video.plan.decision == "send":
        provider = provider_of(video.plan)
        async with run.concurrency.place(provider):
            with of_provider(provider):
                facts = await _send(video, claim, run)
    outcome = outcome_of(facts, datetime.now(UTC))
    tell(Progress.of("ended", claim, outcome.job_id, outcome=outcome))
    if not (facts.step and facts.step.reason == WAITED_FOR_SUSPENDED):
        emit_video_event(outcome, facts)
    return outcome


async def _send(video: PlannedVideo, claim: Claim, run: VideoRun) -> Facts:
    """Whatever its end, the ledger is asked once more to take what it has not taken of the submission."""
    try:
        facts = await _submit(video, claim, run)
        facts = await _poll(facts, video.asked, run)
        facts = await finish(facts, run.steps, run.resources)
    finally:
        left = await run.resources.submitter.record_again(claim.key)
    return facts._replace(unrecorded=left)


async def _submit(video: PlannedVideo, claim: Claim, run: VideoRun) -> Facts:
    """Submit a body; as often as a 400 names options that are in it, submit what the policy makes of it without."""
    facts, rejected = Facts.of_plan(video.plan, claim), frozenset[str]()
    try:
        while video.plan.decision == "send":
            patience = video.asked.deadline_seconds
            submit = partial(run.steps.submit, claim, run.body(video), patience)
            submitted = await run.limits.around(provider_of(video.plan), submit, patience)
            if not (named := _rejected_options(submitted, video.plan)):
                return facts.after_submission(submitted)
            rejected |= named
            video = video._replace(plan=await _plan_again(video, rejected, run))
            claim = run.claim(video)
            facts = Facts.of_plan(video.plan, claim)
    except (ApiUnavailable, ConfigurationError, KeyConflict, LedgerError) as error:
        return facts._replace(trouble=Trouble.of(error))
    return facts


async def _poll(facts: Facts, asked: RunRequest, run: VideoRun) -> Facts:
    """Wait for the end of an accepted job, if the run waits for it here.

    Of one that an earlier run has finished, look whether its video is there.
    """
    submitted, claim, resources = facts.submitted, facts.claim, run.resources
    if submitted is None or claim is None:
        return facts
    if submitted.state == "settled":
        return await resources.threads.run(look_again, facts, resources.store)
    if submitted.state != "accepted" or submitted.job_id is None:
        return facts
    if asked.wait != "here" and not resources.submitter.unrecorded(claim.key):
        # Of what the ledger has not taken only this process knows, which tries again with each poll.
        reason = NOT_WAITED_FOR if asked.wait == "no" else WAITED_FOR_SUSPENDED
        return facts._replace(step=Step("leave_open", reason=reason))
    left = max(0.0, asked.deadline_seconds - submitted.late_seconds)
    fresh = not submitted.reused
    usual = facts.plan.usual_seconds if facts.plan and fresh and not run.sandbox else None
    step = await run.steps.poll(claim, submitted.job_id, left, fresh=fresh, usual_seconds=usual)
    return facts._replace(step=step)


async def finish(facts: Facts, steps: VideoSteps, resources: Resources) -> Facts:
    """Bring the video of a job to safety after its last poll, and record its end; what is in the way leaves it open."""
    if facts.job is None:
        return facts
    if facts.job.completed:
        try:
            facts = await steps.download(facts)
        except (ContentUnavailable, StorageError) as error:
            facts = facts._replace(trouble=Trouble.of(error))
    if facts.recorded is None:
        facts = await resources.threads.run(settle, facts, resources.store, resources.ledger, datetime.now(UTC))
    return facts


def _rejected_options(submitted: Submitted, plan: ModelPlan) -> frozenset[str]:
    """A 400 that names an option that was sent is the API's word that the model does not allow it.

    One by which moderation refuses the words of an option is not: what it refuses is not sent again.
    """
    if submitted.state != "refused" or submitted.status != BAD_REQUEST or submitted.failure:
        return frozenset()
    return named_options(submitted.api_message or "", plan.body)


async def _plan_again(video: PlannedVideo, rejected: frozenset[str], run: VideoRun) -> ModelPlan:
    """Apply the policy again after a 400, which is free and final, over a catalog that is fetched afresh."""
    model = (await run.steps.list_models_afresh()).get(video.plan.model)
    if model is None:
        raise ConfigurationError(f"{video.plan.model} has vanished from the API's list of models")
    return replan_options(video.plan, video.asked.request, model, rejected)

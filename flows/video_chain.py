"""One video from its plan to its file: submit, poll, download, as tasks called straight from the flow."""

from __future__ import annotations

import asyncio
import platform
from datetime import UTC, datetime
from functools import partial
from typing import NamedTuple

from openrouter_video.api import NOT_FOUND, ContentUnavailable, VideoJob, is_gone
from openrouter_video.elision import redact
from openrouter_video.errors import ApiUnavailable, ConfigurationError, KeyConflict, LedgerError, StorageError
from openrouter_video.ledger import Claim, Scope, Submitted
from openrouter_video.outcome import Outcome
from openrouter_video.planning import ModelPlan, named_options, replan_options
from openrouter_video.request import VideoRequest
from openrouter_video.run import (
    Progress,
    Resources,
    Step,
    elapsed_since,
    failed,
    gone,
    left_open,
    not_sent,
    of_plan,
    of_submission,
    started,
    tell,
    with_unrecorded,
)
from openrouter_video.stores import open_store
from openrouter_video.tasks import download_video, fetch_catalog, poll_job, submit_video, unsearched
from openrouter_video.videos import find_saved, output_count, video_path, written_path

__all__ = ["VideoRun", "conclude_job", "make_video"]

BAD_REQUEST = 400


class VideoRun(NamedTuple):
    """What all videos of one run share."""

    request: VideoRequest
    scope: Scope
    resources: Resources
    limit: asyncio.Semaphore
    deadline_seconds: float
    run_id: str
    store_block: str | None = None
    credentials_block: str | None = None
    folder: str | None = None

    def claim(self, plan: ModelPlan, take: int) -> Claim:
        """Return the claim of one video: all that must be known of it if this process dies in the next moment."""
        return Claim(
            at=datetime.now(UTC).isoformat(timespec="milliseconds"),
            key=self.scope.key(plan.model, take),
            model=plan.model,
            take=take,
            asked=self.request.asked(),
            sent=plan.sent or {},
            base_url=self.resources.client.base_url,
            output=self.resources.store.url,
            path=video_path(redact(self.request.prompt), self.scope.short, plan.model, take),
            run_id=self.run_id,
            store_block=self.store_block,
            credentials_block=self.credentials_block,
            shared=self.scope.shared,
            host=platform.node() if self.folder else None,
            folder=self.folder,
            left_out=tuple(option.model_dump() for option in plan.left_out),
            notes=plan.notes,
        )


async def make_video(plan: ModelPlan, take: int, run: VideoRun) -> Outcome:
    """Make one video of a plan, and return what became of it; the errors that this package knows become outcomes."""
    claim = run.claim(plan, take)
    if plan.decision != "send":
        outcome = of_plan(plan, take, claim.key)
    else:
        async with run.limit:
            outcome = await _submit_and_finish(plan, claim, run)
    if outcome.elapsed_seconds is None and outcome.sent is not None:
        outcome = outcome.model_copy(update={"elapsed_seconds": elapsed_since(claim, datetime.now(UTC))})
    tell(Progress("ended", claim.model, take, claim.key, outcome.job_id, outcome=outcome))
    return outcome


async def _submit_and_finish(plan: ModelPlan, claim: Claim, run: VideoRun) -> Outcome:
    """Whatever its end, the ledger is asked once more to take what it has not taken of the submission."""
    try:
        outcome = await _submit_poll_download(plan, claim, run)
    finally:
        left = await run.resources.submitter.record_again(claim.key)
    return with_unrecorded(outcome, left)


async def _submit_poll_download(plan: ModelPlan, claim: Claim, run: VideoRun) -> Outcome:
    submit = partial(submit_video, resources=run.resources, deadline_seconds=run.deadline_seconds)
    try:
        submitted = await submit(unsearched(claim), unsearched(plan.body))
        rejected: frozenset[str] = frozenset()
        while named := _rejected_options(submitted, plan):
            rejected |= named
            plan = await _plan_again(plan, rejected, run)
            if plan.decision != "send":
                return of_plan(plan, claim.take, claim.key)
            claim = run.claim(plan, claim.take)
            submitted = await submit(unsearched(claim), unsearched(plan.body))
    except (ApiUnavailable, ConfigurationError, KeyConflict, LedgerError) as error:
        return not_sent(claim, str(error))
    if submitted.state == "settled":
        return await _restore(submitted, run.resources)
    if submitted.state != "accepted" or submitted.job_id is None:
        return of_submission(submitted)
    step = await poll_job(
        unsearched(submitted.claim),
        submitted.job_id,
        run.resources.client,
        deadline_seconds=max(0.0, run.deadline_seconds - submitted.late_seconds),
        fresh=not submitted.reused,
        beside=partial(run.resources.submitter.record_again, claim.key),
    )
    return await conclude_job(of_submission(submitted), step, submitted.claim, run.resources)


async def conclude_job(outcome: Outcome, step: Step, claim: Claim, resources: Resources) -> Outcome:
    """Bring the video of a job to safety after its last poll; whatever stands in the way leaves it open."""
    if step.job is None:
        return left_open(outcome, step.reason, missing=step.missing)
    if not step.job.completed:
        return await _settle(claim, failed(outcome, step.job, shared=claim.shared), resources)
    try:
        kept = await download_video(unsearched(claim), unsearched(step.job), resources, reused=outcome.reused)
    except ContentUnavailable as error:
        if is_gone(error.answer, step.job, datetime.now(UTC), asked_before=outcome.reused):
            return await _settle(claim, gone(outcome, step.job, str(error), shared=claim.shared), resources)
        return left_open(outcome, str(error), step.job, missing=error.answer.status == NOT_FOUND)
    except StorageError as error:
        return left_open(outcome, str(error), step.job)
    # The file says nothing of what went wrong with the ledger before it.
    return kept.model_copy(update={"notes": tuple(dict.fromkeys((*outcome.notes, *kept.notes)))})


async def _settle(claim: Claim, outcome: Outcome, resources: Resources) -> Outcome:
    outcome = outcome.model_copy(update={"elapsed_seconds": elapsed_since(claim, datetime.now(UTC))})
    # A job may expire after a download of it has begun, and died.
    await resources.threads.run(resources.downloader.clear, claim)
    try:
        await resources.threads.run(resources.ledger.settle, claim.key, outcome)
    except LedgerError as error:
        return outcome.model_copy(update={"notes": (*outcome.notes, str(error))})
    return outcome


async def _restore(submitted: Submitted, resources: Resources) -> Outcome:
    """Return an earlier run's outcome; a video that has gone from this store is downloaded again."""
    outcome, claim = of_submission(submitted), submitted.claim
    if outcome.status != "completed" or outcome.job_id is None:
        return outcome
    if claim.output != resources.store.url and not claim.output.startswith("file://"):
        note = f"it was saved at {claim.output}, which this run does not see and has not checked"
        return outcome.model_copy(update={"notes": (*outcome.notes, note)})
    if await resources.threads.run(_is_there, outcome, claim, resources):
        return outcome
    outputs = output_count((outcome.url, *outcome.extra_urls))
    job = VideoJob(id=outcome.job_id, status="completed", videos=outputs)
    try:
        again = await download_video(unsearched(claim), unsearched(job), resources, reused=True)
    except (ContentUnavailable, StorageError) as error:
        gone = f"{outcome.url} is no longer there, and the video could not be downloaded again"
        return left_open(started(claim, job_id=outcome.job_id, reused=True), f"{gone}: {error}")
    return again.model_copy(update={"cost_usd": outcome.cost_usd})


def _is_there(outcome: Outcome, claim: Claim, resources: Resources) -> bool:
    """Look where the earlier run has saved a video: in this store, or in another folder of this machine."""
    # Older versions wrote the URL of a folder without its escapes.
    home = resources.store if claim.output == resources.store.url else open_store(claim.output)
    if home.url == resources.store.url:
        return resources.downloader.find(claim) is not None
    return find_saved(home, written_path(claim.path, outcome.url), size=outcome.bytes)


def _rejected_options(submitted: Submitted, plan: ModelPlan) -> frozenset[str]:
    """A 400 that names an option that was sent is the API's word that the model does not allow it."""
    if submitted.state != "refused" or submitted.status != BAD_REQUEST:
        return frozenset()
    return named_options(submitted.api_message or "", plan.body)


async def _plan_again(plan: ModelPlan, rejected: frozenset[str], run: VideoRun) -> ModelPlan:
    """Apply the policy again after a 400, which is free and final, over a catalog that is fetched afresh."""
    client = run.resources.client
    catalog = await fetch_catalog.with_options(refresh_cache=True)(client.base_url, client)
    model = catalog.get(plan.model)
    if model is None:
        raise ConfigurationError(f"{plan.model} has vanished from the API's list of models")
    return replan_options(plan, run.request, model, rejected)

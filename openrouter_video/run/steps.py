"""The steps of one video as plain calls: submit, poll, download. Prefect's tasks call them, and so do lanes.

Each tells the watcher of its run how far it is, and says what a person would want to read to a log.
"""

from __future__ import annotations

import logging
import random
from collections.abc import Mapping
from typing import Any

from openrouter_video.ledger import Claim, Submitted
from openrouter_video.run.facts import Facts
from openrouter_video.run.polling import Step, first_wait, is_news, next_step
from openrouter_video.run.progress import Progress, tell
from openrouter_video.run.resources import Resources
from openrouter_video.text import clip

__all__ = ["Log", "download", "poll", "submit"]


Log = logging.Logger | logging.LoggerAdapter[Any]


async def submit(
    claim: Claim, body: Mapping[str, Any], resources: Resources, log: Log, *, deadline_seconds: float
) -> Submitted:
    """Submit one body under its claim's key: at most one POST in flight or accepted, ever.

    An answer that is late is waited for until the deadline.

    Raises:
        KeyConflict: if the key belongs to a different request.
        LedgerError: if the claim could not be written; nothing was sent.
    """
    tell(Progress.of("submitting", claim))

    def told(words: str) -> None:
        log.warning("%s: %s", claim.title, words)

    submitted = await resources.submitter.submit(claim, body, patience=deadline_seconds, told=told)
    words = "reused" if submitted.reused else submitted.state
    said = f": {clip(submitted.reason)}" if submitted.reason else ""
    log.info("%s: %s, job %s, key %s%s", claim.title, words, clip(str(submitted.job_id)), claim.key, said)
    return submitted


async def poll(
    claim: Claim,
    job_id: str,
    resources: Resources,
    log: Log,
    *,
    deadline_seconds: float,
    fresh: bool,
    usual_seconds: float | None = None,
) -> Step:
    """Ask for a job's status until it is terminal, hopeless or past the deadline; never fails for the API's sake.

    ``fresh`` means that the job was made a moment ago, so that the first question can wait; ``usual_seconds`` is the
    time in which half of such jobs end. After each answer the ledger is asked again to take what it has not taken of
    the submission.
    """
    limits, began, told = resources.limits, resources.limits.clock(), None
    await limits.sleep(first_wait(deadline_seconds, usual_seconds) if fresh else 0.0)
    while True:
        answer = await resources.client.get_job(job_id)
        elapsed = limits.clock() - began
        jitter = random.random()  # noqa: S311 (spreads load)
        step = next_step(answer, elapsed, deadline_seconds, jitter, usual_seconds)
        if is_news(answer, elapsed, told):
            told = (answer.reason, elapsed)
            log.info("%s: %s after %.0f s", claim.title, answer.reason, elapsed)
            status = answer.job.status if answer.job else None
            tell(Progress.of("waiting", claim, job_id, status=status))
        await resources.submitter.record_again(claim.key)
        if step.action != "wait":
            return step
        await limits.sleep(step.seconds)


async def download(facts: Facts, resources: Resources, log: Log) -> Facts:
    """Download, verify and publish the videos of a finished job, write the sidecar, then end its ledger entry.

    Raises:
        ContentUnavailable, StorageError: if no further attempt can help; the job stays open and can be collected.
    """
    claim, job = facts.ended_job()
    tell(Progress.of("downloading", claim, job.id, status=job.status))
    facts = await resources.downloader.keep(facts)
    log.info("%s: %s", claim.title, facts.video)
    return facts

"""The flow that finishes what earlier runs left open."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Sequence
from typing import Any, NamedTuple, cast

from prefect import flow, get_run_logger
from prefect.states import Completed

from openrouter_video.answers import clip
from openrouter_video.blocks import VideoStore, load_credentials, load_store
from openrouter_video.endpoint import origin
from openrouter_video.errors import ConfigurationError, LedgerError, Problem, RequestRefused
from openrouter_video.job import Outcome, summary
from openrouter_video.ledger import Ledger
from openrouter_video.outcomes import left_open, of_entry
from openrouter_video.polling import Step
from openrouter_video.progress import Progress, tell
from openrouter_video.records import Claim, LedgerEntry
from openrouter_video.resources import Resources
from openrouter_video.store_urls import same_place
from openrouter_video.tasks import RESULT_FORMAT, poll_job, publish_report, unsearched

from .production import refused_state
from .run_identity import identify_run
from .video_chain import conclude_job

__all__ = ["collect_videos"]

READERS = 32


class Place(NamedTuple):
    """Where a job's video goes and which key reads it, as its claim recorded."""

    output: str
    store_block: str | None
    credentials_block: str | None


@flow(name="collect-videos", retries=0, persist_result=True, result_serializer=RESULT_FORMAT)
async def collect_videos(
    store: str | None = None,
    output: str | None = None,
    ledger: str | None = None,
    credentials: str | None = None,
    limit: int | None = None,
    wait_minutes: float = 0,
) -> list[Outcome]:
    """Finish every job that an earlier run left open, in any process that sees the ledger.

    Each job is asked for once; finished videos are downloaded to where their run meant them to be, the soonest to
    expire first. Nothing is ever submitted. Safe beside running flows and beside itself.

    Args:
        store: Name of the OpenRouter Video Store block whose ledger is read.
        output: Folder of the videos, if its ledger is inside it. The ledger of a store is where the store says.
        ledger: Folder of the submission records, if not inside the output. Wins over the store's.
        credentials: Name of an OpenRouter Credentials block. Without it each job's own, or OPENROUTER_API_KEY.
        limit: How many jobs to look at. None means all.
        wait_minutes: How long to wait for jobs that still run. 0 leaves them for the next time.

    Returns:
        What became of each job that was open, and of each submission that nobody can vouch for.

    Raises:
        ConfigurationError: if a key, block, store or ledger cannot be used.
        LedgerError: if the ledger cannot be read.
    """
    identity = await identify_run()
    if limit is not None and limit < 1:
        refused = RequestRefused([Problem("limit", f"limit must be 1 or more, not {limit}")])
        return cast(list[Outcome], refused_state(refused))
    try:
        place = await load_store(store, output, ledger, deployed=identity.deployed)
        records = await asyncio.to_thread(place.open_ledger)
        entries = await _unfinished(records, limit)
    except (ConfigurationError, LedgerError) as error:
        return cast(list[Outcome], refused_state(error))
    groups: dict[Place, list[LedgerEntry]] = defaultdict(list)
    outcomes = [of_entry(entry) for entry in entries if entry.state != "accepted" or entry.claim is None]
    for entry in entries:
        if entry.state == "accepted" and entry.claim is not None:
            claim = entry.claim
            groups[Place(claim.output, claim.store_block, credentials or claim.credentials_block)].append(entry)
    for group, members in groups.items():
        outcomes += await _collect(group, members, place, records, wait_minutes * 60)
    if outcomes:
        await publish_report(unsearched(outcomes))
    # Prefect gives the caller the data of the state that a flow returns.
    return cast(list[Outcome], Completed(message=summary(outcomes) if outcomes else "nothing is open", data=outcomes))


async def _unfinished(ledger: Ledger, limit: int | None) -> list[LedgerEntry]:
    """Read the entries that are neither free nor settled, the oldest first."""
    readers = asyncio.Semaphore(READERS)

    async def read(key: str) -> LedgerEntry | None:
        async with readers:
            return await asyncio.to_thread(ledger.unfinished, key)

    entries = await asyncio.gather(*(read(key) for key in await asyncio.to_thread(ledger.keys)))
    unfinished = [entry for entry in entries if entry is not None and entry.state not in {"free", "settled"}]
    unfinished.sort(key=lambda entry: entry.since or "")
    # Only jobs that can be asked for count, or an old doubt would keep a finished video waiting for ever.
    jobs = [entry for entry in unfinished if entry.state == "accepted"]
    return [entry for entry in unfinished if entry.state != "accepted"] + jobs[:limit]


async def _collect(
    group: Place, entries: Sequence[LedgerEntry], place: VideoStore, ledger: Ledger, wait_seconds: float
) -> list[Outcome]:
    """Collect the jobs of one output and key; what stands in the way of all of them leaves them all open."""
    try:
        client = (await load_credentials(group.credentials_block)).get_client()
        home = await _store_of(group, place)
        async with home.open(client, ledger) as resources:
            answers = await asyncio.gather(*(_ask(e, resources, 0.0) for e in entries), return_exceptions=True)
            steps = [_step_of(answer) for answer in answers]
            by_expiry = sorted(zip(entries, steps, strict=True), key=lambda pair: _expiry(pair[1]))
            ends = await asyncio.gather(
                *(_finish(e, step, resources, wait_seconds) for e, step in by_expiry), return_exceptions=True
            )
            return [_outcome_of(entry, end) for (entry, _), end in zip(by_expiry, ends, strict=True)]
    except ConfigurationError as error:
        return [left_open(of_entry(entry), str(error)) for entry in entries]


def _step_of(answer: Step | BaseException) -> Step:
    """Leave a job open whose question failed in a way that nobody foresaw: it must not keep the others waiting."""
    if isinstance(answer, Step):
        return answer
    if not isinstance(answer, Exception):
        raise answer
    get_run_logger().error("unexpected %s", type(answer).__name__, exc_info=answer)
    return Step("leave_open", reason=clip(f"unexpected {type(answer).__name__}: {answer}"))


def _outcome_of(entry: LedgerEntry, end: Outcome | BaseException) -> Outcome:
    return end if isinstance(end, Outcome) else left_open(of_entry(entry), _step_of(end).reason)


async def _store_of(group: Place, place: VideoStore) -> VideoStore:
    """Open the recorded output by the block that the run used; without one by the options at hand."""
    if group.store_block:
        return await load_store(group.store_block, group.output)
    changed: dict[str, Any] = {"base_url": group.output}
    if not same_place(group.output, place.base_url):
        # A record must not decide where the secrets of this store are sent.
        changed["storage_options"] = None
    return place.model_copy(update=changed)


async def _ask(entry: LedgerEntry, resources: Resources, deadline_seconds: float) -> Step:
    claim = cast(Claim, entry.claim)
    if origin(claim.base_url) != origin(resources.client.base_url):
        return Step("leave_open", reason=f"it belongs to {claim.base_url}; collect it with that base URL")
    return await poll_job(
        unsearched(claim), entry.job_id or "", resources.client, deadline_seconds=deadline_seconds, fresh=False
    )


async def _finish(entry: LedgerEntry, step: Step, resources: Resources, wait_seconds: float) -> Outcome:
    claim = cast(Claim, entry.claim)
    same = origin(claim.base_url) == origin(resources.client.base_url)
    if step.job is None and same and wait_seconds > 0:
        step = await _ask(entry, resources, wait_seconds)
    outcome = await conclude_job(of_entry(entry), step, claim, resources)
    tell(Progress("ended", claim.model, claim.take, claim.key, outcome.job_id, outcome=outcome))
    return outcome


def _expiry(step: Step) -> str:
    """Sort jobs without a known end of retention last."""
    return step.job.expires_at if step.job and step.job.expires_at else "~"

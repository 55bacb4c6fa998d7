"""The flow that finishes what earlier runs left open."""

# No postponed annotations: Prefect pickles a flow that is served, and as text they would lose what they refer to.
import asyncio
from collections import defaultdict
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack, closing
from datetime import UTC, datetime
from functools import partial
from typing import NamedTuple, cast

from prefect import flow, get_run_logger
from prefect.states import Completed

from openrouter_video.api import origin
from openrouter_video.blocks import load_credentials, load_store
from openrouter_video.errors import ConfigurationError, LedgerError, Problem, RequestRefused
from openrouter_video.ledger import (
    Claim,
    Ledger,
    LedgerEntry,
    Reading,
    forget_settled,
    read_open,
    read_open_of,
)
from openrouter_video.outcome import Outcome, summary
from openrouter_video.run import (
    Destination,
    Facts,
    Limits,
    Progress,
    Resources,
    Step,
    Turns,
    checked_keys,
    current_limits,
    not_here,
    open_resources,
    outcome_of,
    provider_of_claim,
    settle_left,
    tell,
    unreadable,
)
from openrouter_video.tasks import RESULT_FORMAT, of_provider, publish_report, refresh_galleries, unsearched
from openrouter_video.text import clip
from openrouter_video.threads import Threads

from . import form_fields as form
from .dead_workers import ask_after_running
from .final_states import refused_state
from .flow_body import flow_body
from .prefect_refusals import explain_prefect_refusals
from .run_identity import identify_run
from .termination import log_if_interrupted
from .video_chain import finish
from .video_events import emit_video_event
from .video_steps import AsCalls, AsTasks, VideoSteps
from .waking import forget_ended_shards, wake_waiting_runs

__all__ = ["collect_videos"]

GOES_ON = "Interrupted; nothing is lost: what is still open stays in the ledger, for the next collection."


class Recorded(NamedTuple):
    """What a claim records of where its video goes, and of the key that reads its job."""

    output: str
    store_block: str | None
    credentials_block: str | None


class Job(NamedTuple):
    """One accepted job, with the open ends of what its claim records, or the reason why these could not be opened."""

    entry: LedgerEntry
    claim: Claim
    resources: Resources | str


class Collection(NamedTuple):
    """What all jobs of one collection share.

    ``until`` is the one moment to which all of them are waited for, ``steps_with`` the grain of their steps.
    """

    destination: Destination
    ledger: Ledger
    credentials: str | None
    turns: Turns
    limits: Limits
    until: float
    threads: Threads
    steps_with: Callable[[Resources], VideoSteps] = AsTasks


@explain_prefect_refusals
@flow(name="collect-videos", retries=0, persist_result=True, result_serializer=RESULT_FORMAT)
async def collect_videos(
    store: form.StoreName = None,
    output: form.OutputUrl = None,
    ledger: form.LedgerUrl = None,
    credentials: form.CredentialsName = None,
    limit: form.Limit = None,
    wait_minutes: form.Wait = 0,
    keys: form.Keys = None,
) -> list[Outcome]:
    """Finish every job that an earlier run left open, in any process that sees the ledger.

    Each job is asked for once; finished videos are downloaded to where their run meant them to be, the soonest to
    expire first. A job that cannot be had, or a record that cannot be read, keeps no other waiting. Nothing is ever
    submitted. Safe beside running flows and beside itself.

    Args:
        store: Name of the OpenRouter Video Store block whose ledger is read.
        output: Folder of the videos, if its ledger is inside it. The ledger of a store is where the store says.
        ledger: Folder of the submission records, if not inside the output. Wins over the store's.
        credentials: Name of an OpenRouter Credentials block. Without it each job's own, or OPENROUTER_API_KEY.
        limit: How many jobs to finish. Those that make no progress do not count. None means all.
        wait_minutes: How long to wait for all jobs that still run. 0 leaves them for the next time.
        keys: Ledger keys of the jobs to finish; no other is looked at. None means all that is open.

    Returns:
        What became of each job that was open, and of each submission that nobody can vouch for or whose records cannot
        be read. Finished jobs beyond the limit are left for the next time.

    Raises:
        ConfigurationError: if a key, block, store or ledger cannot be used.
        LedgerError: if the ledger cannot be read.
    """
    identity = await identify_run()
    with flow_body(), log_if_interrupted(GOES_ON):
        try:
            turns, only = _turns(limit), checked_keys(keys or ())
            if not only:
                await ask_after_running()
            destination = await load_store(store, output, ledger, deployed=identity.deployed)
            collection = await _begin(destination, credentials, turns, wait_minutes)
        except (RequestRefused, ConfigurationError, LedgerError) as error:
            return cast(list[Outcome], refused_state(error))
        with closing(collection.ledger):
            try:
                reading = await _read(only, collection)
            except LedgerError as error:
                return cast(list[Outcome], refused_state(error))
            outcomes = await _collect(reading, collection)
            await collection.threads.run(forget_settled, collection.ledger, reading)
            await _settle_left(reading, outcomes, collection, only_ended=bool(only))
            runs_of = [entry.claim.run_id or "" for entry in reading.entries if entry.claim] if only else None
            still_open = {outcome.key or "" for outcome in outcomes if outcome.status == "open"}
            await wake_waiting_runs(collection.ledger, collection.threads, still_open, runs_of)
            if not only:
                await forget_ended_shards(collection.ledger, collection.threads)
        if outcomes:
            await publish_report(unsearched(outcomes))
    # Prefect gives the caller the data of the state that a flow returns.
    return cast(list[Outcome], Completed(message=summary(outcomes) if outcomes else "nothing is open", data=outcomes))


async def _read(only: Sequence[str], collection: Collection) -> Reading:
    """Read what is open, of these keys if there are any."""
    if not only:
        return await collection.threads.run(read_open, collection.ledger, datetime.now(UTC))
    reading = await collection.threads.run(read_open_of, collection.ledger, only)
    for key in reading.unknown:
        get_run_logger().warning("Nothing is recorded under the key %s in %s", key, collection.ledger.url)
    return reading


async def _settle_left(
    reading: Reading, outcomes: Sequence[Outcome], collection: Collection, *, only_ended: bool
) -> None:
    """Record what videos of earlier runs came to, and give up what runs that died had reserved for others."""
    claims = {entry.key: entry.claim for entry in reading.entries}
    ended = [(claim, outcome) for outcome in outcomes if (claim := claims.get(outcome.key or ""))]
    try:
        settle = partial(settle_left, collection.ledger, datetime.now(UTC), ended, only_ended=only_ended)
        settled = await collection.threads.run(settle)
    except LedgerError as error:
        get_run_logger().warning("What earlier runs reserved is not settled: %s", error)
    else:
        if settled:
            get_run_logger().info("%s reservations in the money journal settled", f"{settled:,}")


def _turns(limit: int | None) -> Turns:
    if limit is not None and limit < 1:
        raise RequestRefused([Problem("limit", f"limit must be 1 or more, not {limit}")])
    return Turns(limit)


async def _begin(destination: Destination, credentials: str | None, turns: Turns, wait_minutes: float) -> Collection:
    limits, threads = current_limits(), Threads()
    until = limits.clock() + wait_minutes * 60
    ledger = await threads.run(destination.reach_ledger)
    return Collection(destination, ledger, credentials, turns, limits, until, threads)


async def _collect(reading: Reading, collection: Collection) -> list[Outcome]:
    """Finish the jobs that are open, and say what is uncertain and what cannot be read."""
    jobs = [entry for entry in reading.entries if _is_job(entry)]
    outcomes = [unreadable(one.key, one.reason) for one in reading.unreadable]
    now = datetime.now(UTC)
    for facts in [Facts.of_entry(entry, now) for entry in reading.entries if not _is_job(entry)]:
        outcomes.append(outcome_of(facts, now))
        emit_video_event(outcomes[-1], facts, collected=True)
    if len(jobs) > collection.limits.lanes:
        # Of so many none has task runs of its own; each logs one line at its end.
        collection = collection._replace(steps_with=partial(AsCalls, log=get_run_logger()))
    return outcomes + await _collect_jobs(jobs, collection)


def _is_job(entry: LedgerEntry) -> bool:
    return entry.state == "accepted" and entry.claim is not None


async def _collect_jobs(entries: Sequence[LedgerEntry], collection: Collection) -> list[Outcome]:
    """Ask for all jobs, then finish them in one order; what is wrong with one keeps no other waiting."""
    groups: dict[Recorded, list[LedgerEntry]] = defaultdict(list)
    outcomes, folders = [], {_folder(entry): cast(Claim, entry.claim) for entry in entries}
    looks = await asyncio.gather(*(collection.threads.run(not_here, claim) for claim in folders.values()))
    absent = dict(zip(folders, looks, strict=True))
    for entry in entries:
        claim, reason = cast(Claim, entry.claim), absent[_folder(entry)]
        if reason is None:
            key = collection.credentials or claim.credentials_block
            groups[Recorded(claim.output, claim.store_block, key)].append(entry)
        else:
            outcomes.append(_left_open(entry, Step("leave_open", reason=reason)))
    async with AsyncExitStack() as stack:
        opened = await asyncio.gather(*(_open(group, collection, stack) for group in groups), return_exceptions=True)
        jobs = [
            Job(entry, cast(Claim, entry.claim), end if isinstance(end, Resources) else _reason_of(end))
            for end, members in zip(opened, groups.values(), strict=True)
            for entry in members
        ]
        answers = await asyncio.gather(*(_ask(job, 0.0, collection) for job in jobs), return_exceptions=True)
        steps = [_step_of(answer) for answer in answers]
        by_expiry = sorted(zip(jobs, steps, strict=True), key=lambda pair: _expiry(pair[1]))
        ends = await asyncio.gather(
            *(_finish(job, step, collection) for job, step in by_expiry), return_exceptions=True
        )
        ended = [(job, _outcome_of(job, end)) for (job, _), end in zip(by_expiry, ends, strict=True) if end is not None]
        await _refresh_pages(ended)
        outcomes += [outcome for _, outcome in ended]
    return outcomes


async def _refresh_pages(ended: Sequence[tuple[Job, Outcome]]) -> None:
    """Bring the pages up to date on which a video stands that has come to its end just now."""
    by_store: dict[Resources, dict[str, Outcome]] = defaultdict(dict)
    for job, outcome in ended:
        if outcome.status != "open" and isinstance(job.resources, Resources):
            by_store[job.resources][job.claim.path] = outcome
    for resources, outcomes in by_store.items():
        await refresh_galleries(unsearched(outcomes), resources)


def _folder(entry: LedgerEntry) -> tuple[str | None, ...]:
    claim = cast(Claim, entry.claim)
    return claim.output, claim.folder, claim.host


async def _open(group: Recorded, collection: Collection, stack: AsyncExitStack) -> Resources:
    limits = collection.limits
    client = (await load_credentials(group.credentials_block)).get_client(limits.timeouts)
    destination = await _destination_of(group, collection.destination)
    return await stack.enter_async_context(open_resources(destination, client, limits, collection.ledger))


def _reason_of(error: BaseException) -> str:
    """Say what stands in the way; what nobody foresaw is logged, and must not keep the others waiting."""
    if isinstance(error, ConfigurationError):
        return str(error)
    if not isinstance(error, Exception):
        raise error
    get_run_logger().error("unexpected %s", type(error).__name__, exc_info=error)
    return clip(f"unexpected {type(error).__name__}: {error}")


def _step_of(answer: Step | BaseException) -> Step:
    return answer if isinstance(answer, Step) else Step("leave_open", reason=_reason_of(answer))


def _outcome_of(job: Job, end: Outcome | BaseException) -> Outcome:
    return end if isinstance(end, Outcome) else _left_open(job.entry, _step_of(end))


def _left_open(entry: LedgerEntry, step: Step) -> Outcome:
    return outcome_of(Facts.of_entry(entry)._replace(step=step), datetime.now(UTC))


async def _destination_of(group: Recorded, given: Destination) -> Destination:
    """Return the recorded output by the block that the run used; without one by the options at hand."""
    if group.store_block:
        return await load_store(group.store_block, group.output)
    # A record does not decide where the secrets of this store are sent.
    return given.at(group.output)


async def _ask(job: Job, deadline_seconds: float, collection: Collection) -> Step:
    if isinstance(job.resources, str):
        return Step("leave_open", reason=job.resources)
    if origin(job.claim.base_url) != origin(job.resources.client.base_url):
        return Step("leave_open", reason=f"it belongs to {job.claim.base_url}; collect it with that base URL")
    steps = collection.steps_with(job.resources)
    with of_provider(provider_of_claim(job.claim)):
        return await steps.poll(job.claim, job.entry.job_id or "", deadline_seconds, fresh=False)


async def _finish(job: Job, step: Step, collection: Collection) -> Outcome | None:
    """Bring one job to its end, or say why it stays open; None if it is left for the next time, beyond the limit."""
    remaining = collection.until - collection.limits.clock()
    if step.job is None and remaining > 0:
        step = await _ask(job, remaining, collection)
    if step.job is None or isinstance(job.resources, str):
        outcome = _left_open(job.entry, step)
    else:
        async with collection.turns.take() as turn:
            if turn is None:
                return None
            steps = collection.steps_with(job.resources)
            with of_provider(provider_of_claim(job.claim)):
                facts = await finish(Facts.of_entry(job.entry)._replace(step=step), steps, job.resources)
            outcome = outcome_of(facts, datetime.now(UTC))
            emit_video_event(outcome, facts, collected=True)
            steps.log_end(outcome)
            turn.used = outcome.status != "open"
    tell(Progress.of("ended", job.claim, outcome.job_id, outcome=outcome))
    return outcome


def _expiry(step: Step) -> str:
    """Sort jobs without a known end of retention last."""
    return step.job.expires_at if step.job and step.job.expires_at else "~"

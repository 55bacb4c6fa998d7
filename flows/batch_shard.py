"""The flow that makes one shard of a batch, started by the batch's own run."""

# No postponed annotations: Prefect pickles a flow that is served, and as text they would lose what they refer to.
import os
from contextlib import AsyncExitStack
from typing import cast

from prefect import flow, get_run_logger
from prefect.states import Completed

from openrouter_video.api import webhook_url
from openrouter_video.blocks import load_credentials, load_store
from openrouter_video.errors import ApiUnavailable, ConfigurationError, LedgerError, Problem, RequestRefused
from openrouter_video.outcome import Outcome, summary
from openrouter_video.run import Concurrency, Resources, current_limits, folder_of, open_resources
from openrouter_video.shards import ShardFiles, ShardReport, ShardWork

from . import form_fields as form
from .all_videos import make_all
from .final_states import refused_state
from .flow_body import flow_body
from .named_limits import find_named_limits
from .opened_run import collect_command_of
from .prefect_refusals import explain_prefect_refusals
from .shard_runs import resume_batch
from .shards_of_batch import check_same_api
from .video_chain import VideoRun
from .video_steps import AsTasks

__all__ = ["batch_shard"]

PAUSES = (1.0, 10.0, 60.0)
"""Before a store that did not take what a shard did is asked again."""
NOTHING_TO_DO = (
    "there is nothing to make at {}: the batch of this shard has ended, or its ledger is not this one. A ledger on a "
    "local disk is seen by the workers of one machine only"
)


@explain_prefect_refusals
@flow(name="batch-shard", retries=0, persist_result=False)
async def batch_shard(
    parent: form.ShardParent,
    number: form.ShardNumber,
    store: form.StoreName = None,
    output: form.OutputUrl = None,
    ledger: form.LedgerUrl = None,
    credentials: form.CredentialsName = None,
) -> None:
    """Make one shard of a batch, whose run has planned it, passed its gates, and waits for it.

    It is started by that run. Started once more it sends nothing twice: the ledger knows what was sent.

    Args:
        parent: Id of the flow run of the batch.
        number: Which of its shards, counted from 1.
        store: Name of the OpenRouter Video Store block of the batch.
        output: Folder of the videos of the batch. Wins over the store's.
        ledger: Folder of its submission records, if not inside the output. Wins over the store's.
        credentials: Name of an OpenRouter Credentials block. Without it OPENROUTER_API_KEY is used.

    Raises:
        RequestRefused: if there is no such shard, or none any more, or if its batch was planned for another API.
        ConfigurationError: if a key, block, store or ledger cannot be used.
        LedgerError: if what it is to do cannot be read, or what it did cannot be written.
    """
    place = {"store": store, "output": output, "ledger": ledger, "credentials": credentials}
    try:
        with flow_body():
            outcomes = await _make_shard(parent, number, place)
    except (RequestRefused, ConfigurationError, ApiUnavailable, LedgerError) as error:
        return cast(None, refused_state(error, anew=True))
    return cast(None, Completed(message=summary(outcomes)))


async def _make_shard(parent: str, number: int, place: dict[str, str | None]) -> tuple[Outcome, ...]:
    """Read what is to be done, make it in the name of the batch's run, and tell what became of it."""
    credentials = await load_credentials(place["credentials"])
    destination = await load_store(place["store"], place["output"], place["ledger"], deployed=True)
    async with AsyncExitStack() as stack:
        opening = open_resources(destination, credentials.get_client(), current_limits())
        resources = await stack.enter_async_context(opening)
        files = ShardFiles(resources.ledger.store, parent, credentials.api_key)
        threads = resources.threads
        if told := await threads.run(files.report, number):
            get_run_logger().info("Shard %s has been made already", number)
            return told.outcomes
        work = await threads.run(files.work, number)
        if work is None:
            raise RequestRefused([Problem("number", NOTHING_TO_DO.format(files.url))])
        check_same_api(work, resources)
        outcomes = await make_all(work.videos, await _run_of(work, resources))
        await _tell(number, ShardReport(tuple(outcomes)), files, resources)
        if work.waits_suspended and (await threads.run(files.told)).issuperset(work.others):
            await resume_batch(work.run_id, resources.limits.sleep)
    return tuple(outcomes)


async def _tell(number: int, report: ShardReport, files: ShardFiles, resources: Resources) -> None:
    """Write what became of the videos; without it the shard is made once more, to find all of them in the ledger."""
    for pause in PAUSES:
        try:
            return await resources.threads.run(files.keep_report, number, report)
        except LedgerError as error:
            get_run_logger().warning("%s; trying again", error)
            await resources.limits.sleep(pause)
    await resources.threads.run(files.keep_report, number, report)
    return None


async def _run_of(work: ShardWork, resources: Resources) -> VideoRun:
    """Return what all videos of the shard share: the name of the batch's run, and the shard's part of its limits."""
    return VideoRun(
        resources=resources,
        steps=AsTasks(resources),
        concurrency=Concurrency(work.concurrency, work.per_provider),
        run_id=work.run_id,
        reserved=work.reserved,
        collect=collect_command_of(work.videos[0].asked, resources),
        deployment=work.deployment,
        folder=await resources.threads.run(folder_of, resources.store, resources.ledger),
        sandbox=work.sandbox,
        limits=await find_named_limits(),
        webhook=webhook_url(os.environ, resources.client.base_url),
    )

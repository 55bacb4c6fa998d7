"""One batch from its table to its outcomes: read, plan the whole, pass the gates once, make every video, report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from typing import Any, cast

from prefect import get_run_logger

from openrouter_video.batch import (
    BatchPlan,
    BatchRequest,
    Table,
    Versions,
    models_of,
    name_of_source,
    parse_batch_request,
    read_table,
    table_of_rows,
)
from openrouter_video.errors import ApiUnavailable, ConfigurationError, Problem, RequestRefused, StorageError
from openrouter_video.gallery import was_begun
from openrouter_video.outcome import Batch, Outcome, refused_once, reused_cost, run_status, total_cost
from openrouter_video.rows import Row
from openrouter_video.run import Published, Resources, read_manifest
from openrouter_video.shards import BegunBatch, ShardFiles
from openrouter_video.tasks import make_batch_plan, publish_gallery, unsearched
from openrouter_video.videos import folder_of_batch

from .batch_manifest import BatchManifest
from .batch_portions import BatchPortions, make_here
from .final_states import final_state, refused_state
from .flow_body import flow_body
from .opened_run import OpenedRun, open_run
from .production import list_models, look_at_endpoints
from .run_identity import identify_run, realm_of
from .shard_runs import check_deployment
from .shards_of_batch import ShardsOfBatch, forget_shards, keep_batch, kept_batch, shared_limits
from .suspension import check_wait
from .termination import log_if_interrupted
from .waiting import carry_out

__all__ = ["make_batch"]

MODEL_FIELDS = frozenset({"model", "models"})


async def make_batch(form: Mapping[str, Any]) -> Batch:
    """Make every video that a table asks for; what it returns is the state that ends the flow."""
    given = dict(form)
    source, rows, name = given.pop("source"), given.pop("rows"), given.pop("batch")
    try:
        wish = name_of_batch(name, source, rows)
        with flow_body():
            identity = await identify_run(wish)
            batch = parse_batch_request(batch=identity.dated(wish), **given)
            check_wait(batch.run.wait)
            async with open_run(batch.run, identity, shared=batch.shards > 1) as run:
                result, wanted = await carry_out(run, partial(_produce, batch, source, rows, run))
                if batch.shards > 1:
                    await forget_shards(run)
    except (RequestRefused, ConfigurationError, ApiUnavailable) as error:
        return cast(Batch, refused_state(error, anew=form["wait"] == "suspended" or form["shards"] != 1))
    return cast(Batch, final_state(result, result, wanted, waited=batch.run.wait != "no"))


def name_of_batch(name: str | None, source: str | None, rows: object) -> str:
    """Return the name of a batch: the one that was given, else that of its file.

    Raises:
        RequestRefused: if there is no table, or two, or if there is no name.
    """
    if bool(source) is (rows is not None):
        message = "give a table of prompts: either its file as source, or its rows" + ", not both" * bool(source)
        raise RequestRefused([Problem("source", message)])
    if name or source:
        return name or name_of_source(source or "")
    raise RequestRefused([Problem("batch", "rows need a name: give batch, by which they find their videos again")])


async def _produce(
    batch: BatchRequest, source: str | None, rows: Sequence[Mapping[str, Any]] | None, run: OpenedRun
) -> tuple[Batch, int]:
    """Plan all of the batch, pass the gates once, make every video; one that has begun its shards goes on with them."""
    with log_if_interrupted("Interrupted before anything was sent; nothing was charged."):
        files = ShardFiles(run.resources.ledger.store, run.identity.run_id, run.credentials.api_key)
        begun = await kept_batch(files, run) if batch.shards > 1 else None
        if begun is None:
            begun = await _begin(batch, await _table(source, rows, run), run)
            if begun.shards > 1:
                await keep_batch(begun, files, run)
        made_by = await run.begin(begun.reserved, sandbox=begun.sandbox, per_provider=batch.per_provider)
        manifest = BatchManifest(begun, run.resources, await _earlier(run.resources, begun.report.batch))
        portions = BatchPortions(begun.videos, begun.known, run, begun=begun.portions)
        await portions.find_sent()
    make = ShardsOfBatch(begun, batch, files, run).make if begun.shards > 1 else make_here
    outcomes = await portions.make(made_by, manifest, begun.began, make)
    await manifest.write()
    published = await _publish(outcomes, folder_of_batch(begun.report.batch), run.resources)
    return _ended(begun, outcomes, manifest, published, waited=batch.run.wait != "no"), begun.wanted


async def _begin(batch: BatchRequest, table: Table, run: OpenedRun) -> BegunBatch:
    """Plan the batch, say what is new in it, and let it pass the gates as a whole.

    Raises:
        RequestRefused: if it may not begin; nothing was sent.
    """
    doubt = await check_deployment() if batch.shards > 1 else None
    plan = await run.approved(partial(_plan, table, batch, run))
    said = plan.compared_with(await _earlier(run.resources, plan.batch))
    shares = shared_limits(batch, plan.videos, plan.known)
    log = get_run_logger()
    for line in said.words():
        log.info("%s", line)
    for words in filter(None, (doubt, shares.note)):
        log.warning("%s", words)
    reserved = await BatchPortions(plan.videos, plan.known | plan.needless, run).reserve(plan)
    for words in plan.row_words:
        log.warning("left out: %s", words)
    notes = (*plan.warnings, *filter(None, [shares.note]))
    return BegunBatch(
        report=_report(plan, batch, said, run.identity.run_id).model_copy(update={"problems": notes}),
        wanted=plan.wanted,
        videos=plan.videos,
        known=plan.known | plan.needless,
        carried={key: dict(row.row.carried) for row in plan.rows for video in row.videos for key in video.keys},
        reserved=reserved,
        began=datetime.now(UTC),
        sandbox=plan.sandbox,
        shards=len(shares.shares),
        base_url=run.resources.client.base_url,
    )


async def _publish(outcomes: Sequence[Outcome], folder: str, resources: Resources) -> Published:
    """Put the page of the batch beside its manifest, unless nothing of it was ever sent."""
    if not was_begun(outcomes):
        return Published()
    return await publish_gallery(unsearched(outcomes), folder, resources, with_manifest=False)


async def _table(source: str | None, rows: object, run: OpenedRun) -> Table:
    if source:
        return await run.resources.threads.run(read_table, source, run.destination.options_for)
    return await run.resources.threads.run(table_of_rows, rows)


async def _plan(table: Table, batch: BatchRequest, run: OpenedRun, *, afresh: bool) -> BatchPlan:
    """Plan the batch, ``afresh`` by the prices of this moment; also if a model is missing from the list at hand.

    Raises:
        RequestRefused: if the plan, or what it may cost, does not allow the batch to begin.
    """
    client = run.resources.client
    while True:
        catalog = await list_models(batch.run.models, client, afresh=afresh)
        health = await look_at_endpoints(models_of(table, batch), catalog, client)
        destination, realm = unsearched(run.destination), realm_of(client.base_url)
        plan = await make_batch_plan(
            unsearched(table),
            unsearched(batch),
            unsearched(catalog),
            destination,
            run.resources,
            realm,
            health=unsearched(health),
        )
        if not plan.refused:
            return plan
        if afresh or not any(problem.field in MODEL_FIELDS for problem in plan.problems):
            raise RequestRefused(plan.refusal)
        afresh = True


async def _earlier(resources: Resources, batch: str) -> list[Row]:
    """Return what earlier runs have left in the manifest; what they have paid for only the ledger knows."""
    try:
        return await resources.threads.run(read_manifest, resources.store, folder_of_batch(batch))
    except StorageError as error:
        get_run_logger().warning("What earlier runs made cannot be compared: %s", error)
        return []


def _report(plan: BatchPlan, batch: BatchRequest, said: Versions, run_id: str) -> Batch:
    """Return what the report says before anything has become of its videos."""
    return Batch(
        run_id=run_id,
        status="failed",
        asked=batch.asked(plan.source),
        estimate=plan.estimate,
        batch=plan.batch,
        rows_in_table=plan.total_rows,
        rows_left_out=plan.rows_left_out,
        rows_same=said.same,
        rows_changed=len(said.changed),
        rows_new=said.new,
        rows_gone=said.rows_gone,
    )


def _ended(
    begun: BegunBatch, outcomes: Sequence[Outcome], manifest: BatchManifest, published: Published, *, waited: bool
) -> Batch:
    """Return the whole report."""
    told = {
        "status": run_status(outcomes, begun.wanted, waited=waited),
        "cost_usd": total_cost(outcomes),
        "reused_cost_usd": reused_cost(outcomes),
        "outcomes": tuple(outcomes),
        "manifest_url": manifest.url,
        "gallery_url": published.gallery_url,
        "problems": (
            *refused_once(outcomes),
            *begun.report.problems,
            *filter(None, [manifest.problem]),
            *published.problems,
        ),
    }
    return begun.report.model_copy(update=told)

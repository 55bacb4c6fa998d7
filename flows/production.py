"""One run from a request to its outcomes: open, list, plan, make every video, report."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import Any, TypeVar, cast

from prefect import get_run_logger

from openrouter_video.api import Catalog, ModelEndpoints, VideoClient
from openrouter_video.errors import ApiUnavailable, ConfigurationError, LedgerError, RequestRefused
from openrouter_video.gallery import was_begun
from openrouter_video.ledger import Scope
from openrouter_video.outcome import FanOut, Outcome, refused_once, reused_cost, run_status, total_cost
from openrouter_video.planning import Plan
from openrouter_video.request import parse_run_request
from openrouter_video.run import PlannedVideo, Published, Resources, settle_money, to_reserve, videos_of_request
from openrouter_video.tasks import fetch_catalog, fetch_endpoints, make_plan, publish_gallery, unsearched

from .all_videos import make_all
from .final_states import final_state, refused_state
from .flow_body import flow_body
from .gates import pass_gates
from .opened_run import OpenedRun, open_run
from .run_identity import identify_run
from .suspension import check_wait
from .termination import log_if_interrupted
from .video_chain import VideoRun
from .waiting import carry_out

__all__ = ["list_models", "look_at_endpoints", "make_videos", "settle_run"]

T = TypeVar("T")


async def make_videos(form: Mapping[str, Any], data: Callable[[FanOut], T]) -> T:
    """Make every video that the parameters of a flow ask for; what it returns is the state that ends the flow.

    Prefect gives the flow's caller the ``data`` of what came of it. A refusal and too few videos are raised there.
    """
    try:
        asked = parse_run_request(**form)
        check_wait(asked.wait)
        with flow_body():
            async with open_run(asked, await identify_run(asked.idempotency_key)) as run:
                result, wanted = await carry_out(run, partial(_produce, run))
    except (RequestRefused, ConfigurationError, ApiUnavailable) as error:
        return cast(T, refused_state(error, anew=form["wait"] == "suspended"))
    return cast(T, final_state(result, data(result), wanted, waited=asked.wait != "no"))


async def _produce(run: OpenedRun) -> tuple[FanOut, int]:
    """Plan the run and make every video."""
    asked = run.asked
    with log_if_interrupted("Interrupted before anything was sent; nothing was charged."):
        base_url = run.resources.client.base_url
        scope = run.identity.scope(asked.idempotency_key, asked.request.asked(), base_url)
        plan = await run.approved(partial(_plan, run, scope))
        videos = videos_of_request(asked, scope, plan.models)
        every = [take for video in videos for take in (video, *video.extra_takes)]
        keys = {(take.plan.model, take.take): take.key for take in every}
        reserved = await pass_gates(plan, to_reserve(plan, keys), len(keys), run)
        made_by = await run.begin(reserved, sandbox=plan.sandbox)
    outcomes = await make_all(videos, made_by)
    await settle_run(outcomes, made_by, videos)
    published = await _publish(outcomes, videos, run.resources)
    result = FanOut(
        run_id=run.identity.run_id,
        status=run_status(outcomes, asked.wanted, waited=asked.wait != "no"),
        asked=plan.asked,
        cost_usd=total_cost(outcomes),
        reused_cost_usd=reused_cost(outcomes),
        estimate=plan.estimate,
        problems=(*refused_once(outcomes), *plan.warnings, *published.problems),
        gallery_url=published.gallery_url,
        manifest_url=published.manifest_url,
        outcomes=tuple(outcomes),
    )
    return result, asked.wanted


async def _publish(outcomes: Sequence[Outcome], videos: Sequence[PlannedVideo], resources: Resources) -> Published:
    """Put the page of one request's videos beside them, unless nothing of it was ever sent."""
    if not was_begun(outcomes):
        return Published()
    return await publish_gallery(unsearched(outcomes), videos[0].path.rpartition("/")[0], resources)


async def settle_run(outcomes: Sequence[Outcome], run: VideoRun, videos: Sequence[PlannedVideo] = ()) -> None:
    """Record what the videos came to; a journal that does not take it now takes it from a collection.

    What is reserved for extra takes of these ``videos`` that were not made is given up.
    """
    resources, made = run.resources, {outcome.key for outcome in outcomes}
    unused = [extra.key for video in videos for extra in video.extra_takes if extra.key not in made]
    try:
        await resources.threads.run(
            settle_money,
            resources.journal(sandbox=run.sandbox),
            resources.ledger,
            run.reserved,
            outcomes,
            run.run_id,
            run.deployment,
            unused,
        )
    except LedgerError as error:
        get_run_logger().warning(
            "The bills are not in the money journal yet (%s); they come there by: %s", error, run.collect
        )


async def _plan(run: OpenedRun, scope: Scope, *, afresh: bool) -> Plan:
    """Plan the run, ``afresh`` by the prices of this moment.

    Raises:
        RequestRefused: if the plan, or what it may cost, does not allow the run to begin.
    """
    asked, resources = run.asked, run.resources
    catalog = await list_models(asked.models, resources.client, afresh=afresh)
    health = await look_at_endpoints(asked.models, catalog, resources.client)
    destination = unsearched(run.destination)
    again = run.identity.again
    plan = await make_plan(
        unsearched(asked), unsearched(catalog), scope, destination, resources, again=again, health=unsearched(health)
    )
    if plan.refused:
        raise RequestRefused(plan.refusal)
    return plan


async def list_models(wanted: Sequence[str], client: VideoClient, *, afresh: bool = False) -> Catalog:
    """List the models; afresh also if one that is wanted is missing: the list at hand may be old, or was cut short."""
    anew = fetch_catalog.with_options(refresh_cache=True)
    catalog = await (anew if afresh else fetch_catalog)(client.base_url, client)
    return await anew(client.base_url, client) if catalog.lacks(wanted) else catalog


async def look_at_endpoints(
    wanted: Iterable[str], catalog: Catalog, client: VideoClient
) -> Mapping[str, ModelEndpoints]:
    """Return who serves each of the models that are offered, and how well; what is not known is not in it."""
    models = sorted(model for model in set(wanted) if catalog.get(model))
    found = await fetch_endpoints(client.base_url, models, client) if models else []
    return {one.model: one for one in found if not one.unknown}

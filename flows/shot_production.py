"""One chain from its shots to their videos: plan the whole, pass the gates once, make each after the other, report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, cast

from prefect import get_run_logger

from openrouter_video.errors import ApiUnavailable, ConfigurationError, RequestRefused, StorageError
from openrouter_video.gallery import was_begun
from openrouter_video.ledger import Scope
from openrouter_video.outcome import Chain, Outcome, count_completed, refused_once, reused_cost, run_status, total_cost
from openrouter_video.run import PlannedVideo, Published
from openrouter_video.shots import (
    ChainPlan,
    ChainRequest,
    JoinedChain,
    following,
    joined_path,
    not_sent,
    parse_chain_request,
    scope_of_chain,
    why_not_sent,
)
from openrouter_video.tasks import join_shots, make_chain_plan, publish_gallery, read_last_frame, unsearched

from .all_videos import Ended, make_all, make_some
from .final_states import final_state, refused_state
from .flow_body import flow_body
from .gates import pass_gates
from .opened_run import OpenedRun, open_run
from .production import list_models, look_at_endpoints, settle_run
from .run_identity import identify_run
from .termination import log_if_interrupted
from .video_chain import VideoRun
from .waiting import carry_out

__all__ = ["make_chain"]

LONGER_OR_NOT = (
    "whether a continued video repeats the shots before it is not published: look at the joined file, and set concat "
    "to false (--no-concat) if the last shot is the whole chain already"
)


async def make_chain(form: Mapping[str, Any]) -> Chain:
    """Make every shot that the parameters of the flow ask for; what it returns is the state that ends the flow."""
    try:
        chain = parse_chain_request(**form)
        with flow_body():
            async with open_run(chain.run, await identify_run(chain.run.idempotency_key)) as run:
                result, wanted = await carry_out(run, partial(_produce, chain, run))
    except (RequestRefused, ConfigurationError, ApiUnavailable) as error:
        return cast(Chain, refused_state(error))
    return cast(Chain, final_state(result, result, wanted))


async def _produce(chain: ChainRequest, run: OpenedRun) -> tuple[Chain, int]:
    """Plan the chain, let it pass the gates as a whole, make its shots in order, and join them."""
    with log_if_interrupted("Interrupted before anything was sent; nothing was charged."):
        base_url = run.resources.client.base_url
        # Its shots are told apart by what they ask for, so that what follows a shot does not change it.
        scope = scope_of_chain(run.identity.scope(chain.run.idempotency_key, {"chain": True}, base_url))
        plan = await run.approved(partial(_plan, chain, run, scope))
        amounts = {shot.key: plan.most_of(shot) for shot in plan.new_shots}
        made_by = await run.begin(await pass_gates(plan, amounts, len(plan.shots), run), sandbox=plan.sandbox)
    outcomes = await make_all(plan.shots, made_by, _InOrder(plan, run).make)
    await settle_run(outcomes, made_by)
    published = await _publish(outcomes, plan, run)
    joined = await _join(outcomes, chain, plan, run)
    result = Chain(
        run_id=run.identity.run_id,
        status=run_status(outcomes, len(plan.shots)),
        asked=plan.asked,
        cost_usd=total_cost(outcomes),
        reused_cost_usd=reused_cost(outcomes),
        estimate=plan.estimate,
        problems=(*refused_once(outcomes), *plan.warnings, *published.problems, *filter(None, [joined.note])),
        gallery_url=published.gallery_url,
        manifest_url=published.manifest_url,
        outcomes=tuple(outcomes),
        continued_by=plan.way,
        chain_url=joined.url,
    )
    return result, len(plan.shots)


async def _plan(chain: ChainRequest, run: OpenedRun, scope: Scope, *, afresh: bool) -> ChainPlan:
    """Plan the chain, ``afresh`` by the prices of this moment.

    Raises:
        RequestRefused: if the plan, or what it may cost, does not allow the chain to begin.
    """
    client, models = run.resources.client, [chain.model]
    catalog = await list_models(models, client, afresh=afresh)
    health = unsearched(await look_at_endpoints(models, catalog, client))
    asked, destination, again = unsearched(chain), unsearched(run.destination), run.identity.again
    plan = await make_chain_plan(
        asked, unsearched(catalog), scope, destination, run.resources, again=again, health=health
    )
    if plan.refused:
        raise RequestRefused(plan.refusal)
    return plan


class _InOrder:
    """Makes the shots of a chain one after the other: each with what the one before it has left to continue."""

    def __init__(self, plan: ChainPlan, run: OpenedRun) -> None:
        self._plan, self._run = plan, run

    async def make(self, shots: Sequence[PlannedVideo], made_by: VideoRun, ended: Ended) -> list[Outcome]:
        """Make them; after one that has no video the rest is not sent, as far as it has not been sent before."""
        outcomes = list[Outcome]()
        for shot in shots:
            ready = await self._ready(shot, outcomes[-1]) if outcomes else shot
            outcomes += await make_some([ready], made_by, ended)
        return outcomes

    async def _ready(self, shot: PlannedVideo, before: Outcome) -> PlannedVideo:
        if shot.key in self._plan.known:
            return shot
        if why := why_not_sent(before, shared=shot.scope.shared):
            return not_sent(shot, why)
        if self._plan.way == "previous_job_id":
            return following(shot, before)
        destination = unsearched(self._run.destination)
        try:
            frame = await read_last_frame(before.row or 0, unsearched(before), destination, self._run.resources)
        except (ConfigurationError, StorageError) as error:
            return not_sent(shot, f"it is not sent, since the shot before it cannot be continued: {error}")
        return following(shot, before, frame)


async def _publish(outcomes: Sequence[Outcome], plan: ChainPlan, run: OpenedRun) -> Published:
    """Put the page of the chain beside its shots, unless nothing of it was ever sent."""
    if not was_begun(outcomes):
        return Published()
    return await publish_gallery(unsearched(outcomes), plan.folder, run.resources)


async def _join(outcomes: Sequence[Outcome], chain: ChainRequest, plan: ChainPlan, run: OpenedRun) -> JoinedChain:
    """Join the shots if all of them are there and it is asked for."""
    if not chain.concat or len(outcomes) == 1 or count_completed(outcomes) < len(outcomes):
        return JoinedChain()
    path, destination = joined_path(plan.folder, plan.shots[-1].key), unsearched(run.destination)
    joined = await join_shots(unsearched(outcomes), path, destination, run.resources)
    if joined.note:
        get_run_logger().warning("%s", joined.note)
    if joined.url:
        get_run_logger().info("the shots are joined to %s", joined.url)
    if joined.url and plan.way == "previous_job_id":
        return joined._replace(note=LONGER_OR_NOT)
    return joined

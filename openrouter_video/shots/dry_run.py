"""The dry run of a chain: the inputs of its shots are read, then all of it is planned; nothing is sent to the API."""

from __future__ import annotations

from collections.abc import Mapping

from openrouter_video.api import Catalog, ModelEndpoints
from openrouter_video.ledger import Ledger, Scope
from openrouter_video.money import Bills
from openrouter_video.planning import read_inputs
from openrouter_video.shots.chain_request import ChainRequest
from openrouter_video.shots.plan import ChainPlan, plan_chain
from openrouter_video.stores import OptionsFor, no_options

__all__ = ["dry_chain"]


def dry_chain(
    chain: ChainRequest,
    scope: Scope,
    catalog: Catalog,
    options_for: OptionsFor = no_options,
    bills: Mapping[str, Bills] | None = None,
    health: Mapping[str, ModelEndpoints] | None = None,
    *,
    ledger: Ledger | None = None,
    base_url: str | None = None,
) -> ChainPlan:
    """Plan a chain; what is wrong with an input of a shot is a problem of the plan, beside all others.

    ``bills`` and ``health`` as for ``plan_run``; ``ledger`` and ``base_url`` as for ``find_jobs``.
    """
    read = [read_inputs(shot.request, options_for, ledger=ledger, base_url=base_url) for shot in chain.shots]
    inputs, problems = [one for one, _ in read], [one for _, one in read]
    return plan_chain(chain, scope, catalog, inputs=inputs, problems=problems, bills=bills, health=health)

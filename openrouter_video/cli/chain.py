"""``chain``: the shots of one film after the other, or only their plan and its price."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from openrouter_video.api import DEFAULT_BASE_URL, parse_api_key
from openrouter_video.cli.model_health import served_for_plan
from openrouter_video.cli.model_list import read_catalog
from openrouter_video.cli.options import PlaceOptions, RunOptions
from openrouter_video.cli.plan import bills_in, ledger_of_run, print_whole
from openrouter_video.cli.refusal import EXIT_REFUSED, refused_run, tell_refusal
from openrouter_video.cli.sandbox import embedded_sandbox
from openrouter_video.cli.terminal import Terminal, print_json
from openrouter_video.cli.video_lines import lines_of_batch
from openrouter_video.cli.videos import Asked, Checked, run_videos
from openrouter_video.errors import RequestRefused, VideoError
from openrouter_video.ledger import scope_of_run
from openrouter_video.planning import hold_to_ceiling
from openrouter_video.run import approval_threshold, find_destination
from openrouter_video.shots import ChainPlan, ChainRequest, chain_plan_lines, dry_chain, scope_of_chain

if TYPE_CHECKING:
    from openrouter_video.cli.flow_thread import StartFlow

__all__ = ["make_chain", "print_plan"]

Read = Callable[[], tuple[ChainRequest, dict[str, Any]]]
OVERVIEW = frozenset({"warning", "model", "price", "note"})


def make_chain(
    read: Read, place: PlaceOptions, options: RunOptions, start: Callable[[dict[str, Any]], StartFlow]
) -> int:
    """Make the shots of a chain, and return the exit code. ``start`` calls the flow with its parameters."""

    def begin() -> Asked:
        chain, form = read()
        return Asked(chain.run, chain.asked(), partial(_check, chain, start(form)))

    return run_videos(begin, place, options)


def print_plan(read: Read, *, sandbox: bool, as_json: bool) -> int:
    """Print what each shot would send and may cost; nothing is sent but the question which models there are."""
    terminal, asked = Terminal(stderr=as_json), dict[str, Any]()
    try:
        chain, _ = read()
        asked = chain.asked()
        with embedded_sandbox(sandbox, terminal):
            plan = _dry_plan(chain, os.environ, health=True)
        above = approval_threshold(chain.run.approve_above_usd, None, os.environ)
    except VideoError as error:
        tell_refusal(error)
        if as_json:
            print_json(_document(None, refused_run(asked, error).model_dump(mode="json")))
        return EXIT_REFUSED
    if as_json:
        print_json(_document(plan, {"asked": asked}))
    else:
        print_whole(terminal, chain_plan_lines(plan), plan, above, "chain")
    return EXIT_REFUSED if plan.refused else 0


def _check(chain: ChainRequest, start: StartFlow) -> Checked:
    """Find what would refuse a chain before Prefect is started; the flow checks all of it again."""
    plan = None
    if not chain.run.credentials:
        parse_api_key(os.environ.get("OPENROUTER_API_KEY"))
        plan = _dry_plan(chain, os.environ)
        if plan.refused:
            raise RequestRefused(plan.refusal)
    if not chain.run.store:
        find_destination(chain.run.output, chain.run.ledger, os.environ).check()
    if plan is None:
        return Checked(start, [f"Chain of {len(chain.shots)} shots"], wanted=len(chain.shots))
    overview = [line.text for line in chain_plan_lines(plan) if line.kind in OVERVIEW]
    return Checked(start, overview, lines_of_batch(plan.shots), len(plan.shots), plan.warnings)


def _dry_plan(chain: ChainRequest, environ: Mapping[str, str], *, health: bool = False) -> ChainPlan:
    """Plan a chain over the environment's API; nothing is sent, and no key is needed.

    ``health`` as for the plan of a run.

    Raises:
        ApiUnavailable, ConfigurationError: if the list of models could not be read.
    """
    catalog, asked = read_catalog(environ), chain.run
    if catalog.lacks(asked.models):
        # The API itself lists less for a moment now and then.
        catalog = read_catalog(environ)
    offered = [model for model in asked.models if catalog.get(model)]
    served = served_for_plan(offered, environ) if health or asked.request.provider_options else {}
    base_url = (environ.get("OPENROUTER_BASE_URL") or DEFAULT_BASE_URL).strip().rstrip("/")
    # Which run it will be is not known yet; what is asked, and what it may cost, does not hang on it.
    scope = scope_of_chain(scope_of_run("", {}))
    with ledger_of_run(asked, environ) as ledger:
        bills = bills_in(ledger, sandbox=catalog.sandbox)
        plan = dry_chain(chain, scope, catalog, bills=bills, health=served, ledger=ledger, base_url=base_url)
    # Under a key some of it may be paid for already, and a block says where the bills are: the run itself looks there.
    return hold_to_ceiling(plan, None if asked.idempotency_key or asked.store else asked.max_usd)


def _document(plan: ChainPlan | None, said: Mapping[str, Any]) -> dict[str, Any]:
    """Return the plan for machines; of one that could not be made what is ``said`` of the refusal."""
    if plan is None:
        told = {key: said[key] for key in ("status", "asked", "problems", "estimate", "sandbox")}
        return {**told, "warnings": [], "shots": []}
    return {
        "status": "refused" if plan.refused else "planned",
        "asked": said["asked"],
        "problems": [str(problem) for problem in plan.problems],
        "warnings": list(plan.warnings),
        "estimate": plan.estimate.model_dump(mode="json"),
        "sandbox": plan.sandbox,
        "continued_by": plan.way,
        "shots": [
            {
                "shot": shot.row,
                "model": shot.plan.model,
                "decision": shot.plan.decision,
                "sent": shot.plan.sent,
                "left_out": [option.model_dump(mode="json") for option in shot.plan.left_out],
                "notes": list(shot.plan.notes),
                "estimate": shot.plan.estimate.model_dump(mode="json") if shot.plan.estimate else None,
            }
            for shot in plan.shots
        ],
    }

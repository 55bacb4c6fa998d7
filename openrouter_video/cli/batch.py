"""``batch``: the videos of a table of prompts, or only their plan and its price."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from contextlib import closing
from functools import partial
from typing import TYPE_CHECKING, Any

from openrouter_video.api import DEFAULT_BASE_URL, is_loopback, parse_api_key
from openrouter_video.batch import (
    BatchPlan,
    BatchRequest,
    batch_plan_lines,
    compare_with_stores,
    dry_batch,
    models_of,
    read_table,
)
from openrouter_video.cli.model_health import served_for_plan
from openrouter_video.cli.model_list import read_catalog
from openrouter_video.cli.options import HowOptions, PlaceOptions
from openrouter_video.cli.plan import print_whole
from openrouter_video.cli.refusal import EXIT_REFUSED, refused_run, tell_refusal
from openrouter_video.cli.sandbox import embedded_sandbox
from openrouter_video.cli.terminal import Terminal, print_json
from openrouter_video.cli.video_lines import lines_of_batch
from openrouter_video.cli.videos import Asked, Checked, run_videos
from openrouter_video.elision import redact_source
from openrouter_video.errors import LedgerError, Problem, RequestRefused, StorageError, VideoError
from openrouter_video.ledger import Journal
from openrouter_video.planning import hold_to_ceiling
from openrouter_video.run import approval_threshold, find_destination

if TYPE_CHECKING:
    from openrouter_video.cli.flow_thread import StartFlow

__all__ = ["make_batch", "print_plan"]

Read = Callable[[], tuple[BatchRequest, dict[str, Any]]]
OVERVIEW = frozenset({"warning", "model", "price"})


def make_batch(
    read: Read, place: PlaceOptions, options: HowOptions, start: Callable[[dict[str, Any]], StartFlow]
) -> int:
    """Make the videos of a table, and return the exit code. ``start`` calls the flow with its parameters."""

    def begin() -> Asked:
        batch, form = read()
        return Asked(batch.run, _asked(batch, form), partial(_check, batch, form, start(form)))

    return run_videos(begin, place, options)


def print_plan(read: Read, *, sandbox: bool, as_json: bool) -> int:
    """Print what a batch would send and may cost; nothing is sent to the API but the question which models it has."""
    terminal, asked = Terminal(stderr=as_json), dict[str, Any]()
    try:
        batch, form = read()
        asked = _asked(batch, form)
        with embedded_sandbox(sandbox, terminal):
            plan = _dry_plan(batch, form["source"], os.environ, health=True)
        above = approval_threshold(batch.run.approve_above_usd, None, os.environ)
    except VideoError as error:
        tell_refusal(error)
        if as_json:
            print_json(_document(None, refused_run(asked, error).model_dump(mode="json")))
        return EXIT_REFUSED
    if as_json:
        print_json(_document(plan, {"asked": asked}))
    else:
        print_whole(terminal, batch_plan_lines(plan), plan, above, "batch")
    return EXIT_REFUSED if plan.refused else 0


def _check(batch: BatchRequest, form: Mapping[str, Any], start: StartFlow) -> Checked:
    """Find what would refuse a batch before Prefect is started; the flow checks all of it again."""
    plan = None
    if not batch.run.credentials:
        parse_api_key(os.environ.get("OPENROUTER_API_KEY"))
        plan = _dry_plan(batch, form["source"], os.environ)
        if plan.refused:
            raise RequestRefused(plan.refusal)
    if not batch.run.store:
        find_destination(batch.run.output, batch.run.ledger, os.environ).check()
    if plan is None:
        return Checked(start, [f"Batch {batch.name}"])
    overview = [line.text for line in batch_plan_lines(plan) if line.kind in OVERVIEW]
    return Checked(start, overview, lines_of_batch(plan.videos), plan.wanted, plan.warnings)


def _dry_plan(batch: BatchRequest, source: str, environ: Mapping[str, str], *, health: bool = False) -> BatchPlan:
    """Plan a batch over the environment's API and ledger; nothing is sent, and no key is needed.

    ``health`` as for the plan of a run.

    Raises:
        ApiUnavailable, ConfigurationError: if the list of models could not be read.
        RequestRefused: if the table could not.
    """
    table, catalog, asked = read_table(source), read_catalog(environ), batch.run
    base_url = (environ.get("OPENROUTER_BASE_URL") or DEFAULT_BASE_URL).strip().rstrip("/")
    realm = "loopback" if is_loopback(base_url) else ""
    if health or asked.request.provider_options or "provider_options" in table.columns:
        served = served_for_plan(filter(catalog.get, models_of(table, batch)), environ)
    else:
        served = {}
    make = partial(dry_batch, table, batch, catalog, health=served, realm=realm, base_url=base_url)
    if asked.store:
        # A block says where the ledger is: what it knows is found by the flow.
        return make()
    place = find_destination(asked.output, asked.ledger, environ)
    with closing(place.open_ledger()) as ledger, closing(place.open_store()) as store:
        try:
            bills = Journal(ledger.store, sandbox=catalog.sandbox).money().bills()
            plan = make(bills=bills, ledger=ledger)
            plan = compare_with_stores(plan, store, ledger)
        except LedgerError as error:
            raise RequestRefused([Problem("ledger", str(error))]) from None
        except StorageError as error:
            raise RequestRefused([Problem("output", str(error))]) from None
    return hold_to_ceiling(plan, asked.max_usd)


def _asked(batch: BatchRequest, form: Mapping[str, Any]) -> dict[str, Any]:
    """Return what was asked of all rows, short and without secrets."""
    shared = {name: value for name, value in batch.run.asked().items() if name != "prompt"}
    return {"batch": batch.name, "source": redact_source(form["source"]), **shared}


def _document(plan: BatchPlan | None, said: Mapping[str, Any]) -> dict[str, Any]:
    """Return the plan for machines; of one that could not be made what is ``said`` of the refusal."""
    if plan is None:
        return {key: said[key] for key in ("status", "asked", "problems", "estimate", "sandbox")}
    return {
        "status": "refused" if plan.refused else "planned",
        "asked": said["asked"],
        "problems": [str(problem) for problem in plan.problems],
        "warnings": list(plan.warnings),
        "estimate": plan.estimate.model_dump(mode="json"),
        "sandbox": plan.sandbox,
        "rows": plan.total_rows,
        "rows_left_out": plan.rows_left_out,
        "videos": len(plan.videos),
        "new_videos": len(plan.new_videos),
        "models": [
            {"model": share.model, "new_videos": share.videos, "estimate": share.together.model_dump(mode="json")}
            for share in plan.shares
        ],
    }

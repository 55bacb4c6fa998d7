"""What ``batch`` asks for: the videos of a table of prompts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import closing
from functools import partial
from typing import Any

from openrouter_video.api import is_loopback
from openrouter_video.batch import (
    BatchPlan,
    BatchRequest,
    batch_plan_lines,
    compare_with_stores,
    dry_batch,
    models_of,
    read_table,
)
from openrouter_video.cli.asked import Asked, Overview
from openrouter_video.cli.plan import look_up_models
from openrouter_video.cli.video_lines import lines_of_batch
from openrouter_video.elision import redact_source
from openrouter_video.errors import LedgerError, Problem, RequestRefused, StorageError
from openrouter_video.ledger import Journal
from openrouter_video.outcome import Outcome
from openrouter_video.planning import hold_to_ceiling
from openrouter_video.report import PlanLine
from openrouter_video.run import find_destination

__all__ = ["AskedBatch"]

OVERVIEW = frozenset({"warning", "model", "price"})


class AskedBatch(Asked[tuple[BatchRequest, dict[str, Any]], BatchPlan]):
    """A batch, with the parameters of its flow."""

    kind, flow = "batch", "batch_videos"

    def __init__(self, request: tuple[BatchRequest, dict[str, Any]]) -> None:
        self.batch, self.form = request
        self.run, self.report = self.batch.run, self.batch.asked(redact_source(self.form["source"]))

    def dry_plan(self, environ: Mapping[str, str], *, health: bool = False) -> BatchPlan:
        """Plan its rows, and compare them with what is in the store and the ledger."""
        table, run = read_table(self.form["source"]), self.run
        by_provider = bool(run.request.provider_options) or "provider_options" in table.columns
        catalog, served, base_url = look_up_models(models_of(table, self.batch), environ, health=health or by_provider)
        realm = "loopback" if is_loopback(base_url) else ""
        make = partial(dry_batch, table, self.batch, catalog, health=served, realm=realm, base_url=base_url)
        if run.store:
            # A block says where the ledger is: what it knows is found by the flow.
            return make()
        place = find_destination(run.output, run.ledger, environ)
        with closing(place.open_ledger()) as ledger, closing(place.open_store()) as store:
            try:
                bills = Journal(ledger.store, sandbox=catalog.sandbox).money().bills()
                plan = compare_with_stores(make(bills=bills, ledger=ledger), store, ledger)
            except LedgerError as error:
                raise RequestRefused([Problem("ledger", str(error))]) from None
            except StorageError as error:
                raise RequestRefused([Problem("output", str(error))]) from None
        return hold_to_ceiling(plan, run.max_usd)

    def found_by(self, outcomes: Sequence[Outcome]) -> str:  # noqa: ARG002 (none of its rows waits for another)
        """Return the name of the batch: in it a row is known by what it asks for."""
        return str(self.form["batch"])

    def plan_lines(self, plan: BatchPlan) -> list[PlanLine]:
        """Tell what the rows have in common, and which are wrong."""
        return batch_plan_lines(plan)

    def plan_details(self, plan: BatchPlan) -> dict[str, Any]:
        """Count rows and videos, and tell each model's share."""
        return {
            "rows": plan.total_rows,
            "rows_left_out": plan.rows_left_out,
            "videos": len(plan.videos),
            "new_videos": len(plan.new_videos),
            "models": [
                {"model": share.model, "new_videos": share.videos, "estimate": share.together.model_dump(mode="json")}
                for share in plan.shares
            ],
        }

    def overview(self, plan: BatchPlan | None) -> Overview:
        """Tell each model's share and its price."""
        if plan is None:
            return Overview([f"Batch {self.batch.name}"])
        words = [line.text for line in batch_plan_lines(plan) if line.kind in OVERVIEW]
        return Overview(words, lines_of_batch(plan.videos), plan.wanted)

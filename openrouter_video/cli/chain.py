"""What ``chain`` asks for: the shots of one film after the other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from openrouter_video.cli.asked import Asked, Overview
from openrouter_video.cli.run import model_details, plan_over_bills
from openrouter_video.cli.video_lines import lines_of_batch
from openrouter_video.ledger import scope_of_run
from openrouter_video.outcome import Outcome
from openrouter_video.report import PlanLine
from openrouter_video.shots import ChainPlan, ChainRequest, chain_plan_lines, dry_chain, scope_of_chain

__all__ = ["AskedChain"]

OVERVIEW = frozenset({"warning", "model", "price", "note"})
ENDS_CHAIN = frozenset({"failed", "uncertain"})


class AskedChain(Asked[tuple[ChainRequest, dict[str, Any]], ChainPlan]):
    """A chain of shots, with the parameters of its flow."""

    kind, flow, parts = "chain", "chain_video", "shots"

    def __init__(self, request: tuple[ChainRequest, dict[str, Any]]) -> None:
        self.chain, self.form = request
        self.run, self.report = self.chain.run, self.chain.asked()

    def dry_plan(self, environ: Mapping[str, str], *, health: bool = False) -> ChainPlan:
        """Plan its shots with what the ledger's bills have said of prices."""
        # Which run it will be is not known yet; what is asked, and what it may cost, does not hang on it.
        scope = scope_of_chain(scope_of_run("", {}))
        return plan_over_bills(self.run, partial(dry_chain, self.chain, scope), environ, health=health)

    def plan_lines(self, plan: ChainPlan) -> list[PlanLine]:
        """Tell every shot."""
        return chain_plan_lines(plan)

    def plan_details(self, plan: ChainPlan) -> dict[str, Any]:
        """Tell every shot."""
        shots = [{"shot": shot.row, **model_details(shot.plan)} for shot in plan.shots]
        return {"continued_by": plan.way, "shots": shots}

    def found_by(self, outcomes: Sequence[Outcome]) -> str:
        """Return its key; nothing follows a shot that has failed, or of which only a person can say what it became."""
        return "" if any(one.status in ENDS_CHAIN for one in outcomes) else super().found_by(outcomes)

    def overview(self, plan: ChainPlan | None) -> Overview:
        """Tell each shot and its price."""
        count = len(self.chain.shots)
        if plan is None:
            return Overview([f"Chain of {count} shots"], wanted=count)
        words = [line.text for line in chain_plan_lines(plan) if line.kind in OVERVIEW]
        return Overview(words, lines_of_batch(plan.shots), count)

"""What ``plan``, ``generate`` and ``fan-out`` ask for: a run of one prompt."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager, suppress
from functools import partial
from typing import Any

from openrouter_video.cli.asked import Asked, Overview, P
from openrouter_video.cli.plan import look_up_models
from openrouter_video.cli.report import beforehand
from openrouter_video.cli.video_lines import planned_lines
from openrouter_video.errors import ConfigurationError, LedgerError, Problem
from openrouter_video.ledger import Journal, Ledger
from openrouter_video.money import Bills
from openrouter_video.planning import ModelPlan, Plan, dry_run, hold_to_ceiling
from openrouter_video.report import VERDICTS, PlanLine, plan_lines
from openrouter_video.request import RunRequest
from openrouter_video.run import find_destination
from openrouter_video.text import clip

__all__ = ["AskedFanOut", "AskedVideo", "model_details", "plan_over_bills"]


class AskedFanOut(Asked[RunRequest, Plan]):
    """A run of one prompt with any number of models."""

    kind, flow = "run", "fan_out_video"

    def __init__(self, request: RunRequest) -> None:
        self.run, self.report, self.form = request, request.asked(), request.parameters()

    def dry_plan(self, environ: Mapping[str, str], *, health: bool = False) -> Plan:
        """Plan it with what the ledger's bills have said of prices."""
        return plan_over_bills(self.run, partial(dry_run, self.run), environ, health=health)

    def plan_lines(self, plan: Plan) -> list[PlanLine]:
        """Tell every model's part."""
        return plan_lines(plan)

    def plan_details(self, plan: Plan) -> dict[str, Any]:
        """Tell every model's part."""
        return {"models": [model_details(model) for model in plan.models]}

    def overview(self, plan: Plan | None) -> Overview:
        """Tell what is asked, and what it may cost at most."""
        words = [clip(self.run.request.title), *beforehand(self.report, plan)]
        return Overview(words, planned_lines(plan) if plan else [], self.run.wanted)

    def problems(self) -> list[Problem]:
        """Return them: they are reported together with what was asked."""
        return self.run.problems()

    def verdict(self, plan: Plan) -> str:
        """Count the models that it would be sent to."""
        if plan.refused:
            return super().verdict(plan)
        counts = {word: sum(VERDICTS[model.decision] == word for model in plan.models) for word in VERDICTS.values()}
        takes = f", {plan.takes} takes each" if plan.takes > 1 else ""
        return f"A run would be: {', '.join(f'{count} {word}' for word, count in counts.items() if count)}{takes}"


class AskedVideo(AskedFanOut):
    """A run of one prompt with one model."""

    flow = "generate_video"

    def __init__(self, request: RunRequest) -> None:
        super().__init__(request)
        self.form = request.parameters(one_model=True)


def plan_over_bills(run: RunRequest, dry: Callable[..., P], environ: Mapping[str, str], *, health: bool) -> P:
    """Plan a run or a chain by its ``dry`` run over the environment's API, with what earlier bills have said.

    Raises:
        ApiUnavailable, ConfigurationError: if the list of models could not be read.
    """
    catalog, served, base_url = look_up_models(run.models, environ, health=health or bool(run.request.provider_options))
    with _ledger_of(run, environ) as ledger:
        bills = _bills_in(ledger, sandbox=catalog.sandbox)
        plan = dry(catalog, bills=bills, health=served, ledger=ledger, base_url=base_url)
    # Under a key some of it may be paid for already, and a block says where the bills are: the run itself looks there.
    return hold_to_ceiling(plan, None if run.idempotency_key or run.store else run.max_usd)


@contextmanager
def _ledger_of(run: RunRequest, environ: Mapping[str, str]) -> Iterator[Ledger | None]:
    """Open a run's ledger; one that cannot be read refuses the run, and not its plan, and a block is only Prefect's."""
    with ExitStack() as opened:
        ledger = None
        if not run.store:
            with suppress(ConfigurationError):
                ledger = opened.enter_context(closing(find_destination(run.output, run.ledger, environ).open_ledger()))
        yield ledger


def _bills_in(ledger: Ledger | None, *, sandbox: bool) -> Mapping[str, Bills]:
    with suppress(LedgerError):
        return Journal(ledger.store, sandbox=sandbox).money().bills() if ledger is not None else {}
    return {}


def model_details(model: ModelPlan) -> dict[str, Any]:
    """Return for machines what one model gets."""
    return {
        "model": model.model,
        "decision": model.decision,
        "sent": model.sent,
        "left_out": [option.model_dump(mode="json") for option in model.left_out],
        "notes": model.notes,
        "problems": [problem.message for problem in model.problems],
        "estimate": model.estimate.model_dump(mode="json") if model.estimate else None,
    }

"""The dry run of a recipe over a list of models: nothing is sent, no key is needed, and nobody is asked."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple, TypeVar

from openrouter_video.api import Catalog, ModelEndpoints
from openrouter_video.batch import (
    dry_batch,
    models_of,
    name_of_source,
    parse_batch_request,
    read_table,
    table_of_rows,
)
from openrouter_video.drift.recipes import STAND_IN, Recipe
from openrouter_video.drift.verdicts import RecipePlan
from openrouter_video.errors import Problem, RequestRefused
from openrouter_video.ledger import Ledger, scope_of_run
from openrouter_video.planning import GatedPlan, ModelPlan, Plan, asked_words, dry_run, hold_to_ceiling, needs_approval
from openrouter_video.report import group_left_out
from openrouter_video.request import RunRequest, parse_run_request
from openrouter_video.shots import dry_chain, parse_chain_request, scope_of_chain
from openrouter_video.stores import OptionsFor, no_options
from openrouter_video.text import clip

__all__ = ["Surroundings", "dry_recipe"]


P = TypeVar("P", bound=GatedPlan)

MOST_STAND_INS = 3
MOST_TOLD = 20
CHOSEN_LATER = "its models are chosen at each run: there is nothing to check"


class Surroundings(NamedTuple):
    """What a run of a recipe would find: its store, ledger and API, and above how many US dollars it would ask.

    ``health``: who serves its models, under whose slugs they read their options.
    """

    options_for: OptionsFor = no_options
    ledger: Ledger | None = None
    base_url: str | None = None
    health: Mapping[str, ModelEndpoints] | None = None
    approve_above_usd: float | None = None

    @property
    def of_dry_run(self) -> dict[str, Any]:
        """What every dry run takes of it."""
        return {"health": self.health, "ledger": self.ledger, "base_url": self.base_url}


def dry_recipe(recipe: Recipe, catalog: Catalog, today: str, around: Surroundings) -> RecipePlan:
    """Plan a recipe dry; ``today`` stands in for ``{date}`` in the name of a batch. Blocks."""
    if recipe.problems:
        return RecipePlan(problems=recipe.problems)
    try:
        if recipe.flow == "batch_videos":
            return _of_batch(dict(recipe.form), catalog, today, around)
        if recipe.flow == "chain_video":
            return _of_chain(dict(recipe.form), catalog, around)
        return _of_run(dict(recipe.form), catalog, around)
    except RequestRefused as refused:
        return RecipePlan(models=recipe.models, problems=_words(refused.problems))


def _of_run(form: dict[str, Any], catalog: Catalog, around: Surroundings) -> RecipePlan:
    if not (form.get("model") or form.get("models")):
        return RecipePlan(warnings=(CHOSEN_LATER,))
    # Who starts the run adds one that is missing; an empty one may do where there is something to work from.
    prompt = STAND_IN if form.get("prompt") is None else form["prompt"]
    run = parse_run_request(**{**form, "prompt": prompt}, checked=False)
    plan = dry_run(run, catalog, around.options_for, **around.of_dry_run)
    held, warnings = _held(plan, run, around, paid=_paid_under_key(run))
    refused = [model for model in plan.models if model.decision != "send"] if not held.refused else []
    return RecipePlan(
        models=run.models,
        problems=_words(held.problems),
        needs=tuple(_stand_ins(run, catalog, around)),
        warnings=(*plan.warnings, *warnings, *map(_why_not, refused)),
        left_out=tuple(dict.fromkeys(words for model in plan.models for words in _lost(model))),
        estimate=held.estimate,
    )


def _of_chain(form: dict[str, Any], catalog: Catalog, around: Surroundings) -> RecipePlan:
    if not form.get("model"):
        return RecipePlan(warnings=(CHOSEN_LATER,))
    chain = parse_chain_request(**{**form, "shots": form.get("shots") or [STAND_IN]})
    # Whose chain it is only decides on keys, which nobody claims here.
    scope = scope_of_chain(scope_of_run("recipe", chain.asked()))
    plan = dry_chain(chain, scope, catalog, around.options_for, **around.of_dry_run)
    held, warnings = _held(plan, chain.run, around, paid=_paid_under_key(chain.run))
    return RecipePlan(
        models=chain.run.models,
        problems=_words(held.problems),
        warnings=(*plan.warnings, *warnings),
        left_out=tuple(dict.fromkeys(words for shot in plan.shots for words in _lost(shot.plan))),
        estimate=held.estimate,
    )


def _paid_under_key(run: RunRequest) -> str | None:
    """Say why the videos of a run may be paid for already: under a key that is the same each day they are."""
    key = run.idempotency_key or ""
    return "under its idempotency key" if key and "{date}" not in key else None


def _of_batch(form: dict[str, Any], catalog: Catalog, today: str, around: Surroundings) -> RecipePlan:
    source, rows, name = (form.pop(field, None) for field in ("source", "rows", "batch"))
    if not source and rows is None:
        # Its table comes with each run; what all rows share can be checked all the same.
        if not form.get("models"):
            return RecipePlan(warnings=(CHOSEN_LATER,))
        form |= {"prompt_template": None, "path_template": None}
        rows, name = [{"prompt": STAND_IN}], name or "batch"
    name = name or (name_of_source(source) if source else "batch")
    batch = parse_batch_request(batch=name.replace("{date}", today), **form)
    table = read_table(source, around.options_for) if source else table_of_rows(rows)
    plan = dry_batch(table, batch, catalog, around.options_for, **around.of_dry_run)
    held, warnings = _held(plan, batch.run, around, paid="by an earlier run of the batch")
    lost = dict.fromkeys(words for video in plan.videos for words in _lost(video.plan))
    left_out = [f"left out: {words}" for words in plan.row_words] if plan.skips and not held.refused else []
    return RecipePlan(
        models=tuple(models_of(table, batch)),
        problems=_words(held.refusal),
        warnings=(*plan.warnings, *warnings, *left_out),
        left_out=tuple(lost)[:MOST_TOLD],
        estimate=held.estimate,
    )


def _held(plan: P, run: RunRequest, around: Surroundings, *, paid: str | None) -> tuple[P, list[str]]:
    """Hold a plan to the ceiling of its run, and say whether somebody would be asked.

    Of what may be ``paid`` for already nobody here knows how much is left to pay: a ceiling is a warning then.
    """
    warnings = []
    held = hold_to_ceiling(plan, run.max_usd)
    if paid is not None and len(held.problems) > len(plan.problems):
        warnings = [
            f"{problem}; less where some of it is paid for {paid}" for problem in held.problems[len(plan.problems) :]
        ]
        held = plan
    set_ones = [one for one in (run.approve_above_usd, around.approve_above_usd) if one is not None]
    if not held.problems and set_ones and needs_approval(held, min(set_ones)):
        warnings.append(asked_words(held, min(set_ones)))
    return held, warnings


def _stand_ins(run: RunRequest, catalog: Catalog, around: Surroundings) -> Iterable[str]:
    """Name the cheapest models that take the same request whole, in the place of those that are not listed any more."""
    gone = [model for model in run.models if catalog.get(model) is None]
    others = tuple(model.id for model in catalog.models if model.id not in run.models)
    if not gone or not others:
        return
    other = run._replace(models=others, takes=1, min_success=0, labels={})
    plan: Plan = dry_run(other, catalog, around.options_for, **{**around.of_dry_run, "health": None})
    able = [model for model in plan.models if model.decision == "send" and model.estimate and not _lost(model)]
    ranked = sorted(able, key=lambda model: (not model.estimate.priced, model.estimate.high or 0))  # type: ignore[union-attr]
    if ranked:
        named = ", ".join(
            f"{clip(model.model)} ({model.estimate.words(sandbox=plan.sandbox)})"  # type: ignore[union-attr]
            for model in ranked[:MOST_STAND_INS]
        )
        yield f"the same request as to {clip(', '.join(gone))} is taken by {named}"


def _lost(model: ModelPlan) -> list[str]:
    return [f"{clip(model.model)}: {words}" for words in group_left_out(model.left_out)]


def _why_not(model: ModelPlan) -> str:
    reasons = [problem.message for problem in model.problems] or model.notes[-1:]
    return clip(f"{model.model} would be {'skipped' if model.decision == 'skip' else 'refused'}: {'; '.join(reasons)}")


def _words(problems: Iterable[Problem]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(clip(str(problem)) for problem in problems))

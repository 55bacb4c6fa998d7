"""Request, models, options and policy become the exact bodies to send, and what was left out and why.

Pure. A plan prints itself as the dry run; nothing that it holds has been sent.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Literal

from openrouter_video.api import Catalog, ModelEndpoints, VideoModel
from openrouter_video.errors import Problem
from openrouter_video.ledger import subject
from openrouter_video.money import MICRO, Bills, Estimate, dollars
from openrouter_video.planning.body import body_of
from openrouter_video.planning.capabilities import model_problems, unchecked_notes
from openrouter_video.planning.needs import need_problems
from openrouter_video.planning.passthrough import (
    provider_slug,
    select_options,
    unknown_slugs,
)
from openrouter_video.planning.plan_warnings import plan_warnings
from openrouter_video.planning.price_key import PriceKey, price_key
from openrouter_video.planning.pricing import assume, estimate, mode_of
from openrouter_video.planning.run_plan import ModelPlan, Plan
from openrouter_video.request import Inputs, OnUnsupported, RunRequest, VideoRequest
from openrouter_video.text import shown

__all__ = ["ModelPlan", "Plan", "dearer_now", "plan_model", "plan_run", "plan_videos", "replan_options"]

MOST_SHOWN = 3
LONG_SECONDS = 60
NO_INPUTS = Inputs()


def plan_videos(
    request: VideoRequest,
    models: Sequence[str],
    catalog: Catalog,
    *,
    takes: int = 1,
    min_success: int | None = None,
    inputs: Inputs = NO_INPUTS,
    problems: Iterable[Problem] = (),
) -> Plan:
    """Plan one request for several models.

    ``inputs`` holds what is known of what the request works from; ``problems`` are those already found while reading
    it. An unknown model, a slug that nobody knows, or a value that no chosen model can take
    refuses the whole run; a value that only some models lack refuses those models, and the others run if they can
    make as many videos as ``min_success`` asks.
    """
    run = RunRequest(request, tuple(models), takes, min_success)
    return plan_run(run, catalog, inputs=inputs, problems=problems)


def plan_run(
    run: RunRequest,
    catalog: Catalog,
    *,
    inputs: Inputs = NO_INPUTS,
    problems: Iterable[Problem] = (),
    bills: Mapping[str, Bills] | None = None,
    health: Mapping[str, ModelEndpoints] | None = None,
    found_before: dict[PriceKey, Estimate] | None = None,
) -> Plan:
    """Plan a run, as ``plan_videos`` does; ``bills`` holds what earlier bills have said, by model and mode.

    ``health`` tells by model who serves it, and how well; where it does not, our own table of providers counts.
    ``found_before`` keeps the prices that were found for other runs over the same catalog and bills, for what they
    hang on; it is filled here.
    """
    health = health or {}
    found = [*problems, *run.problems(), *_catalog_problems(run, catalog, health)]
    known = [model for model in (catalog.get(model_id) for model_id in dict.fromkeys(run.models)) if model is not None]
    prices = {} if found_before is None else found_before
    plans = [plan_model(run.request, model, inputs=inputs, endpoints=health.get(model.id)) for model in known]
    plans = [_priced(plan, model, run, bills or {}, prices) for plan, model in zip(plans, known, strict=True)]
    if run.send_labels and run.labels:
        plans = [_with_labels(plan, run.labels) for plan in plans]
    if len(known) == len(set(run.models)):
        found += _shared_problems(plans, run.request.on_unsupported) or _too_few(run, plans)
    return Plan(
        asked=run.asked(),
        takes=run.takes,
        extra_takes=run.extra_takes_on_output_moderation,
        models=tuple(plans),
        problems=tuple(dict.fromkeys(found)),
        warnings=(
            *plan_warnings(
                run,
                {plan.model: plan.slug for plan in plans},
                [plan.model for plan in plans if plan.decision == "send"],
                health,
            ),
            *_notes_of_inputs(run.request, inputs),
        ),
        sandbox=catalog.sandbox,
    )


def plan_model(
    request: VideoRequest,
    model: VideoModel,
    *,
    inputs: Inputs = NO_INPUTS,
    endpoints: ModelEndpoints | None = None,
) -> ModelPlan:
    """Plan one request for one model; ``inputs`` as for ``plan_videos``. ``endpoints``: who serves it."""
    options = select_options(request, model, listed=endpoints.slugs if endpoints else ())
    problems = [*need_problems(request, model, inputs), *model_problems(request.settings, model), *options.problems]
    notes = (*unchecked_notes(request.settings, model), *options.notes)
    if problems:
        decision: Literal["send", "skip", "refuse"] = "refuse"
    else:
        decision = "skip" if options.skip else "send"
    return ModelPlan(
        model=model.id,
        decision=decision,
        body=body_of(request, model, options.provider, inputs) if decision == "send" else {},
        slug=options.slug,
        left_out=options.left_out,
        notes=notes,
        problems=tuple(problems),
        given=inputs.given(request.settings),
        usual_seconds=endpoints.usual_seconds if endpoints else None,
    )


def _priced(
    plan: ModelPlan,
    model: VideoModel,
    run: RunRequest,
    bills: Mapping[str, Bills],
    prices: dict[PriceKey, Estimate],
) -> ModelPlan:
    """Add what one video may cost to a plan that sends something."""
    if plan.decision != "send":
        return plan
    key = price_key(model.id, plan.body, plan.given)
    if key not in prices:
        prices[key] = estimate(model, plan.body, bills.get(subject(model.id, mode_of(plan.body))), plan.given)
    found = prices[key]
    return plan.model_copy(update={"estimate": assume(found, model.id, run.assumed_usd)})


def _with_labels(plan: ModelPlan, labels: Mapping[str, str]) -> ModelPlan:
    """Add the labels to the tracing metadata of a body, beside what the caller has put there."""
    if plan.decision != "send":
        return plan
    return plan.model_copy(update={"body": {**plan.body, "trace": {**labels, **plan.body.get("trace", {})}}})


def replan_options(plan: ModelPlan, request: VideoRequest, model: VideoModel, rejected: frozenset[str]) -> ModelPlan:
    """Apply the policy again to a plan of which the API has refused some options; all else stays as it was planned."""
    options = select_options(request, model, rejected, [plan.slug] if plan.slug else [])
    problems = [*options.problems, *dearer_now(plan, model)]
    body = {key: value for key, value in plan.body.items() if key != "provider"}
    if options.provider:
        body["provider"] = {"options": options.provider}
    decision: Literal["send", "skip", "refuse"] = "refuse" if problems else "skip" if options.skip else "send"
    changed = {
        "decision": decision,
        "body": body if decision == "send" else {},
        "left_out": options.left_out,
        "notes": (*unchecked_notes(request.settings, model), *options.notes),
        "problems": tuple(problems),
        "estimate": plan.estimate if decision == "send" else None,
    }
    return plan.model_copy(update=changed)


def dearer_now(plan: ModelPlan, model: VideoModel) -> list[Problem]:
    """Find that a model's list price has risen since it was planned, which is what was allowed and approved."""
    planned = plan.estimate.listed if plan.estimate else None
    now = estimate(model, plan.body, given=plan.given)
    if planned is None or (now.listed is not None and now.listed[1] <= planned[1]):
        return []
    today = f"is up to {dollars(now.listed[1] / MICRO)} now" if now.listed else "cannot be read any more"
    message = f"the list price of a video was up to {dollars(planned[1] / MICRO)} in the plan and {today}"
    return [Problem("model", f"{message}; start the run again to plan it anew", model.id)]


def _catalog_problems(run: RunRequest, catalog: Catalog, health: Mapping[str, ModelEndpoints]) -> list[Problem]:
    """Find models that are not offered, and slugs that nobody knows."""
    unknown = [_unknown_model(model, catalog) for model in dict.fromkeys(run.models) if catalog.get(model) is None]
    slugs = [provider_slug(model, run.request.provider_slugs) for model in dict.fromkeys(run.models)]
    listed = [slug for one in health.values() for slug in one.slugs]
    return unknown + unknown_slugs(run.request, [*filter(None, slugs), *listed])


def _unknown_model(model_id: str, catalog: Catalog) -> Problem:
    if model_id in catalog.unreadable:
        return Problem(
            "model",
            f"{model_id} is listed, but its entry cannot be read; upgrade prefect-openrouter-video, or try again later",
        )
    near = catalog.nearest_ids(model_id)
    hint = f"did you mean {' or '.join(near)}?" if near else "`openrouter-video models` lists them"
    return Problem("model", f"there is no video model {shown(model_id)}; {hint}")


def _shared_problems(plans: Sequence[ModelPlan], policy: OnUnsupported) -> list[Problem]:
    """Find what refuses the whole run: a value that every model lacks, policy ``fail``, or no model left to run."""
    if policy is OnUnsupported.fail and any(p.field == "provider_options" for plan in plans for p in plan.problems):
        return [problem for plan in plans for problem in plan.problems]
    fields = [{problem.field for problem in plan.problems} for plan in plans]
    lacking = set.intersection(*fields) if fields else set()
    if plans and all(plan.decision == "refuse" for plan in plans) and not lacking:
        lacking = set.union(*fields)
    return [problem for plan in plans for problem in plan.problems if problem.field in lacking]


def _too_few(run: RunRequest, plans: Sequence[ModelPlan]) -> list[Problem]:
    """Find that the models which are left cannot make as many videos as are wanted: the run would pay and then fail."""
    total, wanted = len(plans) * run.takes, run.wanted
    possible = sum(plan.decision == "send" for plan in plans) * run.takes
    if possible >= wanted or run.problems():
        return []
    missing = [plan for plan in plans if plan.decision != "send"]
    asked = "all are wanted" if wanted == total else f"min_success is {wanted}"
    why = ", ".join(_why_not(plan) for plan in missing[:MOST_SHOWN])
    more = f" and {len(missing) - MOST_SHOWN} more" if len(missing) > MOST_SHOWN else ""
    message = f"{possible} of {total} video{'s' * (total != 1)} can be made, and {asked}: {why}{more}"
    return [Problem("min_success", f"{message}. {_ways_on(run, missing, possible)}")]


def _why_not(plan: ModelPlan) -> str:
    """Return why nothing is sent to a model: its problems, or the last of its notes, which tells of the policy."""
    reasons = [problem.message for problem in plan.problems] or plan.notes[-1:]
    return f"{plan.model} is {'skipped' if plan.decision == 'skip' else 'refused'} ({'; '.join(reasons)})"


def _ways_on(run: RunRequest, missing: Sequence[ModelPlan], possible: int) -> str:
    """Return what to do about models that make a run impossible; each way leads to a run that can succeed."""
    them = "it" if len(missing) == 1 else "them"
    fields = dict.fromkeys(problem.field for plan in missing for problem in plan.problems)
    if any(plan.decision == "skip" for plan in missing):
        fields["provider_options (or on_unsupported)"] = None
    ways = []
    if possible and run.min_success is None:
        ways.append(f"leave {them} out")
    if set(fields) != {"model"}:
        ways.append(f"change {' and '.join(fields)}")
    if possible:
        ways.append(f"set min_success to {possible} (--min-success {possible}) to go on without {them}")
    said = ", or ".join(filter(None, [", ".join(ways[:-1]), ways[-1]]))
    return f"{said[0].upper()}{said[1:]}"


def _notes_of_inputs(request: VideoRequest, inputs: Inputs) -> list[str]:
    """Say which inputs are long, and what could not be found out about the job that a request continues."""
    lengths = {
        field: known.seconds or 0
        for field, clip in request.settings.clip_sources().items()
        if (known := inputs.files.get(clip.url))
    }
    notes = [
        f"{field} is {seconds / 60:.3g} minutes long, and an edit or upscale of it is charged by its length"
        for field, seconds in lengths.items()
        if seconds > LONG_SECONDS
    ]
    previous = inputs.jobs.get(request.settings.previous_job_id or "")
    return [*notes, *([f"previous_job_id: {previous.note}"] if previous is not None and previous.note else [])]

"""The dry run: inputs are read and checked, then the request is planned; nothing is sent to the API."""

from __future__ import annotations

from collections.abc import Mapping

from openrouter_video.api import Catalog, ModelEndpoints
from openrouter_video.errors import Problem, RequestRefused
from openrouter_video.ledger import Ledger
from openrouter_video.money import Bills
from openrouter_video.planning.find_jobs import find_jobs
from openrouter_video.planning.plan import Plan, plan_run
from openrouter_video.request import Input, Inputs, RunRequest, VideoRequest, load_clip, load_image
from openrouter_video.stores import OptionsFor, no_options

__all__ = ["dry_run", "read_inputs"]


def dry_run(
    run: RunRequest,
    catalog: Catalog,
    options_for: OptionsFor = no_options,
    bills: Mapping[str, Bills] | None = None,
    health: Mapping[str, ModelEndpoints] | None = None,
    *,
    ledger: Ledger | None = None,
    base_url: str | None = None,
) -> Plan:
    """Read the inputs of a run and plan it; what is wrong with one is a problem of the plan, beside all others.

    ``bills`` and ``health`` as for ``plan_run``; ``ledger`` and ``base_url`` as for ``find_jobs``.
    """
    inputs, problems = read_inputs(run.request, options_for, ledger=ledger, base_url=base_url)
    return plan_run(run, catalog, inputs=inputs, problems=problems, bills=bills, health=health)


def read_inputs(
    request: VideoRequest,
    options_for: OptionsFor = no_options,
    *,
    ledger: Ledger | None = None,
    base_url: str | None = None,
) -> tuple[Inputs, list[Problem]]:
    """Return what is known of what a request works from, and what is wrong with that which cannot be sent.

    ``ledger`` and ``base_url`` as for ``find_jobs``.
    """
    files: dict[str, Input] = {}
    problems: list[Problem] = []
    for field, source in request.settings.image_sources().items():
        try:
            options = options_for(source)
            files[source] = Input(load_image(source, field=field, storage_options=options, base_url=base_url))
        except RequestRefused as refused:
            problems += refused.problems
    for field, clip in request.settings.clip_sources().items():
        known, problem = load_clip(clip, field=field, base_url=base_url, storage_options=options_for(clip.url))
        files[clip.url] = known
        problems += [problem] if problem else []
    found = find_jobs([request.settings.previous_job_id], options_for, ledger, base_url)
    problems += [Problem("previous_job_id", f"previous_job_id: {why}") for why in found.wrong.values()]
    return Inputs(files, found.jobs), problems

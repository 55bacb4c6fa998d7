"""What can be found wrong before Prefect is even started, which takes seconds: key, base URL, models, values, store.

The flows check all of it again, since a deployment has no command line in front of it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from openrouter_video.api import DEFAULT_BASE_URL, Catalog, VideoClient, parse_api_key
from openrouter_video.cli.options import (
    PlaceOptions,
    RequestOptions,
    RunOptions,
    parse_provider_options,
    parse_seconds,
    parse_slugs,
    refuse_blanks,
)
from openrouter_video.errors import Problem, RequestRefused
from openrouter_video.planning import Plan, dry_run
from openrouter_video.request import RunRequest, parse_run_request
from openrouter_video.run import find_destination

__all__ = ["check_run", "dry_plan", "read_catalog", "read_options"]


def read_options(
    prompt: str,
    models: tuple[str, ...],
    request: RequestOptions,
    place: PlaceOptions,
    run: RunOptions,
    *,
    min_success: int | None = None,
    concurrency: int = 8,
    only_one: bool = False,
) -> RunRequest:
    """Turn the options of a run into what is asked.

    Raises:
        RequestRefused: if one cannot be read, or if together they make no sense for any model.
    """
    if not models:
        message = "no model was chosen; give --model, and see `openrouter-video models` for what there is"
        raise RequestRefused([Problem("models", message)])
    if only_one and len(models) > 1:
        message = f"generate takes one model, not {len(models)}; for several use fan-out, or --takes"
        raise RequestRefused([Problem("model", message)])
    refuse_blanks(place, run)
    return parse_run_request(
        prompt=prompt,
        models=models,
        settings=request.settings(),
        provider_options=parse_provider_options(request.provider_options),
        on_unsupported=request.on_unsupported,
        provider_slugs=parse_slugs(request.provider_slug),
        takes=request.takes,
        min_success=min_success,
        concurrency=concurrency,
        deadline_minutes=parse_seconds("deadline", run.deadline) / 60,
        idempotency_key=run.idempotency_key,
        output=place.output,
        ledger=place.ledger,
        store=place.store,
        credentials=place.credentials,
    )


def read_catalog(environ: Mapping[str, str]) -> Catalog:
    """Fetch the models that the environment's API offers; needs no key and sends none.

    Raises:
        ApiUnavailable: if it could not be reached.
        ConfigurationError: if the base URL is not that of the API.
    """

    async def fetch() -> Catalog:
        async with VideoClient(None, environ.get("OPENROUTER_BASE_URL") or DEFAULT_BASE_URL) as client:
            return await client.list_models()

    return asyncio.run(fetch())


def dry_plan(run: RunRequest, environ: Mapping[str, str]) -> Plan:
    """Plan a run over the environment's API; nothing is sent, and no key is needed.

    Raises:
        ApiUnavailable, ConfigurationError: if the list of models could not be read.
    """
    catalog = read_catalog(environ)
    if catalog.lacks(run.models):
        # The API itself lists less for a moment now and then.
        catalog = read_catalog(environ)
    return dry_run(run, catalog)


def check_run(run: RunRequest, environ: Mapping[str, str]) -> Plan | None:
    """Find what would refuse a run, as far as the environment tells; the cheap checks first.

    What only Prefect can load, a block, is left to the flow. Returns the plan, if it could be made.

    Raises:
        RequestRefused, ConfigurationError, ApiUnavailable: nothing was sent, nothing was spent.
    """
    plan = None
    if not run.credentials:
        parse_api_key(environ.get("OPENROUTER_API_KEY"))
        plan = dry_plan(run, environ)
        if plan.refused:
            raise RequestRefused(plan.problems)
    if not run.store:
        find_destination(run.output, run.ledger, environ).check()
    return plan

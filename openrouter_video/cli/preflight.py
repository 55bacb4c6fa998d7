"""What can be found wrong before Prefect is even started, which takes seconds: key, base URL, models, values, store.

The flows check all of it again, since a deployment has no command line in front of it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any, NamedTuple

from openrouter_video.api import DEFAULT_BASE_URL, Catalog, VideoClient, parse_api_key
from openrouter_video.elision import elide
from openrouter_video.errors import Problem, RequestRefused
from openrouter_video.planning import Plan, dry_run
from openrouter_video.request import VideoRequest, key_problems, limit_problems
from openrouter_video.run import Place

__all__ = ["Asked", "check_run", "dry_plan", "read_catalog"]


class Asked(NamedTuple):
    """One run as it was asked for."""

    request: VideoRequest
    models: tuple[str, ...]
    takes: int = 1
    min_success: int | None = None
    concurrency: int = 8
    deadline_minutes: float = 30.0
    idempotency_key: str | None = None

    @property
    def wanted(self) -> int:
        """How many videos make the run a success."""
        return len(self.models) * self.takes if self.min_success is None else self.min_success

    def describe(self) -> dict[str, Any]:
        """Return what was asked, as a plan records it."""
        return {"models": elide(self.models), "takes": self.takes, **self.request.asked()}


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


def dry_plan(asked: Asked, environ: Mapping[str, str]) -> Plan:
    """Plan a run over the environment's API; nothing is sent, and no key is needed.

    Raises:
        RequestRefused: if no model was chosen, which needs no list of models to say.
        ApiUnavailable, ConfigurationError: if the list of models could not be read.
    """
    if not asked.models:
        message = "no model was chosen; give --model, and see `openrouter-video models` for what there is"
        raise RequestRefused([Problem("models", message)])
    catalog = read_catalog(environ)
    if catalog.lacks(asked.models):
        # The API itself lists less for a moment now and then.
        catalog = read_catalog(environ)
    return dry_run(asked.request, asked.models, catalog, takes=asked.takes, min_success=asked.min_success)


def check_run(asked: Asked, place: Place | None, environ: Mapping[str, str], *, own_key: bool = True) -> Plan | None:
    """Find what would refuse a run, as far as the environment tells; the cheap checks first.

    ``place`` None means that a block names the store, ``own_key`` False that a block holds the key and the base URL:
    what only Prefect can load is left to the flow. Returns the plan, if it could be made.

    Raises:
        RequestRefused, ConfigurationError, ApiUnavailable: nothing was sent, nothing was spent.
    """
    problems = [*limit_problems(asked.concurrency, asked.deadline_minutes), *key_problems(asked.idempotency_key)]
    if problems:
        raise RequestRefused(problems)
    plan = None
    if own_key:
        parse_api_key(environ.get("OPENROUTER_API_KEY"))
        plan = dry_plan(asked, environ)
        if plan.refused:
            raise RequestRefused(plan.problems)
    if place is not None:
        place.check()
    return plan

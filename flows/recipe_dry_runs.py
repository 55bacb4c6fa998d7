"""Plans each recipe as its own run would: by the models of its API, with its store, its ledger and its credentials."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, closing, suppress
from datetime import UTC, datetime
from typing import NamedTuple

from openrouter_video.api import Catalog, ModelEndpoints, VideoClient, is_loopback
from openrouter_video.blocks import OpenRouterCredentials, load_credentials, load_store
from openrouter_video.drift import Recipe, RecipePlan, Surroundings, dry_recipe
from openrouter_video.errors import ApiUnavailable, ConfigurationError
from openrouter_video.run import approval_threshold
from openrouter_video.text import clip
from openrouter_video.threads import Threads

from .production import list_models

__all__ = ["Found", "dry_recipes"]

PLACES = ("store", "output", "ledger", "credentials")


class Found(NamedTuple):
    """A recipe, what it comes to by a list of models, and that list."""

    recipe: Recipe
    plan: RecipePlan
    catalog: Catalog


class _Ready(NamedTuple):
    """A recipe, the API that its run would go to, and what else that would find; or why there is nothing to find."""

    recipe: Recipe
    base_url: str
    around: Surroundings = Surroundings()
    problem: str | None = None


class _Listed(NamedTuple):
    """What one API says of its models, and who serves them, at one moment."""

    base_url: str
    catalog: Catalog
    health: Mapping[str, ModelEndpoints]


async def dry_recipes(recipes: Sequence[Recipe], own_base_url: str, threads: Threads) -> list[Found]:
    """Return what each recipe comes to, in their order; ``own_base_url``: for those that name no credentials.

    A check whose own API is on this machine, such as a sandbox, asks no other.

    Raises:
        ApiUnavailable, ConfigurationError: if the models of its own API could not be listed.
    """
    with ExitStack() as opened:
        places = _Places(own_base_url, threads, opened)
        by_api: dict[str, list[_Ready]] = defaultdict(list)
        for recipe in recipes:
            ready = await places.ready(recipe)
            by_api[ready.base_url].append(ready)
        found = {}
        for base_url, several in by_api.items():
            for one in await _planned_at(base_url, several, threads, own=base_url == own_base_url):
                found[one.recipe.name] = one
    return [found[recipe.name] for recipe in recipes]


class _Places:
    """What the recipes name, each loaded and opened once, however many of them name it."""

    def __init__(self, own_base_url: str, threads: Threads, opened: ExitStack) -> None:
        self._own = own_base_url
        self._threads = threads
        self._opened = opened
        self._credentials: dict[str, OpenRouterCredentials] = {}
        self._surroundings: dict[tuple[str | None, ...], Surroundings] = {}

    async def ready(self, recipe: Recipe) -> _Ready:
        """Return a recipe with what its run would find; a block that is missing is a problem of the recipe."""
        if recipe.problems:
            return _Ready(recipe, self._own)
        store, output, ledger, named = (recipe.form.get(name) or None for name in PLACES)
        try:
            credentials = await self._load(named) if named else None
            around = await self._around(store, output, ledger)
            above = approval_threshold(None, credentials.approve_above_usd if credentials else None, os.environ)
        except ConfigurationError as error:
            return _Ready(recipe, self._own, problem=clip(str(error)))
        theirs = credentials.base_url if credentials else self._own
        base_url = self._own if is_loopback(self._own) and not is_loopback(theirs) else theirs
        return _Ready(recipe, base_url, around._replace(approve_above_usd=above))

    async def _load(self, name: str) -> OpenRouterCredentials:
        if name not in self._credentials:
            self._credentials[name] = await load_credentials(name)
        return self._credentials[name]

    async def _around(self, *place: str | None) -> Surroundings:
        if place not in self._surroundings:
            destination = await load_store(*place)
            ledger = None
            # One that cannot be opened here may be in reach of the run.
            with suppress(ConfigurationError):
                ledger = self._opened.enter_context(closing(await self._threads.run(destination.open_ledger)))
            self._surroundings[place] = Surroundings(destination.options_for, ledger)
        return self._surroundings[place]


async def _planned_at(base_url: str, several: Sequence[_Ready], threads: Threads, *, own: bool) -> list[Found]:
    """Plan the recipes of one API; those that break once more, for it lists less for a moment now and then."""
    try:
        async with VideoClient(None, base_url) as client:
            models = [model for one in several for model in one.recipe.models]
            listed = await _listed(client, models, {})
            found = await _planned_by(listed, several, threads)
            broken = [one for one in found if one.plan.problems]
            if not broken:
                return found
            # The rows of a table name models which nobody had asked about.
            more = [model for one in broken for model in one.plan.models]
            listed = await _listed(client, more, listed.health)
            names = {one.recipe.name for one in broken}
            again = await _planned_by(listed, [one for one in several if one.recipe.name in names], threads)
            return [*(one for one in found if one.recipe.name not in names), *again]
    except (ApiUnavailable, ConfigurationError) as error:
        if own:
            raise
        why = (clip(f"the models at its credentials' base URL cannot be listed: {error}"),)
        nothing = Catalog(models=(), sandbox=is_loopback(base_url))
        return [Found(one.recipe, RecipePlan(one.recipe.models, problems=why), nothing) for one in several]


async def _listed(client: VideoClient, models: Sequence[str], known: Mapping[str, ModelEndpoints]) -> _Listed:
    """Ask which models there are, and who serves these; without the key, and so not kept with what runs have asked."""
    catalog = await list_models((), client, afresh=True)
    asked = [model for model in dict.fromkeys(models) if model not in known and catalog.get(model)]
    served = await client.list_endpoints(asked)
    return _Listed(client.base_url, catalog, {**known, **{one.model: one for one in served if not one.unknown}})


async def _planned_by(listed: _Listed, several: Sequence[_Ready], threads: Threads) -> list[Found]:
    today, found = f"{datetime.now(UTC):%Y-%m-%d}", list[Found]()
    for one in several:
        if one.problem is None:
            around = one.around._replace(base_url=listed.base_url, health=listed.health)
            plan = await threads.run(dry_recipe, one.recipe, listed.catalog, today, around)
        else:
            plan = RecipePlan(one.recipe.models, problems=(one.problem,))
        found.append(Found(one.recipe, plan, listed.catalog))
    return found

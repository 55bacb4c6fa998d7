"""How many videos of a run are made at the same time: in all, and of each provider.

A video holds its place from its submission until its file is safe, since what a provider and an account may have in
flight is counted so.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

from openrouter_video.ledger import Claim
from openrouter_video.planning import ModelPlan, provider_slug

__all__ = ["Concurrency", "provider_of", "provider_of_claim"]


class Concurrency:
    """The places of one run. ``per_provider``: for each provider, or by its slug; without a number only all count."""

    def __init__(self, most: int, per_provider: int | Mapping[str, int] | None = None) -> None:
        self._all = asyncio.Semaphore(most)
        self._per_provider = per_provider
        self._of: dict[str, asyncio.Semaphore | None] = {}

    @asynccontextmanager
    async def place(self, provider: str) -> AsyncIterator[None]:
        """Wait for a place; whoever waits for one of its provider takes none away from the others."""
        own = self._of.setdefault(provider, self._semaphore(provider))
        if own is None:
            async with self._all:
                yield
            return
        async with own, self._all:
            yield

    def _semaphore(self, provider: str) -> asyncio.Semaphore | None:
        given = self._per_provider
        number = given.get(provider) if isinstance(given, Mapping) else given
        return None if number is None else asyncio.Semaphore(number)


def provider_of(plan: ModelPlan) -> str:
    """Return the slug of a model's provider; where it is not known, the first part of the model's id."""
    return plan.slug or _maker_of(plan.model)


def provider_of_claim(claim: Claim) -> str:
    """Return the same for a video of which only the claim is left."""
    return claim.provider or provider_slug(claim.model, claim.asked.get("provider_slugs")) or _maker_of(claim.model)


def _maker_of(model: str) -> str:
    return model.partition("/")[0]

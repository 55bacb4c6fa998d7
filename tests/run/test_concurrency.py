"""Places for the videos of a run: in all and per provider, so that nobody waits for what only others need."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

import pytest

from openrouter_video.planning import ModelPlan
from openrouter_video.run.concurrency import Concurrency, provider_of


@pytest.mark.parametrize(
    ("per_provider", "expected"),
    [
        (None, ["a1", "a2", "a3"]),
        (1, ["a1", "b1", "c1"]),
        (2, ["a1", "a2", "b1"]),
        ({"a": 1}, ["a1", "b1", "b2"]),
        ({"a": 1, "b": 1, "c": 5}, ["a1", "b1", "c1"]),
    ],
)
async def test_places(per_provider: int | Mapping[str, int] | None, expected: list[str]) -> None:
    """Of nine videos of three providers three are made at once, in their order as far as their provider allows."""
    concurrency, made, end = Concurrency(3, per_provider), list[str](), asyncio.Event()

    async def make(video: str) -> None:
        async with concurrency.place(video[0]):
            made.append(video)
            await end.wait()

    async with asyncio.TaskGroup() as group:
        for video in (f"{provider}{n}" for provider in "abc" for n in (1, 2, 3)):
            group.create_task(make(video))
        for _ in range(20):
            await asyncio.sleep(0)
        assert made == expected
        end.set()
    assert len(made) == 9


@pytest.mark.parametrize(("slug", "expected"), [("acme-cloud", "acme-cloud"), (None, "acme")])
def test_the_provider_of_a_model(slug: str | None, expected: str) -> None:
    """By its slug in OpenRouter's own table; else the first part of its id."""
    assert provider_of(ModelPlan(model="acme/film", decision="send", slug=slug)) == expected

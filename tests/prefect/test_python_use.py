"""The flows from Python that is not asynchronous, and where an event loop runs already."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
from prefect import flow, task

from openrouter_video.flows import generate_video
from openrouter_video.outcome import Outcome
from openrouter_video.sandbox import Sandbox

pytestmark = pytest.mark.usefixtures("prefect_server")
MODEL = "x-ai/grok-imagine-video"


def run() -> str | None:
    """The recipe of the documentation."""
    (outcome,) = asyncio.run(generate_video("A white orchid", MODEL))
    return outcome.url


def nightly(make: Callable[[], str | None], attempts: list[str | None]) -> None:
    """Run a synchronous flow, which fails once after its video was made."""

    @flow(retries=1)
    def nightly() -> None:
        attempts.append(make())
        if len(attempts) == 1:
            raise RuntimeError("something later went wrong")

    nightly()


@pytest.mark.parametrize("make", [run, task(run)], ids=["flow", "task"])
def test_a_synchronous_flow_or_task_runs_it_and_a_retry_pays_once(
    openrouter_sandbox: Sandbox, make: Callable[[], str | None]
) -> None:
    """By asyncio.run, as the documentation says."""
    attempts: list[str | None] = []
    nightly(make, attempts)
    assert len(attempts) == 2
    assert attempts[0] == attempts[1]
    assert str(attempts[0]).endswith(".mp4")
    assert len(openrouter_sandbox.charges) == 1


@pytest.mark.filterwarnings("ignore:coroutine .* was never awaited:RuntimeWarning")
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
async def test_where_a_loop_runs_already_the_recipe_refuses_before_anything_is_sent(
    openrouter_sandbox: Sandbox,
) -> None:
    """Also inside a synchronous flow; awaiting goes."""
    made: list[Coroutine[Any, Any, list[Outcome]]] = []

    def refused() -> None:
        made.append(generate_video("A white orchid", MODEL))
        asyncio.run(made[-1])

    with pytest.raises(RuntimeError, match="cannot be called from a running event loop"):
        nightly(refused, [None])
    # What is never awaited says so at its end, which must not come in another test.
    for attempt in made:
        attempt.close()
    assert len(made) == 2
    assert not openrouter_sandbox.requests
    (outcome,) = await generate_video("A white orchid", MODEL)
    assert outcome.status == "completed"
    assert "data:image" in outcome._repr_html_()

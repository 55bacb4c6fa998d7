"""The progress bar of a run in Prefect's UI: few calls for many videos, and full at the end."""

from __future__ import annotations

import pytest
from prefect import flow, get_client
from prefect.client.schemas.filters import ArtifactFilter, ArtifactFilterFlowRunId, ArtifactFilterKey
from prefect.runtime import flow_run

from openrouter_video.outcome import Outcome
from openrouter_video.tasks import ProgressBar


@pytest.mark.parametrize(("total", "shown"), [(1, [1]), (3, [1, 2, 3]), (45, [3, 6, 45])])
async def test_a_bar_moves_in_visible_steps(prefect_server: None, total: int, shown: list[int]) -> None:
    """Up to twenty videos each one moves it; beyond that every twentieth part does, and the last video always.

    What is made in the place of one of them does not.
    """
    video = Outcome(model="a/b", status="completed")
    extra = video.model_copy(update={"instead_of": 1})

    @flow
    async def run() -> None:
        bar = ProgressBar(total)
        await bar.start()
        before = await _progress()
        for ended in range(1, total + 1):
            await bar.advance(video)
            await bar.advance(extra)
            if ended in (1, 2, 3, 6, total):
                now = await _progress()
                assert (now != before) == (ended in shown), ended
                before = now
        assert before == 100.0

    await run()


async def _progress() -> float:
    this_run = ArtifactFilter(
        flow_run_id=ArtifactFilterFlowRunId(any_=[flow_run.id]),
        key=ArtifactFilterKey(any_=["openrouter-videos-progress"]),
    )
    async with get_client() as client:
        (artifact,) = await client.read_artifacts(artifact_filter=this_run)
    return float(artifact.data)  # type: ignore[arg-type]

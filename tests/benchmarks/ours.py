"""Ours: ``fan_out_video`` on whatever Prefect server the environment names, with every promise kept."""

from __future__ import annotations

from pathlib import Path
from uuid import uuid4

from prefect import flow

from flows import fan_out_video
from openrouter_video.request.settings import VideoSettings
from openrouter_video.run.limits import Limits, using_limits
from tests.benchmarks.measuring import resident_mib

SMALL = VideoSettings(duration=1, resolution="480p")


async def make_videos(jobs: int, base_url: str, api_key: str, folder: Path) -> None:
    """Make the videos in one flow run; base URL and key are in the environment, as in a worker's."""
    # No bound but the number of jobs, as for the scripts beside it.
    await fan_out_video(
        f"bench {uuid4().hex}",
        ["x-ai/grok-imagine-video"],
        settings=SMALL,
        takes=jobs,
        output=str(folder),
        concurrency=jobs,
        min_success=0,
    )


async def make_videos_in_chains(jobs: int, base_url: str, api_key: str, folder: Path) -> None:
    """Do the same without lanes: with three task runs for each video, however many there are."""
    with using_limits(Limits(lanes=jobs)):
        await make_videos(jobs, base_url, api_key, folder)


def idle_mib() -> float:
    """Return the memory inside a flow that does nothing, with all that a fan-out needs imported."""

    @flow
    def idle() -> float:
        return resident_mib()

    return idle()

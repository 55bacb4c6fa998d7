"""The official SDK with a loop around it: its methods, its defaults, and the same poll schedule as everybody here."""

from __future__ import annotations

import asyncio
import random
import time
from pathlib import Path

from openrouter import OpenRouter

from openrouter_video.run.polling import poll_interval


async def make_videos(jobs: int, base_url: str, api_key: str, folder: Path) -> None:
    """Make the videos side by side; one that the SDK gives up is missing, as it would be in a script."""
    async with OpenRouter(api_key=api_key, server_url=base_url) as client:
        work = (_make_video(client, folder / f"{n}.mp4") for n in range(jobs))
        await asyncio.gather(*work, return_exceptions=True)


async def _make_video(client: OpenRouter, path: Path) -> None:
    videos = client.video_generation
    job = await videos.generate_async(model="x-ai/grok-imagine-video", prompt="bench", duration=1, resolution="480p")
    began, wait, status = time.monotonic(), poll_interval(0.0), "pending"
    while status != "completed":
        await asyncio.sleep(wait)
        status = (await videos.get_generation_async(job_id=job.id)).status
        wait = poll_interval(time.monotonic() - began, random.random())  # noqa: S311 (spreads load)
    content = await videos.get_video_content_async(job_id=job.id)
    with path.open("wb") as file:
        async for chunk in content.aiter_bytes():
            file.write(chunk)

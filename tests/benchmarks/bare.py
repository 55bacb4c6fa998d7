"""The limit: asyncio and httpx and nothing else. No plan, no ledger, no second attempt, no check of what arrived."""

from __future__ import annotations

import asyncio
import random
import time
from pathlib import Path

import httpx

from openrouter_video.run.polling import poll_interval

BODY = {"model": "x-ai/grok-imagine-video", "prompt": "bench", "duration": 1, "resolution": "480p"}
# httpx walks through all connections of its pool for each request, and more than that where requests wait for one: with
# its default of 100 connections this script takes several times the processor time.
CONNECTIONS = 20


async def make_videos(
    jobs: int, base_url: str, api_key: str, folder: Path, connections: int | None = CONNECTIONS
) -> None:
    """Make the videos side by side; ``connections`` None leaves the pool to httpx's defaults."""
    turns = asyncio.Semaphore(connections or jobs)
    limits = httpx.Limits(max_connections=connections or 100, max_keepalive_connections=20)
    headers = {"Authorization": f"Bearer {api_key}"}
    async with httpx.AsyncClient(base_url=base_url, headers=headers, timeout=60, limits=limits) as client:
        await asyncio.gather(*(_make_video(client, turns, folder / f"{n}.mp4") for n in range(jobs)))


async def _make_video(client: httpx.AsyncClient, turns: asyncio.Semaphore, path: Path) -> None:
    async with turns:
        job = (await client.post("/videos", json=BODY)).json()["id"]
    began, wait, status = time.monotonic(), poll_interval(0.0), "pending"
    while status != "completed":
        await asyncio.sleep(wait)
        async with turns:
            status = (await client.get(f"/videos/{job}")).json()["status"]
        wait = poll_interval(time.monotonic() - began, random.random())  # noqa: S311 (spreads load)
    with path.open("wb") as file:
        async with turns, client.stream("GET", f"/videos/{job}/content?index=0") as response:
            async for chunk in response.aiter_bytes():
                file.write(chunk)

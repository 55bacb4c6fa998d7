"""What Prefect itself costs: three task runs a job with the same settings, and nothing in them but the job's time."""

from __future__ import annotations

import asyncio
from pathlib import Path

from prefect import flow, task
from prefect.cache_policies import NO_CACHE

from tests.benchmarks.sandbox_process import JOB_SECONDS


@task(task_run_name="submit {number}", retries=0, cache_policy=NO_CACHE, persist_result=False)
async def submit(number: str) -> str:
    """Do nothing."""
    return number


@task(task_run_name="poll {number}", retries=2, retry_delay_seconds=5, cache_policy=NO_CACHE, persist_result=False)
async def poll(number: str) -> str:
    """Wait as long as a job takes."""
    await asyncio.sleep(JOB_SECONDS)
    return number


@task(task_run_name="download {number}", retries=0, cache_policy=NO_CACHE, persist_result=False)
async def download(number: str) -> str:
    """Do nothing."""
    return number


@flow(name="prefect-alone", retries=0)
async def run_tasks(jobs: int) -> None:
    """Run the chains side by side."""

    async def chain(number: str) -> None:
        await download(await poll(await submit(number)))

    await asyncio.gather(*(chain(str(number)) for number in range(jobs)))


async def make_videos(jobs: int, _base_url: str, _api_key: str, _folder: Path) -> None:
    """Make none."""
    await run_tasks(jobs)

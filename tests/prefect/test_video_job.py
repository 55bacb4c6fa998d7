"""The job block in its users' flows, on a real Prefect server: paid once, retried, synchronous, in another process."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from prefect import flow, task
from prefect.blocks.core import Block
from prefect.settings import PREFECT_API_URL
from pydantic import ValidationError

from openrouter_video.blocks import OpenRouterCredentials, OpenRouterVideoJob, OpenRouterVideoJobRun, VideoStore
from openrouter_video.errors import RequestRefused, TooFewVideos
from openrouter_video.outcome import FanOut
from openrouter_video.sandbox import Fault, Sandbox
from tests.prefect.test_blocks import BlockStandards

pytestmark = pytest.mark.usefixtures("prefect_server")
MODEL, OTHER = "x-ai/grok-imagine-video", "google/veo-3.1-lite"
SMALL: dict[str, Any] = {"duration": 1, "resolution": "480p"}


class TestOpenRouterVideoJob(BlockStandards):
    """The job meets Prefect's standards."""

    @pytest.fixture
    def block(self) -> type[Block]:
        """The class under test."""
        return OpenRouterVideoJob


def job(**changes: Any) -> OpenRouterVideoJob:
    """A job for the shortest video there is."""
    return OpenRouterVideoJob(**{"prompt": "A white orchid", "models": [MODEL], "settings": SMALL, **changes})


async def test_a_retried_flow_finds_its_job(sandbox: Sandbox) -> None:
    """Without a key: the run triggers again, and nothing is paid for twice; a second trigger in it is the same one."""
    results: list[FanOut] = []

    @flow(retries=1)
    async def nightly() -> None:
        run = await job().atrigger()
        again = await job().trigger()
        assert [one.key for one in run.outcomes] == [one.key for one in again.outcomes]
        if not results:
            assert run.outcomes[0].status == "open"
        await run.await_for_completion()
        results.append(await run.afetch_result())
        if len(results) == 1:
            raise RuntimeError("something later went wrong")

    await nightly()
    assert [result.outcomes[0].status for result in results] == ["completed", "completed"]
    assert results[0].outcomes[0].url == results[1].outcomes[0].url
    assert (results[0].cost_usd or 0) > 0
    assert len(sandbox.charges) == 1


@pytest.mark.parametrize("within", ["flow", "task"])
def test_a_synchronous_flow_or_task_needs_no_await(sandbox: Sandbox, within: str) -> None:
    """As of any other job block of Prefect's."""

    def clip() -> FanOut:
        run: Any = job().trigger()
        run.wait_for_completion()
        result: FanOut = run.fetch_result()
        return result

    @flow
    def around() -> FanOut:
        return clip() if within == "flow" else task(clip)()

    result = around()
    assert result.outcomes[0].status == "completed"
    assert len(sandbox.charges) == 1


async def test_outside_of_a_run_a_key_is_needed(sandbox: Sandbox) -> None:
    """With it, a second process finds the job, given the saved block and what the first one was told."""
    with pytest.raises(RequestRefused, match=r"outside of a flow run.*give the job an idempotency key"):
        await job().atrigger()
    assert sandbox.requests == ()
    run = await job(idempotency_key="once").atrigger()
    assert (await job(idempotency_key="once").atrigger()).keys == run.keys
    told = [outcome.model_dump(mode="json") for outcome in run.outcomes]
    await job(idempotency_key="once").save("other-process")
    code = """if True:
        import json, sys
        from openrouter_video.blocks import OpenRouterVideoJob, OpenRouterVideoJobRun
        from openrouter_video.outcome import Outcome

        told = tuple(map(Outcome.model_validate, json.loads(sys.argv[1])))
        run = OpenRouterVideoJobRun(OpenRouterVideoJob.load("other-process"), "a run", told)
        run.wait_for_completion()
        print(run.fetch_result().outcomes[0].url)
    """
    command = [sys.executable, "-c", code, json.dumps(told)]
    environment = {**os.environ, "PREFECT_API_URL": str(PREFECT_API_URL.value())}
    done = await asyncio.to_thread(
        partial(subprocess.run, command, env=environment, capture_output=True, text=True, timeout=120, check=False)
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split()[-1].endswith(".mp4")
    assert (await run.afetch_result()).outcomes[0].url == done.stdout.split()[-1]
    assert len(sandbox.charges) == 1


async def test_blocks_are_given_by_name_and_limits_hold(sandbox: Sandbox, tmp_path: Path) -> None:
    """The store and the key of blocks; a ceiling refuses before anything is sent; too few videos are told with each."""
    await OpenRouterCredentials(api_key=sandbox.api_key, base_url=sandbox.base_url).save("of-the-job")
    await VideoStore(base_url=str(tmp_path / "elsewhere")).save("of-the-job")
    named = {"store": "of-the-job", "credentials": "of-the-job", "idempotency_key": "named"}
    with pytest.raises(RequestRefused, match="ceiling"):
        await job(max_usd=0.001, **named).atrigger()
    assert sandbox.charges == ()
    sandbox.add_fault(Fault(on="submit", status=400, model=OTHER, times=None))
    two = job(models=[MODEL, OTHER], settings={"resolution": "720p"}, **named)
    run = await two.atrigger()
    assert [outcome.status for outcome in run.outcomes] == ["open", "refused"]
    with pytest.raises(TooFewVideos):
        await run.afetch_result()
    await run.await_for_completion()
    with pytest.raises(TooFewVideos) as few:
        await run.afetch_result()
    assert [outcome.status for outcome in few.value.outcomes] == ["completed", "refused"]
    assert list((tmp_path / "elsewhere").rglob("*.mp4"))
    result = await OpenRouterVideoJobRun(two.model_copy(update={"min_success": 1}), "r", run.outcomes).afetch_result()
    assert result.status == "completed"
    record = tmp_path / "elsewhere" / "_jobs" / run.keys[0] / "outcome.json"
    record.unlink()
    record.mkdir()
    with pytest.raises(TooFewVideos) as few:
        await run.afetch_result()
    assert "until then nothing is sent or fetched under this key" in str(few.value.outcomes[0].error)
    with pytest.raises(TooFewVideos):
        await two.model_copy(update={"models": [OTHER], "idempotency_key": "refused"}).atrigger()
    assert len(sandbox.charges) == 1


def test_settings_are_checked_when_the_block_is_made() -> None:
    """A form that says nothing until a run fails would be of no use."""
    with pytest.raises(ValidationError, match="resolutoin"):
        job(settings={"resolutoin": "480p"})

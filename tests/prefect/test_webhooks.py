"""Webhooks: what a submission says of them, and that a notice starts the collection of its video by the deployment."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import chain
from pathlib import Path
from typing import NamedTuple

import pytest
from prefect import get_client
from prefect.settings import PREFECT_API_URL, temporary_settings

from flows import batch_videos, collect_videos
from openrouter_video.errors import ConfigurationError
from openrouter_video.request import VideoSettings
from openrouter_video.run.limits import using_limits
from openrouter_video.sandbox import Fault, Sandbox
from openrouter_video.webhooks import Woken, collect_by_deployment
from openrouter_video.webhooks.waking import NotWoken
from tests.support.faulty_runs import MODEL, FaultyRuns
from tests.support.flow_processes import wait_until

pytestmark = pytest.mark.usefixtures("prefect_server")

SMALL = VideoSettings(duration=1, resolution="480p")
SECRET = "a-secret-of-the-tests"
COLLECTION = "collect-videos/collect-videos"


async def test_a_submission_says_where_its_end_is_to_be_told(runs: FaultyRuns, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the key in the query; on record is only the host, and another address makes no other video."""
    monkeypatch.setenv("OPENROUTER_VIDEO_WEBHOOK_URL", "https://nobody.invalid/s3cr3t?token=t0k3n")
    first = await runs.generate(idempotency_key="one")
    monkeypatch.setenv("OPENROUTER_VIDEO_WEBHOOK_URL", "https://nobody.invalid/elsewhere")
    second = await runs.generate(idempotency_key="one")
    monkeypatch.delenv("OPENROUTER_VIDEO_WEBHOOK_URL")
    third = await runs.generate(idempotency_key="one")
    [charge] = runs.sandbox.charges
    assert charge.body["callback_url"] == f"https://nobody.invalid/s3cr3t?token=t0k3n&key={first.key}"
    shown = {name: value for name, value in charge.body.items() if name != "callback_url"}
    assert first.sent == {**shown, "callback_url": "https://nobody.invalid/…"}
    assert [(one.status, one.reused, one.sent) for one in (second, third)] == [("completed", True, first.sent)] * 2
    kept = [path.read_text() for path in runs.output.rglob("*") if path.suffix in {".json", ".html", ".jsonl"}]
    assert kept
    assert not [text for text in kept if "s3cr3t" in text or "t0k3n" in text]


async def test_the_rows_of_a_batch_say_it_too(runs: FaultyRuns, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each with its own key, unless it names an address itself; a wrong one refuses all before anything is sent."""
    own = "https://nobody.invalid/mine"
    rows = [{"prompt": "A rose"}, {"prompt": "A tulip"}, {"prompt": "A lily", "callback_url": own}]
    with using_limits(runs.limits):
        monkeypatch.setenv("OPENROUTER_VIDEO_WEBHOOK_URL", "http://hooks.example.com")
        with pytest.raises(ConfigurationError, match="OPENROUTER_VIDEO_WEBHOOK_URL must begin with https://"):
            await batch_videos(rows=rows, batch="flowers", models=[MODEL], settings=SMALL)
        assert [*runs.sandbox.charges] == []
        monkeypatch.setenv("OPENROUTER_VIDEO_WEBHOOK_URL", "https://nobody.invalid")
        batch = await batch_videos(rows=rows, batch="flowers", models=[MODEL], settings=SMALL)
    told = {charge.session_id: charge.body["callback_url"] for charge in runs.sandbox.charges}
    rose, tulip, lily = (outcome.key or "" for outcome in batch.outcomes)
    assert told == {**{key: f"https://nobody.invalid?key={key}" for key in (rose, tulip)}, lily: own}


class Receiver(NamedTuple):
    """The command, in a process of its own, where it listens, and what it says."""

    process: subprocess.Popen[bytes]
    url: str
    log: Path


@contextmanager
def receiving(folder: Path) -> Iterator[Receiver]:
    """Run the command until the end of the block."""
    log = folder / "receiver.log"
    environment = {
        **os.environ,
        "OPENROUTER_VIDEO_WEBHOOK_SECRET": SECRET,
        "PREFECT_API_URL": PREFECT_API_URL.value() or "",
    }
    command = [sys.executable, "-m", "openrouter_video", "webhooks", "--port", "0"]
    with log.open("wb") as said, subprocess.Popen(command, env=environment, stdout=said, stderr=said) as process:
        try:
            wait_until(lambda: "Receiving webhooks on " in log.read_text() or process.poll() is not None)
            listening = re.search(r"http://127\.0\.0\.1:\d+", log.read_text())
            assert listening, log.read_text()
            yield Receiver(process, f"{listening[0]}/in", log)
        finally:
            process.kill()


def keys_of_collections() -> list[list[str]]:
    """What each run of the deployment is to collect, as it was scheduled."""
    with get_client(sync_client=True) as client:
        deployment = client.read_deployment_by_name(COLLECTION)
        return [run.parameters["keys"] for run in client.read_flow_runs() if run.deployment_id == deployment.id]


async def test_every_video_completes_whatever_becomes_of_its_webhook(
    runs: FaultyRuns, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Twice, late, forged, without a signature, old, never, or to nobody: by notice or by schedule, and charged once.

    The notices that are right start runs of the deployment with their keys, fewer than there are keys; what is left
    is found by a collection without any.
    """
    await (await collect_videos.ato_deployment("collect-videos")).aapply()
    wrong = [Fault(on="webhook", mangle=how) for how in ("forged", "unsigned", "old")]
    faults = [Fault(on="webhook", mangle="twice"), Fault(on="webhook", delay_seconds=0.5), *wrong]
    faults.append(Fault(on="webhook", drop="before"))
    names = [f"A flower, {number}" for number in range(9)]
    with (
        receiving(tmp_path) as receiver,
        Sandbox(job_seconds=600, faults=faults, webhook_secret=SECRET) as sandbox,
        using_limits(runs.limits),
    ):
        runs.use(sandbox)
        monkeypatch.setenv("OPENROUTER_VIDEO_WEBHOOK_URL", "http://127.0.0.1:9/nobody")
        await batch_videos(rows=[{"prompt": names[0]}], batch="a", models=[MODEL], settings=SMALL, wait="no")
        monkeypatch.setenv("OPENROUTER_VIDEO_WEBHOOK_URL", receiver.url)
        rows = [{"prompt": name} for name in names[1:]]
        await batch_videos(rows=rows, batch="b", models=[MODEL], settings=SMALL, wait="no")
        for charge in sandbox.charges[1:]:
            sandbox.finish(charge.job_id)
        # One never comes, and one comes twice.
        await asyncio.to_thread(wait_until, lambda: len(sandbox.webhooks) == len(rows))
        sandbox.finish(sandbox.charges[0].job_id)
        await asyncio.to_thread(wait_until, lambda: len(sandbox.webhooks) == len(rows) + 1)
        answers = Counter(delivery.status for delivery in sandbox.webhooks)
        assert answers == {202: 4, 200: 1, 401: 3, None: 1}
        taken = {delivery.url[-32:] for delivery in sandbox.webhooks if delivery.status == 202}
        await asyncio.to_thread(wait_until, lambda: {*chain(*keys_of_collections())} == taken)
        started = await asyncio.to_thread(keys_of_collections)
        assert len(started) < len(taken)
        collected = [outcome for keys in started for outcome in await collect_videos(keys=keys)]
        assert {outcome.key for outcome in collected} == taken
        collected += await collect_videos()
        assert Counter(outcome.status for outcome in collected) == {"completed": len(names)}
        assert len({outcome.key for outcome in collected}) == len(sandbox.charges) == len(names)
        receiver.process.send_signal(signal.SIGTERM)
        assert await asyncio.to_thread(receiver.process.wait, 30) == 0
    said = receiver.log.read_text()
    assert re.search(f"the ends of [2-4] jobs told: run [a-z-]+ of {COLLECTION}", said)
    assert "refused with 401: " in said
    assert not [one for one in (SECRET, "v1=", *taken) if one in said]


async def test_the_same_notices_are_the_same_run() -> None:
    """A run that was started and never confirmed is not started twice; what cannot be started is said in words."""
    await (await collect_videos.ato_deployment("of-notices")).aapply()
    name = "collect-videos/of-notices"
    woken = [Woken(f"{number:032x}", f"gen-vid-{number}-failed") for number in (1, 2)]
    first = await asyncio.to_thread(collect_by_deployment, name, woken)
    assert await asyncio.to_thread(collect_by_deployment, name, woken[::-1]) == first
    assert await asyncio.to_thread(collect_by_deployment, name, woken[:1]) != first
    with pytest.raises(NotWoken, match="Prefect's server has no deployment collect-videos/other"):
        collect_by_deployment("collect-videos/other", woken)
    with temporary_settings({PREFECT_API_URL: "http://127.0.0.1:9/api"}), pytest.raises(NotWoken, match="ConnectError"):
        collect_by_deployment(name, woken)

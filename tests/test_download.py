"""Downloads: verified, published, with the sidecar last, and tried again where it can help."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from openrouter_video.answers import ContentAnswer
from openrouter_video.client import ContentUnavailable, Timeouts, VideoClient
from openrouter_video.download import Downloader, download_wait, video_paths
from openrouter_video.errors import BrokenVideo, StorageError
from openrouter_video.job import VideoJob
from openrouter_video.ledger import Ledger
from openrouter_video.media import probe
from openrouter_video.records import Claim
from openrouter_video.sandbox import Fault, Sandbox
from openrouter_video.stores import open_store
from openrouter_video.threads import Threads

MODEL = "x-ai/grok-imagine-video"
BODY = b'{"model": "x-ai/grok-imagine-video", "prompt": "A flower", "duration": 1, "resolution": "480p"}'
CLAIM = Claim(
    at="2026-11-23T00:00:00+00:00",
    key="0123456789abcdef0123456789abcdef",
    model=MODEL,
    take=1,
    asked={"prompt": "A flower"},
    sent={},
    body_sha256="",
    base_url="http://127.0.0.1",
    output="",
    path="a-flower-01234567/grok.mp4",
)


class Bench:
    """A sandbox, a finished job, and a downloader that does not really wait."""

    def __init__(self, sandbox: Sandbox, client: VideoClient, folder: Path) -> None:
        self.sandbox, self.folder, self.slept = sandbox, folder, list[float]()
        self.ledger = Ledger(open_store(str(folder / "_jobs")))
        self.threads = Threads()
        self.downloader = Downloader(client, open_store(str(folder)), self.ledger, self.threads, sleep=self._sleep)
        answer = client.submit(BODY, CLAIM.key)
        self.job = VideoJob(id=answer.job_id or "", status="completed")

    async def _sleep(self, seconds: float) -> None:
        self.slept.append(seconds)

    @property
    def files(self) -> list[str]:
        """Every file of the store except the ledger's."""
        return sorted(path.name for path in self.folder.rglob("*") if path.is_file() and "_jobs" not in path.parts)


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    """One finished job that nobody has downloaded yet."""
    with Sandbox(job_seconds=0) as sandbox:
        async with VideoClient(sandbox.api_key, sandbox.base_url, timeouts=Timeouts(content=2)) as client:
            one = Bench(sandbox, client, tmp_path / "videos")
            while not ((answer := await client.get_job(one.job.id)).job and answer.job.completed):  # noqa: ASYNC110
                await asyncio.sleep(0.02)
            yield one


async def test_the_file_the_sidecar_and_the_ledger_agree(bench: Bench) -> None:
    """All three are there at the end, and nothing else."""
    outcome = await bench.downloader.keep(CLAIM, bench.job)
    assert bench.files == ["grok.json", "grok.mp4"]
    file = bench.folder / CLAIM.path
    assert probe(str(file)).width == outcome.width == 854
    sidecar = json.loads(file.with_suffix(".json").read_text())
    assert (sidecar["bytes"], sidecar["status"]) == (file.stat().st_size, "completed")
    entry = bench.ledger.entry(CLAIM.key)
    assert entry.outcome == outcome


async def test_what_is_safe_is_not_downloaded_again(bench: Bench) -> None:
    """Another process finds the sidecar; a file of the wrong size does not count."""
    first = await bench.downloader.keep(CLAIM, bench.job)
    assert await bench.downloader.keep(CLAIM, bench.job, reused=True) == first.model_copy(update={"reused": True})
    assert sum(seen.kind == "content" for seen in bench.sandbox.requests) == 1
    (bench.folder / CLAIM.path).write_bytes(b"short")
    await bench.downloader.keep(CLAIM, bench.job)
    assert sum(seen.kind == "content" for seen in bench.sandbox.requests) == 2
    assert (bench.folder / CLAIM.path).stat().st_size == first.bytes


async def test_a_sidecar_of_another_job_does_not_count(bench: Bench) -> None:
    """The same path, but not the same video."""
    await bench.downloader.keep(CLAIM, bench.job)
    sidecar = (bench.folder / CLAIM.path).with_suffix(".json")
    sidecar.write_text(sidecar.read_text().replace(bench.job.id, "gen-vid-other"))
    await bench.downloader.keep(CLAIM, bench.job)
    assert sum(seen.kind == "content" for seen in bench.sandbox.requests) == 2


@pytest.mark.parametrize("mangle", ["cut_reset", "cut_clean", "short_by_one", "no_moov", "empty", "html", "webm"])
async def test_a_broken_body_is_tried_again_and_never_published(bench: Bench, mangle: str) -> None:
    """Once: the second attempt succeeds. Always: nothing is there, not even a temporary."""
    bench.sandbox.add_fault(Fault(on="content", mangle=mangle, times=None))
    with pytest.raises((ContentUnavailable, BrokenVideo)):
        await bench.downloader.keep(CLAIM, bench.job)
    assert bench.files == []
    assert len(bench.slept) == 4
    assert bench.ledger.entry(CLAIM.key).outcome is None
    bench.sandbox.clear_faults()
    bench.sandbox.add_fault(Fault(on="content", mangle=mangle, times=1))
    assert (await bench.downloader.keep(CLAIM, bench.job)).status == "completed"
    assert bench.files == ["grok.json", "grok.mp4"]


async def test_a_refusal_is_not_tried_again(bench: Bench) -> None:
    """401 stays 401."""
    bench.sandbox.add_fault(Fault(on="content", status=401, body="x", times=None))
    with pytest.raises(ContentUnavailable, match="401"):
        await bench.downloader.keep(CLAIM, bench.job)
    assert bench.slept == []


async def test_retry_after_is_kept(bench: Bench) -> None:
    """A busy store of videos says when to return."""
    bench.sandbox.add_fault(Fault(on="content", status=503, body="x", headers={"Retry-After": "11"}))
    await bench.downloader.keep(CLAIM, bench.job)
    assert bench.slept == [11.0]


async def test_every_video_of_a_job_is_saved(bench: Bench) -> None:
    """The first is the outcome's url, the rest its extra_urls; a missing second one leaves the job open."""
    several = bench.job.model_copy(update={"videos": 2})
    with pytest.raises(ContentUnavailable, match="out of range"):
        await bench.downloader.keep(CLAIM, several)
    assert not any(name.endswith(".json") for name in bench.files)
    assert video_paths(CLAIM, 2) == [
        "a-flower-01234567/grok.take-1.1.mp4",
        "a-flower-01234567/grok.take-1.2.mp4",
    ]


async def test_a_ledger_that_fails_at_the_end_is_a_note(bench: Bench) -> None:
    """The file is safe; that the record is missing is said, and collecting later finds the sidecar."""
    folder = bench.folder / "_jobs"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / CLAIM.key).write_text("no folder")
    outcome = await bench.downloader.keep(CLAIM, bench.job)
    assert outcome.status == "completed"
    assert "the file is safe, but the ledger" in outcome.notes[-1]


async def test_a_cancelled_download_cleans_up(bench: Bench, tmp_path: Path) -> None:
    """Nothing half-written stays behind."""
    bench.sandbox.add_fault(Fault(on="content", delay_seconds=0.3))
    running = asyncio.create_task(bench.downloader.keep(CLAIM, bench.job))
    await asyncio.sleep(0.15)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert bench.files == []


@pytest.mark.parametrize(
    ("error", "tries", "wait"),
    [
        (BrokenVideo("cut"), 0, 1.0),
        (BrokenVideo("cut"), 3, 8.0),
        (BrokenVideo("cut"), 4, None),
        (StorageError("full"), 0, None),
        (ContentUnavailable(ContentAnswer("503", again=True)), 1, 2.0),
        (ContentUnavailable(ContentAnswer("503", again=True, retry_after=90.0)), 0, 90.0),
        (ContentUnavailable(ContentAnswer("503", again=True, retry_after=0.0)), 2, 4.0),
        (ContentUnavailable(ContentAnswer("503", again=True, retry_after=301.0)), 0, None),
        (ContentUnavailable(ContentAnswer("404", again=False)), 0, None),
    ],
)
def test_download_wait(error: ContentUnavailable | StorageError, tries: int, wait: float | None) -> None:
    """Five attempts, doubling waits, and no second attempt where the store or the API refuses."""
    assert download_wait(error, tries, 5, jitter=0.5) == wait


def test_one_video_has_the_path_of_its_claim() -> None:
    """No number where there is nothing to count."""
    assert video_paths(CLAIM, 1) == [CLAIM.path]


async def test_a_sidecar_that_is_no_outcome_does_not_count(bench: Bench) -> None:
    """Somebody's other JSON in its place must not stop a collection."""
    await bench.downloader.keep(CLAIM, bench.job)
    sidecar = (bench.folder / CLAIM.path).with_suffix(".json")
    sidecar.write_text(json.dumps({"job_id": bench.job.id, "status": "nice"}))
    assert (await bench.downloader.keep(CLAIM, bench.job)).status == "completed"
    assert json.loads(sidecar.read_text())["status"] == "completed"

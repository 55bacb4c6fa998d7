"""Downloads: verified, published, with the sidecar last, and tried again where it can help."""

from __future__ import annotations

import asyncio
import json
import re
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import nullcontext
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from openrouter_video.api.answers import ContentAnswer
from openrouter_video.api.client import ContentUnavailable, VideoClient
from openrouter_video.api.content import DownloadLimits
from openrouter_video.api.job import VideoJob
from openrouter_video.errors import BrokenVideo, StorageError
from openrouter_video.ledger.ledger import Ledger
from openrouter_video.ledger.records import Claim, Submitted
from openrouter_video.outcome import Outcome
from openrouter_video.run.conclusions import outcome_of
from openrouter_video.run.download import Downloader, download_wait
from openrouter_video.run.facts import Facts
from openrouter_video.run.polling import Step
from openrouter_video.run.video_files import find, video_paths
from openrouter_video.sandbox import Fault, Sandbox
from openrouter_video.stores import open_store
from openrouter_video.stores.local_store import LocalFiles
from openrouter_video.threads import Threads
from openrouter_video.videos.paths import output_count
from openrouter_video.videos.probing import probe
from openrouter_video.videos.saving import save_video
from tests.support.claims import claim_on

MODEL = "x-ai/grok-imagine-video"
BODY = b'{"model": "x-ai/grok-imagine-video", "prompt": "A flower", "duration": 1, "resolution": "480p"}'
CLAIM = claim_on(
    "0123456789abcdef0123456789abcdef",
    model=MODEL,
    asked={"prompt": "A flower"},
    base_url="http://127.0.0.1",
    output="",
    path="a-flower-01234567/grok.mp4",
)


class Bench:
    """A sandbox, a finished job, and a downloader that does not really wait."""

    def __init__(self, sandbox: Sandbox, client: VideoClient, folder: Path) -> None:
        self.sandbox, self.folder, self.slept = sandbox, folder, list[float]()
        self.client = client
        self.ledger = Ledger(open_store(str(folder / "_jobs")))
        self.threads = Threads()
        self.store = open_store(str(folder))
        self.downloader = Downloader(client, self.store, self.ledger, self.threads, sleep=self._sleep)
        answer = client.submit(BODY, CLAIM.key)
        self.job = VideoJob(id=answer.job_id or "", status="completed")

    async def keep(
        self, job: VideoJob, *, reused: bool = False, downloader: Downloader | None = None, claim: Claim = CLAIM
    ) -> Outcome:
        """Download the videos of a finished job, and tell what became of it."""
        submitted = Submitted(state="accepted", claim=claim, job_id=job.id, reused=reused)
        facts = Facts(MODEL, 1, claim.key, claim, submitted=submitted, step=Step("done", job=job))
        return outcome_of(await (downloader or self.downloader).keep(facts), datetime.now(UTC))

    def found(self) -> Outcome | None:
        """What another process finds beside the video."""
        return find(self.store, CLAIM, self.job.id)

    def limited(self, limits: DownloadLimits) -> Downloader:
        """A downloader with other limits."""
        return Downloader(self.client, self.store, self.ledger, self.threads, limits=limits, sleep=self._sleep)

    def more_outputs(self) -> None:
        """Let every index be that of the sandbox's one video."""
        real = self.client.content
        self.client.content = lambda job_id, _, **more: real(job_id, 0, **more)  # type: ignore[method-assign]

    def serve(self, body: bytes) -> None:
        """Let the content be these bytes."""
        self.client.content = lambda *_, **__: nullcontext(iter([body]))  # type: ignore[method-assign, assignment]

    @property
    def contents(self) -> int:
        """How often the content was asked for."""
        return sum(seen.kind == "content" for seen in self.sandbox.requests)

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
        async with VideoClient(sandbox.api_key, sandbox.base_url) as client:
            one = Bench(sandbox, client, tmp_path / "videos")
            while not ((answer := await client.get_job(one.job.id)).job and answer.job.completed):  # noqa: ASYNC110
                await asyncio.sleep(0.02)
            yield one


@pytest.fixture
def playable(make_mp4: Callable[..., bytes]) -> bytes:
    """A video whose index comes behind a box without a sensible name, which FFmpeg steps over."""
    body = make_mp4()
    start = body.index(b"moov") - 4
    return body[:start] + (24).to_bytes(4) + b"\1\2\3\4" + bytes(16) + body[start:]


async def test_the_file_the_sidecar_and_the_ledger_agree(bench: Bench) -> None:
    """All three are there at the end, and nothing else."""
    outcome = await bench.keep(bench.job)
    assert bench.files == ["grok.jpg", "grok.json", "grok.mp4"]
    file = bench.folder / CLAIM.path
    assert probe(str(file)).width == outcome.width == 854
    sidecar = json.loads(file.with_suffix(".json").read_text())
    assert (sidecar["bytes"], sidecar["status"]) == (file.stat().st_size, "completed")
    entry = bench.ledger.entry(CLAIM.key)
    assert entry.outcome == outcome


@pytest.mark.parametrize(
    ("mangle", "checks", "note"),
    [
        ("black", ("black",), "black: each frame is black"),
        ("frozen", ("frozen",), "frozen: nothing moves in it"),
        ("silent", ("silent",), "silent: its sound track is silent"),
        ("no_audio", ("no_audio",), "no audio: asked for sound, got a video without a sound track"),
        ("short", ("shorter_than_asked",), "shorter than asked: asked 1 s, got 0.5 s"),
        ("small", ("smaller_than_asked",), "smaller than asked: asked 480p, got 426 x 240 pixels"),
        ("c2pa", (), None),
    ],
)
async def test_an_odd_video_is_kept_and_said_to_be_odd(
    bench: Bench, mangle: Any, checks: tuple[str, ...], note: str | None
) -> None:
    """One download; outcome, sidecar and ledger say the same, and so does whoever finds it again."""
    bench.sandbox.add_fault(Fault(on="content", mangle=mangle, times=None))
    sent = {"duration": 1, "resolution": "480p", "generate_audio": True if mangle in {"silent", "no_audio"} else None}
    claim = CLAIM.model_copy(update={"sent": sent})
    outcome = await bench.keep(bench.job, claim=claim)
    assert (outcome.status, outcome.checks, outcome.notes, bench.contents) == (
        "completed",
        checks,
        (note,) if note else (),
        1,
    )
    assert outcome.c2pa is (mangle == "c2pa")
    assert bench.files == ["grok.jpg", "grok.json", "grok.mp4"]
    sidecar = json.loads((bench.folder / CLAIM.path).with_suffix(".json").read_text())
    assert (tuple(sidecar["checks"]), sidecar["poster_url"]) == (checks, outcome.poster_url)
    assert sidecar["digital_source_type"].endswith("/digitalsourcetype/trainedAlgorithmicMedia")
    assert (await bench.keep(bench.job, claim=claim, reused=True)).checks == checks
    assert bench.contents == 1


async def test_the_poster_comes_between_the_video_and_its_sidecar(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the sidecar is, all of it is there; what a process that died has left of a poster is cleared too."""
    real, order = LocalFiles.replace, list[str]()

    def replace(files: LocalFiles, part: str, target: str) -> None:
        order.append(Path(target).name)
        real(files, part, target)

    monkeypatch.setattr(LocalFiles, "replace", replace)
    stray = bench.folder / "a-flower-01234567" / ".grok.jpg.0123456789ab.part"
    stray.parent.mkdir(parents=True)
    stray.write_bytes(b"half")
    await bench.keep(bench.job)
    assert order[:3] == ["grok.mp4", "grok.jpg", "grok.json"]
    assert not stray.exists()


async def test_what_is_safe_is_not_downloaded_again(bench: Bench) -> None:
    """Another process finds the sidecar; a file of the wrong size does not count."""
    first = await bench.keep(bench.job)
    assert await bench.keep(bench.job, reused=True) == first.model_copy(update={"reused": True})
    assert sum(seen.kind == "content" for seen in bench.sandbox.requests) == 1
    (bench.folder / CLAIM.path).write_bytes(b"short")
    await bench.keep(bench.job)
    assert sum(seen.kind == "content" for seen in bench.sandbox.requests) == 2
    assert (bench.folder / CLAIM.path).stat().st_size == first.bytes


async def test_a_sidecar_of_another_job_does_not_count(bench: Bench) -> None:
    """The same path, but not the same video."""
    await bench.keep(bench.job)
    sidecar = (bench.folder / CLAIM.path).with_suffix(".json")
    sidecar.write_text(sidecar.read_text().replace(bench.job.id, "gen-vid-other"))
    await bench.keep(bench.job)
    assert sum(seen.kind == "content" for seen in bench.sandbox.requests) == 2


@pytest.mark.parametrize("mangle", ["cut_reset", "empty", "html", "json", "gzip_cut"])
async def test_what_is_no_file_is_tried_again_and_never_published(bench: Bench, mangle: str) -> None:
    """Once: the second attempt succeeds. Always: nothing is there, not even a temporary."""
    bench.sandbox.add_fault(Fault(on="content", mangle=mangle, times=None))
    with pytest.raises((ContentUnavailable, BrokenVideo)):
        await bench.keep(bench.job)
    assert bench.files == []
    assert len(bench.slept) == 4
    assert bench.ledger.entry(CLAIM.key).outcome is None
    bench.sandbox.clear_faults()
    bench.sandbox.add_fault(Fault(on="content", mangle=mangle, times=1))
    assert (await bench.keep(bench.job)).status == "completed"
    assert bench.files == ["grok.jpg", "grok.json", "grok.mp4"]


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        *(({"status": status}, f"HTTP {status}") for status in (409, 429, 502, 503)),
        ({"drop": "before"}, "the download broke off"),
        ({"drop": "after"}, "the download broke off"),
        ({"mangle": "cut_reset"}, "broke off"),
        ({"mangle": "html"}, "the content is an HTML page, labelled text/html"),
        ({"mangle": "json"}, "the content is JSON, labelled application/json"),
        ({"mangle": "empty"}, "The body is empty"),
    ],
)
async def test_what_passes_is_fetched_again(bench: Bench, fault: dict[str, Any], words: str) -> None:
    """The second attempt brings the video home; of five in a row the reason of the last is told."""
    bench.sandbox.add_fault(Fault(on="content", **fault))
    assert (await bench.keep(bench.job)).status == "completed"
    assert (bench.contents, len(bench.slept), bench.files) == (2, 1, ["grok.jpg", "grok.json", "grok.mp4"])
    for name in bench.files:
        (bench.folder / "a-flower-01234567" / name).unlink()
    bench.slept.clear()
    bench.sandbox.add_fault(Fault(on="content", **fault, times=None))
    with pytest.raises((ContentUnavailable, BrokenVideo), match=words):
        await bench.keep(bench.job)
    assert bench.slept == pytest.approx([1, 2, 4, 8], rel=0.26)
    assert (bench.contents, bench.files) == (7, [])


@pytest.mark.parametrize(
    ("mangle", "words"),
    [
        ("cut_clean", "not a whole video"),
        ("short_by_one", "not a whole video"),
        ("webm", "not a whole video"),
        ("no_moov", "without its box 'moov'"),
    ],
)
async def test_a_broken_video_is_fetched_again(bench: Bench, mangle: Any, words: str) -> None:
    """After the second attempt the whole video is there, and nothing else; the walk says what the first one was."""
    bench.sandbox.add_fault(Fault(on="content", mangle=mangle))
    assert (await bench.keep(bench.job)).status == "completed"
    assert (bench.contents, bench.files) == (2, ["grok.jpg", "grok.json", "grok.mp4"])
    bench.sandbox.add_fault(Fault(on="content", mangle=mangle))
    with pytest.raises(BrokenVideo, match=words), bench.client.content(bench.job.id) as chunks:
        save_video(chunks, bench.store, "elsewhere/grok.mp4", stop=threading.Event())


@pytest.mark.parametrize("suffix", [".mp4", ".json"])
async def test_who_is_overtaken_finds_what_the_other_has_finished(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, suffix: str
) -> None:
    """Even if the other clears the temporary away that was just to be published, be it of the video or the sidecar.

    A sidecar is written again, and says the same but for the time.
    """
    real, overtaken, others = LocalFiles.replace, threading.Event(), list[Outcome]()

    def replace(files: LocalFiles, part: str, target: str) -> None:
        if target.endswith(suffix) and not overtaken.is_set():
            overtaken.set()
            others.append(asyncio.run(bench.keep(bench.job, reused=True)))
            assert not Path(part).exists()
        real(files, part, target)

    monkeypatch.setattr(LocalFiles, "replace", replace)
    outcome = await bench.keep(bench.job, reused=True)
    assert outcome.status == "completed"
    now = {"made_at": outcome.made_at, "elapsed_seconds": outcome.elapsed_seconds}
    assert [other.model_copy(update=now) for other in others] == [outcome]
    assert bench.files == ["grok.jpg", "grok.json", "grok.mp4"]
    sidecar = json.loads((bench.folder / "a-flower-01234567" / "grok.json").read_text(encoding="utf-8"))
    assert sidecar["made_at"] == (outcome if suffix == ".json" else others[0]).model_dump(mode="json")["made_at"]


# ---- What is odd, and is kept ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("label", ["application/octet-stream", "application/mp4", "video/x-m4v", "text/html", ""])
async def test_a_label_is_only_a_hint(bench: Bench, label: str) -> None:
    """The walk over the boxes decides, at the first download."""
    bench.sandbox.add_fault(Fault(on="content", headers={"content-type": label}, times=None))
    assert (await bench.keep(bench.job)).status == "completed"
    assert (bench.files, bench.contents) == (["grok.jpg", "grok.json", "grok.mp4"], 1)


async def test_a_quicktime_file_is_kept_under_its_own_suffix(bench: Bench) -> None:
    """And found again there: by another run, by collect, and when leftovers are cleared."""
    bench.sandbox.add_fault(Fault(on="content", mangle="quicktime", times=None))
    outcome = await bench.keep(bench.job)
    assert (outcome.status, outcome.notes, bench.files) == ("completed", (), ["grok.jpg", "grok.json", "grok.mov"])
    assert (outcome.url or "").endswith("/a-flower-01234567/grok.mov")
    assert (outcome.width, outcome.height) == (854, 480)
    assert bench.found() == outcome
    stray = bench.folder / "a-flower-01234567" / ".grok.mov.0123456789ab.part"
    stray.write_bytes(b"half")
    assert (await bench.keep(bench.job, reused=True)).reused
    assert (bench.contents, stray.exists()) == (1, False)
    (bench.folder / "a-flower-01234567" / "grok.mov").unlink()
    assert bench.found() is None


async def test_padding_behind_a_video_is_a_note(bench: Bench) -> None:
    """In the outcome and in the sidecar."""
    bench.sandbox.add_fault(Fault(on="content", mangle="padded"))
    outcome = await bench.keep(bench.job)
    assert (outcome.status, bench.contents) == ("completed", 1)
    assert outcome.notes == ("16 bytes that belong to no box follow the end of the video",)
    sidecar = json.loads((bench.folder / CLAIM.path).with_suffix(".json").read_text())
    assert sidecar["notes"] == list(outcome.notes)


async def test_a_compressed_answer_is_undone(bench: Bench) -> None:
    """What is published is the video, not the gzip."""
    bench.sandbox.add_fault(Fault(on="content", mangle="gzip"))
    outcome = await bench.keep(bench.job)
    assert (outcome.status, bench.contents) == ("completed", 1)
    assert probe(bench.folder / CLAIM.path).width == 854


@pytest.mark.parametrize(
    ("mangle", "name"),
    [
        ("cut_clean", "grok.damaged.mp4"),
        ("short_by_one", "grok.damaged.mp4"),
        ("no_moov", "grok.damaged.mp4"),
        ("garbled", "grok.damaged.mp4"),
        ("webm", "grok.webm"),
        ("picture", "grok.damaged.png"),
    ],
)
async def test_what_comes_the_same_each_time_is_kept_as_damaged(bench: Bench, mangle: str, name: str) -> None:
    """Open at first, since a whole one may come; ended by the next collection that gets the same once more."""
    bench.sandbox.add_fault(Fault(on="content", mangle=mangle, times=None))
    first = await bench.keep(bench.job)
    assert (first.status, bench.files, len(bench.slept), bench.contents) == ("open", [name], 4, 6)
    assert "damaged: it came like this each time, and is kept at file://" in (first.error or "")
    assert f"{name}. " in (first.error or "")
    assert bench.ledger.entry(CLAIM.key).outcome is None
    second = await bench.keep(bench.job, reused=True)
    assert (second.status, second.bytes, bench.files) == ("failed", first.bytes, sorted(["grok.json", name]))
    assert (second.error or "").startswith("damaged: it came like this each time")
    assert bench.ledger.entry(CLAIM.key).outcome == second.model_copy(update={"reused": True})
    before = bench.contents
    assert (await bench.keep(bench.job, reused=True)).status == "failed"
    assert bench.contents == before


@pytest.mark.parametrize("mangle", ["cut_clean", "webm"])
async def test_the_whole_takes_the_place_of_the_damaged(bench: Bench, mangle: str) -> None:
    """What a proxy had cut for a while, or replaced, is whole at the next collection."""
    bench.sandbox.add_fault(Fault(on="content", mangle=mangle, times=None))
    assert (await bench.keep(bench.job)).status == "open"
    bench.sandbox.clear_faults()
    outcome = await bench.keep(bench.job, reused=True)
    assert (outcome.status, outcome.notes, bench.files) == ("completed", (), ["grok.jpg", "grok.json", "grok.mp4"])


async def test_what_differs_each_time_is_not_kept(bench: Bench) -> None:
    """Two cuts at different places prove nothing."""
    for mangle in ("cut_clean", "no_moov", "short_by_one", "garbled", "webm"):
        bench.sandbox.add_fault(Fault(on="content", mangle=mangle))
    with pytest.raises(BrokenVideo, match="not a whole video"):
        await bench.keep(bench.job)
    assert bench.files == []


async def test_a_video_that_plays_though_no_walk_passes_it_is_kept_at_once(bench: Bench, playable: bytes) -> None:
    """FFmpeg finds its way past garbage that the walk refuses: completed, and said to be damaged."""
    bench.serve(playable)
    outcome = await bench.keep(bench.job)
    assert (outcome.status, bench.files) == ("completed", ["grok.damaged.mp4", "grok.jpg", "grok.json"])
    assert outcome.notes[-1].startswith("damaged: it came like this each time, and is kept at file://")
    assert await bench.keep(bench.job, reused=True) == outcome.model_copy(update={"reused": True})


# ---- Limits ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("mangle", "limits", "words"),
    [
        ("drip", DownloadLimits(rate_seconds=0.3), "the lowest allowed rate is 8192 bytes per second"),
        ("drip", DownloadLimits(seconds=0.3), "it was not complete after 0.3 s"),
        ("endless", DownloadLimits(largest_bytes=500_000), "it is too large: 500000 bytes is the most"),
        ("gzip", DownloadLimits(largest_bytes=5000), "it is too large: 5000 bytes is the most"),
        ("silence", DownloadLimits(seconds=0.3), "it was not complete after 0.3 s"),
    ],
)
async def test_a_download_has_limits(bench: Bench, mangle: str, limits: DownloadLimits, words: str) -> None:
    """Each leaves the job open in words, after one attempt: it would only hold up the others."""
    bench.sandbox.add_fault(Fault(on="content", mangle=mangle, times=None))
    with pytest.raises(ContentUnavailable, match=words) as caught:
        await bench.keep(bench.job, downloader=bench.limited(limits))
    # A collection by the same limit would end the same.
    assert re.search(r"set OPENROUTER_VIDEO_DOWNLOAD_\w+ (higher|lower): then .* finishes it", str(caught.value))
    assert (bench.files, bench.slept, bench.contents) == ([], [], 1)
    bench.sandbox.clear_faults()
    assert (await bench.keep(bench.job, downloader=bench.limited(DownloadLimits()))).status == "completed"


async def test_silence_is_a_dead_connection_and_tried_again(bench: Bench) -> None:
    """A new one brings the video home."""
    bench.sandbox.add_fault(Fault(on="content", mangle="silence"))
    outcome = await bench.keep(bench.job, downloader=bench.limited(DownloadLimits(rate_seconds=1.0)))
    assert (outcome.status, bench.contents, len(bench.slept)) == ("completed", 2, 1)


@pytest.mark.parametrize("fault", [{"mangle": "silence"}, {"delay_seconds": 60}, {"mangle": "drip"}])
async def test_a_download_is_stopped_whatever_the_network_does(bench: Bench, fault: dict[str, Any]) -> None:
    """Cancelled in the middle of silence it ends long before any time-out, and leaves nothing behind."""
    bench.sandbox.add_fault(Fault(on="content", **fault))
    running = asyncio.create_task(bench.keep(bench.job, downloader=bench.limited(DownloadLimits())))
    await asyncio.sleep(0.5)
    running.cancel()
    async with asyncio.timeout(100):
        with pytest.raises(asyncio.CancelledError):
            await running
    assert bench.files == []


# ---- Several outputs -------------------------------------------------------------------------------------------------


async def test_a_picture_beside_a_video_is_kept_with_it(bench: Bench) -> None:
    """It is paid for as well: a file with its own suffix, named in the outcome."""
    bench.sandbox.add_fault(Fault(on="content", mangle="picture", after=1, times=None))
    bench.more_outputs()
    outcome = await bench.keep(bench.job.model_copy(update={"videos": 2}))
    assert (outcome.status, outcome.notes) == ("completed", ())
    assert bench.files == ["grok.json", "grok.take-1.1.jpg", "grok.take-1.1.mp4", "grok.take-1.2.png"]
    assert [url.rpartition("/")[2] for url in (outcome.url or "", *outcome.extra_urls)] == bench.files[2:]
    assert (outcome.poster_url or "").endswith("/grok.take-1.1.jpg")
    assert bench.found() == outcome


async def test_a_video_behind_a_picture_is_the_outcome(bench: Bench) -> None:
    """The first that is a video, whatever its number."""
    bench.sandbox.add_fault(Fault(on="content", mangle="picture"))
    bench.more_outputs()
    outcome = await bench.keep(bench.job.model_copy(update={"videos": 2}))
    assert (outcome.url or "").endswith("grok.take-1.2.mp4")
    assert outcome.width == 854
    assert output_count((outcome.url, *outcome.extra_urls)) == 2


async def test_an_output_that_can_never_be_had_is_a_note(bench: Bench) -> None:
    """The first is the outcome's url; that the API has no second one does not hide it."""
    outcome = await bench.keep(bench.job.model_copy(update={"videos": 2}))
    assert (outcome.status, outcome.extra_urls) == ("completed", ())
    (note,) = outcome.notes
    assert note.startswith("output 2 of 2 could not be had: HTTP 400: Video index 1 out of range")
    assert bench.files == ["grok.json", "grok.take-1.1.jpg", "grok.take-1.1.mp4"]
    assert bench.found() == outcome
    assert video_paths(CLAIM, 2) == [
        "a-flower-01234567/grok.take-1.1.mp4",
        "a-flower-01234567/grok.take-1.2.mp4",
    ]


async def test_an_output_that_may_still_come_leaves_the_job_open(bench: Bench) -> None:
    """The good one is reported at once; the next collection tries once more, and then completes without the other."""
    bench.sandbox.add_fault(Fault(on="content", status=503, after=1, times=None))
    several = bench.job.model_copy(update={"videos": 2})
    first = await bench.keep(several)
    assert (first.status, bench.files) == ("open", ["grok.take-1.1.jpg", "grok.take-1.1.mp4"])
    assert (first.url or "").endswith("grok.take-1.1.mp4")
    assert "output 2 of 2 could not be had: HTTP 503" in (first.error or "")
    bench.sandbox.clear_faults()
    bench.sandbox.add_fault(Fault(on="content", status=503, after=1, times=None))
    second = await bench.keep(several, reused=True)
    assert (second.status, second.url) == ("completed", first.url)
    assert second.notes[0].startswith("output 2 of 2 could not be had: HTTP 503")


async def test_a_store_that_refuses_the_second_output_hides_no_video(bench: Bench) -> None:
    """The first is safe and reported, the job is open, and a collection finishes it once the store takes the rest."""
    bench.more_outputs()
    several = bench.job.model_copy(update={"videos": 2})
    in_the_way = bench.folder / CLAIM.path.replace("grok.mp4", "grok.take-1.2.mp4")
    in_the_way.mkdir(parents=True)
    first = await bench.keep(several)
    assert (first.status, first.extra_urls) == ("open", ())
    assert (first.url or "").endswith("grok.take-1.1.mp4")
    assert "Could not publish" in (first.error or "")
    assert "collect` finishes it" in (first.error or "")
    assert bench.ledger.entry(CLAIM.key).outcome is None
    in_the_way.rmdir()
    second = await bench.keep(several, reused=True)
    assert (second.status, second.url, len(second.extra_urls)) == ("completed", first.url, 1)


async def test_a_sidecar_that_cannot_be_written_hides_no_video(bench: Bench) -> None:
    """The job stays open, and says where its video is."""
    in_the_way = (bench.folder / CLAIM.path).with_suffix(".json")
    in_the_way.mkdir(parents=True)
    first = await bench.keep(bench.job)
    assert (first.status, (first.url or "").rpartition("/")[2]) == ("open", "grok.mp4")
    assert "Could not write" in (first.error or "")
    in_the_way.rmdir()
    assert (await bench.keep(bench.job, reused=True)).status == "completed"


@pytest.mark.parametrize(("mangle", "name"), [("no_moov", "grok.take-1.2.damaged.mp4"), ("webm", "grok.take-1.2.webm")])
@pytest.mark.parametrize("reused", [False, True])
async def test_a_second_output_that_stays_damaged_is_kept_with_the_video(
    bench: Bench, mangle: str, name: str, reused: bool
) -> None:
    """It is paid for as well, and said to be damaged."""
    bench.sandbox.add_fault(Fault(on="content", mangle=mangle, after=1, times=None))
    bench.more_outputs()
    outcome = await bench.keep(bench.job.model_copy(update={"videos": 2}), reused=reused)
    assert (outcome.status, outcome.width) == ("completed", 854)
    assert bench.files == ["grok.json", "grok.take-1.1.jpg", "grok.take-1.1.mp4", name]
    assert [url.rpartition("/")[2] for url in outcome.extra_urls] == [name]
    assert outcome.notes[0].startswith("output 2 is damaged: it came like this each time, and is kept at file://")
    assert bench.found() == outcome.model_copy(update={"reused": False})


async def test_one_attempt_keeps_what_is_damaged_as_well(bench: Bench) -> None:
    """Its second look is the one that keeps it; else it would be fetched by each collection and never kept."""
    bench.sandbox.add_fault(Fault(on="content", mangle="cut_clean", times=None))
    once = Downloader(bench.client, bench.store, bench.ledger, bench.threads, attempts=1)
    assert (await bench.keep(bench.job, downloader=once)).status == "open"
    assert (bench.files, bench.contents) == (["grok.damaged.mp4"], 2)


@pytest.mark.parametrize(
    "page",
    ["Wartungsarbeiten: kein Zugriff für Gäste. " * 9, "サービスはメンテナンス中です。" * 9, "Обслуживание " * 9],
)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
async def test_a_page_in_any_language_never_ends_a_job(bench: Bench, page: str, encoding: str) -> None:
    """It is no damaged video, however often it comes: the job stays open until the page is gone."""
    content = bench.client.content
    bench.serve(page.encode(encoding))
    for reused in (False, True):
        with pytest.raises(BrokenVideo):
            await bench.keep(bench.job, reused=reused)
    assert bench.files == []
    bench.client.content = content  # type: ignore[method-assign]
    assert (await bench.keep(bench.job, reused=True)).status == "completed"


async def test_the_number_of_outputs_is_bounded(bench: Bench) -> None:
    """Whoever names a million of them gets sixteen, and a note."""
    bench.more_outputs()
    outcome = await bench.keep(bench.job.model_copy(update={"videos": 10**6}))
    assert (len(outcome.extra_urls), bench.contents) == (15, 16)
    assert outcome.notes == ("the job names 1000000 outputs; the first 16 were asked for",)


async def test_pictures_alone_are_kept_and_end_the_job(bench: Bench) -> None:
    """They are paid for; what was asked for has not come, and nothing is fetched for ever."""
    bench.sandbox.add_fault(Fault(on="content", mangle="picture", times=None))
    bench.more_outputs()
    outcome = await bench.keep(bench.job.model_copy(update={"videos": 2}))
    assert (outcome.status, outcome.error) == ("failed", "none of the job's outputs is a video; what came is kept")
    assert bench.files == ["grok.json", "grok.take-1.1.png", "grok.take-1.2.png"]


@pytest.mark.parametrize(
    "mangles", [("no_moov",) * 5 + ("short_by_one",), ("no_moov", "webm", "garbled", "cut_clean", "short_by_one")]
)
async def test_an_output_that_is_gone_ends_no_job_whose_other_came_damaged(
    bench: Bench, mangles: tuple[str, ...]
) -> None:
    """The other may come whole: what is raised is its damage, which leaves the job open, and not that one is gone."""
    bench.more_outputs()
    bench.sandbox.add_fault(Fault(on="content", status=410, times=6))
    for mangle in mangles:
        bench.sandbox.add_fault(Fault(on="content", mangle=mangle))
    bench.sandbox.add_fault(Fault(on="content", mangle="short_by_one", times=None))
    several = bench.job.model_copy(update={"videos": 2})
    with pytest.raises(BrokenVideo, match="The job stays open"):
        await bench.keep(several, reused=True)
    bench.sandbox.clear_faults()
    assert (await bench.keep(several, reused=True)).status == "completed"


async def test_a_refusal_is_not_tried_again(bench: Bench) -> None:
    """401 stays 401."""
    bench.sandbox.add_fault(Fault(on="content", status=401, body="x", times=None))
    with pytest.raises(ContentUnavailable, match="401"):
        await bench.keep(bench.job)
    assert bench.slept == []


async def test_retry_after_is_kept(bench: Bench) -> None:
    """A busy store of videos says when to return."""
    bench.sandbox.add_fault(Fault(on="content", status=503, body="x", headers={"Retry-After": "11"}))
    await bench.keep(bench.job)
    assert bench.slept == [11.0]


async def test_a_ledger_that_fails_at_the_end_is_a_note(bench: Bench) -> None:
    """The file is safe; that the record is missing is said, and collecting later finds the sidecar."""
    folder = bench.folder / "_jobs"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / CLAIM.key).write_text("no folder")
    outcome = await bench.keep(bench.job)
    assert outcome.status == "completed"
    assert "the file is safe, but the ledger" in outcome.notes[-1]


async def test_a_cancelled_download_cleans_up(bench: Bench, tmp_path: Path) -> None:
    """Nothing half-written stays behind."""
    bench.sandbox.add_fault(Fault(on="content", delay_seconds=0.3))
    running = asyncio.create_task(bench.keep(bench.job))
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
    await bench.keep(bench.job)
    sidecar = (bench.folder / CLAIM.path).with_suffix(".json")
    sidecar.write_text(json.dumps({"job_id": bench.job.id, "status": "nice"}))
    assert (await bench.keep(bench.job)).status == "completed"
    assert json.loads(sidecar.read_text())["status"] == "completed"

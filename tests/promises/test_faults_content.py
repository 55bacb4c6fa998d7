"""What can go wrong with a finished video and its store, through the whole flow: whole, or not there at all.

Of each kind of content there is one or two here; all that were thought of are in tests/run/test_download.py.
"""

from __future__ import annotations

import contextlib
import hashlib
import re
import resource
import shutil
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import fsspec
import pytest

from openrouter_video.api.content import DownloadLimits
from openrouter_video.errors import ConfigurationError
from openrouter_video.gallery.writing import PAGE
from openrouter_video.outcome import SETTLE_COMMAND
from openrouter_video.run import MANIFEST
from openrouter_video.sandbox import Fault, rendering
from openrouter_video.videos.probing import probe
from tests.support.grains import in_a_lane, in_both_grains

if TYPE_CHECKING:
    from openrouter_video.outcome import Outcome
    from tests.support.faulty_runs import FaultyRuns

pytestmark = pytest.mark.usefixtures("prefect_server")

KEY = "one-video"
FILES = [f"x-ai--grok-imagine-video.{suffix}" for suffix in ("jpg", "json", "mp4")]


def _assert_whole(outcome: Outcome, runs: FaultyRuns) -> None:
    assert (outcome.status, outcome.error) == ("completed", None)
    video = Path((outcome.url or "").removeprefix("file://"))
    assert hashlib.sha256(video.read_bytes()).hexdigest() == outcome.sha256
    assert probe(video).duration_seconds == pytest.approx(1, abs=0.2)
    assert runs.files == FILES
    assert (runs.jobs, runs.count("submit")) == (1, 1)


def _assert_open(outcome: Outcome, runs: FaultyRuns, words: str) -> None:
    assert (outcome.status, outcome.job_id, outcome.url) == ("open", runs.sandbox.charges[0].job_id, None)
    assert words in (outcome.error or "")
    assert "`openrouter-video collect`" in (outcome.error or "")
    assert outcome.cost_usd == runs.sandbox.charges[0].cost_usd
    assert (runs.jobs, runs.count("submit")) == (1, 1)


# ---- The API has no video --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "fault",
    [{"status": 503}, {"drop": "after"}, {"delay_seconds": 1.6}],
    ids=["503", "dropped after", "slow"],
)
@in_both_grains
async def test_content_that_passes_is_fetched_again(runs: FaultyRuns, fault: dict[str, Any]) -> None:
    """The second attempt, a second later, brings the video home in the same run."""
    runs.sandbox.add_fault(Fault(on="content", **fault))
    if "delay_seconds" in fault:
        runs.be_impatient(content=0.8)
    _assert_whole(await runs.generate(idempotency_key=KEY), runs)
    # On a busy machine the second attempt may be too slow as well.
    assert runs.count("content") == 2 or ("delay_seconds" in fault and runs.count("content") > 2)


@in_a_lane
async def test_retry_after_of_content_is_kept(runs: FaultyRuns) -> None:
    """Instead of the doubling waits."""
    runs.sandbox.add_fault(Fault(on="content", status=503, headers={"Retry-After": "90"}))
    _assert_whole(await runs.generate(idempotency_key=KEY), runs)
    assert 90 in runs.time.slept


@in_a_lane
async def test_nobody_waits_an_hour_for_content(runs: FaultyRuns) -> None:
    """An API that asks for more patience than a run has leaves the job open, for collect to try again then."""
    runs.sandbox.add_fault(Fault(on="content", status=503, headers={"Retry-After": "3600"}))
    _assert_open(await runs.generate(idempotency_key=KEY), runs, "HTTP 503")
    assert max(runs.time.slept) < 60
    _assert_whole(await runs.collect_one(), runs)


@pytest.mark.parametrize("status", [401, 404])
@in_both_grains
async def test_content_that_is_refused_leaves_the_job_open(runs: FaultyRuns, status: int) -> None:
    """Asking again at once would not help: open with the reason, and collect, or a new run, finishes it later."""
    body = {"error": {"code": status, "message": "No such luck"}}
    runs.sandbox.add_fault(Fault(on="content", status=status, body=body, times=None))
    first = await runs.generate(idempotency_key=KEY)
    _assert_open(first, runs, f"HTTP {status}: No such luck")
    assert (runs.count("content"), runs.files) == (1, [])
    again = await runs.generate(idempotency_key=KEY)
    _assert_open(again, runs, f"HTTP {status}: No such luck")
    _assert_open(await runs.collect_one(), runs, f"HTTP {status}: No such luck")
    assert (again.reused, runs.files) == (True, [])
    runs.sandbox.clear_faults()
    _assert_whole(await runs.collect_one(), runs)


@in_both_grains
async def test_content_that_is_gone_for_good_ends_the_job(runs: FaultyRuns) -> None:
    """Once is not enough, since the run's own answer may be too early; a collection that hears it again ends it."""
    body = {"error": {"code": 410, "message": "No such luck"}}
    runs.sandbox.add_fault(Fault(on="content", status=410, body=body, times=None))
    _assert_open(await runs.generate(idempotency_key=KEY), runs, "HTTP 410: No such luck")
    ended = await runs.collect_one()
    assert (ended.status, ended.cost_usd) == ("failed", 0.05)
    assert "expired: the provider does not keep the video any more (HTTP 410: No such luck; nor " in (ended.error or "")
    assert "stored copy be had: 127.0.0.1 answered HTTP 410)" in (ended.error or "")
    assert await runs.collect() == []
    assert ((await runs.generate(idempotency_key=KEY)).status, runs.jobs) == ("failed", 1)


@in_a_lane
async def test_content_that_is_gone_for_a_moment_is_collected(runs: FaultyRuns) -> None:
    """The first answers were wrong: nothing is lost."""
    runs.sandbox.add_fault(Fault(on="content", status=410, times=6))
    _assert_open(await runs.generate(idempotency_key=KEY), runs, "HTTP 410")
    _assert_whole(await runs.collect_one(), runs)


@pytest.mark.parametrize(("status", "attempts"), [(404, 1), (410, 5), (502, 5)])
@in_both_grains
async def test_content_that_stays_away_comes_from_the_stored_copy(
    runs: FaultyRuns, status: int, attempts: int, caplog: pytest.LogCaptureFixture
) -> None:
    """After all attempts, by its signed URL: without the key, checked as any download, and told without the URL."""
    caplog.set_level("DEBUG")
    runs.sandbox.add_fault(Fault(on="unsigned", status=status, times=None))
    outcome = await runs.generate(idempotency_key=KEY)
    _assert_whole(outcome, runs)
    (note,) = outcome.notes
    assert note.startswith(f"it is OpenRouter's stored copy, since its content could not be had: HTTP {status}: ")
    assert (runs.count("content"), runs.count("signed")) == (attempts, 1)
    (signed,) = (request for request in runs.sandbox.requests if request.kind == "signed")
    assert not signed.authorized
    kept = "".join(file.read_bytes().decode("latin-1") for file in runs.output.rglob("*") if file.is_file())
    assert "/stored/" not in f"{caplog.text} {outcome!r} {kept}"


@in_a_lane
async def test_nothing_is_given_up_before_its_copy_is(runs: FaultyRuns) -> None:
    """What seems gone is not while its copy is in trouble; a collection that gets the copy finishes it."""
    runs.sandbox.add_fault(Fault(on="unsigned", status=410, times=None))
    runs.sandbox.add_fault(Fault(on="signed", status=503, times=2))
    runs.sandbox.add_fault(Fault(on="signed", mangle="cut_reset"))
    for words in ("127.0.0.1 answered HTTP 503", "127.0.0.1 answered HTTP 503", "the download broke off"):
        outcome = await (runs.collect_one() if runs.jobs else runs.generate(idempotency_key=KEY))
        _assert_open(outcome, runs, f"nor could OpenRouter's stored copy be had: {words}")
        assert f"if it can never be had, end it by `{SETTLE_COMMAND} {outcome.key} --lost`" in (outcome.error or "")
    _assert_whole(await runs.collect_one(), runs)


@in_a_lane
async def test_an_expired_copy_ends_the_job_at_once(runs: FaultyRuns) -> None:
    """The time of its retention is over and nothing is there: failed, with its cost, and never asked for again."""
    over = {"status": "completed", "usage": {"cost": 0.4}, "expires_at": "2026-01-01T00:00:00Z"}
    runs.sandbox.add_fault(Fault(on="poll", body=over, times=None))
    runs.sandbox.add_fault(Fault(on="content", status=404, times=None))
    outcome = await runs.generate(idempotency_key=KEY)
    assert (outcome.status, outcome.cost_usd) == ("failed", 0.4)
    assert (outcome.error or "").startswith("expired: ")
    assert await runs.collect() == []


@pytest.mark.parametrize(
    "fault",
    [{"status": 502}, {"drop": "after"}],
    ids=["502", "dropped"],
)
@in_both_grains
async def test_content_that_stays_away_leaves_the_job_open(runs: FaultyRuns, fault: dict[str, Any]) -> None:
    """Five attempts with doubling waits; then open with the reason, and collect finishes it later."""
    runs.sandbox.add_fault(Fault(on="content", **fault, times=None))
    outcome = await runs.generate(idempotency_key=KEY)
    _assert_open(outcome, runs, f"HTTP {fault['status']}" if "status" in fault else "the download broke off")
    assert runs.time.slept[-4:] == pytest.approx([1, 2, 4, 8], rel=0.26)
    assert (runs.count("content"), runs.files) == (5, [])
    runs.sandbox.clear_faults()
    _assert_whole(await runs.collect_one(), runs)


# ---- What comes is no video ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mangle", ["html", "no_moov"])
@in_both_grains
async def test_a_broken_video_is_fetched_again_and_never_published(runs: FaultyRuns, mangle: Any) -> None:
    """Between the attempts nothing is there; after the second the whole video is, and nothing else."""
    between: list[list[str]] = []
    runs.time.during = lambda _: between.append(runs.files)
    runs.sandbox.add_fault(Fault(on="content", mangle=mangle))
    _assert_whole(await runs.generate(idempotency_key=KEY), runs)
    assert runs.count("content") == 2
    assert not any(between)


@pytest.mark.parametrize(
    ("mangle", "words"),
    [("json", "the content is JSON, labelled application/json"), ("cut_reset", "the download broke off")],
    ids=["json", "cut_reset"],
)
@in_a_lane
async def test_a_video_that_stays_away_is_left_open(runs: FaultyRuns, mangle: Any, words: str) -> None:
    """Five attempts, nothing published, no stray file; collect finishes it once the API gives the whole of it."""
    runs.sandbox.add_fault(Fault(on="content", mangle=mangle, times=None))
    outcome = await runs.generate(idempotency_key=KEY)
    _assert_open(outcome, runs, words)
    assert (runs.count("content"), runs.files) == (5, [])
    runs.sandbox.clear_faults()
    _assert_whole(await runs.collect_one(), runs)


@in_a_lane
async def test_a_video_that_stays_broken_is_kept_as_damaged(runs: FaultyRuns) -> None:
    """Open, with the damaged file beside; collect finishes it once the API gives the whole of it, and removes that."""
    runs.sandbox.add_fault(Fault(on="content", mangle="webm", times=None))
    outcome = await runs.generate(idempotency_key=KEY)
    assert (outcome.status, outcome.job_id) == ("open", runs.sandbox.charges[0].job_id)
    assert "damaged: it came like this each time" in (outcome.error or "")
    (name,) = runs.files
    assert (outcome.url or "").endswith(name)
    runs.sandbox.clear_faults()
    _assert_whole(await runs.collect_one(), runs)


@in_a_lane
async def test_nothing_damaged_is_fetched_for_ever(runs: FaultyRuns) -> None:
    """The second run that gets the same ends the job, with its cost and the file; the third asks for nothing."""
    runs.sandbox.add_fault(Fault(on="content", mangle="no_moov", times=None))
    await runs.generate(idempotency_key=KEY)
    ended = await runs.collect_one()
    assert (ended.status, ended.cost_usd) == ("failed", runs.sandbox.charges[0].cost_usd)
    assert "without its box 'moov'" in (ended.error or "")
    before = runs.count("content")
    assert await runs.collect() == []
    again = await runs.generate(idempotency_key=KEY)
    assert (again.status, again.url, again.reused) == ("failed", ended.url, True)
    assert (runs.count("content"), runs.jobs) == (before, 1)


@pytest.mark.parametrize("mangle", ["quicktime", "padded"])
@in_a_lane
async def test_a_whole_video_that_is_odd_is_kept(runs: FaultyRuns, mangle: Any) -> None:
    """One download, and a new run finds it again under its own suffix."""
    runs.sandbox.add_fault(Fault(on="content", mangle=mangle, times=None))
    outcome = await runs.generate(idempotency_key=KEY)
    assert (outcome.status, outcome.error, runs.count("content")) == ("completed", None, 1)
    assert outcome.notes == (("16 bytes that belong to no box follow the end of the video",) * (mangle == "padded"))
    suffix = ".mov" if mangle == "quicktime" else ".mp4"
    assert runs.files == [*FILES[:2], FILES[2].replace(".mp4", suffix)]
    again = await runs.generate(idempotency_key=KEY)
    assert (again.status, again.url, again.reused, runs.count("content")) == ("completed", outcome.url, True, 1)
    assert await runs.collect() == []
    (video,) = runs.output.glob(f"*/*{suffix}")
    video.unlink()
    restored = await runs.generate(idempotency_key=KEY)
    assert (restored.status, restored.url, runs.count("content"), runs.jobs) == ("completed", outcome.url, 2, 1)


@in_a_lane
async def test_a_picture_as_second_output_hides_no_video(runs: FaultyRuns) -> None:
    """Through the poll, which names two of them, and the whole flow."""
    faults = [
        Fault(on="poll", mangle="two_outputs", times=None),
        Fault(on="content", status=200, body="no picture", after=1, times=None),
    ]
    for fault in faults:
        runs.sandbox.add_fault(fault)
    outcome = await runs.generate(idempotency_key=KEY)
    assert outcome.status == "open"
    assert (outcome.url or "").endswith(".take-1.1.mp4")
    assert "output 2 of 2 could not be had: the content is plain text" in (outcome.error or "")
    runs.sandbox.clear_faults()
    for fault in faults:
        runs.sandbox.add_fault(fault)
    collected = await runs.collect_one()
    assert (collected.status, collected.url, collected.error) == ("completed", outcome.url, None)
    assert collected.notes[0].startswith("output 2 of 2 could not be had")
    assert await runs.collect() == []


@in_a_lane
async def test_a_trickle_holds_up_nothing(runs: FaultyRuns) -> None:
    """The run ends, the job is open in words, and collect finishes it when the API is quicker."""
    runs.sandbox.add_fault(Fault(on="content", mangle="drip", times=None))
    runs.limits = runs.limits._replace(download=DownloadLimits(rate_seconds=0.3))
    _assert_open(await runs.generate(idempotency_key=KEY), runs, "the download was given up")
    assert (runs.count("content"), runs.files) == (1, [])
    runs.sandbox.clear_faults()
    runs.limits = runs.limits._replace(download=DownloadLimits())
    _assert_whole(await runs.collect_one(), runs)


@in_a_lane
async def test_a_redirect_that_is_not_followed_is_named(runs: FaultyRuns) -> None:
    """The signature in it is told to nobody."""
    runs.sandbox.add_fault(
        Fault(on="content", status=302, redirect_to="https://127.0.0.1/v.mp4?signature=canary", times=None)
    )
    outcome = await runs.generate(idempotency_key=KEY)
    _assert_open(outcome, runs, "the API answered with a redirect, which was not followed: 127.0.0.1 is not an address")
    assert "canary" not in outcome.model_dump_json()


@in_a_lane
async def test_a_video_that_is_mislabelled_is_not_published(runs: FaultyRuns) -> None:
    """A web page that calls itself video/mp4 is still a web page."""
    body = "<!doctype html><title>Just a moment</title>"
    fault = Fault(on="content", body=body, headers={"content-type": "video/mp4"}, times=None)
    runs.sandbox.add_fault(fault)
    _assert_open(await runs.generate(idempotency_key=KEY), runs, "an HTML page")
    assert runs.files == []


# ---- S3: nothing half-uploaded stays ---------------------------------------------------------------------------------


@pytest.fixture
def large_videos(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the sandbox's videos be 20 MiB, which go to S3 in several parts."""
    draw = rendering.render

    def render_large(scene: Any) -> bytes:
        video, padding = draw(scene), 20 * 2**20
        start = int.from_bytes(video[:4])
        # In front, where a cut of it is a cut of the video as well.
        return video[:start] + padding.to_bytes(4) + b"free" + bytes(padding - 8) + _shifted(video, padding)[start:]

    monkeypatch.setattr(rendering, "render", render_large)


def _shifted(video: bytes, by: int) -> bytes:
    """The video with its list of where its frames are (one for pictures, one for sound) moved on by so many bytes."""
    moved = bytearray(video)
    for found in re.finditer(b"stco", video):
        first = found.end() + 8
        for place in range(first, first + 4 * int.from_bytes(video[first - 4 : first]), 4):
            moved[place : place + 4] = (int.from_bytes(video[place : place + 4]) + by).to_bytes(4)
    return bytes(moved)


def _on_s3(url: str) -> tuple[list[str], list[str]]:
    """The names of the videos and their sidecars, and of the uploads that were begun and not ended."""
    filesystem = fsspec.filesystem("s3", skip_instance_cache=True, use_listings_cache=False)
    bucket, _, prefix = url.removeprefix("s3://").partition("/")
    names = [path.removeprefix(f"{bucket}/{prefix}/") for path in filesystem.find(f"{bucket}/{prefix}")]
    uploads = filesystem.call_s3("list_multipart_uploads", Bucket=bucket).get("Uploads", [])
    kept = [name.rpartition("/")[2] for name in names if not name.startswith(("_jobs/", ".openrouter-video-"))]
    return sorted(name for name in kept if name not in {PAGE, MANIFEST}), [upload["Key"] for upload in uploads]


@pytest.mark.parametrize("mangle", ["cut_reset", "no_moov"])
@in_a_lane
async def test_a_broken_video_leaves_no_upload_open_on_s3(
    runs: FaultyRuns, s3_store_url: str, large_videos: None, mangle: Any
) -> None:
    """After the failed attempt no part of it is kept, or billed; after the second the whole video is there."""
    between: list[tuple[list[str], list[str]]] = []
    runs.time.during = lambda _: between.append(_on_s3(s3_store_url))
    runs.use_store(s3_store_url)
    runs.sandbox.add_fault(Fault(on="content", mangle=mangle))
    outcome = await runs.generate(idempotency_key=KEY)
    assert (outcome.status, outcome.error, runs.jobs, runs.count("content")) == ("completed", None, 1, 2)
    assert all(seen == ([], []) for seen in between)
    assert _on_s3(s3_store_url) == (FILES, [])
    with fsspec.open(outcome.url, "rb") as file:
        assert hashlib.sha256(file.read()).hexdigest() == outcome.sha256


@in_a_lane
async def test_a_bucket_that_vanishes_leaves_the_job_open(runs: FaultyRuns, s3_store_url: str, tmp_path: Path) -> None:
    """With the ledger elsewhere the job is not forgotten; the bucket back, collect finishes it."""
    bucket = s3_store_url.removeprefix("s3://").partition("/")[0]
    filesystem = fsspec.filesystem("s3")
    runs.use_store(s3_store_url, str(tmp_path / "ledger"))

    def vanish(waits: int) -> None:
        if waits == 1:
            filesystem.rm(bucket, recursive=True)

    runs.time.during = vanish
    outcome = await runs.generate(idempotency_key=KEY)
    _assert_open(outcome, runs, "The specified bucket does not exist")
    runs.time.during = lambda _: None
    filesystem.mkdir(bucket)
    collected = await runs.collect_one()
    assert (collected.status, collected.job_id, runs.jobs) == ("completed", outcome.job_id, 1)
    assert _on_s3(s3_store_url) == (FILES, [])


# ---- The store fails -------------------------------------------------------------------------------------------------


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[tuple[Path, Callable[[str], None]]]:
    """A file system of 2 MiB, and how to mount it anew with other options."""
    folder = tmp_path / "disk"
    folder.mkdir()

    def mount(options: str) -> None:
        subprocess.run(["mount", "-t", "tmpfs", "-o", options, "none", str(folder)], check=True, capture_output=True)

    if shutil.which("mount") is None or not _can(lambda: mount("size=2m")):
        pytest.skip("The tests of a full disk need the right to mount one.")
    try:
        yield folder, lambda options: mount(f"remount,{options}")
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def _can(do: Callable[[], None]) -> bool:
    with contextlib.suppress(subprocess.CalledProcessError):
        do()
        return True
    return False


@in_a_lane
async def test_a_full_disk_leaves_the_job_open(
    runs: FaultyRuns, small_disk: tuple[Path, Callable[[str], None]], large_videos: None
) -> None:
    """The disk fills in the middle of the video: nothing half-written stays, and with room collect finishes it."""
    runs.output, mount_again = small_disk
    runs.use_store(str(runs.output))
    outcome = await runs.generate(idempotency_key=KEY)
    _assert_open(outcome, runs, "No space left on device. Free some space or choose another place.")
    again = await runs.generate(idempotency_key=KEY)
    _assert_open(again, runs, "No space left on device")
    assert (runs.count("content"), again.reused, runs.files) == (2, True, [])
    mount_again("size=30m")
    _assert_whole(await runs.collect_one(), runs)


@in_a_lane
async def test_a_disk_that_becomes_read_only_leaves_the_job_open(
    runs: FaultyRuns, small_disk: tuple[Path, Callable[[str], None]]
) -> None:
    """It happens while the job is waited for; a run that begins then is refused, and nothing is lost."""
    runs.output, mount_again = small_disk
    runs.use_store(str(runs.output))
    runs.time.during = lambda _: mount_again("ro")
    outcome = await runs.generate(idempotency_key=KEY)
    _assert_open(outcome, runs, "Read-only file system. Grant access there, or choose another place")
    with pytest.raises(ConfigurationError, match=r"cannot be used.* Read-only file system"):
        await runs.generate(idempotency_key=KEY)
    mount_again("rw")
    assert runs.files == []
    _assert_whole(await runs.collect_one(), runs)


@in_a_lane
async def test_a_file_too_large_for_the_store_leaves_the_job_open(runs: FaultyRuns, large_videos: None) -> None:
    """A limit on the size of files, as quotas set it, is told; without it collect finishes the job."""
    usual = resource.getrlimit(resource.RLIMIT_FSIZE)
    runs.time.during = lambda _: resource.setrlimit(resource.RLIMIT_FSIZE, (4 * 2**20, usual[1]))
    try:
        outcome = await runs.generate(idempotency_key=KEY)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, usual)
    _assert_open(outcome, runs, "File too large. Free some space or choose another place.")
    assert runs.files == []
    runs.time.during = lambda _: None
    _assert_whole(await runs.collect_one(), runs)


@in_a_lane
async def test_a_store_that_vanishes_leaves_the_job_open(runs: FaultyRuns) -> None:
    """Videos and ledger go away together while the job is waited for; when they are back, collect finishes it."""
    away = runs.output.with_name("away")

    def vanish(waits: int) -> None:
        if waits == 1:
            runs.output.rename(away)
            runs.output.write_text("no folder")

    runs.time.during = vanish
    outcome = await runs.generate(idempotency_key=KEY)
    _assert_open(outcome, runs, "is a file, not a folder")
    runs.output.unlink()
    away.rename(runs.output)
    assert runs.files == []
    _assert_whole(await runs.collect_one(), runs)


@in_a_lane
async def test_a_ledger_that_fills_up_while_the_answer_comes_loses_no_job(
    runs: FaultyRuns, small_disk: tuple[Path, Callable[[str], None]]
) -> None:
    """Claimed and charged, but nothing more can be recorded: the video comes, and the outcome says so."""
    ledger, _ = small_disk
    ballast = ledger / "ballast"

    def fill() -> None:
        while not list(ledger.glob("*/claim-1.json")):
            time.sleep(0.01)
        with contextlib.suppress(OSError), ballast.open("wb", buffering=0) as file:
            while True:
                file.write(bytes(4096))

    runs.use_store(str(runs.output), str(ledger))
    runs.sandbox.add_fault(Fault(on="submit", delay_seconds=0.5))
    filling = threading.Thread(target=fill)
    filling.start()
    outcome = await runs.generate(idempotency_key=KEY)
    filling.join()
    assert (outcome.status, outcome.job_id, runs.files) == ("completed", runs.sandbox.charges[0].job_id, FILES)
    unsettled, unrecorded = outcome.notes
    assert "the ledger could not record it" in unrecorded
    assert f"`openrouter-video ledger settle {outcome.key} --job {outcome.job_id}`" in unrecorded
    assert "the file is safe, but the ledger" in unsettled
    ballast.unlink()
    again = await runs.generate(idempotency_key=KEY)
    assert (again.status, again.reused, runs.jobs, runs.count("submit")) == ("uncertain", True, 1, 1)

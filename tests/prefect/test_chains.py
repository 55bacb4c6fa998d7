"""Chains of shots over the sandbox: each continues the one before it, none is paid for twice, one film at the end."""

from __future__ import annotations

import base64
import io
from pathlib import Path
from typing import Any

import av
import pytest
from PIL import Image, ImageChops, ImageStat
from prefect import flow

from flows import chain_video, collect_videos
from openrouter_video.errors import RequestRefused, TooFewVideos
from openrouter_video.ledger import Journal, Ledger
from openrouter_video.outcome import Chain, Outcome
from openrouter_video.request.settings import VideoSettings
from openrouter_video.sandbox import Fault, Sandbox
from openrouter_video.stores import open_store, path_of_file_url

pytestmark = pytest.mark.usefixtures("prefect_server", "short_waits")

SHOTS = ["A white orchid opens", "A bee lands on it", "It flies away"]
MODEL = "x-ai/grok-imagine-video"
SMALL = VideoSettings(duration=1, resolution="480p", aspect_ratio="16:9")
STILL_THERE = 6.0  # of 255: so far a drawn picture may be from the one that was sent, in the mean


@pytest.fixture
def output(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A place for the videos and the ledger of a test."""
    monkeypatch.setenv("OPENROUTER_VIDEO_OUTPUT", str(tmp_path / "videos"))
    return tmp_path / "videos"


@pytest.fixture
def continuing(sandbox: Sandbox) -> Sandbox:
    """The sandbox, in which the model of these tests continues earlier jobs."""
    models = sandbox.models
    (entry,) = (one for one in models if one["id"] == MODEL)
    entry["pricing_skus"]["cents_per_second_video_continuation_480p"] = "5"
    sandbox.set_models(models)
    return sandbox


async def chain(shots: list[Any] = SHOTS, **asked: Any) -> Chain:
    """Run the flow without a kept result, so that a chain which is called twice runs twice."""
    result: Chain = await chain_video.with_options(persist_result=False)(
        shots, MODEL, **{"settings": SMALL, "idempotency_key": "bees", **asked}
    )
    return result


async def broken_chain(shots: list[Any] = SHOTS, **asked: Any) -> tuple[Outcome, ...]:
    """Run a chain that does not get all its shots, and return what became of each."""
    with pytest.raises(TooFewVideos) as broken:
        await chain(shots, **asked)
    return tuple(broken.value.outcomes)


def statuses(outcomes: tuple[Outcome, ...]) -> list[str]:
    """Return what became of each shot."""
    return [f"{outcome.status}{' (reused)' * outcome.reused}" for outcome in outcomes]


def path_of(url: str | None) -> Path:
    """Return the file of a URL."""
    return Path(path_of_file_url(url or "") or "")


def frames_of(url: str | None) -> list[Image.Image]:
    """Return all frames of a video."""
    with av.open(str(path_of(url))) as container:
        frames: list[Any] = list(container.decode(video=0))
    return [frame.to_image() for frame in frames]


def unlike(one: Image.Image, other: Image.Image) -> float:
    """Return by how much two pictures differ in the mean, of 255."""
    return max(ImageStat.Stat(ImageChops.difference(one.convert("RGB"), other.convert("RGB"))).mean)


def sent_frame(body: Any) -> Image.Image:
    """Return the picture that a submission begins with."""
    ((_, data),) = (one["image_url"]["url"].split(",") for one in body["frame_images"])
    return Image.open(io.BytesIO(base64.b64decode(data)))


def held(output: Path) -> tuple[Any, ...]:
    """Return what is still reserved in the money journal."""
    return Journal(Ledger(open_store(str(output / "_jobs"))).store, sandbox=True).money().held


async def test_a_chain_by_last_frames(sandbox: Sandbox, output: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Each shot begins with exactly what the one before it ends with; all are joined; a second run pays nothing."""
    result = await chain()
    assert (result.status, result.continued_by, result.problems) == ("completed", "last_frame", ())
    assert [(one.row, one.prompt, one.cost_usd) for one in result.outcomes] == [
        (1, SHOTS[0], 0.05),
        (2, SHOTS[1], 0.052),
        (3, SHOTS[2], 0.052),
    ]
    for before, after, charge in zip(result.outcomes, result.outcomes[1:], sandbox.charges[1:], strict=False):
        last, first = frames_of(before.url)[-1], frames_of(after.url)[0]
        assert ImageChops.difference(sent_frame(charge.body), last).getbbox() is None
        assert unlike(first, last) < STILL_THERE
        # What is recorded is the same wherever and by whatever the picture was decoded.
        words = {"url": f"the last frame of {before.key}"}
        assert after.sent is not None
        assert after.sent["frame_images"] == [{"type": "image_url", "image_url": words, "frame_type": "first_frame"}]
    film = frames_of(result.chain_url)
    assert f"the shots are joined to {result.chain_url}" in caplog.text
    assert len(film) == sum(len(frames_of(one.url)) for one in result.outcomes)
    page = path_of(result.gallery_url).read_text()
    assert sorted(range(3), key=lambda number: page.index(f'"prompt":"{SHOTS[number]}"')) == [0, 1, 2]
    assert held(output) == ()
    left = path_of(result.chain_url).with_name(f".{path_of(result.chain_url).name}.0123456789ab.part")
    left.write_bytes(b"of a run that was killed while it joined")
    again = await chain()
    assert (statuses(again.outcomes), again.chain_url) == (["completed (reused)"] * 3, result.chain_url)
    assert (len(sandbox.charges), left.exists()) == (3, False)
    other = await chain([*SHOTS[:2], "It stays"])
    assert statuses(other.outcomes) == ["completed (reused)"] * 2 + ["completed"]
    assert len(sandbox.charges) == 4
    assert other.chain_url != result.chain_url


async def test_a_chain_by_jobs_after_an_earlier_video(continuing: Sandbox, output: Path) -> None:
    """The first shot continues a video that is there already, each other one the shot before it; by its real id."""
    first = await chain(["An orchid"], idempotency_key="first")
    shots: list[Any] = [{"prompt": SHOTS[0], "settings": {"previous_job_id": first.outcomes[0].key}}, *SHOTS[1:]]
    result = await chain(shots, max_usd=1.0, assumed_usd={MODEL: 0.2})
    jobs = [first.outcomes[0].job_id, *(one.job_id for one in result.outcomes)]
    assert [charge.body.get("previous_job_id") for charge in continuing.charges] == [None, *jobs[:-1]]
    assert (result.status, result.continued_by) == ("completed", "previous_job_id")
    assert "whether a continued video repeats the shots before it is not published" in result.problems[-1]
    assert result.chain_url
    by_frame = await chain(shots, continue_by="last_frame", concat=False, assumed_usd={MODEL: 0.2})
    assert (by_frame.continued_by, by_frame.chain_url) == ("last_frame", None)
    assert statuses(by_frame.outcomes) == ["completed (reused)", "completed", "completed"]


async def test_a_refused_shot_ends_the_chain_and_it_goes_on_once_it_is_mended(sandbox: Sandbox, output: Path) -> None:
    """What follows is not sent; the shots before it are not paid for again."""
    sandbox.add_fault(Fault(on="submit", refusal="moderation", after=1))
    outcomes = await broken_chain()
    assert statuses(outcomes) == ["completed", "refused", "skipped"]
    said = "it is not sent, since shot 2 was refused, for the reason that it gives; once that is mended, run the chain"
    assert (outcomes[2].error or "").startswith(said)
    assert len(sandbox.charges) == 1
    assert held(output) == ()
    mended = await chain([SHOTS[0], "A fly lands on it", SHOTS[2]])
    assert statuses(mended.outcomes) == ["completed (reused)", "completed", "completed"]
    assert len(sandbox.charges) == 3


async def test_a_failed_shot_is_final_as_it_is(sandbox: Sandbox, output: Path) -> None:
    """It says so in the words of a chain, and in other words it is made."""
    sandbox.add_fault(Fault(on="submit", failure="output_moderation", after=1))
    outcomes = await broken_chain()
    assert statuses(outcomes) == ["completed", "failed", "skipped"]
    assert "This is final for this shot as it is: to try again, change what it asks for" in (outcomes[1].error or "")
    assert "shot 2 failed, which is final for it as it is: change what it asks for" in (outcomes[2].error or "")
    assert statuses(await broken_chain()) == ["completed (reused)", "failed (reused)", "skipped"]
    assert len(sandbox.charges) == 2


async def test_an_open_shot_is_collected_and_then_the_chain_goes_on(sandbox: Sandbox, output: Path) -> None:
    """As the shot that was not sent says."""
    await chain(SHOTS[:1])
    sandbox.add_fault(Fault(on="poll", body={"id": "x", "status": "in_progress"}, times=2))
    outcomes = await broken_chain(deadline_minutes=0.0001)
    assert statuses(outcomes) == ["completed (reused)", "open", "skipped"]
    assert "let `openrouter-video collect` finish it, then run the chain again with the same" in (
        outcomes[2].error or ""
    )
    await collect_videos(wait_minutes=1)
    result = await chain()
    assert statuses(result.outcomes) == ["completed (reused)", "completed (reused)", "completed"]
    assert len(sandbox.charges) == 3


async def test_a_retried_run_finds_its_shots(sandbox: Sandbox, output: Path) -> None:
    """Without a key: the outermost run is the same, and what it had not sent it sends now."""
    sandbox.add_fault(Fault(on="submit", refusal="moderation", after=1))
    got: list[tuple[Outcome, ...]] = []

    @flow(retries=1)
    async def nightly() -> None:
        shots = [SHOTS[0], f"{SHOTS[1]} {len(got)}"]
        if not got:
            got.append(await broken_chain(shots, idempotency_key=None))
            raise RuntimeError("something later went wrong")
        got.append((await chain(shots, idempotency_key=None)).outcomes)

    await nightly()
    assert [[one.status for one in outcomes] for outcomes in got] == [["completed", "refused"], ["completed"] * 2]
    assert got[1][0].key == got[0][0].key
    assert len(sandbox.charges) == 2


async def test_the_whole_chain_passes_the_gates_before_its_first_shot(sandbox: Sandbox, output: Path) -> None:
    """A ceiling that two shots would pass is closed for three, and what a shot cannot be is told before any is sent."""
    with pytest.raises(RequestRefused) as dear:
        await chain(max_usd=0.11)
    assert "what would fit: the first 2 of 3 shots" in str(dear.value)
    with pytest.raises(RequestRefused) as wrong:
        await chain([*SHOTS, {"prompt": "Four", "settings": {"duration": 99}}])
    assert "shot 4: duration 99 s is not supported" in str(wrong.value)
    assert sandbox.charges == ()


async def test_a_shot_that_cannot_be_read_cannot_be_continued(sandbox: Sandbox, output: Path) -> None:
    """It is paid for, and the next one says why it was not sent."""
    video = path_of((await chain(SHOTS[:1])).outcomes[0].url)
    video.write_bytes(b"x" * video.stat().st_size)
    outcomes = await broken_chain(SHOTS[:2])
    assert statuses(outcomes) == ["completed (reused)", "skipped"]
    assert "it is not sent, since the shot before it cannot be continued: " in (outcomes[1].error or "")
    assert len(sandbox.charges) == 1

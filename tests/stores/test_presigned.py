"""URLs that are secrets: presigned images and tokens are sent to the API, and stand in nothing that a run leaves."""

from __future__ import annotations

import contextlib
import logging
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from prefect.settings import PREFECT_RESULTS_LOCAL_STORAGE_PATH, PREFECT_SERVER_DATABASE_CONNECTION_URL

from flows import fan_out_video, generate_video
from openrouter_video.cli import main
from openrouter_video.errors import RequestRefused, TooFewVideos
from openrouter_video.request.settings import VideoSettings
from openrouter_video.sandbox import Fault, Sandbox
from openrouter_video.stores import open_store
from tests.support.prefect_servers import serving_runs
from tests.support.small_videos import small_mp4

pytestmark = pytest.mark.usefixtures("prefect_server")

VEO, GROK, EDITOR = "google/veo-3.1-lite", "x-ai/grok-imagine-video", "runway/aleph-2"
SECRET = "canary-9b1d4f0a7c"
FRAME = "https://bucket.s3.amazonaws.com/frame.png?X-Amz-Credential=AK&X-Amz-Date={0}&X-Amz-Signature=" + SECRET + "{0}"
HOOK = f"https://me:{SECRET}@hooks.example/done?token={SECRET}#{SECRET}"


@pytest.fixture(scope="module")
def prefect_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """A server that keeps events as well, which must hold none of them either."""
    with serving_runs(tmp_path_factory.mktemp("prefect-server")):
        yield


def settings(signed: str) -> VideoSettings:
    """A frame that is signed, and every other field that may hold a URL."""
    return VideoSettings(
        duration=4,
        resolution="720p",
        first_frame=FRAME.format(signed),
        callback_url=HOOK,
        user=f"https://people.example/?{SECRET}",
        trace={"page": [f"https://pages.example/a?{SECRET}"]},
    )


def files(folder: Path) -> str:
    """Every file of a folder."""
    return "\n".join(file.read_bytes().decode("latin-1") for file in folder.rglob("*") if file.is_file())


def tables_with(text: str) -> set[str]:
    """The tables of Prefect's database that hold a text."""
    path = str(PREFECT_SERVER_DATABASE_CONNECTION_URL.value()).partition("///")[2]
    with contextlib.closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=30)) as database:
        names = [name for (name,) in database.execute("select name from sqlite_master where type = 'table'")]
        rows = {name: list(database.execute(f'select * from "{name}"')) for name in names}
    return {name for name, found in rows.items() if text in repr(found)}


async def test_nothing_that_a_run_leaves_holds_one(
    sandbox: Sandbox, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Sidecar, ledger, results, logs and artifacts; only the parameters that Prefect itself records hold them."""
    caplog.set_level(logging.INFO)
    prompt = f"An orchid as on https://pages.example/b?{SECRET}"
    options = {"google-vertex": {"negativePrompt": f"https://pages.example/c?{SECRET}"}}
    result = await fan_out_video(prompt, [VEO], settings=settings("1"), provider_options=options)
    assert result.status == "completed"
    sandbox.add_fault(Fault(on="submit", status=400, body={"error": {"code": 400, "message": f"Bad URL {HOOK}"}}))
    state = await generate_video(prompt, VEO, settings=settings("1"), idempotency_key="k", return_state=True)
    error = await state.aresult(raise_on_failure=False)
    assert isinstance(error, TooFewVideos)
    written = files(tmp_path) + files(Path(PREFECT_RESULTS_LOCAL_STORAGE_PATH.value()))
    assert "https://bucket.s3.amazonaws.com/frame.png?" in written
    shown = [written, caplog.text, str(result), result.model_dump_json(), str(error), repr(error.outcomes)]
    shown += [str(state.message), *(path.name for path in (tmp_path / "videos").rglob("*"))]
    assert [index for index, text in enumerate(shown) if SECRET in text] == []
    assert tables_with(SECRET) <= {"flow_run"}


async def test_a_run_with_a_url_signed_anew_finds_its_video(sandbox: Sandbox) -> None:
    """The object is the same, so the request is; another object under the key is a different request."""
    for signed in ("1", "2"):
        outcomes = await generate_video("An orchid", VEO, settings=settings(signed), idempotency_key="k")
        assert [outcome.status for outcome in outcomes] == ["completed"]
    assert len(sandbox.charges) == 1
    other = settings("1").model_copy(update={"first_frame": FRAME.format("1").replace("frame.png", "other.png")})
    with pytest.raises(RequestRefused, match="used for a different request") as refused:
        await generate_video("An orchid", VEO, settings=other, idempotency_key="k")
    assert SECRET not in str(refused.value)
    assert len(sandbox.charges) == 1


def edited(source: str) -> VideoSettings:
    """The settings of an edit of a clip."""
    return VideoSettings.model_validate({"input_references": [{"type": "video_url", "url": source}]})


async def test_a_clip_in_a_store_is_edited_by_an_address_that_nobody_sees(
    sandbox: Sandbox, seaweed_store_url: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """It is signed for each submission, shown in the video, and the same request however often it is signed.

    Neither a log at DEBUG, nor a record, sidecar, page, result or artifact holds what opens it.
    """
    caplog.set_level(logging.DEBUG)
    source = f"{seaweed_store_url}/a b/clip.mp4"
    clip = open_store(source)
    clip.filesystem.pipe_file(clip.root, small_mp4(320, 240, 2))
    outcomes = []
    for key in ("one", "two", "two"):
        outcomes += await generate_video("Make it night", EDITOR, edited(source), idempotency_key=key)
    assert [(one.status, one.reused) for one in outcomes] == [("completed", False)] * 2 + [("completed", True)]
    for one in outcomes:
        assert (one.width, one.height, round(one.duration_seconds or 0)) == (320, 240, 2)
        assert (one.sent or {})["input_references"] == [{"type": "video_url", "video_url": {"url": source}}]
    bodies: list[Any] = [charge.body for charge in sandbox.charges]
    urls = [httpx.URL(body["input_references"][0]["video_url"]["url"]) for body in bodies]
    assert [url.params["X-Amz-Expires"] for url in urls] == [str(30 * 60 + 3 * 3600)] * 2

    written = files(tmp_path) + files(Path(PREFECT_RESULTS_LOCAL_STORAGE_PATH.value()))
    assert source in written
    assert "StringToSign" in caplog.text
    shown = [written, caplog.text, *map(repr, outcomes)]
    for url in urls:
        signature = url.params["X-Amz-Signature"]
        assert [index for index, text in enumerate(shown) if signature in text] == []
        assert tables_with(signature) == set()


async def test_a_clip_in_a_folder_is_refused_before_anything_is_sent(sandbox: Sandbox, tmp_path: Path) -> None:
    """With its place, and what to do; and so it is in a plan."""
    (tmp_path / "clip.mp4").write_bytes(small_mp4())
    with pytest.raises(RequestRefused, match=r"clip\.mp4 is in a store that cannot sign .* give an https URL"):
        await generate_video("Make it night", EDITOR, edited(str(tmp_path / "clip.mp4")))
    assert [request.kind for request in sandbox.requests if request.kind == "submit"] == []


def test_no_terminal_shows_one(sandbox: Sandbox, capsys: pytest.CaptureFixture[str]) -> None:
    """Neither a plan nor a refusal, as text or as a document."""
    words = ["--model", VEO, "--duration", "4", "--first-frame", FRAME.format("1")]
    for more in ([], ["--json"]):
        assert main(["plan", "An orchid", *words, "--callback-url", HOOK, *more]) == 0
        assert main(["plan", "An orchid", *words, "--callback-url", HOOK.replace("https", "http"), *more]) == 2
        assert main(["plan", "An orchid", *words, "--callback-url", HOOK.replace("hooks", "ho oks"), *more]) == 2
        assert main(["plan", "An orchid", *words, "--last-frame", FRAME.replace("https", "http"), *more]) == 2
        assert main(["plan", "An orchid", *words, f"--unknown={HOOK}", *more]) == 2
        assert main(["plan", "An orchid", *words, "--takes", HOOK, *more]) == 2
        assert main(["plan", "An orchid", "--model", HOOK, *more]) == 2
    printed = capsys.readouterr()
    assert "frame.png?" in printed.out
    assert SECRET not in printed.out + printed.err

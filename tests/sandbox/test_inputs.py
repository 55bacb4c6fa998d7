"""What a request works from is seen in its video: frames, clips, voices, earlier jobs; and nothing else is fetched."""

from __future__ import annotations

import io
import math
import threading
import wave
from array import array
from collections.abc import Iterator
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import av
import httpx
import pytest
from PIL import Image, ImageChops, ImageStat

from openrouter_video.sandbox import Sandbox
from openrouter_video.sandbox.rendering import render
from openrouter_video.sandbox.scene import Scene, View
from openrouter_video.sandbox.this_machine import is_here
from tests.support.flow_processes import wait_until
from tests.support.small_videos import small_mp4

EDITOR, UPSCALER, AVATAR = "runway/aleph-2", "black-forest-labs/flux-video-upscale", "heygen/avatar-iv"
SMALL = Scene("x-ai/grok-imagine-video", "a kite", 2, 320, 180, audio=False)
PLAYLIST = b"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nHERE/clip.mp4\n#EXT-X-ENDLIST\n"


def png(colour: str, size: tuple[int, int] = (320, 180)) -> bytes:
    """A picture of one colour, with a white square."""
    shown = Image.new("RGB", size, colour)
    shown.paste("white", (size[0] // 2, size[1] // 3, size[0] // 2 + 40, size[1] // 3 + 40))
    file = io.BytesIO()
    shown.save(file, "PNG")
    return file.getvalue()


def wav(seconds: float) -> bytes:
    """A tone that is loud in its second half only."""
    file, rate = io.BytesIO(), 8000
    with wave.open(file, "wb") as sound:
        sound.setparams((1, 2, rate, 0, "NONE", ""))
        count = round(seconds * rate)
        sound.writeframes(
            array("h", [round((n > count / 2) * 20000 * math.sin(n / 4)) for n in range(count)]).tobytes()
        )
    return file.getvalue()


def frames(video: bytes) -> list[Image.Image]:
    """Every frame of a video."""
    with av.open(io.BytesIO(video), "r") as container:
        return [frame.to_image() for frame in container.decode(video=0)]  # type: ignore[no-untyped-call]


def apart(one: Image.Image, other: Image.Image) -> float:
    """How far two pictures differ on average: 0 to 255 a channel."""
    return sum(ImageStat.Stat(ImageChops.difference(one, other)).mean) / 3


@pytest.fixture(scope="module")
def lying_here() -> Iterator[tuple[str, list[str]]]:
    """A server of files on this machine, and the paths that it was asked for."""
    clip = render(SMALL)
    files = {"/clip.mp4": clip, "/voice.wav": wav(3), "/face.png": png("navy"), "/page.mp4": b"<html>", "/large": b""}
    asked = list[str]()

    class Files(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            if self.path == "/moved.mp4":
                self.send_response(302)
                self.send_header("location", "/clip.mp4")
                self.end_headers()
                return
            body = PLAYLIST.replace(b"HERE", base.encode()) if self.path == "/list.m3u8" else files[self.path]
            self.send_response(200)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Files) as server:
        base = f"http://127.0.0.1:{server.server_port}"
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield base, asked
        server.shutdown()


def reference(kind: str, url: str) -> dict[str, Any]:
    """One entry of input_references."""
    return {"type": f"{kind}_url", f"{kind}_url": {"url": url}}


def made(sandbox: Sandbox, **body: Any) -> tuple[str, bytes]:
    """The id and the file of a job of this body."""
    headers = {"authorization": f"Bearer {sandbox.api_key}"}
    with httpx.Client(base_url=sandbox.base_url, headers=headers, timeout=60) as client:
        submitted = client.post("/videos", json=body)
        assert submitted.status_code == 202, submitted.text
        job_id = submitted.json()["id"]
        wait_until(lambda: client.get(f"/videos/{job_id}").json()["status"] == "completed", seconds=30)
        return job_id, client.get(f"/videos/{job_id}/content").content


def size_of(video: bytes) -> tuple[int, int, float]:
    """Width, height and length."""
    with av.open(io.BytesIO(video), "r") as container:
        [stream] = container.streams.video
        return stream.width, stream.height, round((container.duration or 0) / av.time_base, 1)


def test_first_and_last_frames_are_the_first_and_the_last() -> None:
    """As they are, without writing; in between the clip is its own, and a video goes on where the last one ended."""
    first, last = png("darkred"), png("darkgreen", (640, 360))
    views = (View("first_frame", "image", "", first), View("last_frame", "image", "", last))
    scene = SMALL._replace(views=views)
    shown = frames(render(scene))
    assert apart(shown[0], Image.open(io.BytesIO(first))) < 4
    assert apart(shown[-1], Image.open(io.BytesIO(last)).resize((320, 180))) < 4
    assert apart(shown[12], frames(render(SMALL))[12]) < 4
    assert min(apart(shown[0], shown[12]), apart(shown[12], shown[-1])) > 20
    file = io.BytesIO()
    (ended := frames(render(SMALL))[-1]).save(file, "PNG")
    following = SMALL._replace(prompt="it lands", views=(View("first_frame", "image", "", file.getvalue()),))
    assert apart(frames(render(following))[0], ended) < 4
    continued = frames(render(SMALL._replace(prompt="it lands", earlier=SMALL)))
    assert apart(continued[0], ended) < 4
    assert apart(continued[-1], ended) > 10
    frozen = frames(render(scene._replace(oddity="frozen")))
    assert apart(frozen[0], frozen[-1]) < 4


def test_references_are_small_pictures_in_a_corner() -> None:
    """Up to four, of images and clips alike; what cannot be had is told in words."""
    views = (View("reference", "image", "", png("red")), View("reference", "video", "", small_mp4(64, 48)))
    told = (View("reference", "video", "video at example.com, not fetched"),)
    plain, shown, worded = (frames(render(SMALL._replace(views=one)))[3] for one in ((), views, told))
    changed = ImageChops.difference(plain, shown).point(lambda value: value > 60 and 255).getbbox()
    assert changed is not None
    assert (changed[0] > 100, changed[3] < 100) == (True, True)
    assert apart(plain, worded) > 0.5
    assert apart(plain.crop((150, 0, 320, 90)), worded.crop((150, 0, 320, 90))) < 4


@pytest.mark.parametrize("work", ["edit", "upscale", "avatar", "generate"])
def test_a_damaged_or_tiny_input_is_shown_as_far_as_it_goes(work: Any) -> None:
    """Half a clip stands still where it ends, and an image of a line is a line."""
    # With its index in front, half of a clip is readable.
    half = small_mp4(64, 48, 2, flags="faststart")
    half = half[: len(half) * 2 // 3]
    line = png("red", (2000, 1))
    views = (View("reference", "video", "", half), View("reference", "image", "", line))
    frame = View("first_frame", "image", "", line)
    scene = SMALL._replace(work=work, seconds=1.5, width=16, height=16, views=views)
    for one in (scene, scene._replace(views=(*views, frame)), scene._replace(oddity="black")):
        assert len(frames(render(one))) == 18


def test_models_without_durations_show_what_they_work_on(lying_here: tuple[str, list[str]]) -> None:
    """An edit is the clip in other colours, an upscale is the clip larger, an avatar is the portrait with its voice."""
    base, _ = lying_here
    with Sandbox(job_seconds=0) as sandbox:
        source, clip = frames(render(SMALL)), reference("video", f"{base}/clip.mp4")
        job_id, edited = made(sandbox, model=EDITOR, prompt="at night", input_references=[clip])
        assert size_of(edited) == (320, 180, 2.0)
        top = (0, 0, 320, 90)
        grey = apart(
            frames(edited)[6].crop(top).convert("L").convert("RGB"), source[6].crop(top).convert("L").convert("RGB")
        )
        assert grey * 2 < apart(frames(edited)[6].crop(top), source[6].crop(top))
        _, again = made(sandbox, model=EDITOR, prompt="by day", previous_job_id=job_id)
        assert size_of(again) == (320, 180, 2.0)
        _, larger = made(sandbox, model=UPSCALER, input_references=[clip], upscale_factor=1.5)
        assert size_of(larger) == (480, 270, 2.0)
        assert apart(frames(larger)[6].resize((320, 180)).crop(top), source[6].crop(top)) < 6
        heard = [reference("image", f"{base}/face.png"), reference("audio", f"{base}/voice.wav")]
        _, spoken = made(sandbox, model=AVATAR, prompt="", input_references=heard, resolution="720p")
        assert size_of(spoken) == (1280, 720, 3.0)
        early, late = (frames(spoken)[n].getpixel((938, 595)) for n in (6, 30))
        assert early[2] > early[0]  # type: ignore[index]
        assert late[0] > late[2]  # type: ignore[index]
        assert [charge.cost_usd for charge in sandbox.charges] == [0.56, 0.56, 0.01944, 0.15]


def test_a_restart_renders_the_same(lying_here: tuple[str, list[str]], tmp_path: Path) -> None:
    """The inputs are kept beside the state; of one that is lost, the video says so."""
    state = tmp_path / "jobs.json"
    body = {"model": EDITOR, "prompt": "x", "input_references": [reference("video", f"{lying_here[0]}/clip.mp4")]}
    with Sandbox(job_seconds=0, state=state) as sandbox:
        job_id, edited = made(sandbox, **body)
        second, twice = made(sandbox, model=EDITOR, prompt="y", previous_job_id=job_id)
        assert made(sandbox, **body, session_id="s")[1] != edited
        headers = {"authorization": f"Bearer {sandbox.api_key}"}
    for lost in (False, True):
        render.cache_clear()
        for file in (tmp_path / "jobs.json.inputs").iterdir() if lost else ():
            file.unlink()
        with Sandbox(job_seconds=0, state=state) as sandbox:
            get = partial(httpx.get, headers=headers, timeout=60)
            videos = [get(f"{sandbox.base_url}/videos/{one}/content").content for one in (job_id, second)]
            assert (videos == [edited, twice]) is not lost
            assert videos[0][4:8] == b"ftyp"


@pytest.mark.parametrize(
    ("kind", "path", "told"),
    [
        ("video", "/moved.mp4", "not fetched"),
        ("video", "/page.mp4", "not readable"),
        ("audio", "/clip.mp4", "not readable"),
        ("video", "/list.m3u8", "not readable"),
        ("audio", "/face.png", "not readable"),
        ("image", "/clip.mp4", "not readable"),
        ("video", "https://localhost.example.com/clip.mp4", "not fetched"),
        ("image", "data:image/png;base64,iVBORw0KGgo=", "not readable"),
        ("image", "data:image/png;base64,***", "not readable"),
    ],
)
def test_what_is_not_an_input_harms_nobody(
    lying_here: tuple[str, list[str]], kind: str, path: str, told: str, tmp_path: Path
) -> None:
    """The job is accepted all the same, as OpenRouter knows no better; no redirect and no playlist is followed."""
    base, asked = lying_here
    asked.clear()
    with Sandbox(job_seconds=3600, state=tmp_path / "jobs.json") as sandbox:
        source = reference(kind, base + path if path.startswith("/") else path)
        body = {"model": "bytedance/seedance-2.0", "prompt": "x", "input_references": [source]}
        answer = httpx.post(
            f"{sandbox.base_url}/videos", json=body, headers={"authorization": f"Bearer {sandbox.api_key}"}, timeout=30
        )
        assert answer.status_code == 202
        assert len(sandbox.charges) == 1
    assert told in (tmp_path / "jobs.json").read_text()
    assert set(asked) <= {path}
    assert not (tmp_path / "jobs.json.inputs").exists()


@pytest.mark.parametrize(
    ("url", "here"),
    [
        ("http://127.0.0.1:8000/a.mp4", True),
        ("https://localhost/a.mp4", True),
        ("http://[::1]:9/", True),
        ("http://LOCALHOST/", True),
        ("http://127.0.0.1:80@example.com/", False),
        ("http://127.0.0.1.example.com/", False),
        ("http://169.254.169.254/latest", False),
        ("http://127.0.0.1\\@example.com/", False),
        ("ftp://127.0.0.1/", False),
        ("file:///etc/passwd", False),
        ("http://0.0.0.0/", False),
        ("http://[::1", False),
        ("", False),
    ],
)
def test_only_this_machine_is_here(url: str, here: bool) -> None:
    """By the exact name of the host, whatever else the address holds."""
    assert is_here(url) is here


def test_an_input_may_be_only_so_large(lying_here: tuple[str, list[str]], monkeypatch: pytest.MonkeyPatch) -> None:
    """Beyond that it is left, and the job goes on without it."""
    monkeypatch.setattr("openrouter_video.sandbox.input_reading._MOST_BYTES", 1000)
    with Sandbox(job_seconds=3600) as sandbox:
        body = {"model": EDITOR, "input_references": [reference("video", f"{lying_here[0]}/clip.mp4")]}
        headers = {"authorization": f"Bearer {sandbox.api_key}"}
        assert httpx.post(f"{sandbox.base_url}/videos", json=body, headers=headers).status_code == 202
        assert sandbox.charges[0].cost_usd == 1.4

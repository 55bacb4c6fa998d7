"""Videos and sounds that a request refers to: what is known of them, and which stores can give them to OpenRouter."""

from __future__ import annotations

import io
import json
import threading
from pathlib import Path
from typing import Any, Literal

import fsspec
import httpx
import pytest

from openrouter_video.errors import RequestRefused, StorageError
from openrouter_video.request import clips
from openrouter_video.request.clips import Clip, load_clip, sign_source
from openrouter_video.request.images import load_image
from openrouter_video.request.inputs import Input
from openrouter_video.request.settings import MORE_SECONDS, InputReference, parse_settings
from openrouter_video.run.signing import signing_body
from openrouter_video.stores import Store
from tests.support.object_stores import of_kinds
from tests.support.small_videos import small_mp4

REAL, HERE = "https://openrouter.ai/api/v1", "http://127.0.0.1:4210/api/v1"
PNG = b"\x89PNG\r\n\x1a\n" + bytes(60)


def load(source: str, kind: Literal["video_url", "audio_url"] = "video_url", **more: Any) -> Clip:
    """Load one, by the field of a request."""
    reference = InputReference(type=kind, url=source)
    return load_clip(reference, field="input_references[0]", **{"base_url": HERE, **more})


def problem(clip: Clip) -> str:
    """Why it cannot be sent, with its place."""
    assert clip.problem is not None
    assert clip.problem.field == "input_references[0]"
    assert clip.problem.message.startswith("input_references[0]: ")
    assert clip.problem.message[-1] in ".?"
    return clip.problem.message


@of_kinds("seaweed", "azure")
def test_a_clip_in_a_store(store: Store) -> None:
    """Its length and size without all of it, and in its place the source itself, which the store can sign."""
    content = small_mp4(audio=True)
    store.write_bytes("a b/clip.mp4", content)
    source = store.url_of("a b/clip.mp4")
    for kind in ("video_url", "audio_url"):
        known, why = load(source, kind)
        assert (known._replace(seconds=None), why) == (Input(source, None, 64, 48, len(content)), None)
        assert known.seconds == pytest.approx(1, abs=0.2)
    refused = problem(load(source, base_url=REAL))
    assert "The address that the store signs for" in refused
    assert (
        "must begin with https://, and only https is taken. OpenRouter fetches a video itself: put it in S3" in refused
    )
    url = sign_source(source, None, 60, HERE)
    assert httpx.get(url).content == content
    with pytest.raises(StorageError, match="must begin with https://"):
        sign_source(source, None, 60, REAL)
    signed = signing_body(lambda _: None, HERE)(
        {"model": "a/b", "input_references": [{"type": "video_url", "video_url": {"url": source}}]}, 1800
    )
    (reference,) = signed["input_references"]
    assert httpx.get(reference["video_url"]["url"]).content == content
    lifetime = httpx.URL(reference["video_url"]["url"]).params.get("X-Amz-Expires")
    assert lifetime in {None, str(1800 + MORE_SECONDS)}


@of_kinds("local", "memory", "sftp")
def test_a_store_that_cannot_sign(store: Store) -> None:
    """What is known of the clip is told all the same; and what to do."""
    store.write_bytes("clip.mp4", small_mp4())
    source = store.url_of("clip.mp4")
    clip = load(source)
    here = "run `python -m http.server --bind 127.0.0.1` in its folder, and give http://127.0.0.1:8000/clip.mp4."
    served = f" The sandbox can fetch it from this machine too: {here}" if source.startswith("file:") else ""
    assert (clip.known.width, clip.known.height) == (64, 48)
    assert problem(clip).endswith(
        "clip.mp4 is in a store that cannot sign an address for a file. OpenRouter fetches a video itself: put it in "
        "S3, Google Cloud Storage or Azure, with credentials that can sign, or give an https URL." + served
    )
    assert problem(load(source, base_url=REAL)).endswith("or give an https URL.")


def test_what_is_no_clip_is_refused(tmp_path: Path) -> None:
    """By what it is, before anybody asks whether its store can sign."""
    silent = tmp_path / "silent.mp4"
    silent.write_bytes(small_mp4())
    for name, content, kind, said in (
        ("a.mp4", PNG, "video_url", "a.mp4 is a PNG image; a video is needed here."),
        ("b.mp4", b"", "video_url", "b.mp4 is empty; a video is needed here."),
        ("c.mp4", b"text", "audio_url", "c.mp4 is plain text; a sound is needed here."),
        ("silent.mp4", small_mp4(), "audio_url", "silent.mp4 is a video without sound; a sound is needed here."),
        ("d.mp4", small_mp4()[:100], "video_url", "it was cut short, or is damaged; a video is needed here."),
    ):
        (tmp_path / name).write_bytes(content)
        assert said in problem(load(str(tmp_path / name), kind))  # type: ignore[arg-type]
    assert "is a directory, not a file. Name a video." in problem(load(str(tmp_path)))
    assert f"there is no video at {tmp_path}/silnt.mp4. Nearest in that folder: silent.mp4" in problem(
        load(f"{tmp_path}/silnt.mp4")
    )
    assert "allowed are 100 bytes. Cut it or compress it more" in problem(load(str(silent), limit_bytes=100))
    assert "Did you mean" in problem(load("s4://bucket/clip.mp4"))
    assert "carries credentials" in problem(load("s3://KEY:canary@bucket/clip.mp4"))
    assert "canary" not in problem(load("s3://KEY:canary@bucket/clip.mp4"))


class SilentFileSystem(fsspec.AbstractFileSystem):  # type: ignore[misc]
    """A store that opens no file before it is let."""

    protocol = "silent"
    let = threading.Event()

    def info(self, path: str, **_kwargs: object) -> dict[str, object]:
        """Say that there is a file."""
        return {"name": path, "size": 1, "type": "file"}

    def _open(self, path: str, mode: str = "rb", **_kwargs: object) -> io.BytesIO:
        self.let.wait(60)
        return io.BytesIO(b"x")


def test_a_store_that_hangs_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """The look at a clip ends in time, whatever its store does."""
    fsspec.register_implementation("silent", SilentFileSystem, clobber=True)
    monkeypatch.setattr(clips, "READING_SECONDS", 0.05)
    said = problem(load("silent://host/clip.mp4"))
    SilentFileSystem.let.set()
    assert "the video cannot be read. The store silent://host/clip.mp4 did not answer within" in said


def test_web_addresses_are_not_looked_at() -> None:
    """OpenRouter fetches them; what is none is a problem of the settings, before any store is opened."""
    assert load("https://127.0.0.1:9/clip.mp4?sig=1") == Clip(Input("https://127.0.0.1:9/clip.mp4?sig=1"))
    for url, said in (
        ("http://cdn.example/clip.mp4?canary", "must begin with https://"),
        ("data:video/mp4;base64,AAAA", "is taken for images only"),
        ("https://a..b/clip.mp4?canary", "names a host that cannot exist"),
    ):
        problems: list[Any] = []
        parse_settings({"input_references": [{"type": "video_url", "url": url}]}, problems)
        assert said in problems[0].message
        assert "give an https URL, or a path in a store" in problems[0].message
        assert "canary" not in json.dumps(problems[0].message)
    problems = []
    parse_settings({"input_references": [{"type": "audio_url", "url": "s3://bucket/a.mp3"}]}, problems)
    assert problems == []


def test_an_address_on_this_machine_is_for_an_api_on_it_alone() -> None:
    """Of a clip and of an image: exactly this machine, and nothing is assumed of an API that is not known."""
    local = "http://localhost:8000/clip.mp4?canary"
    problems: list[Any] = []
    parse_settings({"input_references": [{"type": "video_url", "url": local}]}, problems)
    assert problems == []
    assert load(local) == Clip(Input(local))
    assert load_image(local, base_url=HERE) == local
    for url, api in ((local, REAL), (local, None), ("http://127.0.0.1.evil.example/a.mp4?canary", HERE)):
        said = problem(load(url, base_url=api))
        assert "must begin with https://. OpenRouter fetches a video itself: put it in S3" in said
        assert "canary" not in said
        with pytest.raises(RequestRefused, match="must begin with https://"):
            load_image(url, base_url=api)


def test_only_what_lies_in_a_store_is_signed() -> None:
    """Images and web addresses are sent as they are, and so is a body without references."""

    def asked(url: str) -> None:
        raise AssertionError(url)

    sign = signing_body(asked, HERE)
    body = {
        "prompt": "x",
        "input_references": [
            {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA=="}},
            {"type": "video_url", "video_url": {"url": "https://cdn.example/a.mp4"}},
        ],
    }
    assert sign(body, 60) == body
    assert sign({"prompt": "x"}, 60) == {"prompt": "x"}

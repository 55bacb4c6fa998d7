"""What the page of a run can show: small pictures, and addresses that a browser can open."""

from __future__ import annotations

import io
from datetime import UTC, datetime
from pathlib import Path

import pytest
from PIL import Image

from openrouter_video.errors import ConfigurationError
from openrouter_video.gallery.sights import LARGEST_PICTURE, LINKS_LAST, find_sights, small_picture, web_root
from openrouter_video.outcome import Outcome
from openrouter_video.stores import Store, open_store

NOW = datetime(2026, 11, 26, 12, tzinfo=UTC)


def jpeg(width: int, height: int) -> bytes:
    """A picture that hardly compresses."""
    written = io.BytesIO()
    Image.effect_noise((width, height), 90).convert("RGB").save(written, "JPEG", quality=90)
    return written.getvalue()


@pytest.mark.parametrize(
    ("size", "small"), [((1280, 720), (240, 135)), ((720, 1280), (101, 180)), ((100, 50), (100, 50))]
)
def test_a_picture_is_small(size: tuple[int, int], small: tuple[int, int]) -> None:
    """However large the poster, and however many details."""
    picture = small_picture(jpeg(*size))
    assert picture is None or len(picture) <= LARGEST_PICTURE
    plain = io.BytesIO()
    Image.new("RGB", size, "red").save(plain, "JPEG")
    kept = small_picture(plain.getvalue())
    assert kept is not None
    assert Image.open(io.BytesIO(kept)).size == small


@pytest.mark.parametrize("broken", [b"", b"no picture", jpeg(64, 64)[:100], b"x" * (5 * 2**20)])
def test_what_is_no_picture_is_left_out(broken: bytes) -> None:
    """It is decoration."""
    assert small_picture(broken) is None


def made(store: Store, name: str, *, poster: bool = True) -> Outcome:
    """A video in a store, with its poster."""
    plain = io.BytesIO()
    Image.new("RGB", (320, 180), "red").save(plain, "JPEG")
    store.write_bytes(f"a/{name}.jpg", plain.getvalue())
    store.write_bytes(f"a/{name}.mp4", b"video")
    return Outcome(
        model="a/b",
        status="completed",
        url=store.url_of("a", f"{name}.mp4"),
        poster_url=store.url_of("a", f"{name}.jpg" if poster else "away.jpg"),
    )


@pytest.mark.parametrize("given", ["plain path", "file URL"])
def test_a_web_server_shows_what_is_in_the_output(tmp_path: Path, given: str) -> None:
    """By the place of a file in it; what lies elsewhere has no address."""
    folder = tmp_path / "my videos"
    store = open_store(str(folder))
    elsewhere = open_store(str(tmp_path / "other"))
    output = str(folder) if given == "plain path" else folder.as_uri()
    environ = {"OPENROUTER_VIDEO_OUTPUT": output, "OPENROUTER_VIDEO_WEB_URL": "http://127.0.0.1:4220/"}
    outcomes = [made(store, "x (1)#?"), made(store, "y", poster=False), made(elsewhere, "z")]
    sights = find_sights(outcomes, store, environ, NOW, store.url_of("a", "index.html"), None)
    assert sights.links == {
        outcomes[0].url: "http://127.0.0.1:4220/a/x%20%281%29%23%3F.mp4",
        outcomes[1].url: "http://127.0.0.1:4220/a/y.mp4",
        store.url_of("a", "index.html"): "http://127.0.0.1:4220/a/index.html",
    }
    assert list(sights.pictures) == [outcomes[0].poster_url]
    assert sights.pictures[outcomes[0].poster_url or ""].startswith("data:image/jpeg;base64,/9j/")
    assert sights.signed_until is None
    assert find_sights(outcomes, None, {}, NOW).links == {}


@pytest.mark.parametrize("store", ["seaweed", "azure"], indirect=True)
def test_a_link_into_a_bucket_is_signed(store: Store) -> None:
    """For a day; it opens the video, which without it nobody may see."""
    outcome = made(store, "x y")
    sights = find_sights([outcome], store, {}, NOW)
    link = sights.links[outcome.url or ""]
    assert link.startswith("http")
    assert "sig" in link.lower()
    assert sights.signed_until == NOW + LINKS_LAST


def test_an_address_of_the_web_is_its_own_link(tmp_path: Path) -> None:
    """Such as that of a store over HTTP; one with a bracket in it is none."""
    urls = ("https://e.example/a.mp4", "https://e.example/a).mp4", "javascript:alert(1)")
    outcomes = [Outcome(model="a/b", status="completed", url=url) for url in urls]
    assert find_sights(outcomes, open_store(str(tmp_path)), {}, NOW).links == {urls[0]: urls[0]}


@pytest.mark.parametrize("address", ["videos.example.com", "ftp://e", "https://e.example/?q", "javascript:x"])
def test_a_web_address_is_one(address: str) -> None:
    """Else the variable is named, and no link leads to nowhere."""
    with pytest.raises(ConfigurationError, match="OPENROUTER_VIDEO_WEB_URL is not a web address"):
        web_root({"OPENROUTER_VIDEO_WEB_URL": address, "OPENROUTER_VIDEO_OUTPUT": "s3://b/v"})
    assert web_root({"OPENROUTER_VIDEO_WEB_URL": address}) is None
    good = {"OPENROUTER_VIDEO_WEB_URL": "https://e.example/v/", "OPENROUTER_VIDEO_OUTPUT": "s3://b/v"}
    assert web_root(good) == ("s3://b/v", "https://e.example/v")

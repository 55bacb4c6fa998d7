"""Images on their way into a request."""

from __future__ import annotations

import base64
import io
from pathlib import Path

import fsspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from openrouter_video.errors import RequestRefused
from openrouter_video.request.images import LIMIT_BYTES, load_image


def picture(kind: str) -> bytes:
    """A real image of two pixels."""
    file = io.BytesIO()
    Image.new("RGB", (2, 1), "red").save(file, kind)
    return file.getvalue()


def refusal(source: str, **options: object) -> str:
    """Why an image is refused, as the problem of the field that was named."""
    with pytest.raises(RequestRefused) as caught:
        load_image(source, field="first_frame", **options)  # type: ignore[arg-type]
    (problem,) = caught.value.problems
    assert problem.field == "first_frame"
    assert problem.message.startswith("first_frame: ")
    assert caught.value.__suppress_context__
    return problem.message


@pytest.mark.parametrize("kind", ["png", "jpeg", "webp", "gif"])
def test_a_file_becomes_a_data_url(tmp_path: Path, kind: str) -> None:
    """The kind is told by the bytes, whatever the name says, and the bytes are the file's."""
    (tmp_path / "image.bin").write_bytes(picture(kind))
    url = load_image(str(tmp_path / "image.bin"))
    head, _, encoded = url.partition(",")
    assert head == f"data:image/{kind};base64"
    assert base64.b64decode(encoded) == picture(kind)
    assert load_image(url) == url
    assert load_image(f"file://{tmp_path}/image.bin") == url


def test_an_image_in_each_store(s3_store_url: str, sftp_store_url: str) -> None:
    """An fsspec URL is read wherever it leads."""
    for url in (s3_store_url, sftp_store_url, "memory://images"):
        filesystem = (
            fsspec.filesystem(url.partition(":")[0]) if not url.startswith("sftp") else fsspec.filesystem("file")
        )
        path = url if not url.startswith("sftp") else "/" + url.split("/", 3)[3]
        filesystem.makedirs(path, exist_ok=True)
        filesystem.pipe_file(f"{path}/cat.png", picture("png"))
        assert load_image(f"{url}/cat.png").startswith("data:image/png;base64,")
        assert "Nearest in that folder: cat.png." in refusal(f"{url}/cta.png")


@pytest.mark.parametrize(
    "url", ["https://example.com/a.png?sig=1", "https://example.com/ü.png", "HTTPS://example.com/a"]
)
def test_web_addresses_stay_as_they_are(url: str) -> None:
    """The API fetches them itself."""
    assert load_image(url) == url


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("data:text/plain;base64,aGk=", "is not an image"),
        ("data:;base64,aGk=", "is not an image"),
        ("data:image/png", "is not an image"),
        (
            "http://example.com/a.png?sig=canary",
            "http://example.com/a.png?… must begin with https://. Give an",
        ),
        ("https://exa mple/a.png?sig=canary", "names a host that cannot exist"),
        ("https://a..b/a.png?canary", "names a host that cannot exist"),
        (f"https://{'a' * 64}.example/a.png", "names a host that cannot exist"),
        ("https://[::1/a.png", "names a host that cannot exist"),
        ("https://example.com/a b.png", "contains a space"),
        ("data:image/png;name=canary,canary", "is not in base64"),
        ("data:image/png,abc", "is not in base64"),
        ("data:image/png;base64,", "contains no bytes"),
        ("data:image/png;base64,a*b=", "characters or an ending that base64 does not allow"),
        ("data:image/png;base64,abc", "characters or an ending that base64 does not allow"),
        ("data:image/png;base64,é", "characters or an ending that base64 does not allow"),
        ("data:image/png;base64," + "A" * 2000, "has 1500 bytes; allowed are 1000 bytes"),
        ("data:image/png;base64," + base64.b64encode(bytes(1001)).decode(), "has 1001 bytes; allowed are 1000 bytes"),
        ("", "the image is empty text"),
        ("htp://example.com/a.png", "Did you mean"),
        ("s3://KEY:canary@bucket/a.png", "carries credentials"),
        ("/no/such/folder/a.png", "there is no image at /no/such/folder/a.png. Check the path"),
    ],
)
def test_what_cannot_be_sent_is_refused(source: str, said: str) -> None:
    """A source that is no image is refused with the reason and the next step, in a short message without secrets."""
    message = refusal(source, limit_bytes=1000)
    assert said in message
    assert "canary" not in message
    assert len(message) < 500


def test_a_data_url_at_the_limit_passes() -> None:
    """The limit itself is allowed."""
    url = "data:image/png;base64," + base64.b64encode(bytes(1000)).decode()
    assert load_image(url, limit_bytes=1000) == url


@pytest.mark.parametrize(
    ("content", "name"),
    [
        (b"", "is empty"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "an SVG image"),
        (b"\0\0\0\x18ftypheic", "a HEIC image"),
        (b"<html>", "an HTML page"),
        (b"RIFF\0\0\0\0WAVE", "a RIFF file"),
    ],
)
def test_another_kind_is_named(tmp_path: Path, content: bytes, name: str) -> None:
    """A file of another kind is refused by what it is, with the kinds that are allowed."""
    (tmp_path / "cat.png").write_bytes(content)
    message = refusal(str(tmp_path / "cat.png"))
    assert name in message
    assert "allowed is PNG, JPEG, WebP or GIF" in message


def test_a_large_file_is_refused_by_its_size(tmp_path: Path) -> None:
    """A file above the limit is refused with its size and the limit, before it is read."""
    with (tmp_path / "huge.png").open("wb") as file:
        file.truncate(LIMIT_BYTES + 2**20)
    message = refusal(str(tmp_path / "huge.png"))
    assert "huge.png has 21.0 MiB; allowed are 20.0 MiB. Scale it down" in message


class LyingFileSystem(fsspec.AbstractFileSystem):  # type: ignore[misc]
    """A store that states one byte for a file of a thousand."""

    protocol = "lying"

    def info(self, path: str, **_kwargs: object) -> dict[str, object]:
        """State the wrong size."""
        return {"name": path, "size": 1, "type": "file"}

    def _open(self, path: str, mode: str = "rb", **_kwargs: object) -> io.BytesIO:
        return io.BytesIO(picture("png").ljust(1000))


def test_a_size_that_lies_is_found_out() -> None:
    """A file that states too small a size is read no further than the limit."""
    fsspec.register_implementation("lying", LyingFileSystem, clobber=True)
    assert load_image("lying://host/a.png", limit_bytes=1000).startswith("data:image/png")
    assert "lying://host/a.png has more than the allowed 999 bytes" in refusal("lying://host/a.png", limit_bytes=999)


def test_a_folder_and_a_missing_file(tmp_path: Path) -> None:
    """A folder is no image; for a missing file the nearest names are given."""
    (tmp_path / "first_frame.png").write_bytes(picture("png"))
    assert "is a directory, not a file" in refusal(str(tmp_path))
    assert "Nearest in that folder: first_frame.png." in refusal(str(tmp_path / "frist_frame.png"))


@given(st.text(max_size=40))
def test_any_text_gives_a_url_or_a_refusal(source: str) -> None:
    """No text leads to another exception."""
    try:
        assert load_image("data:" + source).startswith("data:image/")
    except RequestRefused:
        return

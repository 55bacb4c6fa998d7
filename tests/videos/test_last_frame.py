"""The last frame of a video is the one that is shown last, in its full size."""

from __future__ import annotations

import base64
import io
from pathlib import Path
from typing import Any

import av
import pytest
from PIL import Image, ImageChops

from openrouter_video.errors import BrokenVideo, StorageError
from openrouter_video.stores import open_store
from openrouter_video.videos.last_frame import last_frame
from tests.support.small_videos import small_mp4


def picture_in(url: str) -> Image.Image:
    """Return the picture that a ``data:`` URL holds."""
    return Image.open(io.BytesIO(base64.b64decode(url.partition(",")[2])))


def test_it_is_the_frame_that_is_shown_last(tmp_path: Path) -> None:
    """As a PNG it is exact, and the same each time; what would be too large becomes a JPEG."""
    video = tmp_path / "a.mp4"
    video.write_bytes(small_mp4(seconds=2))
    with av.open(str(video)) as container:
        *_, frame = container.decode(video=0)
    last: Any = frame
    found = last_frame(open_store(str(video)))
    assert found == last_frame(open_store(str(video)))
    assert found.startswith("data:image/png;base64,")
    difference = ImageChops.difference(picture_in(found), last.to_image())
    assert (difference.size, difference.getbbox()) == ((64, 48), None)
    small = last_frame(open_store(str(video)), largest_png=10)
    assert small.startswith("data:image/jpeg;base64,")
    assert picture_in(small).size == (64, 48)


@pytest.mark.parametrize(
    ("content", "error", "said"),
    [
        (b"no video at all", BrokenVideo, "a.mp4 cannot be decoded: Invalid data"),
        (small_mp4().replace(b"avc1", b"xxxx"), BrokenVideo, "a.mp4 has no last frame: "),
        (None, StorageError, "a.mp4"),
    ],
)
def test_what_has_none_says_so(tmp_path: Path, content: bytes | None, error: type[Exception], said: str) -> None:
    """Something else, a codec that nobody knows, and nothing at all."""
    video = tmp_path / "a.mp4"
    if content is not None:
        video.write_bytes(content)
    with pytest.raises(error, match=said):
        last_frame(open_store(str(video)))

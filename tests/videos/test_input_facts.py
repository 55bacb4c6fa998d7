"""What a video or sound is that is given as an input, of each kind that is known, and how little is read for it."""

from __future__ import annotations

import io
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import pytest
from PIL import Image

from openrouter_video.errors import BrokenVideo
from openrouter_video.videos.input_facts import InputFacts, read_input_facts
from tests.support.small_videos import small_mp4

MIB = 2**20


class Counted(io.BytesIO):
    """A file that counts what is read of it."""

    taken = 0

    def read(self, size: int | None = -1) -> bytes:
        """Read on."""
        data = super().read(size)
        self.taken += len(data)
        return data


def of_hours(seconds: int) -> bytes:
    """An MP4 that says it is so long, with 64 MiB of media before its header."""
    mp4 = small_mp4(audio=True)
    at = mp4.index(b"mvhd")
    scale = int.from_bytes(mp4[at + 16 : at + 20])
    mp4 = mp4[: at + 20] + (seconds * scale).to_bytes(4) + mp4[at + 24 :]
    start = mp4.index(b"moov") - 4
    return mp4[:start] + (64 * MIB).to_bytes(4) + b"free" + bytes(64 * MIB - 8) + mp4[start:]


def encoded(tmp_path: Path, suffix: str, *codecs: str) -> bytes:
    """A second of each codec in a file of the kind."""
    file = tmp_path / f"input{suffix}"
    with av.open(str(file), "w") as container:
        parts = [(_video if codec == "mpeg4" else _sound)(container, codec) for codec in codecs]
        for stream, frames in parts:
            for frame in [*frames, None]:
                container.mux(stream.encode(frame))
    return file.read_bytes()


def _video(container: Any, codec: str) -> tuple[Any, list[Any]]:
    stream = container.add_stream(codec, rate=8)
    stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
    return stream, [av.VideoFrame(64, 48, "yuv420p") for _ in range(8)]


def _sound(container: Any, codec: str) -> tuple[Any, list[Any]]:
    stream = container.add_stream(codec, rate=48000, layout="mono")
    frames, size = [], stream.codec_context.frame_size or 1000
    for number in range(48000 // size):
        frame = av.AudioFrame(stream.format.name, "mono", size)
        frame.planes[0].update(bytes(frame.planes[0].buffer_size))
        frame.sample_rate, frame.pts, frame.time_base = 48000, number * size, Fraction(1, 48000)
        frames.append(frame)
    return stream, frames


def test_a_file_of_half_an_hour_takes_as_little_as_one_of_a_second() -> None:
    """Wherever its header stands; what is before it is never read."""
    for content, seconds in ((small_mp4(audio=True), 1), (of_hours(1800), 1800)):
        file = Counted(content)
        facts = read_input_facts(file)
        assert facts._replace(seconds=None) == InputFacts(True, True, None, 64, 48)
        assert facts.seconds == pytest.approx(seconds, abs=0.2)
        assert file.taken < 10_000


@pytest.mark.parametrize(
    ("flags", "seconds"), [("faststart", 1), ("frag_keyframe+empty_moov", None), ("frag_keyframe", None)]
)
def test_each_shape_of_an_mp4(make_mp4: Callable[..., bytes], flags: str, seconds: int | None) -> None:
    """With its header first, or in fragments, of which none may say how long they are together."""
    facts = read_input_facts(io.BytesIO(make_mp4(flags=flags)))
    assert facts._replace(seconds=None) == InputFacts(True, False, None, 64, 48)
    assert facts.seconds == (pytest.approx(seconds, abs=0.2) if seconds else facts.seconds)


@pytest.mark.parametrize(
    ("suffix", "codecs", "pictures", "sound"),
    [
        (".mkv", ["mpeg4", "aac"], True, True),
        (".avi", ["mpeg4"], True, False),
        (".mov", ["mpeg4"], True, False),
        (".m4a", ["aac"], False, True),
        (".wav", ["pcm_s16le"], False, True),
        (".mp3", ["libmp3lame"], False, True),
        (".flac", ["flac"], False, True),
        (".ogg", ["libopus"], False, True),
        (".aac", ["aac"], False, True),
    ],
)
def test_each_kind_that_is_known(tmp_path: Path, suffix: str, codecs: list[str], pictures: bool, sound: bool) -> None:
    """Its tracks, and its length to a tenth or, where only its size tells, roughly."""
    facts = read_input_facts(io.BytesIO(encoded(tmp_path, suffix, *codecs)))
    assert (facts.has_pictures, facts.has_sound) == (pictures, sound)
    assert (facts.width, facts.height) == ((64, 48) if pictures else (None, None))
    assert facts.seconds == pytest.approx(1, abs=0.5)


def picture() -> bytes:
    """A PNG."""
    file = io.BytesIO()
    Image.new("RGB", (8, 8)).save(file, "PNG")
    return file.getvalue()


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "^is empty$"),
        (picture(), "^is a PNG image$"),
        (b"RIFF\0\0\0\0WEBPVP8 ", "^is a WebP image$"),
        (b"\0\0\0\x18ftypheic" + bytes(99), "^is a HEIC image$"),
        (b"<html></html>", "^is an HTML page$"),
        (b"#EXTM3U\nhttp://127.0.0.1/secret\n", "^is plain text$"),
        (bytes(range(256)) * 9, "^is data of an unknown kind$"),
        (small_mp4()[:200], "without a whole header"),
        (small_mp4().replace(b"moov", b"muuv"), "without a whole header"),
        (small_mp4().replace(b"vide", b"meta"), "has no track of pictures or sound"),
        (b"\0\0\0\x08free" * 100, "without a whole header"),
        (b"\0\0\0\x18ftypisom" + bytes(12) + b"\0\0\0\1moov" + (2**60).to_bytes(8), "without a whole header"),
        (b"\x1aE\xdf\xa3" + bytes(5000), "cannot be read by FFmpeg as matroska"),
        (b"fLaC" + bytes(5000), "cannot be read by FFmpeg as flac|has no track"),
    ],
)
def test_what_is_neither_is_named(content: bytes, said: str) -> None:
    """By what it is, or by what it lacks."""
    with pytest.raises(BrokenVideo, match=said):
        read_input_facts(io.BytesIO(content))


def test_no_header_is_read_without_end() -> None:
    """FFmpeg gets a bounded part of a file of which it makes nothing."""
    file = Counted(b"ID3\4\0\0\x7f\x7f\x7f\x7f" + bytes(40 * MIB))
    with pytest.raises(BrokenVideo):
        read_input_facts(file)
    assert file.taken < 18 * MIB

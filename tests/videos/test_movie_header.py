"""Length and size as a player shows them, and nothing at all where the header makes no sense."""

from __future__ import annotations

import io
import struct
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import av
import pytest
from hypothesis import given
from hypothesis import strategies as st

from openrouter_video.videos.mp4 import Mp4Walk, Shown, read_movie_header


def box(kind: bytes, content: bytes) -> bytes:
    """One box."""
    return struct.pack(">I4s", 8 + len(content), kind) + content


def movie_of(body: bytes) -> bytes:
    """The content of a video's box moov."""
    walk = Mp4Walk()
    walk.feed(body)
    return walk.finish().movie


def made(*, turn: int = 0, pixel: tuple[int, int] = (1, 1), container: str = "mp4", flags: str = "") -> bytes:
    """A video of 320x180 that a player may show otherwise."""
    file = io.BytesIO()
    options = {"movflags": flags} if flags else {}
    with av.open(file, "w", format=container, options=options) as out:
        stream: Any = out.add_stream("libx264", rate=8)
        stream.width, stream.height, stream.pix_fmt = 320, 180, "yuv420p"
        stream.sample_aspect_ratio = Fraction(*pixel)
        if turn:
            stream.set_display_rotation(turn)
        for number in range(8):
            frame = av.VideoFrame(320, 180, "yuv420p")
            frame.pts = number
            out.mux(stream.encode(frame))
        out.mux(stream.encode())
    return file.getvalue()


@pytest.mark.parametrize(
    ("how", "shown"),
    [
        ({}, Shown(1.0, 320, 180)),
        ({"container": "mov"}, Shown(1.0, 320, 180)),
        ({"turn": 90}, Shown(1.0, 180, 320)),
        ({"turn": -90}, Shown(1.0, 180, 320)),
        ({"turn": 180}, Shown(1.0, 320, 180)),
        ({"pixel": (4, 3)}, Shown(1.0, 427, 180)),
        ({"pixel": (4, 3), "turn": 90}, Shown(1.0, 180, 427)),
        ({"flags": "frag_keyframe+empty_moov"}, Shown(None, 320, 180)),
    ],
    ids=["plain", "QuickTime", "turned left", "turned right", "upside down", "wide pixels", "both", "fragments"],
)
def test_the_size_that_a_player_shows(how: dict[str, Any], shown: Shown) -> None:
    """Rotation and pixels that are not square count; a movie in fragments does not say how long it is."""
    assert read_movie_header(movie_of(made(**how))) == shown


@pytest.mark.parametrize("codec", [b"av03", b"\xff\xfe\xfd\xfc"])
def test_a_codec_that_nobody_knows_has_a_size(make_mp4: Callable[..., bytes], codec: bytes) -> None:
    """The header tells it without a decoder."""
    assert read_movie_header(movie_of(make_mp4().replace(b"avc1", codec))) == Shown(1.0, 64, 48)


def track(kind: bytes = b"vide", codec: bytes = b"avc1", size: tuple[int, int] = (320, 180), flags: int = 1) -> bytes:
    """A track with the boxes that are read."""
    matrix = struct.pack(">9i", 65536, 0, 0, 0, 65536, 0, 0, 0, 2**30)
    header = bytes([0, 0, 0, flags]) + bytes(36) + matrix + struct.pack(">II", size[0] << 16, size[1] << 16)
    entry = box(codec, bytes(24) + struct.pack(">HH", *size) + bytes(50))
    table = box(b"minf", box(b"stbl", box(b"stsd", bytes(8) + entry)))
    return box(b"trak", box(b"tkhd", header) + box(b"mdia", box(b"hdlr", bytes(8) + kind) + table))


def header(scale: int, units: int) -> bytes:
    """The movie's own header."""
    return box(b"mvhd", bytes(12) + struct.pack(">II", scale, units) + bytes(80))


@pytest.mark.parametrize(
    ("movie", "shown"),
    [
        (b"", Shown()),
        (b"\xff" * 999, Shown()),
        (bytes(999), Shown()),
        (header(0, 5), Shown()),
        (header(1000, 0), Shown()),
        (header(1, 2**32 - 1), Shown()),
        (header(1000, 4000), Shown(4.0)),
        (header(1000, 0) + box(b"mvex", box(b"mehd", bytes(4) + (3000).to_bytes(4))), Shown(3.0)),
        (track(b"soun") + track(), Shown(None, 320, 180)),
        (track(codec=b"jpeg", size=(64, 64)) + track(), Shown(None, 320, 180)),
        (track(size=(64, 64), flags=0) + track(), Shown(None, 320, 180)),
        (track(codec=b"jpeg", size=(64, 64)), Shown(None, 64, 64)),
        (track(size=(0, 0)), Shown()),
        (track()[:-60], Shown()),
        (box(b"trak", box(b"mdia", b"") * 1000), Shown()),
    ],
)
def test_what_a_header_says(movie: bytes, shown: Shown) -> None:
    """Covers, tracks that are off, absurd lengths and garbage never count."""
    assert read_movie_header(movie) == shown


def test_a_header_of_boxes_within_boxes_ends() -> None:
    """A thousand levels are neither followed nor fatal."""
    nested = b""
    for _ in range(5000):
        nested = box(b"mdia", nested)
    assert read_movie_header(box(b"trak", nested)) == Shown()


@given(st.binary(max_size=300), st.integers(0, 700))
def test_no_header_raises(noise: bytes, at: int) -> None:
    """Whatever is written over a header, it is decoration."""
    movie = header(1000, 4000) + track()
    read_movie_header(movie[:at] + noise + movie[at + len(noise) :])
    read_movie_header(movie[:at])

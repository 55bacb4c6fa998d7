"""What an MP4 says: whether it is whole, its length and size as a player shows them, and what a probe reads in one."""

from __future__ import annotations

import io
import struct
import tracemalloc
from collections.abc import Callable
from fractions import Fraction
from itertools import pairwise, product
from pathlib import Path
from typing import Any

import av
import pytest
from hypothesis import given
from hypothesis import strategies as st

from openrouter_video.errors import BrokenVideo
from openrouter_video.videos.mp4 import Mp4Walk, Shown, largest_track, read_movie_header
from openrouter_video.videos.probing import probe


def box(kind: bytes, content: bytes = b"", *, long: bool = False) -> bytes:
    """One box, with a size of 32 or 64 bits."""
    if long:
        return struct.pack(">I4sQ", 1, kind, 16 + len(content)) + content
    return struct.pack(">I4s", 8 + len(content), kind) + content


FTYP = box(b"ftyp", b"isom\0\0\2\0isomiso2")
MOOV = box(b"moov", bytes(40))
MDAT = box(b"mdat", b"\1" * 90)
FRAGMENT = box(b"moof", b"x") + MDAT
LABEL = b'\nAIGC{"Label":"1"}\n'  # which reads as the beginning of a box of 172 MB


def verdict(*chunks: bytes) -> str:
    """What finish says of a stream; empty for a good one."""
    walk = Mp4Walk()
    for chunk in chunks:
        walk.feed(chunk)
    try:
        walk.finish()
    except BrokenVideo as broken:
        return str(broken)
    return ""


@pytest.mark.parametrize(
    "body",
    [
        FTYP + MOOV + MDAT,
        FTYP + MDAT + MOOV,
        FTYP + box(b"free") + MOOV + MDAT + box(b"\xa9xyz"),
        FTYP + MOOV + box(b"mdat", bytes(90), long=True),
        FTYP + MOOV + struct.pack(">I4s", 0, b"mdat") + bytes(90),
        FTYP + MOOV + FRAGMENT + FRAGMENT + box(b"mfra", b"x"),
        box(b"free", b"x") + FTYP + MOOV + MDAT,
        box(b"ftyp", b"qt  \0\0\0\0qt  ") + box(b"wide") + MDAT + MOOV,
        MOOV + MDAT,
        box(b"wide") + MDAT + MOOV,
        MDAT + MOOV,
    ],
    ids=[
        *("moov first", "moov last", "tiny boxes", "64-bit size", "size to the end", "fragments", "padding first"),
        *("QuickTime", "old QuickTime", "old QuickTime, wide first", "old QuickTime, mdat first"),
    ],
)
def test_a_whole_video_passes(body: bytes) -> None:
    """Every legal arrangement of boxes is accepted, in one chunk and byte by byte."""
    assert verdict(body) == ""
    assert verdict(*(body[i : i + 1] for i in range(len(body)))) == ""


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"", "The body is empty."),
        (b"<html><body>Bad gateway", "not an MP4 video but an HTML page"),
        (b"\n<!DOCTYPE html>", "not an MP4 video but an HTML page"),
        (b'{"error":{"code":401}}', "not an MP4 video but JSON"),
        (b"{}", "not an MP4 video but JSON"),
        (b"\x1aE\xdf\xa3" + bytes(60), "not an MP4 video but a WebM or Matroska video"),
        (box(b"jP  ", b"x") + MOOV + MDAT, "its first box is not 'ftyp'"),
        (bytes(5), "ended after 5 bytes, which are too few"),
        (FTYP[:6], "ended after 6 bytes, which are too few"),
        (b"\0\0\0\1ftyp\0\0", "ended after 10 bytes, inside the header of its first box"),
        (FTYP[:12], "ended 12 bytes into its box 'ftyp' of 24 bytes"),
        (b"\0\0\0\5ftyp" + bytes(9), "At byte 0 stands 00 00 00 05 66 74 79 70"),
        (FTYP, "without its box 'moov'"),
        (FTYP + MDAT, "without its box 'moov'"),
        (FTYP + MOOV, "without its box 'mdat'"),
        (FTYP + MOOV + MDAT[:50], "ended 50 bytes into its box 'mdat' of 98 bytes"),
        (FTYP + MOOV + MDAT[:3], "inside the header of a box, after 75 bytes"),
        (FTYP + MOOV + box(b"mdat", b"\1" * 50 + bytes(40)) + bytes(16), "From byte 130 on it holds nothing but zeros"),
        (FTYP + MOOV + MDAT[:50] + bytes(20), "ended 70 bytes into its box 'mdat' of 98 bytes"),
        (FTYP + MDAT + bytes(16) + MOOV, "At byte 122 stands 00 00 00 00 00 00 00 00"),
        (FTYP + MOOV + MDAT + MDAT[:20], "ended 20 bytes into its box 'mdat' of 98 bytes"),
        (FTYP + MOOV + FRAGMENT + b"\0\0\1", "inside the header of a box"),
        (FTYP + MOOV + FRAGMENT + box(b"styp", b"msdh")[:10], "into its box 'styp'"),
        (FTYP + MOOV + FRAGMENT + b"\xff" * 70_000, "which is not an MP4 box"),
        (FTYP + MOOV + MDAT + box(b"moof", b"x"), "without the fragment's data"),
        (FTYP + b"\0\0\0\7moov", "At byte 24 stands 00 00 00 07"),
    ],
)
def test_what_is_wrong_is_said(body: bytes, said: str) -> None:
    """A body that is no whole MP4 is refused with the reason, in one chunk and byte by byte."""
    assert said in verdict(body)
    assert verdict(body) == verdict(*(body[i : i + 1] for i in range(len(body))))


@pytest.mark.parametrize("video", [FTYP + MOOV + MDAT, FTYP + MDAT + MOOV, FTYP + MOOV + FRAGMENT])
@pytest.mark.parametrize(
    "tail",
    [
        bytes(16),
        bytes(70_000),
        LABEL,
        LABEL * 100,
        b"\xff" * 9,
        b"\0\0\0\1free" + bytes(8),
        box(b"uuid", bytes(99))[:50],
    ],
    ids=["zeros", "many zeros", "label", "labels", "garbage", "box of no size", "cut label box"],
)
def test_bytes_behind_a_whole_video_are_a_note(video: bytes, tail: bytes) -> None:
    """Padding, a label or half a box takes nothing from a video that has all its own boxes."""
    walk = Mp4Walk()
    walk.feed(video + tail)
    assert walk.finish().notes == (f"{len(tail)} bytes that belong to no box follow the end of the video",)


def test_a_partial_header_behind_a_whole_video_is_a_note() -> None:
    """In fragments it would be the next one's."""
    walk = Mp4Walk()
    walk.feed(FTYP + MOOV + MDAT + b"}\r\n")
    assert walk.finish().notes == ("3 bytes that belong to no box follow the end of the video",)


def test_a_long_end_in_zeros_is_a_note() -> None:
    """A file of full size cannot be called cut, but what its end looks like is said."""
    walk = Mp4Walk()
    walk.feed(FTYP + MOOV + box(b"mdat", b"\1" + bytes(100_000)))
    assert walk.finish().notes == ("the last 100000 bytes of the video are zeros: its end may be missing",)


@pytest.mark.parametrize("flags", ["", "faststart"])
def test_a_real_video_cut_anywhere_is_refused(make_mp4: Callable[..., bytes], flags: str) -> None:
    """Of FFmpeg's own files, with the index last or first, every proper prefix is refused."""
    body = make_mp4(audio=True, flags=flags)
    assert verdict(body) == ""
    whole = Mp4Walk()
    for end in range(len(body)):
        with pytest.raises(BrokenVideo):
            whole.finish()
        whole.feed(body[end : end + 1])
    whole.finish()


BOXES = st.lists(
    st.builds(box, st.sampled_from([b"free", b"udta", b"moof", b"uuid"]), st.binary(max_size=40), long=st.booleans()),
    max_size=4,
).map(b"".join)
VIDEOS = st.builds(
    lambda a, b, moov_first: FTYP + a + (MOOV + b + MDAT if moov_first else MDAT + b + MOOV),
    BOXES,
    BOXES,
    st.booleans(),
)
STREAMS = st.one_of(
    st.binary(max_size=200),
    VIDEOS,
    st.builds(lambda video, tail: video + tail, VIDEOS, st.binary(max_size=20)),
    st.builds(lambda video, cut: video[:cut], VIDEOS, st.integers(0, 300)),
)


@given(STREAMS, st.lists(st.integers(0, 300), max_size=12))
def test_chunks_do_not_matter(body: bytes, cuts: list[int]) -> None:
    """However a stream is cut into chunks, empty ones included, the verdict is the same to the letter."""
    ends = [0, *sorted(min(cut, len(body)) for cut in cuts), len(body)]
    assert verdict(*(body[a:b] for a, b in pairwise(ends))) == verdict(body)


@given(VIDEOS, st.data())
def test_no_prefix_passes(video: bytes, data: st.DataObject) -> None:
    """A video that ends with a box it needs is refused when it is cut anywhere."""
    assert verdict(video) == ""
    cut = data.draw(st.integers(0, len(video) - 1))
    assert verdict(video[:cut]) != ""


def test_the_walk_keeps_nothing() -> None:
    """Half a gigabyte passes through without being copied."""
    chunk = bytes(2**20)
    walk = Mp4Walk()
    walk.feed(FTYP + MOOV + struct.pack(">I4sQ", 1, b"mdat", 16 + 512 * len(chunk)))
    tracemalloc.start()
    for _ in range(512):
        walk.feed(chunk)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    walk.finish()
    assert peak < 20_000


def test_the_names_of_endless_boxes_are_not_kept() -> None:
    """There are 81 million names: a body of boxes of eight bytes would fill the memory."""
    names = b"".join(box(bytes(name)) for name in product(b"0123456789", repeat=4))
    walk = Mp4Walk()
    walk.feed(FTYP)
    tracemalloc.start()
    walk.feed(names)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 50_000


def test_probe_reads_a_video(make_mp4: Callable[..., bytes], tmp_path: Path) -> None:
    """Duration and size are read from a path and from a file object."""
    (tmp_path / "a.mp4").write_bytes(make_mp4(96, 64, 2, audio=True))
    for source in (tmp_path / "a.mp4", str(tmp_path / "a.mp4"), io.BytesIO(make_mp4(96, 64, 2, audio=True))):
        info = probe(source)
        assert info.duration_seconds == pytest.approx(2, abs=0.2)
        assert (info.width, info.height) == (96, 64)


def test_probe_refuses_what_is_no_video(tmp_path: Path) -> None:
    """Garbage, an empty file and a file that is not there are broken videos."""
    for source in (io.BytesIO(b"garbage" * 99), io.BytesIO(b""), tmp_path / "absent"):
        with pytest.raises(BrokenVideo, match="FFmpeg cannot open it"):
            probe(source)
    with pytest.raises(BrokenVideo, match="has no video stream"):
        probe(io.BytesIO(FTYP + MOOV + MDAT))


# ---- The header ------------------------------------------------------------------------------------------------------


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
        ({}, Shown(1.0, 320, 180, has_audio=False)),
        ({"container": "mov"}, Shown(1.0, 320, 180, has_audio=False)),
        ({"turn": 90}, Shown(1.0, 180, 320, has_audio=False)),
        ({"turn": -90}, Shown(1.0, 180, 320, has_audio=False)),
        ({"turn": 180}, Shown(1.0, 320, 180, has_audio=False)),
        ({"pixel": (4, 3)}, Shown(1.0, 427, 180, has_audio=False)),
        ({"pixel": (4, 3), "turn": 90}, Shown(1.0, 180, 427, has_audio=False)),
        ({"flags": "frag_keyframe+empty_moov"}, Shown(None, 320, 180, has_audio=False)),
    ],
    ids=["plain", "QuickTime", "turned left", "turned right", "upside down", "wide pixels", "both", "fragments"],
)
def test_the_size_that_a_player_shows(how: dict[str, Any], shown: Shown) -> None:
    """Rotation and pixels that are not square count; a movie in fragments does not say how long it is."""
    assert read_movie_header(movie_of(made(**how))) == shown


@pytest.mark.parametrize("codec", [b"av03", b"\xff\xfe\xfd\xfc"])
def test_a_codec_that_nobody_knows_has_a_size(make_mp4: Callable[..., bytes], codec: bytes) -> None:
    """The header tells it without a decoder."""
    assert read_movie_header(movie_of(make_mp4().replace(b"avc1", codec))) == Shown(1.0, 64, 48, has_audio=False)


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
        (box(b"mvhd", header(1000, 4000)[8:], long=True), Shown(4.0)),
        (header(1000, 0) + box(b"mvex", box(b"mehd", bytes(4) + (3000).to_bytes(4))), Shown(3.0)),
        (track(b"soun") + track(), Shown(None, 320, 180, has_audio=True)),
        (track(codec=b"jpeg", size=(64, 64)) + track(), Shown(None, 320, 180, has_audio=False)),
        (track(size=(64, 64), flags=0) + track(), Shown(None, 320, 180, has_audio=False)),
        (track(codec=b"jpeg", size=(64, 64)), Shown(None, 64, 64, has_audio=False)),
        (track(size=(0, 0)), Shown(has_audio=False)),
        (track()[:-60], Shown()),
        (box(b"trak", box(b"stsd", bytes(8))), Shown(has_audio=False)),
        (box(b"trak", box(b"mdia", b"") * 1000), Shown(has_audio=False)),
    ],
)
def test_what_a_header_says(movie: bytes, shown: Shown) -> None:
    """Covers, tracks that are off, absurd lengths and garbage never count."""
    assert read_movie_header(movie) == shown


@pytest.mark.parametrize(
    ("tracks", "most"),
    [([(b"stsz", 96)], 96), ([(b"stsz", 96), (b"stz2", 4_000_000_000)], 4_000_000_000), ([(b"free", 7)], 0), ([], 0)],
)
def test_how_many_samples_a_track_claims(tracks: list[tuple[bytes, int]], most: int) -> None:
    """Of the longest; the rest of such a box need not be there."""
    movie = header(1000, 4000)
    for kind, count in tracks:
        table = box(b"stbl", box(kind, struct.pack(">III", 0, 1, count)))
        movie += box(b"trak", box(b"mdia", box(b"minf", table)))
    assert largest_track(movie) == most


def test_a_header_of_boxes_within_boxes_ends() -> None:
    """A thousand levels are neither followed nor fatal."""
    nested = b""
    for _ in range(5000):
        nested = box(b"mdia", nested)
    assert read_movie_header(box(b"trak", nested)) == Shown(has_audio=False)


C2PA = bytes.fromhex("d8fec3d61b0e483c92975828877ec481")


@pytest.mark.parametrize(
    ("boxes", "carries"),
    [
        (box(b"uuid", C2PA + bytes(200)), True),
        (box(b"uuid", C2PA + bytes(200), long=True), True),
        (box(b"uuid", bytes(16) + C2PA) + box(b"uuid", C2PA), True),
        (box(b"uuid", bytes(16) + C2PA), False),
        (box(b"uuid", C2PA[:15]) + box(b"uuid", C2PA[15:] + bytes(40)), False),
        (box(b"free", C2PA), False),
        (b"", False),
    ],
    ids=["it does", "64-bit size", "behind another", "another type", "cut in two", "not in such a box", "no such box"],
)
def test_a_manifest_of_the_origin_is_seen(boxes: bytes, carries: bool) -> None:
    """By the type of a box beside the video's own, in one chunk and byte by byte."""
    body = FTYP + boxes + MOOV + MDAT
    for size in (1, 7, len(body)):
        walk = Mp4Walk()
        for start in range(0, len(body), size):
            walk.feed(body[start : start + size])
        assert walk.finish().c2pa is carries


@pytest.mark.parametrize(("body", "cut"), [((FTYP + MOOV + MDAT)[:-9], True), (b"<html>" * 9, False), (b"", False)])
def test_what_came_to_a_bad_end(body: bytes, cut: bool) -> None:
    """A video that was cut is told apart from what was never one."""
    walk = Mp4Walk()
    walk.feed(body)
    assert walk.cut is cut


@given(st.binary(max_size=300), st.integers(0, 700))
def test_no_header_raises(noise: bytes, at: int) -> None:
    """Whatever is written over a header, it is decoration."""
    movie = header(1000, 4000) + track()
    read_movie_header(movie[:at] + noise + movie[at + len(noise) :])
    read_movie_header(movie[:at])
    largest_track(movie[:at] + noise + movie[at + len(noise) :])

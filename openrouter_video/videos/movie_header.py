"""What a video's own header says of its length and size, as a player shows it. Pure.

The box ``moov`` passes by during the download, so that no file is read twice for it. What it says is decoration: a
header that makes no sense says nothing.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from contextlib import suppress
from typing import NamedTuple

__all__ = ["Shown", "read_movie_header"]

_LONGEST_SECONDS = 7 * 24 * 3600.0
_LARGEST_SIDE = 65_535
_PICTURES = frozenset({b"jpeg", b"mjpa", b"mjpb", b"mjpg", b"png ", b"tiff", b"gif ", b"WRLE"})
_MOST_BOXES = 1000  # of one level; a header has a few
_INSIDE = {b"trak": b"mdia", b"mdia": b"minf", b"minf": b"stbl"}
_FIXED = 65536.0


class Shown(NamedTuple):
    """Length in seconds and size in pixels, turned and stretched as a player does it; None where nothing is said."""

    duration_seconds: float | None = None
    width: int | None = None
    height: int | None = None


class _Track(NamedTuple):
    enabled: bool = True
    turned: bool = False
    sides: tuple[float, float] = (0.0, 0.0)
    video: bool = False
    codec: bytes = b""
    coded: tuple[int, int] = (0, 0)
    spacing: tuple[int, int] | None = None

    @property
    def size(self) -> tuple[int | None, int | None]:
        """The size on a screen: pixels that are not square count as the header of the track, or ``pasp``, says."""
        width, height = self.sides
        if all(self.coded) and (self.spacing or not (width and height)):
            across, down = self.spacing or (1, 1)
            width, height = self.coded[0] * across / down, float(self.coded[1])
        sides = (height, width) if self.turned else (width, height)
        whole = [round(side) for side in sides]
        return (whole[0], whole[1]) if all(1 <= side <= _LARGEST_SIDE for side in whole) else (None, None)


def read_movie_header(movie: bytes) -> Shown:
    """Read the content of a box ``moov``; of several video tracks the first that is on and no cover picture counts."""
    first: dict[bytes, bytes] = {}
    tracks: list[_Track] = []
    for kind, content in _boxes(movie):
        first.setdefault(kind, content)
        if kind == b"trak":
            with suppress(struct.error):
                tracks.append(_track(content, _Track()))
    videos = sorted((t for t in tracks if t.video), key=lambda t: (t.codec in _PICTURES, not t.enabled))
    width, height = videos[0].size if videos else (None, None)
    return Shown(_duration(first.get(b"mvhd", b""), first.get(b"mvex", b"")), width, height)


def _boxes(content: bytes) -> Iterator[tuple[bytes, bytes]]:
    start = 0
    for _ in range(_MOST_BOXES):
        if start + 8 > len(content):
            return
        size, kind = struct.unpack_from(">I4s", content, start)
        header = 8
        if size == 1 and start + 16 <= len(content):
            size, header = struct.unpack_from(">Q", content, start + 8)[0], 16
        if size < header:
            return
        yield kind, content[start + header : start + size]
        start += size


def _duration(header: bytes, extension: bytes) -> float | None:
    """Return the movie's length; one in fragments states it in ``mehd``, in the units of ``mvhd``."""
    extended = dict(_boxes(extension)).get(b"mehd", b"")
    try:
        scale, units = struct.unpack_from(
            ">IQ" if header[:1] == b"\1" else ">II", header, 20 if header[:1] == b"\1" else 12
        )
        if not units and extended:
            (units,) = struct.unpack_from(">Q" if extended[:1] == b"\1" else ">I", extended, 4)
        seconds = units / scale
    except (struct.error, ZeroDivisionError):
        return None
    return seconds if 0 < seconds <= _LONGEST_SECONDS else None


def _track(content: bytes, track: _Track, outer: bytes = b"trak") -> _Track:
    for kind, inner in _boxes(content):
        if kind == b"tkhd":
            track = _with_header(track, inner)
        elif kind == b"hdlr" and inner[8:12] == b"vide":
            track = track._replace(video=True)
        elif kind == b"stsd":
            track = _with_sample_entry(track, inner)
        elif kind == _INSIDE.get(outer):
            track = _track(inner, track, kind)
    return track


def _with_header(track: _Track, content: bytes) -> _Track:
    """Take over whether a track is on, its sides, and whether its matrix lays it on its side."""
    start = 52 if content[:1] == b"\1" else 40
    a, b, _, c, d = struct.unpack_from(">5i", content, start)
    width, height = struct.unpack_from(">II", content, start + 36)
    turned = abs(b) > abs(a) and abs(c) > abs(d)
    return track._replace(enabled=bool(content[3] & 1), turned=turned, sides=(width / _FIXED, height / _FIXED))


def _with_sample_entry(track: _Track, content: bytes) -> _Track:
    for kind, entry in _boxes(content[8:]):
        coded = struct.unpack_from(">HH", entry, 24)
        spacing = dict(_boxes(entry[78:])).get(b"pasp", b"")
        across, down = struct.unpack_from(">II", spacing) if len(spacing) >= 8 else (0, 0)  # noqa: PLR2004
        return track._replace(codec=kind, coded=coded, spacing=(across, down) if across and down else None)
    return track

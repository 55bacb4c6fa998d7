"""What the boxes of an MP4 or QuickTime file say: whether it is whole, its length, size, sound and origin. Pure.

The structure is that of ISO/IEC 14496-12: boxes of a size, a type of four letters, and content, one after the other.
QuickTime's older files have no ``ftyp``, and begin with any of a few other boxes. The box ``moov`` passes by during the
download, so that no file is read twice for what it says. That is decoration: a header that makes no sense says nothing.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from contextlib import suppress
from typing import NamedTuple

from openrouter_video.errors import BrokenVideo
from openrouter_video.media_types import FIRST_BOXES, SNIFFED_BYTES, UNKNOWN_KIND, sniff

__all__ = ["MOST_SAMPLES", "Mp4Walk", "Shown", "Whole", "largest_track", "read_movie_header"]

MOST_SAMPLES = 1_000_000
"""Hours of video have fewer frames; what claims more in a track is not opened by a reader that would index them."""

_SHORT_HEADER = 8
_LONG_HEADER = 16
_LARGEST_MOVIE_HEADER = 32 * 2**20  # an hour of video has some 5 MiB
_LONGEST_LABEL = 64 * 2**10
_LONGEST_ZEROS_OF_MEDIA = 32
_FRAGMENTS = frozenset({"moof", "styp", "sidx", "emsg", "prft"})  # each comes before more of the video
_NEEDED = frozenset({"ftyp", "moov", "mdat"}) | _FRAGMENTS
_PRINTABLE = frozenset(range(0x20, 0x7F)) | {0xA9}  # © starts some of QuickTime's types
_LONGEST_SECONDS = 7 * 24 * 3600.0
_LARGEST_SIDE = 65_535
_PICTURES = frozenset({b"jpeg", b"mjpa", b"mjpb", b"mjpg", b"png ", b"tiff", b"gif ", b"WRLE"})
_MOST_BOXES = 1000  # of one level; a header has a few
_SAMPLE_SIZES = (b"stsz", b"stz2")
_INSIDE = {b"trak": b"mdia", b"mdia": b"minf", b"minf": b"stbl"}
_FIXED = 65536.0
_C2PA = bytes.fromhex("d8fec3d61b0e483c92975828877ec481")  # the type of a box ``uuid`` that holds such a manifest


class Whole(NamedTuple):
    """The verdict on a whole video: what is odd about it all the same, and its box ``moov``.

    ``movie`` is that box's content, which tells length and size; empty where it is too large to be held. ``c2pa``:
    whether a box beside it holds a manifest of the video's origin, by the standard of that name.
    """

    notes: tuple[str, ...] = ()
    movie: bytes = b""
    c2pa: bool = False


class Mp4Walk:
    """Follows the boxes of a video while its bytes pass by, in chunks of any size.

    It keeps the first 64 bytes, headers of 16, and the box ``moov``. What it cannot see is a cut between two whole
    fragments, and one inside a last box of unknown size.
    """

    def __init__(self) -> None:
        self.head = b""
        self._header = b""
        self._left = 0  # bytes of the present box still to come; -1: it goes on to the end
        self._box = ""
        self._size = 0
        self._start = 0
        self._offset = 0
        self._zeros = 0  # how many bytes of zero the stream ends with, so far
        self._seen: set[str] = set()
        self._movie = bytearray()
        self._user_type = b""  # the first 16 bytes of a box ``uuid``
        self._c2pa = False
        self._fault = ""

    def feed(self, chunk: bytes) -> None:
        """Take the next bytes; the verdict is ``finish``'s."""
        if len(self.head) < SNIFFED_BYTES:
            self.head += chunk[: SNIFFED_BYTES - len(self.head)]
        length = len(chunk)
        self._offset += length
        self._count_zeros(chunk)
        position = 0
        while position < length and not self._fault:
            if self._left < 0:
                return
            if self._left:
                step = min(self._left, length - position)
                if self._box == "moov" and self._size <= _LARGEST_MOVIE_HEADER:
                    self._movie += chunk[position : position + step]
                if self._box == "uuid" and len(self._user_type) < len(_C2PA):
                    self._user_type += chunk[position : position + min(step, len(_C2PA) - len(self._user_type))]
                    self._c2pa = self._c2pa or self._user_type == _C2PA
                self._left -= step
                position += step
                continue
            wanted = self._header_size() - len(self._header)
            self._header += chunk[position : position + wanted]
            position += wanted
            if len(self._header) == self._header_size():
                self._open_box(self._offset - length + position - len(self._header))

    @property
    def cut(self) -> bool:
        """Whether a refused video began as one and came to a bad end, rather than being something else or garbled."""
        return bool(self._seen) and not self._fault

    def finish(self) -> Whole:
        """Give the verdict on all bytes so far.

        Raises:
            BrokenVideo: They are not one whole video; the message says what is wrong, and where.
        """
        if not self._offset:
            raise BrokenVideo("The body is empty.")
        if not self._seen:
            raise BrokenVideo(self._first_box_fault())
        after, what = self._unfinished()
        missing = [box for box in ("moov", "mdat") if box not in self._seen]
        if what and (missing or not self._may_be_left_over(after)):
            raise BrokenVideo(what)
        if missing:
            raise BrokenVideo(f"It ended after {self._offset} bytes without its box '{missing[0]}'.")
        if self._box == "moof":
            raise BrokenVideo("It ended after the header of a fragment, without the fragment's data.")
        return Whole(self._notes(after), bytes(self._movie), self._c2pa)

    def _notes(self, after: int) -> tuple[str, ...]:
        """Say what is odd about a whole video; its end in zeros is a cut where they go on behind its last box."""
        zeros = self._zeros - after
        blank = self._box == "mdat" and zeros >= _LONGEST_ZEROS_OF_MEDIA
        if blank and after:
            first = self._offset - self._zeros
            raise BrokenVideo(f"From byte {first} on it holds nothing but zeros, from within its box '{self._box}'.")
        if blank and zeros > _LONGEST_LABEL:
            return (f"the last {zeros} bytes of the video are zeros: its end may be missing",)
        return (f"{after} bytes that belong to no box follow the end of the video",) if after else ()

    def _unfinished(self) -> tuple[int, str]:
        """Return how many bytes at the end are not a whole box, and what that means if they are not just left over."""
        if self._fault:
            return self._offset - self._start, self._fault
        if self._header:
            return len(self._header), f"It ended inside the header of a box, after {self._offset} bytes."
        if self._left > 0:
            inside = self._size - self._left
            return inside, f"It ended {inside} bytes into its box '{self._box}' of {self._size} bytes."
        return 0, ""

    def _may_be_left_over(self, after: int) -> bool:
        """Whether bytes behind the last whole box of a video with all that it needs can be padding or a label.

        A video in fragments may go on with any of their boxes, so that there only little may be left over.
        """
        cut = self._left > 0 and not self._fault
        if cut and self._box in _NEEDED:
            return False
        if not _FRAGMENTS & self._seen:
            return True
        return not self._header and (after <= _LONGEST_LABEL or self._zeros >= after)

    def _count_zeros(self, chunk: bytes) -> None:
        if chunk and not chunk[-1]:
            zeros = len(chunk) - len(chunk.rstrip(b"\0"))
            self._zeros = zeros if zeros < len(chunk) else self._zeros + zeros
        elif chunk:
            self._zeros = 0

    def _first_box_fault(self) -> str:
        found = sniff(self.head)
        if self.head[4:8] == b"ftyp":
            return self._fault or f"It ended after {self._offset} bytes, inside the header of its first box."
        if self._offset < _SHORT_HEADER and found in {UNKNOWN_KIND, "plain text"}:
            return f"It ended after {self._offset} bytes, which are too few to tell what it is."
        return f"It is not an MP4 video but {found}: its first box is not 'ftyp'."

    def _header_size(self) -> int:
        return _LONG_HEADER if self._header[:4] == b"\0\0\0\1" else _SHORT_HEADER

    def _open_box(self, start: int) -> None:
        header, self._header = self._header, b""
        kind = header[4:8]
        size = struct.unpack(">Q", header[8:])[0] if len(header) == _LONG_HEADER else int.from_bytes(header[:4])
        to_the_end = header[:4] == bytes(4)
        self._start = start
        if not _PRINTABLE.issuperset(kind) or (not to_the_end and size < len(header)):
            self._fault = (
                f"At byte {start} stands {header[:8].hex(' ')}, which is not an MP4 box: garbage or a damaged body."
            )
            return
        box = kind.decode("latin-1")
        if not self._seen and kind != b"ftyp" and kind not in FIRST_BOXES:
            self._fault = "its first box is not 'ftyp'"
            return
        self._box, self._size = box, size
        if box in _NEEDED or not self._seen:
            # Not all: there are 81 million names.
            self._seen.add(box)
        if box == "moov":
            self._movie.clear()
        self._user_type = b""
        self._left = -1 if to_the_end else size - len(header)


class Shown(NamedTuple):
    """Length in seconds, size in pixels, turned and stretched as a player does it, and whether there is sound.

    None where nothing is said.
    """

    duration_seconds: float | None = None
    width: int | None = None
    height: int | None = None
    has_audio: bool | None = None


class _Track(NamedTuple):
    enabled: bool = True
    turned: bool = False
    sides: tuple[float, float] = (0.0, 0.0)
    handler: bytes = b""
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
    videos = sorted((t for t in tracks if t.handler == b"vide"), key=lambda t: (t.codec in _PICTURES, not t.enabled))
    width, height = videos[0].size if videos else (None, None)
    heard = any(t.handler == b"soun" for t in tracks) if tracks else None
    return Shown(_duration(first.get(b"mvhd", b""), first.get(b"mvex", b"")), width, height, heard)


def largest_track(movie: bytes) -> int:
    """Return how many samples (frames, or pieces of sound) its longest track claims to have.

    A few bytes can claim billions, for each of which a reader of MP4 makes an entry in its index.
    """
    return max((_samples(content) for kind, content in _boxes(movie) if kind == b"trak"), default=0)


def _samples(content: bytes, outer: bytes = b"trak") -> int:
    most = 0
    for kind, inner in _boxes(content):
        if kind in _SAMPLE_SIZES:
            most = max(most, int.from_bytes(inner[8:12]))
        elif kind == _INSIDE.get(outer):
            most = max(most, _samples(inner, kind))
    return most


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
        elif kind == b"hdlr":
            # QuickTime has another one further inside.
            track = track._replace(handler=track.handler or inner[8:12])
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

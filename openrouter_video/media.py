"""MP4 files: whether a stream of bytes is a whole one, and what PyAV reads in it.

The structure is that of ISO/IEC 14496-12: boxes of a size, a type of four letters, and content, one after the other.
"""

from __future__ import annotations

import struct
from pathlib import Path
from typing import BinaryIO, NamedTuple

from openrouter_video.errors import BrokenVideo

__all__ = ["MediaInfo", "Mp4Walk", "probe", "sniff"]

_SNIFFED_BYTES = 64
_UNKNOWN = "data of an unknown kind"
_SHORT_HEADER = 8
_LONG_HEADER = 16
_PRINTABLE = frozenset(range(0x20, 0x7F)) | {0xA9}  # © starts some of QuickTime's types
_SIGNATURES: tuple[tuple[bytes, str], ...] = (
    (b"\x1aE\xdf\xa3", "a WebM or Matroska video"),
    (b"RIFF", "a RIFF file, such as AVI or WAV"),
    (b"\x89PNG", "a PNG image"),
    (b"\xff\xd8\xff", "a JPEG image"),
    (b"GIF8", "a GIF image"),
    (b"BM", "a BMP image"),
    (b"II*\0", "a TIFF image"),
    (b"MM\0*", "a TIFF image"),
    (b"%PDF", "a PDF document"),
    (b"PK\x03\x04", "a ZIP archive"),
    (b"\x1f\x8b", "gzip-compressed data"),
)
_BRANDS: tuple[tuple[bytes, str], ...] = (
    (b"heic", "a HEIC image"),
    (b"heix", "a HEIC image"),
    (b"mif1", "a HEIF image"),
    (b"avif", "an AVIF image"),
    (b"avis", "an AVIF image"),
    (b"qt  ", "a QuickTime video"),
)


def sniff(head: bytes) -> str:
    """Return what some bytes look like, in words that follow "it is", from the first 64 of them."""
    if not head:
        return "empty"
    text = head.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if text.startswith((b"<!doctype html", b"<html")):
        return "an HTML page"
    if text.startswith(b"<"):
        return "an SVG image" if b"<svg" in text else "an XML document"
    if text.startswith((b"{", b"[")):
        return "JSON"
    if head[4:8] == b"ftyp":
        return next((name for brand, name in _BRANDS if head[8:12] == brand), "an MP4 video")
    return next((name for magic, name in _SIGNATURES if head.startswith(magic)), _UNKNOWN)


class Mp4Walk:
    """Follows the boxes of an MP4 while its bytes pass by, in chunks of any size.

    It keeps no more than a header of 16 bytes and the first 64 bytes of the stream, for the words of an error. What it
    cannot see is a cut between two whole boxes after ``moov`` and ``mdat``, and one inside a last box of unknown size.
    """

    def __init__(self) -> None:
        self._head = b""
        self._header = b""
        self._left = 0  # bytes of the present box still to come; -1: it goes on to the end
        self._box = ""
        self._size = 0
        self._offset = 0
        self._seen: set[str] = set()
        self._fault = ""

    def feed(self, chunk: bytes) -> None:
        """Take the next bytes; the verdict is ``finish``'s."""
        if len(self._head) < _SNIFFED_BYTES:
            self._head += chunk[: _SNIFFED_BYTES - len(self._head)]
        length = len(chunk)
        self._offset += length
        position = 0
        while position < length and not self._fault:
            if self._left < 0:
                return
            if self._left:
                step = min(self._left, length - position)
                self._left -= step
                position += step
                continue
            wanted = self._header_size() - len(self._header)
            self._header += chunk[position : position + wanted]
            position += wanted
            if len(self._header) == self._header_size():
                self._open_box(self._offset - length + position - len(self._header))

    def finish(self) -> None:
        """Give the verdict on all bytes so far.

        Raises:
            BrokenVideo: They are not one whole MP4; the message says what is wrong, and where.
        """
        if not self._offset:
            raise BrokenVideo("The body is empty.")
        if "ftyp" not in self._seen:
            raise BrokenVideo(self._first_box_fault())
        if self._fault:
            raise BrokenVideo(self._fault)
        if self._header:
            raise BrokenVideo(f"It ended inside the header of a box, after {self._offset} bytes.")
        if self._left > 0:
            inside = self._size - self._left
            raise BrokenVideo(f"It ended {inside} bytes into its box '{self._box}' of {self._size} bytes.")
        missing = [box for box in ("moov", "mdat") if box not in self._seen]
        if missing:
            raise BrokenVideo(f"It ended after {self._offset} bytes without its box '{missing[0]}'.")
        if self._box == "moof":
            raise BrokenVideo("It ended after the header of a fragment, without the fragment's data.")

    def _first_box_fault(self) -> str:
        found = sniff(self._head)
        if self._head[4:8] == b"ftyp":
            return self._fault or f"It ended after {self._offset} bytes, inside the header of its first box."
        if self._offset < _SHORT_HEADER and found == _UNKNOWN:
            return f"It ended after {self._offset} bytes, which are too few to tell what it is."
        return f"It is not an MP4 video but {found}: its first box is not 'ftyp'."

    def _header_size(self) -> int:
        return _LONG_HEADER if self._header[:4] == b"\0\0\0\1" else _SHORT_HEADER

    def _open_box(self, start: int) -> None:
        header, self._header = self._header, b""
        kind = header[4:8]
        size = struct.unpack(">Q", header[8:])[0] if len(header) == _LONG_HEADER else int.from_bytes(header[:4])
        to_the_end = header[:4] == bytes(4)
        if not _PRINTABLE.issuperset(kind) or (not to_the_end and size < len(header)):
            self._fault = (
                f"At byte {start} stands {header[:8].hex(' ')}, which is no MP4 box: garbage or a damaged body."
            )
            return
        self._box, self._size = kind.decode("latin-1"), size
        if not self._seen and self._box != "ftyp":
            self._fault = "its first box is not 'ftyp'"
            return
        self._seen.add(self._box)
        self._left = -1 if to_the_end else size - len(header)


class MediaInfo(NamedTuple):
    """What a video file holds; the size in pixels, the codec by FFmpeg's name."""

    duration_seconds: float | None
    width: int
    height: int
    has_audio: bool
    codec: str


def probe(file: str | Path | BinaryIO) -> MediaInfo:
    """Read a video's duration, size and codec with PyAV, from a path of this machine or a seekable file.

    Raises:
        BrokenVideo: PyAV cannot open it, or finds no video in it.
    """
    import av  # noqa: PLC0415 - its libraries take their time, and most runs never probe

    try:
        with av.open(str(file) if isinstance(file, Path) else file, "r", timeout=None) as container:
            if not container.streams.video:
                raise BrokenVideo("It holds no video stream.")
            context = container.streams.video[0].codec_context
            duration = container.duration / av.time_base if container.duration else None
            return MediaInfo(duration, context.width, context.height, bool(container.streams.audio), context.name)
    except av.FFmpegError as error:
        raise BrokenVideo(f"FFmpeg cannot open it: {error.strerror}.") from None

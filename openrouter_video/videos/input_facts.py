"""What a video or sound is that somebody gives as an input: its length, size and tracks, read from little of it.

Of an MP4 or QuickTime file that is the box ``moov``, wherever it stands; of other kinds what FFmpeg reads in the
header. A file of hours takes as little as one of seconds.
"""

from __future__ import annotations

from typing import BinaryIO, NamedTuple

from openrouter_video.errors import BrokenVideo
from openrouter_video.media_types import FIRST_BOXES, SNIFFED_BYTES, sniff
from openrouter_video.videos.mp4 import read_movie_header
from openrouter_video.videos.passing_copy import LimitedReader

__all__ = ["InputFacts", "read_input_facts"]

_MOST_BOXES = 64  # before the header; of fragments it comes first
_LARGEST_HEADER = 32 * 2**20
_MOST_READ = 16 * 2**20
_BOX_HEADER = 16
# FFmpeg is told the kind, or it would guess, and follow the addresses in a playlist.
_KINDS = (
    (b"\x1aE\xdf\xa3", "matroska"),
    (b"OggS", "ogg"),
    (b"fLaC", "flac"),
    (b"ID3", "mp3"),
    (b"FORM", "aiff"),
    (b"FLV", "flv"),
    *((bytes([0xFF, second]), "aac") for second in (0xF0, 0xF1, 0xF8, 0xF9)),
    *((bytes([0xFF, second]), "mp3") for second in (0xE2, 0xE3, 0xF2, 0xF3, 0xFA, 0xFB)),
)
_RIFF = {b"AVI ": "avi", b"WAVE": "wav"}


class InputFacts(NamedTuple):
    """What a file holds; None where it does not say. The size in pixels, as a player shows it."""

    has_pictures: bool
    has_sound: bool | None = None
    seconds: float | None = None
    width: int | None = None
    height: int | None = None


def read_input_facts(file: BinaryIO) -> InputFacts:
    """Read what a video or sound is, from a file that can seek; exceptions of reading are the file's own.

    Raises:
        BrokenVideo: It is neither, or damaged; the message says what it is, to follow its name.
    """
    head = file.read(SNIFFED_BYTES)
    found = sniff(head)
    if head[4:8] == b"ftyp" or head[4:8] in FIRST_BOXES:
        if found.endswith("image"):
            raise BrokenVideo(f"is {found}")
        return _of_movie(file)
    kind = next((kind for magic, kind in _KINDS if head.startswith(magic)), "")
    if head.startswith(b"RIFF"):
        kind = _RIFF.get(head[8:12], "")
    if not kind:
        raise BrokenVideo(f"is {found}")
    file.seek(0)
    return _by_ffmpeg(file, kind)


def _of_movie(file: BinaryIO) -> InputFacts:
    shown = read_movie_header(_movie_header(file))
    if not shown.width and not shown.has_audio:
        raise BrokenVideo("has no track of pictures or sound that can be read")
    seconds, width, height, has_sound = shown
    return InputFacts(bool(width), has_sound, seconds, width, height)


def _movie_header(file: BinaryIO) -> bytes:
    """Return the content of the box ``moov``; nothing of what stands before it is read but its headers."""
    start = 0
    for _ in range(_MOST_BOXES):
        file.seek(start)
        header = file.read(_BOX_HEADER)
        size, kind, length = int.from_bytes(header[:4]), header[4:8], 8
        if size == 1:
            size, length = int.from_bytes(header[8:16]), 16
        if kind == b"moov" and length <= size <= _LARGEST_HEADER:
            file.seek(start + length)
            content = file.read(size - length)
            if len(content) == size - length:
                return content
            break
        if size < length or kind == b"moov":
            break
        start += size
    raise BrokenVideo("is an MP4 or QuickTime video without a whole header ('moov'): it was cut short, or is damaged")


def _by_ffmpeg(file: BinaryIO, kind: str) -> InputFacts:
    import av  # noqa: PLC0415 - its libraries take their time, and most runs have no such input

    cover = av.stream.Disposition.attached_pic
    try:
        limited = LimitedReader(file, _MOST_READ)
        with av.open(limited, "r", format=kind, timeout=None, metadata_errors="replace") as container:
            videos = [one for one in container.streams.video if not one.disposition & cover]
            seconds = max(0, container.duration or 0) / av.time_base or None
            has_sound = bool(container.streams.audio)
            if not videos and not has_sound:
                raise BrokenVideo("has no track of pictures or sound")
            context = videos[0].codec_context if videos else None
            sides = (context.width or None, context.height or None) if context else (None, None)
            return InputFacts(bool(videos), has_sound, seconds, *sides)
    except av.FFmpegError as error:
        raise BrokenVideo(f"cannot be read by FFmpeg as {kind}: {error.strerror}") from None

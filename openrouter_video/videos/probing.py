"""What PyAV reads in a video file, where the file's own header says too little, and Pillow in a picture."""

from __future__ import annotations

import io
from pathlib import Path
from typing import BinaryIO, NamedTuple

from openrouter_video.errors import BrokenVideo
from openrouter_video.videos.passing_copy import LimitedReader

__all__ = ["MediaInfo", "picture_size", "probe"]


class MediaInfo(NamedTuple):
    """What a video file holds; the size in pixels as they are stored."""

    duration_seconds: float | None
    width: int
    height: int


def probe(file: str | Path | BinaryIO | LimitedReader) -> MediaInfo:
    """Read a video's duration and size with PyAV, from a path of this machine or a seekable file.

    Raises:
        BrokenVideo: PyAV cannot open it, or finds no video in it that it knows.
    """
    import av  # noqa: PLC0415 - its libraries take their time, and most runs never probe

    try:
        source = str(file) if isinstance(file, Path) else file
        # Metadata are other people's words, in whatever encoding.
        with av.open(source, "r", timeout=None, metadata_errors="replace") as container:
            cover = av.stream.Disposition.attached_pic
            known = [stream for stream in container.streams.video if stream.codec_context is not None]
            known.sort(key=lambda stream: bool(stream.disposition & cover))
            if not known:
                raise BrokenVideo("It has no video stream.")
            context = known[0].codec_context
            duration = max(0, container.duration or 0) / av.time_base or None
            return MediaInfo(duration, context.width, context.height)
    except av.FFmpegError as error:
        raise BrokenVideo(f"FFmpeg cannot open it: {error.strerror}.") from None


def picture_size(content: bytes) -> tuple[int, int] | None:
    """Return the width and height of a picture that is whole; None for any other bytes."""
    from PIL import Image  # noqa: PLC0415 - most videos have no picture beside them

    try:
        with Image.open(io.BytesIO(content)) as picture:
            picture.load()
            return picture.size
    except Exception:  # noqa: BLE001 (hostile bytes make a decoder raise anything; then they are not a picture)
        return None

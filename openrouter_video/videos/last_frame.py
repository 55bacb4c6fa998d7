"""The last frame of a video as a picture in a ``data:`` URL, so that another video can begin where it ends."""

from __future__ import annotations

import base64
import io
from typing import TYPE_CHECKING

from openrouter_video.errors import BrokenVideo
from openrouter_video.stores import Store

if TYPE_CHECKING:
    from av import VideoFrame, VideoStream
    from av.container import InputContainer

# ruff: noqa: PLC0415 (the libraries that decode take their time, and most runs need none of this)

__all__ = ["last_frame"]

LARGEST_PNG_BYTES = 6 * 2**20
"""A larger one, such as of 4K, becomes a JPEG: requests have a limit of their own."""
_JPEG_QUALITY = 95
_MOST_PIXELS = 40_000_000  # 8K has 33 million


def last_frame(video: Store, largest_png: int = LARGEST_PNG_BYTES) -> str:
    """Return the last frame of a video, the root of a store, in its full size and as a player shows it; blocks.

    It is decoded from the last keyframe on. A PNG says exactly what was decoded.

    Raises:
        BrokenVideo: There is no picture in it that can be decoded.
        StorageError: It could not be read.
    """
    import av

    from openrouter_video.videos.looks import KINDS

    kind = KINDS.get(video.url[video.url.rfind(".") :], "mov")
    with video.errors("read"), video.reading() as file:
        try:
            # The kind is named, or FFmpeg would guess, and follow the addresses in a playlist.
            with av.open(file, "r", format=kind, timeout=None, metadata_errors="replace") as container:
                stream = _stream_of(container)
                return _data_url(_last_of(container, stream), stream, largest_png)
        except av.FFmpegError as error:
            raise BrokenVideo(f"{video.url} cannot be decoded: {error.strerror}.") from None
        except BrokenVideo as broken:
            raise BrokenVideo(f"{video.url} has no last frame: {broken}") from None


def _stream_of(container: InputContainer) -> VideoStream:
    stream = next((one for one in container.streams.video if one.codec_context is not None), None)
    if stream is None:
        raise BrokenVideo("FFmpeg does not know how its pictures are coded.")
    context = stream.codec_context
    if context.width * context.height > _MOST_PIXELS:
        raise BrokenVideo(f"its pictures are too large, {context.width} x {context.height} pixels.")
    context.thread_type, context.thread_count = "NONE", 1
    return stream


def _last_of(container: InputContainer, stream: VideoStream) -> VideoFrame:
    """Return the frame that is shown last, which is not always the one that is decoded last."""
    if stream.duration:
        container.seek((stream.start_time or 0) + stream.duration, stream=stream)
    last: VideoFrame | None = None
    for frame in container.decode(stream):
        if last is None or (frame.pts or 0) >= (last.pts or 0):
            last = frame
    if last is None:
        raise BrokenVideo("FFmpeg finds no picture in it.")
    return last


def _data_url(frame: VideoFrame, stream: VideoStream, largest_png: int) -> str:
    from openrouter_video.videos.poster import picture_of, shown_width

    size = max(1, round(shown_width(frame.width, stream.sample_aspect_ratio))), frame.height
    picture, kind, file = picture_of(frame, size, "BICUBIC"), "png", io.BytesIO()
    picture.save(file, "PNG")
    if file.tell() > largest_png:
        kind, file = "jpeg", io.BytesIO()
        picture.save(file, "JPEG", quality=_JPEG_QUALITY, subsampling=0)
    return f"data:image/{kind};base64,{base64.b64encode(file.getvalue()).decode('ascii')}"

"""Pictures, frames and loudness of inputs; what is read may be anybody's bytes, so only plain containers are opened."""

from __future__ import annotations

import io
from array import array
from collections.abc import Iterator
from contextlib import AbstractContextManager, suppress

import av
from av.container import InputContainer
from PIL import Image, ImageOps

from openrouter_video.sandbox.inputs import InputFacts

__all__ = ["clip_frames", "edge_picture", "input_facts", "loudness", "picture"]

# A playlist would have other addresses opened.
_CONTAINERS = "mov,matroska,wav,mp3,ogg,flac,aac"
_MOST_PIXELS = 40_000_000
_LOUDNESS_RATE = 8000


def _opened(content: bytes) -> AbstractContextManager[InputContainer]:
    options = {"format_whitelist": _CONTAINERS, "protocol_whitelist": "none"}
    return av.open(io.BytesIO(content), "r", options=options, metadata_errors="replace")


def input_facts(kind: str, content: bytes) -> InputFacts:
    """Length and size; raises anything for what is not a whole file of its kind."""
    if kind == "image":
        shown = picture(content)
        return InputFacts(width=shown.width, height=shown.height)
    with _opened(content) as container:
        seconds = round((container.duration or 0) / av.time_base, 3) or None
        if kind == "audio":
            next(container.decode(audio=0))
            return InputFacts(seconds=seconds)
        frame = next(container.decode(video=0))
        if frame.width * frame.height > _MOST_PIXELS:
            raise ValueError("too large")
        return InputFacts(seconds=seconds, width=frame.width, height=frame.height)


def picture(content: bytes) -> Image.Image:
    """The image, decoded."""
    with Image.open(io.BytesIO(content)) as image:
        if image.width * image.height > _MOST_PIXELS:
            raise ValueError("too large")
        return ImageOps.exif_transpose(image).convert("RGB")


def edge_picture(content: bytes, *, last: bool = False) -> Image.Image:
    """The first or the last frame of a clip."""
    with _opened(content) as container:
        frames = _until_broken(container)
        frame = next(frames)
        for later in frames if last else ():
            frame = later
        shown: Image.Image = frame.to_image()  # type: ignore[no-untyped-call]
        return shown


def _until_broken(container: InputContainer) -> Iterator[av.VideoFrame]:
    """The frames of a clip, up to where it is damaged."""
    with suppress(av.FFmpegError):
        yield from container.decode(video=0)


def clip_frames(content: bytes, rate: int, count: int) -> Iterator[av.VideoFrame]:
    """So many frames of a clip at this rate, in yuv420p and of one size; its last one stands where it is too short."""
    with _opened(content) as container:
        container.streams.video[0].codec_context.thread_count = 1
        frames = _until_broken(container)
        shown = next(frames)
        following: av.VideoFrame | None = next(frames, None)
        start, size = shown.time or 0.0, (shown.width, shown.height)
        for n in range(count):
            while following is not None and (following.time or 0.0) - start <= (n + 0.01) / rate:
                shown, following = following, next(frames, None)
            yield shown.reformat(*size, format="yuv420p")


def loudness(content: bytes, count: int, seconds: float) -> list[float]:
    """How loud a sound is in each of so many parts of this time: 0 to 1."""
    step, samples = max(1, round(seconds * _LOUDNESS_RATE / count)), array("h")
    resampler = av.AudioResampler(format="s16", layout="mono", rate=_LOUDNESS_RATE)
    with _opened(content) as container:
        for frame in container.decode(audio=0):
            for part in resampler.resample(frame):
                samples.frombytes(bytes(part.planes[0])[: part.samples * 2])
            if len(samples) >= step * count:
                break
    parts = [samples[n * step : (n + 1) * step] for n in range(count)]
    return [(max(part) - min(part)) / 65535 if part else 0.0 for part in parts]

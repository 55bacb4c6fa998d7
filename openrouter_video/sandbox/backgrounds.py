"""What lies under the writing of a video: light, the clip that is worked on, or a portrait that speaks."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from typing import NamedTuple

import av
from PIL import Image, ImageDraw, ImageOps

from openrouter_video.sandbox.input_frames import clip_frames, loudness, picture
from openrouter_video.sandbox.light import light, tint
from openrouter_video.sandbox.scene import Scene

__all__ = ["Background", "background"]

_PORTRAIT_LARGER = 1.08
_BARS = 48


class Background(NamedTuple):
    """Frames of one size and format, and the filters that make them as large as the video, in yuv420p."""

    frames: Iterator[av.VideoFrame]
    width: int
    height: int
    pix_fmt: str
    filters: tuple[tuple[str, str], ...]


def background(scene: Scene, count: int, rate: int, rendered: Callable[[Scene], bytes]) -> Background:
    """So many frames at this rate; ``rendered`` gives an earlier video, where the scene works on one."""
    if scene.oddity != "black":
        if scene.clip is not None:
            return _clip(scene, scene.clip if isinstance(scene.clip, bytes) else rendered(scene.clip), count, rate)
        if scene.work == "avatar" and (portraits := scene.seen("image")):
            size = (scene.width, scene.height)
            return Background(_speaking(scene, portraits[0], count), *size, "rgba", (("format", "pix_fmts=yuv420p"),))
    first = light(scene, 0)
    still = scene.oddity in {"black", "frozen"}
    pictures = (first if still else light(scene, n / count) for n in range(count))
    enlarge = ("scale", f"w={scene.width}:h={scene.height}:flags=bicubic")
    frames = (av.VideoFrame.from_bytes(one.convert("RGBA").tobytes(), one.width, one.height) for one in pictures)
    return Background(frames, first.width, first.height, "rgba", (enlarge, ("format", "pix_fmts=yuv420p")))


def _clip(scene: Scene, content: bytes, count: int, rate: int) -> Background:
    frames = clip_frames(content, rate, count)
    first = next(frames)
    filters = [
        ("scale", f"w={scene.width}:h={scene.height}:force_original_aspect_ratio=increase:force_divisible_by=2"),
        ("crop", f"{scene.width}:{scene.height}"),
        ("format", "pix_fmts=yuv420p"),
    ]
    if scene.work == "edit":
        blue, red = tint(scene)
        filters.append(("lutyuv", f"u=clip(val+{blue}\\,0\\,255):v=clip(val+{red}\\,0\\,255)"))
    return Background(
        _after(first, frames, count, still=scene.oddity == "frozen"),
        first.width,
        first.height,
        "yuv420p",
        tuple(filters),
    )


def _after(first: av.VideoFrame, later: Iterator[av.VideoFrame], count: int, *, still: bool) -> Iterator[av.VideoFrame]:
    yield first
    for _ in range(count - 1):
        yield first if still else next(later)


def _speaking(scene: Scene, portrait: bytes, count: int) -> Iterator[av.VideoFrame]:
    """The portrait, which moves a little, with a wave of the voice below."""
    wide, high = (round(side * _PORTRAIT_LARGER) for side in (scene.width, scene.height))
    shown = ImageOps.fit(picture(portrait), (wide, high))
    voices = scene.seen("audio")
    wave = loudness(voices[0], count, scene.seconds) if voices else _spoken(scene.prompt, count)
    for n in range(count):
        now = 0 if scene.oddity == "frozen" else n
        left, top = ((size - room) * now // count for size, room in ((wide, scene.width), (high, scene.height)))
        frame = shown.crop((left, top, left + scene.width, top + scene.height))
        around = range(now - _BARS // 2, now + _BARS // 2)
        _draw_wave(frame, [wave[one] if 0 <= one < count else 0.0 for one in around])
        yield av.VideoFrame.from_bytes(frame.convert("RGBA").tobytes(), *frame.size)


def _spoken(prompt: str, count: int) -> list[float]:
    """A wave that a text decides."""
    digest = hashlib.sha256(prompt.encode()).digest()
    return [0.2 + 0.8 * digest[n % len(digest)] / 255 for n in range(count)]


def _draw_wave(frame: Image.Image, wave: list[float]) -> None:
    """Below on the right, beside the writing."""
    draw = ImageDraw.Draw(frame)
    step, start, middle = frame.width * 0.46 / len(wave), frame.width * 0.5, frame.height * 0.86
    for n, loud in enumerate(wave):
        reach, left = max(2.0, frame.height * 0.1 * loud), start + n * step
        draw.rectangle((left, middle - reach, left + step * 0.6, middle + reach), fill=(255, 200, 60))

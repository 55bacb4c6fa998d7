"""A poster: one frame of a video as a small JPEG, turned and stretched as a player shows it."""

from __future__ import annotations

import io
from fractions import Fraction
from typing import Any, cast

from av import VideoFrame
from PIL import Image

__all__ = ["POSTER_SIDE", "fitted", "picture_of", "poster_of", "shown_width"]

POSTER_SIDE = 640
"""The longer side of a poster in pixels, at most; nothing is enlarged."""

_QUALITIES = (82, 62, 42)  # the first whose file is small enough, else the last
_LARGEST_BYTES = 60_000
_MOST_STRETCHED = 8  # what a header says of its pixels beyond that is not believed


def poster_of(frame: VideoFrame, pixel_ratio: Fraction | None) -> bytes:
    """Return the JPEG of a frame; ``pixel_ratio`` is the width of its pixels over their height."""
    picture = picture_of(frame, fitted(frame.width, frame.height, pixel_ratio), "AREA")
    for quality in _QUALITIES:
        file = io.BytesIO()
        picture.save(file, "JPEG", quality=quality)
        if file.tell() <= _LARGEST_BYTES:
            break
    return file.getvalue()


def picture_of(frame: VideoFrame, size: tuple[int, int], interpolation: str) -> Image.Image:
    """Return a frame in the given size, turned as a player shows it."""
    plane = frame.reformat(*size, "rgb24", interpolation=interpolation).planes[0]
    picture = Image.frombuffer("RGB", size, cast("Any", plane), "raw", "RGB", plane.line_size, 1)
    return picture.rotate(frame.rotation, expand=True) if frame.rotation else picture


def fitted(width: int, height: int, pixel_ratio: Fraction | None = None) -> tuple[int, int]:
    """Return the size of a poster for frames of this size and pixels of this shape."""
    shown = shown_width(width, pixel_ratio)
    scale = min(Fraction(1), POSTER_SIDE / max(shown, Fraction(height)))
    return max(1, round(shown * scale)), max(1, round(height * scale))


def shown_width(width: int, pixel_ratio: Fraction | None) -> Fraction:
    """Return how wide a player shows so many pixels of this shape."""
    ratio = pixel_ratio or Fraction(1)
    return width * ratio if Fraction(1, _MOST_STRETCHED) <= ratio <= _MOST_STRETCHED else Fraction(width)

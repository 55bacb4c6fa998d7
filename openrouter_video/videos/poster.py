"""A poster: one frame of a video as a small JPEG, turned and stretched as a player shows it."""

from __future__ import annotations

import io
from fractions import Fraction
from typing import Any, cast

from av import VideoFrame
from PIL import Image

__all__ = ["POSTER_SIDE", "fitted", "poster_of"]

POSTER_SIDE = 640
"""The longer side of a poster in pixels, at most; nothing is enlarged."""

_QUALITIES = (82, 62, 42)  # the first whose file is small enough, else the last
_LARGEST_BYTES = 60_000
_MOST_STRETCHED = 8  # what a header says of its pixels beyond that is not believed


def poster_of(frame: VideoFrame, pixel_ratio: Fraction | None) -> bytes:
    """Return the JPEG of a frame; ``pixel_ratio`` is the width of its pixels over their height."""
    width, height = fitted(frame.width, frame.height, pixel_ratio)
    small = frame.reformat(width, height, "rgb24", interpolation="AREA")
    plane = small.planes[0]
    picture = Image.frombuffer("RGB", (width, height), cast("Any", plane), "raw", "RGB", plane.line_size, 1)
    if frame.rotation:
        picture = picture.rotate(frame.rotation, expand=True)
    for quality in _QUALITIES:
        file = io.BytesIO()
        picture.save(file, "JPEG", quality=quality)
        if file.tell() <= _LARGEST_BYTES:
            break
    return file.getvalue()


def fitted(width: int, height: int, pixel_ratio: Fraction | None = None) -> tuple[int, int]:
    """Return the size of a poster for frames of this size and pixels of this shape."""
    ratio = pixel_ratio or Fraction(1)
    shown = width * ratio if Fraction(1, _MOST_STRETCHED) <= ratio <= _MOST_STRETCHED else Fraction(width)
    scale = min(Fraction(1), POSTER_SIDE / max(shown, Fraction(height)))
    return max(1, round(shown * scale)), max(1, round(height * scale))

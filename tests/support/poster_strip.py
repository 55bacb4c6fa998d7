"""One picture of what a run made: a frame of each video side by side, with the model, the size and the price.

    python -m tests.support.poster_strip VIDEOS docs/images/demo.jpg

`make pictures` runs it over the videos of `make demo`.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import NamedTuple

import av
from PIL import Image, ImageDraw, ImageFont

POSTER = (400, 225)
GAP = 8
CAPTION = 66
PAPER, INK, GREY = "#ffffff", "#1f2328", "#59636e"
AT_SECONDS = 3.0


class Poster(NamedTuple):
    """A frame of one video, and what its sidecar says."""

    frame: Image.Image
    model: str
    facts: str


def poster(sidecar: Path) -> Poster:
    """Read the video beside a sidecar."""
    outcome = json.loads(sidecar.read_text(encoding="utf-8"))
    seconds, width, height = outcome["duration_seconds"], outcome["width"], outcome["height"]
    facts = f"{seconds:g} s, {width} x {height}, ${outcome['cost_usd']:.2f}"
    return Poster(frame_at(sidecar.with_suffix(".mp4"), AT_SECONDS), outcome["model"], facts)


def frame_at(video: Path, seconds: float) -> Image.Image:
    """Decode up to a point and return the frame there, or the last one."""
    with av.open(str(video)) as container:
        for frame in container.decode(video=0):
            last = frame
            if frame.time is not None and frame.time >= seconds:
                break
        image: Image.Image = last.to_image()  # type: ignore[no-untyped-call]
        return image


def strip(posters: list[Poster]) -> Image.Image:
    """Put the posters in a row, each with its caption below."""
    width, height = POSTER
    sheet = Image.new("RGB", (len(posters) * (width + GAP) - GAP, height + CAPTION), PAPER)
    draw = ImageDraw.Draw(sheet)
    for number, one in enumerate(posters):
        left = number * (width + GAP)
        sheet.paste(one.frame.resize(POSTER, Image.Resampling.LANCZOS), (left, 0))
        draw.text((left + 4, height + 4), one.model, INK, ImageFont.load_default(26))
        draw.text((left + 4, height + 36), one.facts, GREY, ImageFont.load_default(21))
    return sheet


def main(videos: str, picture: str) -> None:
    """Write the picture."""
    posters = sorted((poster(path) for path in Path(videos).glob("[!_]*/*.json")), key=lambda one: one.model)
    strip(posters).save(picture, quality=85, optimize=True)


if __name__ == "__main__":
    main(*sys.argv[1:])

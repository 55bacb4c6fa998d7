"""The background of a video: shapes in drifting coloured light. Pure.

The model decides on colours and shape, the prompt on the ways they take, and the number of the video among those of
one request on how many shapes there are. Drawn small: enlarging it is what makes it soft.
"""

from __future__ import annotations

import colorsys
import hashlib
import math
from functools import cache

from PIL import Image, ImageChops, ImageDraw

from openrouter_video.sandbox.scene import Scene

__all__ = ["light", "tint"]

_SMALL_SIDE = 160
_BACKGROUND = (9, 10, 28)
# Around the model's own hue, with one contrast; opposite hues would mix to grey.
_HUES = (0.0, 0.09, 0.85, 0.42)
_FINER = 3  # shapes are drawn so many times larger, for smooth edges
_SHAPES = (0, 3, 4, 5, 6)  # by their corners; 0 for a circle


def _seed(text: str) -> bytes:
    return hashlib.sha256(text.encode()).digest()


@cache
def _glow() -> Image.Image:
    falloff = [round(255 * (0.5 + 0.5 * math.cos(math.pi * min(1.0, distance / 180)))) for distance in range(256)]
    return Image.radial_gradient("L").point(falloff)


def light(scene: Scene, turn: float) -> Image.Image:
    """The background of one moment, small; ``turn`` runs from 0 to 1 over the clip, and 1 looks like 0."""
    scale = _SMALL_SIDE / max(scene.width, scene.height)
    width, height = max(2, round(scene.width * scale)), max(2, round(scene.height * scale))
    if scene.oddity == "black":
        return Image.new("RGB", (width, height))
    hue = _seed(scene.model)[0] / 256
    paths = _seed(f"{scene.prompt}{scene.number}" if scene.number > 1 else scene.prompt)
    picture = Image.new("RGB", (width, height), _BACKGROUND)
    for n, offset in enumerate(_HUES):
        red, green, blue = colorsys.hsv_to_rgb((hue + offset) % 1, 0.72, 0.86)
        angle = 2 * math.pi * (turn * (1 if n % 2 else -1) + n / 4 + paths[n] / 1024)
        radius = round(_SMALL_SIDE * (0.5 + 0.08 * math.sin(2 * angle)))
        x = width * (0.5 + 0.36 * math.cos(angle)) - radius
        y = height * (0.5 + 0.36 * math.sin(angle + paths[n + 4] / 256)) - radius
        layer = Image.new("RGB", (width, height))
        colour = (round(255 * red), round(255 * green), round(255 * blue))
        layer.paste(colour, (round(x), round(y)), _glow().resize((2 * radius, 2 * radius)))
        picture = ImageChops.screen(picture, layer)
    return ImageChops.screen(picture, _shapes(scene, turn, picture.size))


def _shapes(scene: Scene, turn: float, size: tuple[int, int]) -> Image.Image:
    """Shapes of the model's kind, as many as the number of the video, each on its way around the middle."""
    model, paths = _seed(scene.model), _seed(scene.prompt)
    width, height = size[0] * _FINER, size[1] * _FINER
    red, green, blue = colorsys.hsv_to_rgb((model[0] / 256 + 0.5) % 1, 0.45, 0.8)
    layer = Image.new("RGB", (width, height))
    draw = ImageDraw.Draw(layer)
    radius, corners = min(width, height) * (0.13 + model[2] / 5000), _SHAPES[model[1] % len(_SHAPES)]
    for n in range(scene.number):
        angle = 2 * math.pi * (turn * (1 if paths[8] % 2 else -1) + n / scene.number + paths[9] / 256)
        x = width * (0.5 + 0.3 * math.cos(angle * (1 + paths[10] % 2)))
        y = height * (0.45 + 0.24 * math.sin(angle + paths[11] / 256))
        colour = (round(255 * red), round(255 * green), round(255 * blue))
        if corners:
            draw.regular_polygon((x, y, radius), corners, rotation=math.degrees(angle), fill=colour)
        else:
            draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=colour)
    return layer.resize(size, Image.Resampling.BOX)


def tint(scene: Scene) -> tuple[int, int]:
    """How far an edit moves both colour differences: by model and prompt, and always so far that it is seen."""
    angle = 2 * math.pi * _seed(f"{scene.model} {scene.prompt} {scene.number}")[0] / 256
    return round(40 * math.cos(angle)), round(40 * math.sin(angle))

"""What the sandbox's videos show: drifting coloured light, the model's name and the prompt.

The light is drawn small and enlarged by the video filter, which is what makes it soft, and cheap.
"""

from __future__ import annotations

import colorsys
import hashlib
import math
import unicodedata
from functools import cache
from typing import NamedTuple

from PIL import Image, ImageChops, ImageDraw, ImageFont

__all__ = ["Scene", "caption", "light"]

_SMALL_SIDE = 160
_MAX_PROMPT_LINES = 4
# Pillow's own font has Latin letters without accents only; one of these is on nearly every machine.
_FONTS = ("DejaVuSans.ttf", "NotoSans-Regular.ttf", "Arial.ttf", "arial.ttf", "Helvetica.ttc")
_BACKGROUND = (9, 10, 28)
# Around the model's own hue, with one contrast; opposite hues would mix to grey.
_HUES = (0.0, 0.09, 0.85, 0.42)
_LEAST_FONT_SIZE = 10

_Font = ImageFont.FreeTypeFont | ImageFont.ImageFont


class Scene(NamedTuple):
    """What decides every pixel and sample of a video; equal scenes give equal files."""

    model: str
    prompt: str
    seconds: int
    width: int
    height: int
    audio: bool


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
    hue = _seed(scene.model)[0] / 256
    paths = _seed(scene.prompt)
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
    return picture


@cache
def _font(size: int) -> _Font:
    for name in _FONTS:
        try:
            return ImageFont.truetype(name, size)
        except OSError:
            continue
    return ImageFont.load_default(size)


def _drawable(text: str, font: _Font) -> str:
    if isinstance(font, ImageFont.FreeTypeFont) and font.getname()[0] != "Aileron":
        return text
    return unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()


def _wrapped(text: str, font: _Font, width: float) -> list[str]:
    lines = [""]
    for word in _drawable(text, font).split():
        longer = f"{lines[-1]} {word}".strip()
        if lines[-1] and font.getlength(longer) > width:
            lines.append(word)
        else:
            lines[-1] = longer
    if len(lines) > _MAX_PROMPT_LINES:
        lines = [*lines[: _MAX_PROMPT_LINES - 1], lines[_MAX_PROMPT_LINES - 1] + " ..."]
    return lines


def caption(scene: Scene) -> Image.Image:
    """The writing over the light, transparent elsewhere: the sandbox's mark, model, prompt and figures."""
    unit = min(scene.width, scene.height) / 720
    margin = round(56 * unit)
    room = scene.width - 2 * margin
    layer = Image.new("RGBA", (scene.width, scene.height), (0, 0, 0, 0))
    shade = Image.linear_gradient("L").point([max(0, value - 96) for value in range(256)])
    layer.putalpha(shade.resize(layer.size))
    draw = ImageDraw.Draw(layer)
    small, large = _font(max(8, round(22 * unit))), _font(max(10, round(46 * unit)))
    prompt = _font(max(9, round(30 * unit)))
    figures = f"{scene.seconds} s   {scene.width} x {scene.height}   {'with sound' if scene.audio else 'silent'}"
    while large.getlength(scene.model) > room and isinstance(large, ImageFont.FreeTypeFont):
        if large.size <= _LEAST_FONT_SIZE:
            break
        large = large.font_variant(size=large.size * 0.9)
    lines = [(scene.model, large, 255, 62)]
    lines += [(line, prompt, 225, 40) for line in _wrapped(scene.prompt, prompt, room)]
    lines += [(figures, small, 160, 34)]
    y = scene.height - margin - sum(step for *_, step in lines) * unit
    for text, font, opacity, step in lines:
        draw.text((margin, y), text, font=font, fill=(255, 255, 255, opacity))
        y += step * unit
    draw.text((margin, margin), "OPENROUTER SANDBOX", font=small, fill=(255, 255, 255, 150))
    return layer

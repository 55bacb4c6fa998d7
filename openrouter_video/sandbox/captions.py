"""The writing and the small pictures over a video of the sandbox. Pure."""

from __future__ import annotations

import unicodedata
from functools import cache
from typing import NamedTuple

from PIL import Image, ImageDraw, ImageFont, ImageOps

from openrouter_video.sandbox.input_frames import edge_picture, picture
from openrouter_video.sandbox.scene import Scene

__all__ = ["caption"]

_MAX_PROMPT_LINES = 4
# Pillow's own font has Latin letters without accents only; one of these is on nearly every machine.
_FONTS = ("DejaVuSans.ttf", "NotoSans-Regular.ttf", "Arial.ttf", "arial.ttf", "Helvetica.ttc")
_LEAST_FONT_SIZE = 10
_BAND = (9, 10, 28, 255)
_MOST_SMALL_PICTURES = 4

_Font = ImageFont.FreeTypeFont | ImageFont.ImageFont


class _Line(NamedTuple):
    """A line of writing; ``step`` is how far below it the next one begins, at 720 lines."""

    text: str
    font: _Font
    opacity: int
    step: int


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
    """The writing over the picture, transparent elsewhere: mark, model, prompt, figures, and inputs."""
    unit = min(scene.width, scene.height) / 720
    margin = round(56 * unit)
    layer = Image.new("RGBA", (scene.width, scene.height), (0, 0, 0, 0))
    if scene.oddity == "black":
        return layer
    lines = _lines(scene, unit, scene.width - 2 * margin)
    y = scene.height - margin - sum(line.step for line in lines) * unit
    worked_on = scene.clip is not None
    if worked_on:
        # The clip has a writing of its own, if it was made here.
        ImageDraw.Draw(layer).rectangle((0, y - margin / 3, scene.width, scene.height), fill=_BAND)
    else:
        shade = Image.linear_gradient("L").point([max(0, value - 96) for value in range(256)])
        layer.putalpha(shade.resize(layer.size))
    draw = ImageDraw.Draw(layer)
    for text, font, opacity, step in lines:
        draw.text((margin, y), text, font=font, fill=(255, 255, 255, opacity))
        y += step * unit
    number, font = f"#{scene.number}", lines[0].font if worked_on else _large(scene, unit, scene.width - 2 * margin)
    below = scene.height - margin - lines[-1].step * unit if worked_on else margin
    draw.text((scene.width - margin - font.getlength(number), below), number, font=font, fill=(255, 255, 255, 225))
    if not worked_on:
        draw.text((margin, margin), "OPENROUTER SANDBOX", font=_small(unit), fill=(255, 255, 255, 150))
    _put_small_pictures(layer, scene, margin, round(margin + 90 * unit))
    return layer


def _small(unit: float) -> _Font:
    return _font(max(8, round(22 * unit)))


def _large(scene: Scene, unit: float, room: float) -> _Font:
    large, name = _font(max(10, round(56 * unit))), scene.model.rpartition("/")[2]
    while large.getlength(name) > room and isinstance(large, ImageFont.FreeTypeFont):
        if large.size <= _LEAST_FONT_SIZE:
            break
        large = large.font_variant(size=large.size * 0.9)
    return large


def _lines(scene: Scene, unit: float, room: float) -> list[_Line]:
    small, prompt = _small(unit), _font(max(9, round(30 * unit)))
    author, _, name = scene.model.rpartition("/")
    size = f"{scene.width} x {scene.height}"
    if scene.clip is not None and scene.work == "upscale":
        return [_Line(f"UPSCALED x{scene.factor:g} by {scene.model}   {size}", small, 255, 34)]
    above = f"EDITED by {author}" if scene.clip is not None and scene.work == "edit" else author
    figures = f"{scene.seconds:g} s   {size}   {'with sound' if scene.audio else 'silent'}"
    lines = [_Line(above, small, 160, 30), _Line(name, _large(scene, unit, room), 255, 72)]
    lines += [_Line(line, prompt, 225, 40) for line in _wrapped(scene.prompt, prompt, room)]
    told = [f"input: {view.label}" for view in scene.views if view.content is None or view.kind == "audio"]
    told += ["continues an earlier video"] if scene.earlier is not None and scene.work == "generate" else []
    lines += [_Line(line, small, 200, 30) for text in told for line in _wrapped(text, small, room)]
    return [*lines, _Line(figures, small, 160, 34)]


def _put_small_pictures(layer: Image.Image, scene: Scene, margin: int, top: int) -> None:
    """The references, side by side below the number, each with an edge."""
    height, right = layer.height // 5, layer.width - margin
    videos = scene.seen("video") if scene.clip is None else []
    pictures = [picture(one) for one in scene.seen("image")] if scene.work != "avatar" else []
    for one in reversed([*pictures, *map(edge_picture, videos)][:_MOST_SMALL_PICTURES]):
        edge, wide = max(2, height // 40), round(height * max(0.5, min(2, one.width / one.height)))
        framed = ImageOps.expand(ImageOps.fit(one, (wide, height)), border=edge, fill="white")
        right -= framed.width
        layer.paste(framed, (max(0, right), top))
        right -= edge * 2

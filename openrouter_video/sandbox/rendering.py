"""Real MP4 files for the sandbox's jobs: shapes in drifting coloured light, the model's name, the prompt, and a chord.

The model decides on colours and shape, the prompt on the ways they take, and the number of the video among those of
one request on how many shapes there are. H.264 in yuv420p, with AAC stereo where sound was asked. Cheap on purpose: the
light is drawn small and enlarged by the video filter, which is also what makes it soft; few frames a second, fewer
still for long or large clips; a sound is encoded once per process, and so is a scene.
"""

from __future__ import annotations

import colorsys
import hashlib
import io
import math
import unicodedata
from collections.abc import Iterator
from fractions import Fraction
from functools import cache, lru_cache
from typing import NamedTuple

import av
import av.filter
from av.audio.stream import AudioStream
from av.container import OutputContainer
from av.video.stream import VideoStream
from PIL import Image, ImageChops, ImageDraw, ImageFont

from openrouter_video.sandbox.orders import Scene

__all__ = ["caption", "light", "render"]

_FRAMES_PER_SECOND = 12
_LEAST_FRAMES_PER_SECOND = 4
# About two seconds of one core: a 720p clip of 5 s at full rate.
_PIXEL_BUDGET = 60_000_000
_SAMPLE_RATE = 48_000
_SAMPLE = Fraction(1, _SAMPLE_RATE)
# A soft chord (A, E, A, C sharp) that swells and fades, on both sides the same.
_CHORD = (
    "0.05*(sin(2*PI*220*t)+sin(2*PI*329.63*t)+0.7*sin(2*PI*440*t)+0.5*sin(2*PI*554.37*t))*(0.75+0.25*sin(2*PI*0.3*t))"
)
_SMALL_SIDE = 160
_MAX_PROMPT_LINES = 4
# Pillow's own font has Latin letters without accents only; one of these is on nearly every machine.
_FONTS = ("DejaVuSans.ttf", "NotoSans-Regular.ttf", "Arial.ttf", "arial.ttf", "Helvetica.ttc")
_BACKGROUND = (9, 10, 28)
# Around the model's own hue, with one contrast; opposite hues would mix to grey.
_HUES = (0.0, 0.09, 0.85, 0.42)
_LEAST_FONT_SIZE = 10
_FINER = 3  # shapes are drawn so many times larger, for smooth edges
_SHAPES = (0, 3, 4, 5, 6)  # by their corners; 0 for a circle

_Font = ImageFont.FreeTypeFont | ImageFont.ImageFont


@lru_cache(maxsize=64)
def render(scene: Scene) -> bytes:
    """The whole file. Blocks for about half a second for 4 s of 720p: call it from a worker thread."""
    file = io.BytesIO()
    scene = _halved(scene) if scene.oddity == "small" else scene
    with av.open(file, "w", format="mp4") as container:
        rate = _frame_rate(scene)
        video = container.add_stream("libx264", rate=rate, options={"preset": "ultrafast", "crf": "24"})
        video.width, video.height, video.pix_fmt = scene.width, scene.height, "yuv420p"
        # One thread: two renderings at a time already take the two cores of a small machine.
        video.codec_context.thread_count = 1
        frames = max(1, round(scene.seconds * rate) // (2 if scene.oddity == "short" else 1))
        heard = scene.oddity == "silent" or (scene.audio and scene.oddity != "no_audio")
        sound = container.add_stream("aac", rate=_SAMPLE_RATE, layout="stereo") if heard else None
        _write_video(container, video, scene, frames)
        if sound is not None:
            _write_sound(container, sound, frames / rate, silent=scene.oddity == "silent")
    return file.getvalue()


def _halved(scene: Scene) -> Scene:
    """The scene with a quarter of its pixels."""
    return scene._replace(width=scene.width // 4 * 2, height=scene.height // 4 * 2)


def _frame_rate(scene: Scene) -> int:
    affordable = int(_PIXEL_BUDGET / (scene.width * scene.height * scene.seconds))
    return max(_LEAST_FRAMES_PER_SECOND, min(_FRAMES_PER_SECOND, affordable))


def _write_video(container: OutputContainer, stream: VideoStream, scene: Scene, count: int) -> None:
    first, rate = light(scene, 0), _frame_rate(scene)
    graph = av.filter.Graph()
    background = graph.add("buffer", f"video_size={first.width}x{first.height}:pix_fmt=rgba:time_base=1/{rate}")
    writing = graph.add("buffer", f"video_size={scene.width}x{scene.height}:pix_fmt=rgba:time_base=1/{rate}")
    enlarge = graph.add("scale", f"w={scene.width}:h={scene.height}:flags=bicubic")
    planar = graph.add("format", "pix_fmts=yuv420p")
    overlay, sink = graph.add("overlay"), graph.add("buffersink")
    background.link_to(enlarge)
    enlarge.link_to(planar)
    planar.link_to(overlay, 0, 0)
    writing.link_to(overlay, 0, 1)
    overlay.link_to(sink)
    graph.configure()
    # One frame and an end: the overlay repeats it under every later frame.
    writing.push(_frame(caption(scene), 0, rate))
    writing.push(None)
    for n in range(count):
        background.push(_frame(first if scene.oddity in {"black", "frozen"} else light(scene, n / count), n, rate))
        frame = sink.pull()
        if isinstance(frame, av.VideoFrame):
            frame.pict_type = av.video.frame.PictureType.NONE
            container.mux(stream.encode(frame))
    container.mux(stream.encode(None))


def _frame(picture: Image.Image, number: int, rate: int) -> av.VideoFrame:
    frame = av.VideoFrame.from_bytes(picture.convert("RGBA").tobytes(), picture.width, picture.height)
    frame.pts, frame.time_base = number, Fraction(1, rate)
    return frame


def _write_sound(container: OutputContainer, stream: AudioStream, seconds: float, *, silent: bool) -> None:
    for packet in _sound(seconds, silent=silent):
        copy = av.Packet(packet.content)
        copy.pts = copy.dts = packet.time
        copy.duration, copy.time_base, copy.stream, copy.is_keyframe = packet.length, _SAMPLE, stream, True
        container.mux(copy)


class _Sound(NamedTuple):
    """A piece of encoded sound; times are counted in samples."""

    content: bytes
    time: int
    length: int


@lru_cache(maxsize=32)
def _sound(seconds: float, *, silent: bool) -> tuple[_Sound, ...]:
    """The sound of a clip, encoded; the same for all of its length."""
    with av.open(io.BytesIO(), "w", format="mp4") as container:
        stream = container.add_stream("aac", rate=_SAMPLE_RATE, layout="stereo", options={"aac_coder": "fast"})
        packets = [packet for frame in _samples(seconds, silent=silent) for packet in stream.encode(frame)]
        packets += stream.encode(None)
        return tuple(_Sound(bytes(one), one.pts or 0, one.duration or 0) for one in packets)


def _samples(seconds: float, *, silent: bool) -> Iterator[av.AudioFrame]:
    graph = av.filter.Graph()
    chord = graph.add("aevalsrc", f"exprs={'0' if silent else _CHORD}:s={_SAMPLE_RATE}:d={seconds}:c=mono")
    fade_in = graph.add("afade", "t=in:d=0.3")
    fade_out = graph.add("afade", f"t=out:st={max(0.0, seconds - 0.6)}:d=0.6")
    planar = graph.add("aformat", f"sample_fmts=fltp:sample_rates={_SAMPLE_RATE}:channel_layouts=stereo")
    sink = graph.add("abuffersink")
    chord.link_to(fade_in)
    fade_in.link_to(fade_out)
    fade_out.link_to(planar)
    planar.link_to(sink)
    graph.configure()
    while True:
        try:
            frame = sink.pull()
        except (av.EOFError, av.BlockingIOError):
            break
        if isinstance(frame, av.AudioFrame):
            yield frame


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
    if scene.oddity == "black":
        return layer
    shade = Image.linear_gradient("L").point([max(0, value - 96) for value in range(256)])
    layer.putalpha(shade.resize(layer.size))
    draw = ImageDraw.Draw(layer)
    small, large = _font(max(8, round(22 * unit))), _font(max(10, round(56 * unit)))
    prompt = _font(max(9, round(30 * unit)))
    figures = f"{scene.seconds:g} s   {scene.width} x {scene.height}   {'with sound' if scene.audio else 'silent'}"
    author, _, name = scene.model.rpartition("/")
    while large.getlength(name) > room and isinstance(large, ImageFont.FreeTypeFont):
        if large.size <= _LEAST_FONT_SIZE:
            break
        large = large.font_variant(size=large.size * 0.9)
    lines = [(author, small, 160, 30), (name, large, 255, 72)]
    lines += [(line, prompt, 225, 40) for line in _wrapped(scene.prompt, prompt, room)]
    lines += [(figures, small, 160, 34)]
    y = scene.height - margin - sum(step for *_, step in lines) * unit
    for text, font, opacity, step in lines:
        draw.text((margin, y), text, font=font, fill=(255, 255, 255, opacity))
        y += step * unit
    draw.text((margin, margin), "OPENROUTER SANDBOX", font=small, fill=(255, 255, 255, 150))
    number = f"#{scene.number}"
    draw.text((scene.width - margin - large.getlength(number), margin), number, font=large, fill=(255, 255, 255, 225))
    return layer

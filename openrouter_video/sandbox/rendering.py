"""Real MP4 files for the sandbox's jobs: drifting coloured light, the model's name and the prompt, and a chord.

H.264 in yuv420p, with AAC stereo where sound was asked. Cheap on purpose: the light is drawn small and enlarged by the
video filter, which is also what makes it soft; few frames a second, fewer still for long or large clips; and a scene is
rendered once per process.
"""

from __future__ import annotations

import colorsys
import hashlib
import io
import math
import unicodedata
from fractions import Fraction
from functools import cache, lru_cache

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
# A soft chord (A, E, A, C sharp) that swells and fades.
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

_Font = ImageFont.FreeTypeFont | ImageFont.ImageFont


@lru_cache(maxsize=64)
def render(scene: Scene) -> bytes:
    """The whole file. Blocks for about half a second for 4 s of 720p: call it from a worker thread."""
    file = io.BytesIO()
    with av.open(file, "w", format="mp4") as container:
        rate = _frame_rate(scene)
        video = container.add_stream("libx264", rate=rate, options={"preset": "ultrafast", "crf": "24"})
        video.width, video.height, video.pix_fmt = scene.width, scene.height, "yuv420p"
        # One thread: two renderings at a time already take the two cores of a small machine.
        video.codec_context.thread_count = 1
        sound = container.add_stream("aac", rate=_SAMPLE_RATE, layout="stereo") if scene.audio else None
        _write_video(container, video, scene, rate)
        if sound is not None:
            _write_sound(container, sound, scene.seconds)
    return file.getvalue()


def _frame_rate(scene: Scene) -> int:
    affordable = _PIXEL_BUDGET // (scene.width * scene.height * scene.seconds)
    return max(_LEAST_FRAMES_PER_SECOND, min(_FRAMES_PER_SECOND, affordable))


def _write_video(container: OutputContainer, stream: VideoStream, scene: Scene, rate: int) -> None:
    count = scene.seconds * rate
    first = light(scene, 0)
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
        background.push(_frame(light(scene, n / count), n, rate))
        frame = sink.pull()
        if isinstance(frame, av.VideoFrame):
            frame.pict_type = av.video.frame.PictureType.NONE
            container.mux(stream.encode(frame))
    container.mux(stream.encode(None))


def _frame(picture: Image.Image, number: int, rate: int) -> av.VideoFrame:
    frame = av.VideoFrame.from_bytes(picture.convert("RGBA").tobytes(), picture.width, picture.height)
    frame.pts, frame.time_base = number, Fraction(1, rate)
    return frame


def _write_sound(container: OutputContainer, stream: AudioStream, seconds: int) -> None:
    graph = av.filter.Graph()
    chord = graph.add("aevalsrc", f"exprs={_CHORD}|{_CHORD}:s={_SAMPLE_RATE}:d={seconds}:c=stereo")
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
            container.mux(stream.encode(frame))
    container.mux(stream.encode(None))


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

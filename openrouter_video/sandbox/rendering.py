"""Real MP4 files for the sandbox's jobs: H.264 in yuv420p, with AAC stereo where sound was asked.

Cheap on purpose: few frames a second, fewer still for long or large clips, and a scene is rendered once per process.
"""

from __future__ import annotations

import io
from fractions import Fraction
from functools import lru_cache

import av
import av.filter
from av.audio.stream import AudioStream
from av.container import OutputContainer
from av.video.stream import VideoStream
from PIL import Image

from openrouter_video.sandbox.drawing import Scene, caption, light

__all__ = ["render"]

_FRAMES_PER_SECOND = 12
_LEAST_FRAMES_PER_SECOND = 4
# About two seconds of one core: a 720p clip of 5 s at full rate.
_PIXEL_BUDGET = 60_000_000
_SAMPLE_RATE = 48_000
# A soft chord (A, E, A, C sharp) that swells and fades.
_CHORD = (
    "0.05*(sin(2*PI*220*t)+sin(2*PI*329.63*t)+0.7*sin(2*PI*440*t)+0.5*sin(2*PI*554.37*t))*(0.75+0.25*sin(2*PI*0.3*t))"
)


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

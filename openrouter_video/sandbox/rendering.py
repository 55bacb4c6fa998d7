"""Real MP4 files for the sandbox's jobs: what they work from, or coloured light, with writing and a chord.

H.264 in yuv420p, with AAC stereo where sound was asked. Cheap on purpose: light is drawn small and enlarged by the
video filter, clips are scaled and tinted by it; few frames a second, fewer still for long or large clips; a sound is
encoded once per process, and so is a scene.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from fractions import Fraction
from functools import lru_cache

import av
import av.filter
from av.container import OutputContainer
from av.video.stream import VideoStream
from PIL import Image, ImageOps

from openrouter_video.sandbox.backgrounds import Background, background
from openrouter_video.sandbox.captions import caption
from openrouter_video.sandbox.chord import SAMPLE_RATE, write_sound
from openrouter_video.sandbox.input_frames import edge_picture, picture
from openrouter_video.sandbox.scene import Scene

__all__ = ["render"]

_FRAMES_PER_SECOND = 12
_LEAST_FRAMES_PER_SECOND = 4
# About two seconds of one core: a 720p clip of 5 s at full rate.
_PIXEL_BUDGET = 60_000_000


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
        sound = container.add_stream("aac", rate=SAMPLE_RATE, layout="stereo") if heard else None
        _write_video(container, video, scene, frames)
        if sound is not None:
            write_sound(container, sound, frames / rate, silent=scene.oddity == "silent")
    return file.getvalue()


def _halved(scene: Scene) -> Scene:
    """The scene with a quarter of its pixels."""
    return scene._replace(width=scene.width // 4 * 2, height=scene.height // 4 * 2)


def _frame_rate(scene: Scene) -> int:
    affordable = int(_PIXEL_BUDGET / (scene.width * scene.height * scene.seconds))
    return max(_LEAST_FRAMES_PER_SECOND, min(_FRAMES_PER_SECOND, affordable))


def _write_video(container: OutputContainer, stream: VideoStream, scene: Scene, count: int) -> None:
    rate = _frame_rate(scene)
    written = _written(scene, background(scene, count, rate, render), rate)
    for frame in _between(scene, written, count, rate):
        frame.pict_type = av.video.frame.PictureType.NONE
        container.mux(stream.encode(frame))
    container.mux(stream.encode(None))


def _written(scene: Scene, under: Background, rate: int) -> Iterator[av.VideoFrame]:
    """The frames of a background at the video's size, with the writing over them."""
    graph = av.filter.Graph()
    source = graph.add("buffer", f"video_size={under.width}x{under.height}:pix_fmt={under.pix_fmt}:time_base=1/{rate}")
    writing = graph.add("buffer", f"video_size={scene.width}x{scene.height}:pix_fmt=rgba:time_base=1/{rate}")
    overlay, sink = graph.add("overlay"), graph.add("buffersink")
    last = source
    for name, arguments in under.filters:
        following = graph.add(name, arguments)
        last.link_to(following)
        last = following
    last.link_to(overlay, 0, 0)
    writing.link_to(overlay, 0, 1)
    overlay.link_to(sink)
    graph.configure()
    # One frame and an end: the overlay repeats it under every later frame.
    written = caption(scene).convert("RGBA")
    writing.push(_timed(av.VideoFrame.from_bytes(written.tobytes(), *written.size), 0, rate))
    writing.push(None)
    for n, frame in enumerate(under.frames):
        source.push(_timed(frame, n, rate))
        pulled = sink.pull()
        if isinstance(pulled, av.VideoFrame):
            yield pulled


def _timed(frame: av.VideoFrame, number: int, rate: int) -> av.VideoFrame:
    frame.pts, frame.time_base = number, Fraction(1, rate)
    return frame


def _between(scene: Scene, frames: Iterator[av.VideoFrame], count: int, rate: int) -> Iterator[av.VideoFrame]:
    """The frames, which come out of the picture that is to be the first and go over into that which is to be the last.

    Each of these two is one frame of the clip as it is, without any writing.
    """
    first, last = _first_picture(scene), next(iter(scene.seen("image", "last_frame")), None)
    begins = _as_frame(first, scene) if first is not None else None
    ends = _as_frame(picture(last), scene) if last is not None and scene.oddity != "black" else None
    fade = max(1, min(rate, count // 3))
    for n, frame in enumerate(frames):
        now = 0 if scene.oddity == "frozen" else n
        if begins is not None and now < fade:
            _mix(frame, begins, 1 - now / fade)
        if ends is not None and count - 1 - now < fade:
            _mix(frame, ends, 1 - (count - 1 - now) / fade)
        yield frame


def _first_picture(scene: Scene) -> Image.Image | None:
    if scene.oddity == "black":
        return None
    if scene.earlier is not None and scene.work == "generate":
        return edge_picture(render(scene.earlier), last=True)
    return next((picture(one) for one in scene.seen("image", "first_frame")), None)


def _as_frame(shown: Image.Image, scene: Scene) -> av.VideoFrame:
    fitted = ImageOps.fit(shown, (scene.width, scene.height))
    return av.VideoFrame.from_bytes(fitted.convert("RGBA").tobytes(), *fitted.size).reformat(format="yuv420p")


def _mix(frame: av.VideoFrame, other: av.VideoFrame, share: float) -> None:
    """Put so much of another frame of the same size into this one."""
    for mine, theirs in zip(frame.planes, other.planes, strict=True):
        ours, guest = (
            Image.frombuffer("L", (plane.line_size, plane.height), bytes(plane)[: plane.line_size * plane.height])
            for plane in (mine, theirs)
        )
        ours.paste(
            Image.blend(ours.crop((0, 0, mine.width, mine.height)), guest.crop((0, 0, mine.width, mine.height)), share)
        )
        padded = ours.tobytes()
        mine.update(padded + bytes(mine.buffer_size - len(padded)))

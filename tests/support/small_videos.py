"""Small real videos, made by FFmpeg."""

from __future__ import annotations

import tempfile
from fractions import Fraction
from functools import cache
from pathlib import Path

import av
from av.audio.stream import AudioStream
from av.container import OutputContainer


def _mux_silence(container: OutputContainer, sound: AudioStream, seconds: int) -> None:
    for number in range(8 * seconds):
        samples = av.AudioFrame("fltp", "mono", 1000)
        samples.planes[0].update(bytes(samples.planes[0].buffer_size))
        samples.sample_rate, samples.pts, samples.time_base = 8000, number * 1000, Fraction(1, 8000)
        container.mux(sound.encode(samples))
    container.mux(sound.encode())


@cache
def small_mp4(width: int = 64, height: int = 48, seconds: int = 1, *, audio: bool = False, flags: str = "") -> bytes:
    """Make a real H.264 MP4; ``flags`` are FFmpeg's movflags, such as "faststart"."""
    # A file on the disk: with faststart FFmpeg reads back what it has written.
    file = Path(tempfile.mkstemp(suffix=".mp4")[1])
    with av.open(str(file), "w", format="mp4", options={"movflags": flags} if flags else {}) as container:
        video = container.add_stream("libx264", rate=8, options={"preset": "ultrafast"})
        video.width, video.height, video.pix_fmt = width, height, "yuv420p"
        sound = container.add_stream("aac", rate=8000, layout="mono") if audio else None
        for number in range(8 * seconds):
            frame = av.VideoFrame(width, height, "yuv420p")
            for plane in frame.planes:
                plane.update(bytes([number * 7 % 256]) * plane.buffer_size)
            frame.pts = number
            container.mux(video.encode(frame))
        container.mux(video.encode())
        if sound is not None:
            _mux_silence(container, sound, seconds)
    content = file.read_bytes()
    file.unlink()
    return content

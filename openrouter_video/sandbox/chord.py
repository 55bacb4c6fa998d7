"""The sound of the sandbox's videos: a soft chord, or nothing to be heard; encoded once per process."""

from __future__ import annotations

import io
from collections.abc import Iterator
from fractions import Fraction
from functools import lru_cache
from typing import NamedTuple

import av
import av.filter
from av.audio.stream import AudioStream
from av.container import OutputContainer

__all__ = ["SAMPLE_RATE", "write_sound"]

SAMPLE_RATE = 48_000
"""Samples a second."""
_SAMPLE = Fraction(1, SAMPLE_RATE)
# A soft chord (A, E, A, C sharp) that swells and fades, on both sides the same.
_CHORD = (
    "0.05*(sin(2*PI*220*t)+sin(2*PI*329.63*t)+0.7*sin(2*PI*440*t)+0.5*sin(2*PI*554.37*t))*(0.75+0.25*sin(2*PI*0.3*t))"
)


def write_sound(container: OutputContainer, stream: AudioStream, seconds: float, *, silent: bool) -> None:
    """Write the sound of a clip of this length."""
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
        stream = container.add_stream("aac", rate=SAMPLE_RATE, layout="stereo", options={"aac_coder": "fast"})
        packets = [packet for frame in _samples(seconds, silent=silent) for packet in stream.encode(frame)]
        packets += stream.encode(None)
        return tuple(_Sound(bytes(one), one.pts or 0, one.duration or 0) for one in packets)


def _samples(seconds: float, *, silent: bool) -> Iterator[av.AudioFrame]:
    graph = av.filter.Graph()
    chord = graph.add("aevalsrc", f"exprs={'0' if silent else _CHORD}:s={SAMPLE_RATE}:d={seconds}:c=mono")
    fade_in = graph.add("afade", "t=in:d=0.3")
    fade_out = graph.add("afade", f"t=out:st={max(0.0, seconds - 0.6)}:d=0.6")
    planar = graph.add("aformat", f"sample_fmts=fltp:sample_rates={SAMPLE_RATE}:channel_layouts=stereo")
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

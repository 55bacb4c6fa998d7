"""Looks into a video: a poster of it, and whether it is black, frozen or silent.

It decodes as little as tells. One frame that is lit shows that a video is not black, two that differ that it is not
frozen, and one sound that it is not silent: for most videos that takes some frames of its beginning. Black, frozen or
silent is said only of what has been looked at from its beginning to its end, or in places all over its length. Nothing
is said of what takes too many frames: then nobody has looked.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any, BinaryIO, NamedTuple, TypeVar, cast

import av
from av import AudioFrame, AudioStream, Packet, VideoFrame, VideoStream
from av.codec.context import Flags
from av.container import InputContainer
from PIL import Image, ImageChops

from openrouter_video.errors import BrokenVideo
from openrouter_video.outcome import Sight
from openrouter_video.videos.passing_copy import LimitedReader
from openrouter_video.videos.poster import poster_of

__all__ = ["KINDS", "Looked", "look"]

T = TypeVar("T")

BLACK_LUMA = 16
"""Of 255: what is darker counts as black."""
BLACK_SHARE = 0.999
"""A frame is black if so much of it is."""
STILL_LUMA = 6
"""Of 255: two frames are the same if no point of theirs, in a small copy, differs by more."""
SILENT_PEAK = 16 / 32768
"""A sound is silence up to this part of the loudest one: -66 dB."""

_MOST_SEARCHED = 50_000  # frames among which FFmpeg looks for a place; in spoiled files that takes the square of it
_POINT_SIDE = 10  # a point of a small copy is the mean of a hundred pixels or more, in which noise disappears
_MOST_POINTS = (128, 72)
_BRIGHT_LUMA = 110  # a frame makes a good poster if its brightest fiftieth is so bright
_BRIGHT_SHARE = 0.98
_FRAMES_FOR_A_BETTER_POSTER = 16  # of those looked at; a fade from black takes a second or two
_BEGINNING = 4  # of the frames in order these are looked at, and of the others each third
_EACH = 3
_PLACES = (0.5, 0.25, 0.75)
_ENOUGH_PLACES = 3
_MOST_FRAMES = 300
_MOST_DECODED_PIXELS = 600_000_000  # 289 frames of 1080p, 72 of 2160p
_MOST_PIXELS = 40_000_000  # 8K has 33 million
_MOST_PACKETS = 4000
_MOST_SOUNDS = 3000  # frames of a sound track: a minute of AAC
_MOST_TRACKS = 4
# FFmpeg would decode some frames to tell what the header tells already: half of the whole effort.
_QUICK = {"probesize": "32"}
_UNDECODED = [{"skip_frame": "all", "threads": "1"} for _ in range(8)]
KINDS = {".webm": "matroska", ".mkv": "matroska", ".avi": "avi"}  # the others are MP4 or QuickTime
_SAMPLES = {"flt": ("f", 1.0), "dbl": ("d", 1.0), "s16": ("h", 2.0**15), "s32": ("i", 2.0**31)}


class Looked(NamedTuple):
    """What a look has brought; ``notes`` say why there is no poster."""

    poster: bytes | None = None
    sights: tuple[Sight, ...] = ()
    has_audio: bool | None = None
    notes: tuple[str, ...] = ()


def look(file: BinaryIO | LimitedReader, suffix: str = ".mp4") -> Looked:
    """Look into a video of the kind that a suffix tells, from a file that can seek; never raises for what it holds."""
    looked, why = _tried(lambda: _look(file, suffix), Looked())
    return looked._replace(notes=(f"no poster: {why}",)) if why else looked


def _look(file: BinaryIO | LimitedReader, suffix: str) -> Looked:
    # The kind is named, or FFmpeg would guess, and follow the addresses in a playlist.
    how: dict[str, Any] = {"options": _QUICK, "stream_options": _UNDECODED, "metadata_errors": "replace"}
    with av.open(file, "r", format=KINDS.get(suffix, "mov"), timeout=None, **how) as container:
        seen, why = _tried(lambda: _see(container), Looked())
        silent, _ = _tried(lambda: _is_silent(container), otherwise=False)
        heard: tuple[Sight, ...] = ("silent",) if silent else ()
        notes = (f"no poster: {why}",) if why else ()
        return Looked(seen.poster, (*seen.sights, *heard), bool(container.streams.audio), notes)


def _tried(look_at: Callable[[], T], otherwise: T) -> tuple[T, str]:
    """Return what a look brings, or why it brings nothing."""
    try:
        return look_at(), ""
    except BrokenVideo as broken:
        return otherwise, str(broken).rstrip(".")
    except av.FFmpegError as error:
        return otherwise, f"FFmpeg cannot decode it ({error.strerror})"
    except Exception as error:  # noqa: BLE001 (a decoder over hostile bytes, or a driver below it, raises anything)
        return otherwise, f"it cannot be decoded ({type(error).__name__})"


# ---- Pictures --------------------------------------------------------------------------------------------------------


class _Watch:
    """What the frames that were looked at have shown."""

    def __init__(self, width: int, height: int) -> None:
        across, down = _MOST_POINTS
        self._size = max(2, min(across, width // _POINT_SIDE)), max(2, min(down, height // _POINT_SIDE))
        self.lit = False
        self.moved = False
        self.best: VideoFrame | None = None
        self._first: Image.Image | None = None
        self._brightness = -1
        self._more = 0

    def take(self, frame: VideoFrame) -> None:
        """Look at one frame."""
        small = _small(frame, self._size)
        counts = small.histogram()
        points = small.width * small.height
        self._more += self.lit
        self.lit = self.lit or sum(counts[:BLACK_LUMA]) < points * BLACK_SHARE
        if self._first is None:
            self._first = small
        elif not self.moved:
            _, most = ImageChops.difference(self._first, small).getextrema()
            self.moved = isinstance(most, int | float) and most > STILL_LUMA
        if self._brightness < _BRIGHT_LUMA and (brightness := _reached(counts, points)) > self._brightness:
            self.best, self._brightness = frame, brightness

    @property
    def settled(self) -> bool:
        """Whether nothing can be held against it, and its poster is good, or will hardly be any better."""
        good = self._brightness >= _BRIGHT_LUMA or self._more >= _FRAMES_FOR_A_BETTER_POSTER
        return self.lit and self.moved and good


def _reached(counts: list[int], points: int) -> int:
    """Return how bright the darkest point of the brightest fiftieth is."""
    left = points * (1 - _BRIGHT_SHARE)
    for luma in range(255, 0, -1):
        left -= counts[luma]
        if left < 0:
            return luma
    return 0


def _small(frame: VideoFrame, size: tuple[int, int]) -> Image.Image:
    plane = frame.reformat(*size, "gray", interpolation="AREA").planes[0]
    return Image.frombuffer("L", size, cast("Any", plane), "raw", "L", plane.line_size, 1)


def _see(container: InputContainer) -> Looked:
    """Return a poster and what is seen: first in keyframes, where there are several, then in order."""
    stream = _video_of(container)
    watch = _Watch(stream.codec_context.width, stream.codec_context.height)
    keyframes = _keyframes(container, stream)
    places = 0
    if len(keyframes) > 1:
        for packet in keyframes:
            if not watch.settled and (frame := _alone(stream, packet)) is not None:
                watch.take(frame)
                places += 1
    everywhere = places >= _ENOUGH_PLACES
    if not watch.settled:
        everywhere = _watch_in_order(container, stream, watch) or everywhere
    if watch.best is None:
        raise BrokenVideo("FFmpeg finds no picture in it.")
    wrong: tuple[Sight, ...] = ()
    if everywhere and not (watch.lit and watch.moved):
        wrong = ("frozen",) if watch.lit else ("black",)
    return Looked(poster_of(watch.best, stream.sample_aspect_ratio), wrong)


def _video_of(container: InputContainer) -> VideoStream:
    """Return the first track of pictures that is more than a cover, ready to be decoded in this thread."""
    cover = av.stream.Disposition.attached_pic
    known = [stream for stream in container.streams.video if stream.codec_context is not None]
    if not known:
        raise BrokenVideo("FFmpeg does not know how its pictures are coded.")
    stream = min(known, key=lambda one: bool(one.disposition & cover))
    context = stream.codec_context
    if context.width * context.height > _MOST_PIXELS:
        raise BrokenVideo(f"its pictures are too large to be looked at, {context.width} x {context.height} pixels.")
    context.thread_type, context.thread_count = "NONE", 1
    context.flags |= Flags.low_delay  # a frame comes out when it is decoded, in whatever order they are shown
    context.options = {"max_pixels": str(_MOST_PIXELS)}
    return stream


def _keyframes(container: InputContainer, stream: VideoStream) -> list[Packet[VideoStream]]:
    """Return the keyframes nearest to some places of it, the first one first; each once."""
    if stream.frames > _MOST_SEARCHED:
        return []
    length = stream.duration or 0
    found: dict[int | None, Packet[VideoStream]] = {}
    for place in (0.0, *_PLACES):
        container.seek((stream.start_time or 0) + int(length * place), stream=stream)
        packet = next(container.demux(stream))
        if packet.size == 0 or packet.pts in found:
            break
        found[packet.pts] = packet
    return list(found.values())


def _alone(stream: VideoStream, packet: Packet[VideoStream]) -> VideoFrame | None:
    context = stream.codec_context
    context.flush_buffers()
    frames = [*context.decode(packet), *context.decode(None)]
    context.flush_buffers()
    return frames[0] if frames else None


def _watch_in_order(container: InputContainer, stream: VideoStream, watch: _Watch) -> bool:
    """Look at some frames until nothing is held against it; return whether all of it was seen."""
    if stream.frames <= _MOST_SEARCHED:
        container.seek(stream.start_time or 0, stream=stream)
    stream.codec_context.flush_buffers()
    frame, number = None, 0
    try:
        for number, frame in enumerate(_in_order(container, stream)):
            if number >= min(_MOST_FRAMES, _MOST_DECODED_PIXELS // max(1, frame.width * frame.height)):
                return False
            if number < _BEGINNING or number % _EACH == 0:
                watch.take(frame)
                if watch.settled:
                    return True
    except av.FFmpegError:
        if frame is None:
            raise
        return False
    if frame is not None:
        watch.take(frame)
    return True


def _in_order(container: InputContainer, stream: VideoStream) -> Iterator[VideoFrame]:
    for packet in islice(container.demux(stream), _MOST_PACKETS):
        yield from stream.codec_context.decode(packet if packet.size else None)


# ---- Sound -----------------------------------------------------------------------------------------------------------


def _is_silent(container: InputContainer) -> bool:
    """Whether it has a track of sound, and nothing is to be heard in any."""
    tracks = container.streams.audio
    if any(stream.frames > _MOST_SEARCHED for stream in container.streams):
        return False
    return 0 < len(tracks) <= _MOST_TRACKS and all(_is_silence(container, track) for track in tracks)


def _is_silence(container: InputContainer, track: AudioStream) -> bool:
    container.seek(track.start_time or 0, stream=track)
    sounds = 0
    for packet in islice(container.demux(track), _MOST_SOUNDS):
        for frame in packet.decode():
            sounds += 1
            if _is_audible(frame):
                return False
    # What is longer nobody has heard to its end; a track with nothing in it is silent.
    return 0 < sounds < _MOST_SOUNDS or track.frames == 0


def _is_audible(frame: AudioFrame) -> bool:
    code, loudest = _SAMPLES[frame.format.packed.name]
    each = frame.samples if frame.format.is_planar else frame.samples * frame.layout.nb_channels
    peak = SILENT_PEAK * loudest
    for plane in frame.planes:
        content: Any = memoryview(bytes(plane))[: each * frame.format.bytes]
        samples = content.cast(code)
        if max(samples) > peak or min(samples) < -peak:
            return True
    return False

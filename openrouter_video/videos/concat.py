"""Joins videos of the same coding to one MP4, without encoding anything again: picture and sound stay as they are.

One video after the other is read packet by packet into a temporary file of this machine, which then goes to its store
under its name, whole or not at all.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from openrouter_video.errors import BrokenVideo, Problem, RequestRefused, StorageError
from openrouter_video.stores import Store
from openrouter_video.videos.coding import Coding, Pictures, Sound, differences

if TYPE_CHECKING:
    from av import AudioStream, Packet, VideoStream
    from av.container import InputContainer, OutputContainer

# ruff: noqa: PLC0415 (FFmpeg's libraries take their time, and most runs join nothing)

__all__ = ["Joined", "concat"]

FEWEST = 2
_BLOCK_BYTES = 2**20
# The kind is named, or FFmpeg would guess, and follow the addresses in a playlist.
_HOW: dict[str, Any] = {"format": "mov", "timeout": None, "metadata_errors": "replace"}


class Joined(NamedTuple):
    """The file that several videos were joined to."""

    url: str
    bytes: int
    seconds: float


def concat(videos: Sequence[Store], target: Store, relative: str) -> Joined:
    """Join videos in their order, each the root of a store, to one file of a store, in place of an older one; blocks.

    Raises:
        RequestRefused: They are coded differently, or are not two at least; it says what differs.
        BrokenVideo: One of them is not a whole MP4 or QuickTime video.
        StorageError: One of them could not be read, or the whole not be written.
    """
    if len(videos) < FEWEST:
        raise RequestRefused([Problem("videos", "give two videos or more to join")])
    _check_alike(videos)
    try:
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "joined.mp4"
            seconds = _join(videos, file)
            return Joined(target.url_of(relative), _publish(file, target, relative), seconds)
    except OSError as error:
        raise StorageError(f"The videos cannot be joined on this machine: {error.strerror or error}.") from None


def _check_alike(videos: Sequence[Store]) -> None:
    codings = []
    for video in videos:
        with _opened(video) as container:
            codings.append(_coding_of(container, video))
    problems = []
    for video, coding in zip(videos, codings, strict=True):
        if unlike := differences(codings[0], coding):
            message = f"{video.url} cannot be joined to {videos[0].url} as it is: {', '.join(unlike)}"
            problems.append(Problem("videos", f"{message}. Encode them alike first"))
    if problems:
        raise RequestRefused(problems)


@contextmanager
def _opened(video: Store) -> Iterator[InputContainer]:
    """Lend a video that is read; what a decoder or a store's driver says of it becomes an error of this package."""
    import av

    with video.errors("read"), video.reading() as file:
        if not file.read(1):
            raise BrokenVideo(f"{video.url} cannot be joined: it is empty.")
        file.seek(0)
        try:
            with av.open(file, "r", **_HOW) as container:
                yield container
        except av.FFmpegError as error:
            raise BrokenVideo(f"{video.url} cannot be joined as an MP4 video: {error.strerror}.") from None


def _coding_of(container: InputContainer, video: Store) -> Coding:
    pictures, sound = _tracks_of(container, video)
    context = pictures.codec_context
    heard = sound.codec_context if sound is not None else None
    return Coding(
        Pictures(
            codec=context.name,
            width=context.width,
            height=context.height,
            rate=pictures.guessed_rate or pictures.average_rate,
            pixel_format=context.pix_fmt,
            pixel=pictures.sample_aspect_ratio or None,
            headers=context.extradata or b"",
            rotation=next((frame.rotation for frame in container.decode(pictures)), 0),
        ),
        Sound(heard.name, heard.rate, heard.layout.name, heard.extradata or b"") if heard else None,
        (len(container.streams.video), len(container.streams.audio)),
    )


def _tracks_of(container: InputContainer, video: Store) -> tuple[VideoStream, AudioStream | None]:
    """Return the tracks that are joined: the first of pictures, and the first of sound if there is one."""
    pictures = next((one for one in container.streams.video if one.codec_context is not None), None)
    if pictures is None:
        raise BrokenVideo(f"{video.url} holds no pictures that FFmpeg knows.")
    sound = next((one for one in container.streams.audio if one.codec_context is not None), None)
    return pictures, sound


def _join(videos: Sequence[Store], file: Path) -> float:
    """Write all packets of all videos to a file; return its length in seconds."""
    import av

    with ExitStack() as stack:
        whole = _Whole()
        for video in videos:
            with _opened(video) as container:
                tracks = [track for track in _tracks_of(container, video) if track is not None]
                if whole.file is None:
                    how: dict[str, Any] = {"format": "mp4", "options": {"movflags": "faststart"}}
                    whole.begin(stack.enter_context(av.open(str(file), "w", **how)), tracks)
                if not whole.add(container, tracks):
                    why = "its frames are stored in another order than those before it, and would get wrong times"
                    raise BrokenVideo(f"{video.url} cannot be joined as it is: {why}. Encode them alike first.")
        return float(whole.end)


class _Whole:
    """The file that grows; ``end``: the seconds that it has so far, to the end of its longest track."""

    def __init__(self) -> None:
        self.file: OutputContainer | None = None
        self.end = Fraction(0)
        self._tracks: list[Any] = []
        self._last: dict[int, Fraction] = {}

    def begin(self, file: OutputContainer, like: Sequence[VideoStream | AudioStream]) -> None:
        """Give the file the tracks of its first video."""
        self.file = file
        self._tracks = [file.add_stream_from_template(track) for track in like]

    def add(self, container: InputContainer, tracks: Sequence[VideoStream | AudioStream]) -> bool:
        """Append one video: all its tracks begin together, where the longest one so far has ended.

        False: a packet of it would have to be decoded before one that is written already, and the whole is no good.
        """
        began = end = self.end
        places = {track.index: place for place, track in enumerate(tracks)}
        for packet in container.demux(*tracks):
            if packet.pts is None or packet.dts is None or packet.time_base is None:
                continue  # the empty packet that ends a track
            until = began + (packet.pts + (packet.duration or 0)) * packet.time_base
            if began and until <= began:
                continue  # what only prepares a decoder of sound would lie over the end of the video before
            end = max(end, until)
            place, decoded = places[packet.stream.index], began + packet.dts * packet.time_base
            if decoded <= self._last.get(place, decoded - 1):
                return False
            self._last[place] = decoded
            self._write(packet, place, round(began / packet.time_base))
        self.end = end
        return True

    def _write(self, packet: Packet[Any], place: int, later: int) -> None:
        if self.file is None:
            raise ValueError("the file has not begun")
        packet.pts, packet.dts = (packet.pts or 0) + later, (packet.dts or 0) + later
        packet.stream = self._tracks[place]
        self.file.mux(packet)


def _publish(file: Path, target: Store, relative: str) -> int:
    size = 0
    with file.open("rb") as joined, target.writing(relative) as writer:
        while block := joined.read(_BLOCK_BYTES):
            with target.errors("write", relative):
                writer.write(block)
            size += len(block)
        with target.errors("publish", relative):
            writer.publish()
    return size

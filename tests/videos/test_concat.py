"""Videos are joined without encoding: every frame once, in time without gaps, whole or not at all."""

from __future__ import annotations

import io
import struct
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import av
import pytest

from openrouter_video.errors import BrokenVideo, RequestRefused, StorageError
from openrouter_video.outcome import Outcome
from openrouter_video.shots import join_shots
from openrouter_video.stores import Store, open_store
from openrouter_video.stores.local_store import LocalFiles
from openrouter_video.videos.concat import concat
from tests.support.small_videos import small_mp4


def stores_of(folder: Path, contents: Sequence[bytes]) -> list[Store]:
    """Write videos into a folder, and return each as the root of a store."""
    paths = [folder / f"{number}.mp4" for number in range(1, len(contents) + 1)]
    for path, content in zip(paths, contents, strict=True):
        path.write_bytes(content)
    return [open_store(str(path)) for path in paths]


def with_b_frames(seconds: int, frames: int | None = None) -> bytes:
    """Return a video whose frames are coded in another order than they are shown."""
    file = io.BytesIO()
    with av.open(file, "w", format="mp4") as container:
        video = container.add_stream("libx264", rate=8, options={"bf": "2", "g": "8"})
        video.width, video.height, video.pix_fmt = 64, 48, "yuv420p"
        for number in range(frames or 8 * seconds):
            frame = av.VideoFrame(64, 48, "yuv420p")
            for plane in frame.planes:
                plane.update(bytes([number * 7 % 256]) * plane.buffer_size)
            frame.pts = number
            container.mux(video.encode(frame))
        container.mux(video.encode())
    return file.getvalue()


def turned(content: bytes) -> bytes:
    """Return a video that a player turns by 90 degrees, as one from a phone."""
    matrix = content.index(b"tkhd") + 44
    upright = struct.pack(">9i", 0, 1 << 16, 0, -(1 << 16), 0, 0, 0, 0, 1 << 30)
    return content[:matrix] + upright + content[matrix + len(upright) :]


def packets_of(content: bytes) -> list[bytes]:
    """Return the coded frames of a video."""
    with av.open(io.BytesIO(content), "r") as container:
        return [bytes(packet) for packet in container.demux(video=0) if packet.size]


@pytest.mark.parametrize("contents", [[small_mp4(audio=True, seconds=n) for n in (1, 2, 1)], [with_b_frames(1)] * 3])
def test_joined_videos_keep_every_frame_and_run_on_without_gaps(tmp_path: Path, contents: list[bytes]) -> None:
    """Whatever order they are coded in; the sound may overlap by less than a packet."""
    joined = concat(stores_of(tmp_path, contents), open_store(str(tmp_path)), "deep/out.mp4")
    whole = (tmp_path / "deep" / "out.mp4").read_bytes()
    assert (joined.url, joined.bytes) == (f"{open_store(str(tmp_path)).url}/deep/out.mp4", len(whole))
    assert packets_of(whole) == [packet for content in contents for packet in packets_of(content)]
    with av.open(io.BytesIO(whole), "r") as container:
        times = [frame.time for frame in container.decode(video=0)]
        assert times == [number / 8 for number in range(len(times))]
        assert joined.seconds == (container.duration or 0) / av.time_base == len(times) / 8
    with av.open(io.BytesIO(whole), "r") as container:
        heard = (
            [(frame.pts or 0, frame.samples) for frame in container.decode(audio=0)] if container.streams.audio else []
        )
    assert all(0 <= before + samples - after < 1024 for (before, samples), (after, _) in pairwise(heard))
    assert sorted(path.name for path in (tmp_path / "deep").iterdir()) == ["out.mp4"]


def test_what_differs_is_said_of_each_and_nothing_is_written(tmp_path: Path) -> None:
    """Each is compared with the first."""
    given = stores_of(tmp_path, [small_mp4(audio=True), small_mp4(audio=True), small_mp4(96, 48), with_b_frames(1)])
    with pytest.raises(RequestRefused) as refused:
        concat(given, open_store(str(tmp_path)), "out.mp4")
    first = f"cannot be joined to {given[0].url} as it is"
    assert str(refused.value).splitlines() == [
        f"{given[2].url} {first}: size 96x48, not 64x48, sound none, not some. Encode them alike first",
        f"{given[3].url} {first}: sound none, not some. Encode them alike first",
    ]
    assert not (tmp_path / "out.mp4").exists()


@pytest.mark.parametrize(
    ("contents", "error", "said"),
    [
        ([small_mp4()], RequestRefused, "give two videos or more to join"),
        ([small_mp4(), b"no video"], BrokenVideo, "2.mp4 cannot be joined as an MP4 video: Invalid data"),
        ([small_mp4(), small_mp4(), None], StorageError, "3.mp4"),
        ([small_mp4(), b""], BrokenVideo, "2.mp4 cannot be joined: it is empty"),
        ([small_mp4(), turned(small_mp4())], RequestRefused, "degrees by which a player turns it -?90, not 0"),
        # Some muxers leave the time for reordering out where there is nothing to reorder.
        (
            [with_b_frames(1, frames=1), with_b_frames(1)],
            BrokenVideo,
            "2.mp4 .* its frames are stored in another order",
        ),
    ],
)
def test_what_cannot_be_joined_is_refused_in_words(
    tmp_path: Path, contents: list[bytes | None], error: type[Exception], said: str
) -> None:
    """Too few, no video, or none there: no file is begun."""
    given = stores_of(tmp_path, [content or b"" for content in contents])
    for store, content in zip(given, contents, strict=True):
        if content is None:
            Path(store.root).unlink()
    with pytest.raises(error, match=said):
        concat(given, open_store(str(tmp_path)), "out.mp4")
    assert not (tmp_path / "out.mp4").exists()


def test_shots_that_another_run_has_joined_meanwhile(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It has cleared away what this run had written of a chain; without its file that is a note."""
    store, shot = open_store(str(tmp_path)), small_mp4()
    (tmp_path / "film").mkdir()
    (tmp_path / "one.mp4").write_bytes(shot)
    shots = [Outcome(model="a/b", status="completed", url=store.url_of("one.mp4"))] * 2
    film = tmp_path / "film" / "chain.mp4"
    others: list[bytes] = []

    def other_was_first(_self: LocalFiles, part: str, _target: str) -> None:
        Path(part).unlink()
        for content in others:
            film.write_bytes(content)
        raise FileNotFoundError(2, "No such file", part)

    monkeypatch.setattr(LocalFiles, "replace", other_was_first)
    alone = join_shots(shots, store, "film/chain.mp4", lambda _: None)
    assert (alone.url, "not joined to one file" in (alone.note or "")) == (None, True)
    others.append(shot)
    assert join_shots(shots, store, "film/chain.mp4", lambda _: None) == (store.url_of("film/chain.mp4"), None)

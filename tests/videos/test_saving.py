"""A video on its way into a store: whole under its name, or not there at all."""

from __future__ import annotations

import hashlib
import io
import os
import re
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from openrouter_video.errors import BrokenVideo, ConfigurationError, StorageError
from openrouter_video.outcome import SavedFile
from openrouter_video.stores import Store, Writer, open_store
from openrouter_video.videos import saving
from openrouter_video.videos.passing_copy import LimitedReader, PassingCopy
from openrouter_video.videos.paths import sidecar_path
from openrouter_video.videos.saving import Stopped, find_saved, read_sidecar, save_video, write_sidecar
from tests.support.object_stores import of_kinds

PROJECT = Path(__file__).parents[2]
NAME = "a-cat-0123abcd/google--veo-3.1-lite.mp4"
POSTER = "a-cat-0123abcd/google--veo-3.1-lite.jpg"


class NetworkTrouble(Exception):
    """Stands for whatever a client raises while it streams."""


def pieces(body: bytes, size: int = 1000) -> Iterator[bytes]:
    """Cut a body into chunks."""
    for start in range(0, len(body), size):
        yield body[start : start + size]


def save(store: Store, chunks: Iterator[bytes] | list[bytes]) -> SavedFile:
    """Save a video that nobody stops."""
    return save_video(chunks, store, NAME, stop=threading.Event())


def inflated(body: bytes, size: int) -> bytes:
    """Put a box of padding behind a video, so that it is uploaded in several parts."""
    return body + (size + 8).to_bytes(4) + b"free" + bytes(size)


def left_in(store: Store) -> list[str]:
    """List every file below a store, hidden and temporary ones too."""
    with store.session() as filesystem:
        filesystem.invalidate_cache()
        return sorted(filesystem.find(store.root)) if filesystem.exists(store.root) else []


@of_kinds("local", "memory", "sftp", "s3", "seaweed", "gcs", "azure", "other")
class TestSaving:
    """What holds for videos in every store; on S3 no upload is open after it."""

    @pytest.fixture(autouse=True)
    def _nothing_open(self, store: Store) -> Iterator[None]:
        yield
        if type(store.filesystem).__name__ == "S3FileSystem":
            bucket, prefix, _ = store.filesystem.split_path(store.root)
            assert not store.filesystem.call_s3("list_multipart_uploads", Bucket=bucket, Prefix=prefix).get("Uploads")

    def test_a_video_is_saved(self, store: Store, make_mp4: Callable[..., bytes]) -> None:
        """The bytes arrive, with their digest, size and what the probe reads; nothing else is there."""
        body = make_mp4(96, 64, 1, audio=True)
        saved = save(store, pieces(body))
        assert saved.url == store.url_of(NAME)
        assert saved.bytes == len(body)
        assert saved.sha256 == hashlib.sha256(body).hexdigest()
        assert (saved.width, saved.height) == (96, 64)
        assert saved.duration_seconds == pytest.approx(1, abs=0.3)
        assert store.read_bytes(NAME) == body
        assert saved.poster_url == store.url_of(POSTER)
        assert (saved.has_audio, saved.c2pa, saved.notes) == (True, False, ())
        assert Image.open(io.BytesIO(store.read_bytes(POSTER) or b"")).size == (96, 64)
        assert [Path(name).name for name in left_in(store)] == [Path(POSTER).name, Path(NAME).name]

    def test_a_large_video_is_saved(self, store: Store, make_mp4: Callable[..., bytes]) -> None:
        """A video of many blocks arrives whole, and takes the place of an older file."""
        store.write_bytes(NAME, b"older")
        body = inflated(make_mp4(160, 96), 20 * 2**20 + 1)
        saved = save(store, pieces(body, 65_537))
        assert find_saved(store, NAME, size=len(body))
        assert saved.sha256 == hashlib.sha256(body).hexdigest()
        assert (saved.width, saved.poster_url) == (160, store.url_of(POSTER))

    def test_a_cut_body_leaves_nothing(self, store: Store, make_mp4: Callable[..., bytes]) -> None:
        """A body that ends too early is a broken video: not there, and no temporary, with the next step said."""
        whole = make_mp4(flags="faststart")
        body = inflated(whole[:32], 12 * 2**20) + whole[32:]
        for cut in (0, 10, len(body) - 1):
            with pytest.raises(BrokenVideo, match=r"(?s)not a whole video.*openrouter-video collect") as caught:
                save(store, pieces(body[:cut], 2**20))
            assert store.url_of(NAME) in str(caught.value)
        assert left_in(store) == []

    def test_the_network_breaks(self, store: Store, make_mp4: Callable[..., bytes]) -> None:
        """What the stream raises passes through as it is, also an OSError, and leaves nothing behind."""
        for trouble in (NetworkTrouble("reset"), ConnectionResetError("reset"), StorageError("not ours")):

            def chunks(trouble: Exception = trouble) -> Iterator[bytes]:
                yield make_mp4()
                yield bytes(9 * 2**20)
                raise trouble

            with pytest.raises(type(trouble)) as caught:
                save(store, chunks())
            assert caught.value is trouble
        assert left_in(store) == []

    def test_a_stop_is_heard(self, store: Store, make_mp4: Callable[..., bytes]) -> None:
        """A stop between two chunks ends the download and leaves nothing behind."""
        stop = threading.Event()

        def chunks() -> Iterator[bytes]:
            yield make_mp4()
            yield bytes(9 * 2**20)
            stop.set()
            yield b"more"

        with pytest.raises(Stopped, match="was stopped after"):
            save_video(chunks(), store, NAME, stop=stop)
        assert left_in(store) == []

    def test_an_older_video_survives_a_failure(self, store: Store, make_mp4: Callable[..., bytes]) -> None:
        """What is there under the name is untouched when its successor breaks."""
        store.write_bytes(NAME, b"older")
        with pytest.raises(BrokenVideo):
            save(store, [make_mp4()[:-1]])
        assert store.read_bytes(NAME) == b"older"
        assert len(left_in(store)) == 1

    def test_a_video_that_no_probe_reads_is_kept(self, store: Store) -> None:
        """Whole boxes are enough: a video is paid for even if FFmpeg cannot read it."""
        body = b"\0\0\0\x10ftypisom\0\0\0\0\0\0\0\x10moov12345678\0\0\0\x0amdat!!"
        saved = save(store, [body])
        assert (saved.width, saved.height, saved.duration_seconds, saved.poster_url) == (None, None, None, None)
        assert saved.notes[-1].startswith("no poster: ")
        assert store.read_bytes(NAME) == body

    def test_many_at_a_time(self, store: Store, make_mp4: Callable[..., bytes]) -> None:
        """Downloads in several threads into one store do not disturb each other."""
        bodies = [inflated(make_mp4(), 100_000 + n) for n in range(4)]
        saved: dict[int, SavedFile] = {}

        def work(number: int) -> None:
            stop = threading.Event()
            saved[number] = save_video(pieces(bodies[number]), store, f"{number}/video.mp4", stop=stop)

        threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        for number, body in enumerate(bodies):
            assert store.read_bytes(f"{number}/video.mp4") == body
            assert saved[number].bytes == len(body)

    def test_the_sidecar(self, store: Store) -> None:
        """The record is written whole over an older one, and reads back; a damaged one counts as none."""
        name = sidecar_path(NAME)
        assert read_sidecar(store, name) is None
        write_sidecar(store, name, {"prompt": "old"})
        assert write_sidecar(store, name, {"prompt": "füße"}) == store.url_of(name)
        assert read_sidecar(store, name) == {"prompt": "füße"}
        assert "füße" in (store.read_bytes(name) or b"").decode()
        for damaged in (b"", b'{"a":', b"[]", b"\xff"):
            store.write_bytes(name, damaged)
            assert read_sidecar(store, name) is None
        assert len(left_in(store)) == 1

    def test_finding_a_saved_video(self, store: Store) -> None:
        """A video is found if it is there, not empty, and has the size that is asked for."""
        assert not find_saved(store, NAME)
        store.write_bytes(NAME, b"abc")
        assert find_saved(store, NAME)
        assert find_saved(store, NAME, size=3)
        assert not find_saved(store, NAME, size=4)
        store.write_bytes(NAME, b"")
        assert not find_saved(store, NAME)


def test_a_full_disk(tmp_path: Path) -> None:
    """When the disk is full, the error names URL, reason and what becomes of the job; nothing stays."""
    code = (
        "import resource, sys, threading\n"
        "from openrouter_video.videos.saving import save_video\n"
        "from openrouter_video.stores import open_store\n"
        "from openrouter_video.errors import StorageError\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (3_000_000, 3_000_000))\n"
        "chunks = iter(lambda: bytes(100_000), None)\n"
        "try: save_video(chunks, open_store(sys.argv[1]), 'a/b.mp4', stop=threading.Event())\n"
        "except StorageError as error: print(error)\n"
    )
    command = [sys.executable, "-c", code, str(tmp_path)]
    done = subprocess.run(command, check=True, capture_output=True, text=True, cwd=PROJECT)
    assert re.search(r"Could not write file://.*/a/b.mp4: File too large. Free some space.*collect`", done.stdout)
    assert left_in(open_store(str(tmp_path))) == []


def test_a_place_that_cannot_be_written(tmp_path: Path, make_mp4: Callable[..., bytes]) -> None:
    """A folder that cannot be made is a storage error that names the video."""
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match=r"Could not write file://.*/file/x/a-cat.*is a file, not a folder"):
        save(open_store(str(tmp_path / "file" / "x")), [make_mp4()])


@of_kinds("s3")
@pytest.mark.parametrize("size", [0, 9 * 2**20])
def test_a_video_has_its_media_type_on_s3(store: Store, make_mp4: Callable[..., bytes], size: int) -> None:
    """In one request and in parts: without it a browser downloads the video instead of playing it."""
    saved = save(store, pieces(inflated(make_mp4(), size) if size else make_mp4(), 2**20))
    bucket, key = saved.url.removeprefix("s3://").split("/", 1)
    head = store.filesystem.call_s3("head_object", Bucket=bucket, Key=key)
    assert head["ContentType"] == "video/mp4"


@of_kinds("s3")
def test_a_small_video_on_s3_takes_three_requests(
    store: Store, make_mp4: Callable[..., bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It goes, its size there is asked for, and its poster goes: nothing of it is read back."""
    asked: list[str] = []
    call = type(store.filesystem)._call_s3

    async def note_and_call(self: Any, method: str, *args: Any, **options: Any) -> Any:
        asked.append(method)
        return await call(self, method, *args, **options)

    monkeypatch.setattr(type(store.filesystem), "_call_s3", note_and_call)
    saved = save(store, pieces(make_mp4()))
    assert asked == ["put_object", "head_object", "put_object"]
    assert all((saved.duration_seconds, saved.width, saved.height, saved.poster_url))
    bucket, key = (saved.poster_url or "").removeprefix("s3://").split("/", 1)
    assert store.filesystem.call_s3("head_object", Bucket=bucket, Key=key)["ContentType"] == "image/jpeg"


@of_kinds("sftp")
def test_a_video_too_large_to_keep_is_looked_at_in_its_store(
    store: Store, make_mp4: Callable[..., bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    """In some places of it, and not beyond a limit; one that takes more reading has no poster, and a note."""
    monkeypatch.setattr(saving, "LARGEST_COPY_BYTES", 1000)
    assert save(store, pieces(make_mp4())).poster_url == store.url_of(POSTER)
    store.remove(POSTER)
    monkeypatch.setattr(LimitedReader.__init__, "__defaults__", (1000,))
    saved = save(store, pieces(make_mp4()))
    assert (saved.poster_url, saved.sights) == (None, ())
    assert saved.notes == ("no poster: It takes too much reading",)


def test_a_temporary_folder_without_room_costs_no_video(
    tmp_path: Path, make_mp4: Callable[..., bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its copy is given up, and whoever wants to look reads from the store."""
    copy = PassingCopy()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "absent"))
    body = inflated(make_mp4(), 6 * 2**20)
    for chunk in pieces(body, 2**20):
        copy.write(chunk)
    assert copy.whole() is None


@pytest.mark.parametrize(
    ("claimed", "words"), [(50_001, ""), (4_000_000_000, "it claims to have 4,000,000,000 frames")]
)
def test_a_video_that_claims_endless_frames_is_kept(
    tmp_path: Path, make_mp4: Callable[..., bytes], claimed: int, words: str
) -> None:
    """A few bytes can: no index of them is made, and none is searched."""
    body = bytearray(make_mp4())
    for kind, places in ((b"stsz", {4: 1, 8: claimed}), (b"stsc", {12: claimed}), (b"stts", {8: claimed})):
        for place, number in places.items():
            start = body.index(kind) + 4 + place
            body[start : start + 4] = number.to_bytes(4)
    saved = save(open_store(str(tmp_path)), [bytes(body)])
    assert (saved.width, saved.sights) == (64, ())
    assert saved.notes[-1].startswith(f"no poster: {words}")


def test_a_poster_that_cannot_be_written_is_a_note(tmp_path: Path, make_mp4: Callable[..., bytes]) -> None:
    """The video is safe."""
    (tmp_path / POSTER).mkdir(parents=True)
    saved = save(open_store(str(tmp_path)), [make_mp4()])
    assert (saved.poster_url, saved.width) == (None, 64)
    assert re.fullmatch(r"no poster: Could not write file://.*\.jpg: .*", saved.notes[0])
    assert (tmp_path / NAME).stat().st_size == saved.bytes


def test_a_missing_bucket(s3_store_url: str, make_mp4: Callable[..., bytes]) -> None:
    """A bucket that is not there is a storage error with the reason."""
    for body in (make_mp4(), inflated(make_mp4(), 9 * 2**20)):
        with pytest.raises(StorageError, match=r"s3://no-such-bucket/out/a-cat.*stays open"):
            save(open_store("s3://no-such-bucket/out"), pieces(body, 2**20))


@of_kinds("azure")
@pytest.mark.parametrize("size", [0, 9 * 2**20])
def test_a_video_has_its_media_type_on_azure(store: Store, make_mp4: Callable[..., bytes], size: int) -> None:
    """In one request and in parts."""
    saved = save(store, pieces(inflated(make_mp4(), size) if size else make_mp4(), 2**20))
    info = store.filesystem.info(store.path(saved.url.removeprefix(f"{store.url}/")))
    assert info["content_settings"]["content_type"] == "video/mp4"


@of_kinds("sftp")
def test_the_connection_breaks(store: Store, make_mp4: Callable[..., bytes]) -> None:
    """A server that goes away in the middle is a storage error, and the next download has a new connection."""
    connection: Any = store.filesystem  # the first that is lent

    def chunks() -> Iterator[bytes]:
        yield make_mp4()
        connection.client.close()
        yield bytes(9 * 2**20)

    with pytest.raises(StorageError, match=r"Could not write sftp://.*stays open"):
        save(store, chunks())
    assert save(store, [make_mp4()]).width == 64


@pytest.mark.parametrize("kind", ["local", "s3", "sftp"])
def test_memory_stays_flat(kind: str, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    """Sixty-four megabytes pass through without being held: the process grows by less than half of them."""
    url = str(tmp_path / "videos") if kind == "local" else request.getfixturevalue(f"{kind}_store_url")
    code = (
        "import resource, sys, threading\n"
        "from openrouter_video.videos.saving import save_video\n"
        "from openrouter_video.stores import open_store\n"
        "def chunks(size):\n"
        "    yield b'\\0\\0\\0\\x10ftypisom\\0\\0\\0\\0' + b'\\0\\0\\0\\x08moov' + (8 + size).to_bytes(4) + b'mdat'\n"
        "    for _ in range(size // 65536): yield bytes(65536)\n"
        "store, stop = open_store(sys.argv[1]), threading.Event()\n"
        "save_video(chunks(2**20), store, 'warm.mp4', stop=stop)\n"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "save_video(chunks(2**26), store, 'large.mp4', stop=stop)\n"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)\n"
    )
    done = subprocess.run([sys.executable, "-c", code, url], check=True, capture_output=True, text=True, cwd=PROJECT)
    unit = 1 if sys.platform == "darwin" else 1024
    assert int(done.stdout) * unit < 2**26 // 2


def test_a_configuration_error_is_no_storage_error() -> None:
    """Who catches storage trouble while downloading does not catch a wrong setting by accident."""
    assert not issubclass(ConfigurationError, StorageError)


@pytest.mark.parametrize("size", [1, 8 * 2**20, 8 * 2**20 + 1, 17 * 2**20])
def test_an_object_of_any_size_is_whole_and_leaves_no_upload(s3_store_url: str, size: int) -> None:
    """Up to a block it goes in one request, beyond that in parts; discarded, neither leaves anything."""
    store = open_store(s3_store_url)
    bucket = s3_store_url.removeprefix("s3://").partition("/")[0]
    content = os.urandom(size)
    blocks = [content[start : start + 2**20] for start in range(0, size, 2**20)]

    def write(name: str, end: Callable[[Writer], None]) -> None:
        with store.writing(name) as writer:
            for block in blocks:
                writer.write(block)
            end(writer)

    def break_off(_: Writer) -> None:
        raise BrokenVideo("on purpose")

    with pytest.raises(BrokenVideo):
        write("gone.mp4", break_off)
    write("kept.mp4", lambda writer: writer.publish())
    assert store.read_bytes("kept.mp4") == content
    assert store.read_bytes("gone.mp4") is None
    assert not store.filesystem.call_s3("list_multipart_uploads", Bucket=bucket).get("Uploads")

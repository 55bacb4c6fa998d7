"""Saves a video in its store (stream, verify, publish), its poster, and the sidecar that says it is complete."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager, suppress
from typing import Any, BinaryIO, Literal

from openrouter_video.errors import BrokenVideo, StorageError
from openrouter_video.media_types import SNIFFED_BYTES, is_page, peek, sniff, suffix_of
from openrouter_video.outcome import SavedFile
from openrouter_video.stores import Store, Writer
from openrouter_video.videos.mp4 import MOST_SAMPLES, Mp4Walk, Shown, Whole, largest_track, read_movie_header
from openrouter_video.videos.passing_copy import LARGEST_COPY_BYTES, LimitedReader, PassingCopy
from openrouter_video.videos.paths import kept_path, poster_path, with_suffix
from openrouter_video.videos.probing import MediaInfo, picture_size, probe

__all__ = [
    "Stopped",
    "find_saved",
    "read_sidecar",
    "save_damaged",
    "save_video",
    "write_sidecar",
]

LARGEST_PICTURE_BYTES = 64 * 2**20
PICTURES = frozenset({".jpg", ".png", ".webp"})
_READ_BYTES = 2**20
_STAYS_OPEN = "The job stays open: once this is fixed, `openrouter-video collect` finishes it."
_TRY_AGAIN = "Nothing was published. The job stays open: `openrouter-video collect` downloads it once more."


class Stopped(StorageError):
    """The saving was told to stop before the video was whole; nothing was published."""


def save_video(
    chunks: Iterable[bytes], store: Store, relative: str, *, stop: threading.Event, companion: bool = False
) -> SavedFile:
    """Write a video while it arrives, and publish it under its name if it is a whole MP4 or QuickTime file.

    The first bytes decide on the suffix. A ``companion`` of another video may be a picture as well. What ``chunks``
    raises passes through unchanged; whatever goes wrong, nothing is left behind. Then its poster is made, which nothing
    depends on.

    Raises:
        BrokenVideo: The bytes are not one whole video.
        StorageError: The store could not take it.
        Stopped: ``stop`` was set between two chunks.
    """
    head, body = peek(chunks)
    if companion and suffix_of(head) in PICTURES:
        return _save_picture(body, store, with_suffix(relative, suffix_of(head)))
    path = with_suffix(relative, ".mov" if suffix_of(head) == ".mov" else ".mp4")
    with _copy_for(store) as copy:
        arriving = _Arriving(store, path, stop, copy)
        with store.writing(path) as writer:
            arriving.write(body, writer)
            whole = arriving.verdict()
            with store.errors("publish", path, then=_STAYS_OPEN):
                writer.publish()
        shown = read_movie_header(whole.movie)
        if (claimed := largest_track(whole.movie)) > MOST_SAMPLES:
            saved = arriving.saved(shown, notes=(*whole.notes, f"no poster: it claims to have {claimed:,} frames"))
            return saved.model_copy(update={"c2pa": whole.c2pa})
        if not (shown.duration_seconds and shown.width and shown.height):
            told = _shown_of(_probe_saved(store, path, copy))
            length, width, height = shown.duration_seconds, shown.width or told.width, shown.height or told.height
            shown = Shown(length or told.duration_seconds, width, height, shown.has_audio)
        saved = arriving.saved(shown, notes=(*whole.notes, *_untold(shown)))
        return _with_poster(saved.model_copy(update={"c2pa": whole.c2pa}), store, path, copy, poster_path(relative))


def _copy_for(store: Store) -> closing[PassingCopy]:
    """Begin to keep what goes to another machine, so that nobody reads it back; of a near store nothing is kept."""
    return closing(PassingCopy(0 if store.is_near else LARGEST_COPY_BYTES))


def _untold(shown: Shown) -> tuple[str, ...]:
    """Return a note of what is not known of a whole video, so that an empty field is not taken for an oversight."""
    missing = [] if shown.duration_seconds else ["length"]
    missing += [] if shown.width and shown.height else ["size in pixels"]
    return (f"neither its header nor FFmpeg tells its {' and '.join(missing)}",) if missing else ()


def save_damaged(
    chunks: Iterable[bytes], store: Store, relative: str, sha256: str, *, stop: threading.Event
) -> tuple[SavedFile, bool] | None:
    """Write what is not a whole video under a name that says so, if it is again what came before; None if it is not.

    The second value tells whether an earlier run has kept the same already.

    Raises:
        StorageError: The store could not take it.
        Stopped: ``stop`` was set between two chunks.
    """
    head, body = peek(chunks)
    path = kept_path(relative, suffix_of(head))
    known = _sha256_of(store, path) == sha256
    with _copy_for(store) as copy, suppress(_Other), store.writing(path) as writer:
        arriving = _Arriving(store, path, stop, copy)
        arriving.write(body, writer)
        if arriving.digest.hexdigest() != sha256:
            raise _Other
        with store.errors("publish", path, then=_STAYS_OPEN):
            writer.publish()
        info = _probe_saved(store, path, copy)
        if info is None or arriving.walk.cut or not _is_video(head, info.duration_seconds):
            return arriving.saved(_shown_of(info), kind="damaged"), known
        saved = arriving.saved(_shown_of(info), kind="playable")
        return _with_poster(saved, store, path, copy, poster_path(relative)), known
    return None


def _is_video(head: bytes, seconds: float | None) -> bool:
    """Whether what FFmpeg has opened, as it does pictures too, is a video by its first bytes, or unknown and lasts."""
    return sniff(head).endswith("video") or (suffix_of(head) == ".bin" and bool(seconds))


class _Other(Exception):
    """Something else has come than before."""


class _Arriving:
    """What is known of a file while it arrives."""

    def __init__(self, store: Store, path: str, stop: threading.Event, copy: PassingCopy) -> None:
        self.walk, self.digest = Mp4Walk(), hashlib.sha256()
        self._store, self._path, self._stop, self._copy = store, path, stop, copy
        self._size = 0

    @property
    def _url(self) -> str:
        return self._store.url_of(self._path)

    def write(self, chunks: Iterable[bytes], writer: Writer) -> None:
        for chunk in chunks:
            if self._stop.is_set():
                raise Stopped(f"The download to {self._url} was stopped after {self._size} bytes. {_TRY_AGAIN}")
            self.walk.feed(chunk)
            self.digest.update(chunk)
            self._size += len(chunk)
            with self._store.errors("write", self._path, then=_STAYS_OPEN):
                writer.write(chunk)
            self._copy.write(chunk)

    def verdict(self) -> Whole:
        try:
            return self.walk.finish()
        except BrokenVideo as broken:
            words = f"What arrived for {self._url} is not a whole video. {broken} {_TRY_AGAIN}"
            known = None if is_page(self.walk.head) else self.digest.hexdigest()
            raise BrokenVideo(words, fault=str(broken), sha256=known) from None

    def saved(
        self, shown: Shown, kind: Literal["video", "damaged", "playable"] = "video", notes: tuple[str, ...] = ()
    ) -> SavedFile:
        digest = self.digest.hexdigest()
        return SavedFile(url=self._url, bytes=self._size, sha256=digest, kind=kind, notes=notes, **shown._asdict())


def _save_picture(chunks: Iterable[bytes], store: Store, path: str) -> SavedFile:
    """Keep a picture that is whole; it is small enough to be held."""
    content = bytearray()
    for chunk in chunks:
        content += chunk
        if len(content) > LARGEST_PICTURE_BYTES:
            raise BrokenVideo(f"It is a picture of more than {LARGEST_PICTURE_BYTES} bytes, not a video.")
    digest, size = hashlib.sha256(content).hexdigest(), picture_size(bytes(content))
    if size is None:
        found = sniff(bytes(content[:SNIFFED_BYTES]))
        raise BrokenVideo(f"It is not a video but {found}, which is not whole.", sha256=digest)
    store.write_bytes(path, bytes(content))
    url, (width, height) = store.url_of(path), size
    return SavedFile(url=url, bytes=len(content), sha256=digest, width=width, height=height, kind="picture")


def _shown_of(info: MediaInfo | None) -> Shown:
    return Shown(info.duration_seconds, info.width or None, info.height or None) if info else Shown()


def _probe_saved(store: Store, relative: str, copy: PassingCopy) -> MediaInfo | None:
    """Return what FFmpeg makes of a file that is paid for and safe; whatever it raises is no reason to lose it."""
    try:
        with _reading(store, relative, copy) as file:
            return probe(file)
    except Exception:  # noqa: BLE001 (a decoder over hostile bytes, or a store's driver below it, raises anything)
        return None


@contextmanager
def _reading(store: Store, relative: str, copy: PassingCopy) -> Iterator[BinaryIO | LimitedReader]:
    """Lend a file that was just saved: its copy, or the file itself, and not much of it from another machine."""
    if (kept := copy.whole()) is not None:
        yield kept
        return
    with store.errors("read", relative), store.reading(relative) as file:
        yield file if store.is_near else LimitedReader(file)


def _with_poster(saved: SavedFile, store: Store, relative: str, copy: PassingCopy, poster: str) -> SavedFile:
    """Look into a video that is safe, and put its poster beside it; whatever goes wrong with that is a note."""
    from openrouter_video.videos.looks import Looked, look  # noqa: PLC0415 - its libraries take their time

    try:
        with _reading(store, relative, copy) as file:
            looked = look(file, relative[relative.rfind(".") :])
        if looked.poster is not None:
            store.write_bytes(poster, looked.poster)
    except StorageError as error:
        looked = Looked(notes=(f"no poster: {error}",))
    known = {
        "has_audio": looked.has_audio if saved.has_audio is None else saved.has_audio,
        "poster_url": store.url_of(poster) if looked.poster is not None else None,
        "sights": looked.sights,
        "notes": (*saved.notes, *looked.notes),
    }
    return saved.model_copy(update=known)


def write_sidecar(store: Store, relative: str, content: dict[str, Any]) -> str:
    """Write the record beside a video, whole, in place of an older one; return its URL.

    Raises:
        StorageError: It could not be written.
    """
    text = json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False)
    store.write_bytes(relative, f"{text}\n".encode())
    return store.url_of(relative)


def read_sidecar(store: Store, relative: str) -> dict[str, Any] | None:
    """Return the record beside a video; None if there is none that can be read, for then the video is not complete.

    Raises:
        StorageError: The store could not be asked.
    """
    content = store.read_bytes(relative)
    try:
        record = json.loads(content) if content is not None else None
    except ValueError:
        return None
    return record if isinstance(record, dict) else None


def find_saved(store: Store, relative: str, *, size: int | None = None) -> bool:
    """Tell whether a video is there, of the expected size.

    Raises:
        StorageError: The store could not be asked.
    """
    found = store.size_of(relative)
    return bool(found) and size in {None, found}


def _sha256_of(store: Store, relative: str) -> str | None:
    """Return the digest of a file that is read through; None if there is none, or nothing in it."""
    if not store.size_of(relative):
        return None
    digest = hashlib.sha256()
    with store.errors("read", relative), store.reading(relative, through=True) as file:
        while block := file.read(_READ_BYTES):
            digest.update(block)
    return digest.hexdigest()

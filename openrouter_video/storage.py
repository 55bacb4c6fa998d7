"""Edge: a video into its store (stream, verify, publish), and the sidecar that says it is complete."""

from __future__ import annotations

import hashlib
import io
import json
import threading
from collections.abc import Iterable
from typing import Any

from pydantic import BaseModel, ConfigDict

from openrouter_video.errors import BrokenVideo, StorageError
from openrouter_video.media import MediaInfo, Mp4Walk, probe
from openrouter_video.stores import Store, read_bytes, size_of, write_bytes, writing
from openrouter_video.video_paths import sidecar_path, video_path

__all__ = [
    "SavedFile",
    "Stopped",
    "find_saved",
    "read_sidecar",
    "save_video",
    "sidecar_path",
    "video_path",
    "write_sidecar",
]

_READ_BYTES = 2**20
_STAYS_OPEN = "The job stays open: once this is mended, `openrouter-video collect` finishes it."
_TRY_AGAIN = "Nothing was published. The job stays open: `openrouter-video collect` downloads it once more."


class Stopped(StorageError):
    """The saving was told to stop before the video was whole; nothing was published."""


class SavedFile(BaseModel):
    """A published video: size in bytes, SHA-256 in lower-case hexadecimal; what no probe could tell is None."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    url: str
    bytes: int
    sha256: str
    duration_seconds: float | None = None
    width: int | None = None
    height: int | None = None


def save_video(chunks: Iterable[bytes], store: Store, relative: str, *, stop: threading.Event) -> SavedFile:
    """Write a video while it arrives, and publish it under its name if it is a whole MP4.

    What ``chunks`` raises passes through unchanged; whatever goes wrong, nothing is left behind.

    Raises:
        BrokenVideo: The bytes are not one whole MP4.
        StorageError: The store could not take it.
        Stopped: ``stop`` was set between two chunks.
    """
    url = store.url_of(relative)
    walk, digest, size = Mp4Walk(), hashlib.sha256(), 0
    with writing(store, relative) as writer:
        for chunk in chunks:
            if stop.is_set():
                raise Stopped(f"The download to {url} was stopped after {size} bytes. {_TRY_AGAIN}")
            walk.feed(chunk)
            digest.update(chunk)
            size += len(chunk)
            with store.errors("write", relative, then=_STAYS_OPEN):
                writer.write(chunk)
        try:
            walk.finish()
        except BrokenVideo as broken:
            raise BrokenVideo(f"What arrived for {url} is not a whole video. {broken} {_TRY_AGAIN}") from None
        with store.errors("publish", relative, then=_STAYS_OPEN):
            writer.publish()
    info = _probe_saved(store, relative)
    return SavedFile(
        url=url,
        bytes=size,
        sha256=digest.hexdigest(),
        duration_seconds=info.duration_seconds if info else None,
        width=info.width if info else None,
        height=info.height if info else None,
    )


def _probe_saved(store: Store, relative: str) -> MediaInfo | None:
    path = store.path(relative)
    try:
        if store.kind == "local":
            return probe(path)
        if store.kind == "memory":
            # fsspec's memory files share one position between all who read.
            return probe(io.BytesIO(read_bytes(store, relative) or b""))
        with (
            store.errors("probe", relative),
            store.session() as filesystem,
            filesystem.open(path, "rb", block_size=_READ_BYTES) as file,
        ):
            return probe(file)
    except StorageError:
        # It is paid for, whole and safe: what FFmpeg makes of it is no reason to lose it.
        return None


def write_sidecar(store: Store, relative: str, content: dict[str, Any]) -> str:
    """Write the record beside a video, whole, in place of an older one; return its URL.

    Raises:
        StorageError: It could not be written.
    """
    text = json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False)
    write_bytes(store, relative, f"{text}\n".encode())
    return store.url_of(relative)


def read_sidecar(store: Store, relative: str) -> dict[str, Any] | None:
    """Return the record beside a video; None if there is none that can be read, for then the video is not complete.

    Raises:
        StorageError: The store could not be asked.
    """
    content = read_bytes(store, relative)
    try:
        record = json.loads(content) if content is not None else None
    except ValueError:
        return None
    return record if isinstance(record, dict) else None


def find_saved(store: Store, relative: str, *, sha256: str | None = None, size: int | None = None) -> bool:
    """Tell whether a video is there, of the expected size; with ``sha256`` it is read through as well.

    Raises:
        StorageError: The store could not be asked.
    """
    found = size_of(store, relative)
    if not found or (size is not None and found != size):
        return False
    return sha256 is None or _sha256_of(store, relative) == sha256


def _sha256_of(store: Store, relative: str) -> str:
    digest = hashlib.sha256()
    if store.kind == "memory":
        digest.update(read_bytes(store, relative) or b"")
        return digest.hexdigest()
    with (
        store.errors("read", relative),
        store.session() as filesystem,
        filesystem.open(store.path(relative), "rb", block_size=_READ_BYTES) as file,
    ):
        if store.kind == "sftp":
            # Else paramiko asks for 32 KiB at a time and waits for each answer; so for 2 MiB.
            file.prefetch(max_concurrent_requests=64)
        while block := file.read(_READ_BYTES):
            digest.update(block)
    return digest.hexdigest()

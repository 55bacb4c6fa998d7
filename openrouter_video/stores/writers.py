"""Edge: a large file on its way into a store, where nobody sees it before it is whole."""

from __future__ import annotations

import mimetypes
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, Protocol

from fsspec import AbstractFileSystem

from openrouter_video.stores.errors import driver_errors
from openrouter_video.stores.exclusive import memory_lock
from openrouter_video.stores.opening import Store
from openrouter_video.stores.path_files import PathFiles, part_beside, remove_quietly

__all__ = ["Writer", "writing"]

_BLOCK_BYTES = 8 * 2**20  # S3 takes parts from 5 MiB and 10,000 of them: up to 80 GB, and little of it in memory
_SPOOL_BYTES = 16 * 2**20


class Writer(Protocol):
    """A file that is not published yet; exceptions are the driver's own."""

    def write(self, data: bytes, /) -> object:
        """Take all of ``data``."""

    def publish(self) -> None:
        """Give the file its name, whole, in place of an older one."""

    def discard(self) -> None:
        """Leave nothing behind, best effort; raises nothing."""


@contextmanager
def writing(store: Store, relative: str) -> Iterator[Writer]:
    """Lend a writer for a file; without ``publish``, or after an exception, nothing is left behind.

    Raises:
        StorageError: The file cannot be begun; an object store says so at its first request, which comes later.
    """
    path = store.path(relative)
    if store.kind in {"local", "sftp"}:
        with store.files() as files:
            with store.errors("write", relative):
                writer: Writer = _PathWriter(files, path)
            with _discarding(writer):
                yield writer
        return
    with store.errors("write", relative):
        writer = _SpoolWriter(store, path) if store.kind in {"memory", "other"} else _ObjectWriter(store, path)
    with _discarding(writer):
        yield writer


@contextmanager
def _discarding(writer: Writer) -> Iterator[None]:
    try:
        yield
    except BaseException:
        writer.discard()
        raise


class _PathWriter:
    """A temporary beside the target, renamed at the end."""

    def __init__(self, files: PathFiles, path: str) -> None:
        files.make_folders(path.rpartition("/")[0])
        self._files, self._path, self._part = files, path, part_beside(path)
        self._file = files.open_part(self._part)
        self._bytes = 0

    def write(self, data: bytes, /) -> None:
        self._file.write(data)
        self._bytes += len(data)

    def publish(self) -> None:
        self._file.close()
        stored = self._files.size(self._part)
        if stored != self._bytes:
            raise OSError(f"{self._bytes} bytes were written and {stored} are there")
        self._files.replace(self._part, self._path)

    def discard(self) -> None:
        self._file.abandon()
        remove_quietly(self._files, self._part)


class _ObjectWriter:
    """One request for a small file, for a larger one an upload in parts, which the store shows when it is complete."""

    def __init__(self, store: Store, path: str) -> None:
        self._filesystem, self._kind, self._path = store.filesystem, store.kind, path
        self._beginning = bytearray()
        self._file: Any = None
        self._bytes = 0

    def write(self, data: bytes, /) -> None:
        self._bytes += len(data)
        if self._file is None:
            self._beginning += data
            if self._bytes <= _BLOCK_BYTES:
                return
            how = {"block_size": _BLOCK_BYTES, "autocommit": False, **self._media_type()}
            self._file = self._filesystem.open(self._path, "wb", **how)
            data, self._beginning = bytes(self._beginning), bytearray()
        self._file.write(data)

    def publish(self) -> None:
        if self._file is None:
            self._filesystem.pipe_file(self._path, bytes(self._beginning), **self._media_type())
        else:
            # adlfs publishes when closed, s3fs and gcsfs when committed.
            self._file.close()
            self._file.commit()
        stored = self._filesystem.info(self._path)["size"]
        if stored != self._bytes:
            raise OSError(f"{self._bytes} bytes were written and {stored} are there")

    def _media_type(self) -> dict[str, Any]:
        """Return the option by which a driver is told the type: without it a browser does not play the video."""
        media_type = mimetypes.guess_type(self._path)[0] or "video/mp4"
        if self._kind == "azure":
            from azure.storage.blob import ContentSettings  # noqa: PLC0415 - an extra; whoever gets here has it

            return {"content_settings": ContentSettings(content_type=media_type)}
        return {"ContentType" if self._kind == "s3" else "content_type": media_type}

    def discard(self) -> None:
        if self._file is None:
            return
        with suppress(*driver_errors()):
            self._file.discard()
        # Or else the garbage collector closes it, which uploads what is left of it.
        self._file.closed = True


class _SpoolWriter:
    """A spool on this machine, for stores that show a file while it grows; the copy at the end is not one step."""

    def __init__(self, store: Store, path: str) -> None:
        self._store, self._path = store, path
        self._spool = tempfile.SpooledTemporaryFile(max_size=_SPOOL_BYTES)  # noqa: SIM115 - closed at the end

    def write(self, data: bytes, /) -> None:
        self._spool.write(data)

    def publish(self) -> None:
        self._spool.seek(0)
        filesystem = self._store.filesystem
        if self._store.kind == "memory":
            with memory_lock:
                filesystem.pipe_file(self._path, self._spool.read())
        else:
            self._copy(filesystem)
        self._spool.close()

    def _copy(self, filesystem: AbstractFileSystem) -> None:
        filesystem.makedirs(self._path.rpartition("/")[0], exist_ok=True)
        try:
            with filesystem.open(self._path, "wb") as target:
                while block := self._spool.read(_BLOCK_BYTES):
                    target.write(block)
        except BaseException:
            with suppress(*driver_errors()):
                filesystem.rm_file(self._path)
            raise

    def discard(self) -> None:
        self._spool.close()

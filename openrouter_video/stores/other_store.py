"""Stores that show a file while it grows: any kind of which nothing is known, and the memory of this process."""

from __future__ import annotations

import io
import secrets
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import IO, BinaryIO, ClassVar

from openrouter_video.stores.errors import driver_errors
from openrouter_video.stores.store import Store, Writer

__all__ = ["MemoryStore", "OtherStore"]

_BLOCK_BYTES = 8 * 2**20
_SPOOL_BYTES = 16 * 2**20
_PROCESS = secrets.token_hex(8)
_memory_lock = threading.Lock()


@dataclass(frozen=True)
class OtherStore(Store):
    """A store of any other kind: good for videos, but not for a ledger."""

    def _write(self, path: str, data: bytes) -> None:
        self.filesystem.pipe_file(path, data)

    def _create(self, path: str, data: bytes) -> bool:  # noqa: ARG002
        raise self.ledger_refusal("it is not known whether stores of its kind can create a file exclusively")

    @contextmanager
    def _writer(self, path: str) -> Iterator[Writer]:
        yield _SpoolWriter(self, path)

    def copy(self, spool: IO[bytes], path: str) -> None:
        """Write a large file from its copy on this machine, which is not one step."""
        self.filesystem.makedirs(path.rpartition("/")[0], exist_ok=True)
        try:
            with self.filesystem.open(path, "wb") as target:
                while block := spool.read(_BLOCK_BYTES):
                    target.write(block)
        except BaseException:
            with suppress(*driver_errors()):
                self.filesystem.rm_file(path)
            raise


@dataclass(frozen=True)
class MemoryStore(OtherStore):
    """A folder in the memory of this process, and gone with it."""

    is_near: ClassVar[bool] = True

    def origin(self) -> str:
        """Return the name of this process, whatever machine it is on."""
        return _PROCESS

    @contextmanager
    def reading(self, *parts: str, through: bool = False) -> Iterator[BinaryIO]:  # noqa: ARG002
        """Lend a copy to read: fsspec's memory files share one position between all who read."""
        yield io.BytesIO(self.filesystem.cat_file(self.path(*parts)))

    def copy(self, spool: IO[bytes], path: str) -> None:
        """Take a large file from its copy on this machine, in one step."""
        self._write(path, spool.read())

    def _write(self, path: str, data: bytes) -> None:
        with _memory_lock:
            self.filesystem.pipe_file(path, data)

    def _create(self, path: str, data: bytes) -> bool:
        with _memory_lock:
            if self.filesystem.exists(path):
                return False
            self.filesystem.pipe_file(path, data)
            return True


class _SpoolWriter:
    """A spool on this machine, from which the file is copied at the end."""

    def __init__(self, store: OtherStore, path: str) -> None:
        self._store, self._path = store, path
        self._spool = tempfile.SpooledTemporaryFile(max_size=_SPOOL_BYTES)  # noqa: SIM115 - closed at the end

    def write(self, data: bytes, /) -> None:
        self._spool.write(data)

    def publish(self) -> None:
        self._spool.seek(0)
        self._store.copy(self._spool, self._path)
        self._spool.close()

    def discard(self) -> None:
        self._spool.close()

"""Stores with real folders: a file is written under another name beside its own, then published in one step."""

from __future__ import annotations

import secrets
from abc import abstractmethod
from collections.abc import Callable, Collection, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass, field, replace
from typing import NamedTuple, Protocol, Self, TypeVar

from openrouter_video.errors import StorageError
from openrouter_video.stores.errors import driver_errors
from openrouter_video.stores.store import Store, Writer

__all__ = ["Access", "FolderStore", "PartFile", "PartWriter", "PathFiles", "part_beside", "part_of"]

T = TypeVar("T")

_ATTEMPTS = 3
_LONGEST_STEM = 200  # leaves room for the rest of the name: file systems take 255 bytes


class Access(NamedTuple):
    """Who may use what is created in a folder, and below it: the permissions of files, as by ``chmod``."""

    root: str
    file_mode: int

    def of_folder(self, folder: str) -> int | None:
        """Return the permissions of a new folder; None for one outside, where the process's own umask decides."""
        if folder != self.root and not folder.startswith(f"{self.root.rstrip('/')}/"):
            return None
        # Who may read a file may enter its folder.
        return self.file_mode | (self.file_mode & 0o444) >> 2


class PartFile(Protocol):
    """A file being written under its temporary name."""

    def write(self, data: bytes, /) -> object:
        """Take all of ``data``."""

    def close(self) -> None:
        """Return when everything is with the store; errors that were held back are raised here."""

    def abandon(self) -> None:
        """Let go of it without a promise; raises nothing."""


class PathFiles(Protocol):
    """The few operations by which a file is published whole; paths are absolute, exceptions the driver's own."""

    def make_folders(self, folder: str, access: Access | None = None) -> None:
        """Create a folder and what is missing above it; one that exists, or appears meanwhile, is left as it is."""

    def open_part(self, path: str, access: Access | None = None) -> PartFile:
        """Create a new file for writing, which nobody may read who may not in the end."""

    def size(self, path: str) -> int:
        """Return a file's size in bytes."""

    def link_new(self, part: str, target: str) -> bool:
        """Give ``part`` the name ``target`` as well, in one step; False when something has that name already."""

    def replace(self, part: str, target: str) -> None:
        """Rename ``part`` to ``target``, in one step, in place of an older file."""

    def remove(self, path: str) -> None:
        """Remove a file."""

    def names(self, folder: str) -> list[str]:
        """Return what is in a folder, temporaries too; it must exist."""


def part_beside(path: str) -> str:
    """Return a temporary name in the same folder, which no other process uses."""
    folder, _, name = path.rpartition("/")
    return f"{folder}/.{name[:_LONGEST_STEM]}.{secrets.token_hex(6)}.part"


def part_of(name: str) -> str | None:
    """Return the name that a temporary is to bear in the end; None for a name that is no temporary of ours."""
    return name[1:-5].rpartition(".")[0] if name.startswith(".") and name.endswith(".part") else None


@dataclass(frozen=True)
class FolderStore(Store):
    """A store that can link and rename; ``access`` is what new small files are given."""

    access: Access | None = field(default=None, compare=False, kw_only=True)

    @abstractmethod
    def files(self) -> AbstractContextManager[PathFiles]:
        """Lend the operations on its files, to one thread."""

    def readable_by(self, mode: int) -> Self:
        """Return this store where new small files have these permissions, and new folders what goes with them."""
        return replace(self, access=Access(self.root, mode))

    def list_names(self, relative: str = "", *, temporaries: bool = False) -> list[str]:
        """Return the names in a folder, with those of files that are still being written if ``temporaries``."""
        return [name for name in super().list_names(relative) if temporaries or part_of(name) is None]

    def list_files(self, relative: str = "", *, without: Collection[str] = ()) -> list[str]:
        """Return the paths of all files beneath a folder, without those that are still being written."""
        found = super().list_files(relative, without=without)
        return [path for path in found if part_of(path.rpartition("/")[2]) is None]

    def _write(self, path: str, data: bytes) -> None:
        self._publish(path, data, lambda files, part: files.replace(part, path))

    def _create(self, path: str, data: bytes) -> bool:
        # Not by fsspec's own mode="create", which on a disk and over SFTP only looks before it writes.
        def link(files: PathFiles, part: str) -> bool:
            new = files.link_new(part, path)
            _remove_quietly(files, part)
            return new

        return self._publish(path, data, link)

    def _publish(self, path: str, data: bytes, name: Callable[[PathFiles, str], T]) -> T:
        """Write a temporary beside ``path`` and let ``name`` give it that name; what it returns."""
        with self.files() as files:
            for _ in range(_ATTEMPTS):
                part = _write_part(files, path, data, self.access)
                try:
                    return name(files, part)
                except FileNotFoundError:
                    # Whoever has written the same file, or ended this key's story, has cleared the temporary away.
                    _remove_quietly(files, part)
                except BaseException:
                    _remove_quietly(files, part)
                    raise
        raise StorageError(f"Could not write {path}: its temporary file vanished {_ATTEMPTS} times.")

    @contextmanager
    def _writer(self, path: str) -> Iterator[Writer]:
        with self.files() as files:
            yield PartWriter(files, path)

    def _clear(self, folder: str, names: Collection[str] | None) -> None:
        with self.files() as files:
            for name in files.names(folder):
                of = part_of(name)
                if of is not None and (names is None or of in names):
                    _remove_quietly(files, f"{folder}/{name}")


class PartWriter:
    """A temporary beside the target, renamed at the end."""

    def __init__(self, files: PathFiles, path: str) -> None:
        files.make_folders(path.rpartition("/")[0])
        self._files, self._path, self._part = files, path, part_beside(path)
        self._file = files.open_part(self._part)
        self._bytes = 0

    def write(self, data: bytes, /) -> None:
        """Take all of ``data``."""
        self._file.write(data)
        self._bytes += len(data)

    def publish(self) -> None:
        """Give the file its name."""
        self._file.close()
        stored = self._files.size(self._part)
        if stored != self._bytes:
            raise OSError(f"{self._bytes} bytes were written and {stored} are there")
        self._files.replace(self._part, self._path)

    def discard(self) -> None:
        """Remove the temporary."""
        self._file.abandon()
        _remove_quietly(self._files, self._part)


def _write_part(files: PathFiles, path: str, data: bytes, access: Access | None) -> str:
    """Write a small file under a temporary name beside ``path``, and return that name."""
    files.make_folders(path.rpartition("/")[0], access)
    part = part_beside(path)
    file = files.open_part(part, access)
    try:
        file.write(data)
        file.close()
    except BaseException:
        file.abandon()
        _remove_quietly(files, part)
        raise
    return part


def _remove_quietly(files: PathFiles, path: str) -> None:
    """Remove a temporary, best effort: what went wrong before is what the caller must hear of."""
    with suppress(*driver_errors()):
        files.remove(path)

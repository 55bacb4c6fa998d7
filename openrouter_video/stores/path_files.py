"""Files on stores that have folders: written under another name, then published in one step."""

from __future__ import annotations

import errno
import os
import secrets
import stat
import sys
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import NamedTuple, Protocol

from openrouter_video.stores.errors import driver_errors

__all__ = [
    "Access",
    "LocalFiles",
    "PartFile",
    "PathFiles",
    "is_part",
    "part_beside",
    "part_of",
    "remove_quietly",
    "write_part",
]

_WAITING_BYTES = 32 * 2**20
# By these a mount says that it syncs no folders (CIFS, vboxsf, FUSE); nothing is lost by it, unlike by EIO or ENOSPC.
_CANNOT_SYNC = frozenset(
    {errno.EINVAL, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.ENOTTY}
    | {errno.EBADF, errno.EISDIR, errno.EACCES, errno.EPERM}
)
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
    """The few operations by which a file on a path store is published whole; paths are absolute."""

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


def is_part(name: str) -> bool:
    """Tell whether a name is one of ours for a file that is not whole yet."""
    return name.startswith(".") and name.endswith(".part")


def part_of(name: str) -> str | None:
    """Return the name that a temporary is to bear in the end; None for a name that is no temporary of ours."""
    return name[1:].removesuffix(".part").rpartition(".")[0] if is_part(name) else None


def remove_quietly(files: PathFiles, path: str) -> None:
    """Remove a temporary, best effort: what went wrong before is what the caller must hear of."""
    with suppress(*driver_errors()):
        files.remove(path)


def write_part(files: PathFiles, path: str, data: bytes, access: Access | None = None) -> str:
    """Write a small file under a temporary name beside ``path``, and return that name."""
    files.make_folders(path.rpartition("/")[0], access)
    part = part_beside(path)
    file = files.open_part(part, access)
    try:
        file.write(data)
        file.close()
    except BaseException:
        file.abandon()
        remove_quietly(files, part)
        raise
    return part


class LocalFiles:
    """Files of this machine, on the disk (fsync) before they bear their name."""

    def make_folders(self, folder: str, access: Access | None = None) -> None:
        """Create a folder and what is missing above it, each on the disk before the next."""
        path = Path(folder)
        if path.is_dir():
            return
        self.make_folders(str(path.parent), access)
        mode = access.of_folder(folder) if access else None
        try:
            path.mkdir(0o777 if mode is None else mode)
        except FileExistsError:
            if not path.is_dir():
                raise NotADirectoryError(errno.ENOTDIR, f"{folder} is a file, not a folder") from None
        else:
            if mode is not None:
                _set_mode(folder, mode)
        _sync_folder(str(path.parent))

    def open_part(self, path: str, access: Access | None = None) -> PartFile:
        """Create a new file for writing."""
        return _LocalPart(path, access)

    def size(self, path: str) -> int:
        """Return a file's size in bytes."""
        return Path(path).stat().st_size

    def link_new(self, part: str, target: str) -> bool:
        """Link ``part`` to ``target``; the one operation that refuses an existing name on every file system."""
        try:
            os.link(part, target)
        except FileExistsError:
            # NFS may repeat a link whose answer was lost: then the name is there, and it is ours.
            if Path(part).stat().st_nlink == 1:
                return False
        _sync_folder(str(Path(target).parent))
        return True

    def replace(self, part: str, target: str) -> None:
        """Rename ``part`` to ``target`` in place of an older file."""
        Path(part).replace(target)
        _sync_folder(str(Path(target).parent))

    def remove(self, path: str) -> None:
        """Remove a file."""
        Path(path).unlink()

    def names(self, folder: str) -> list[str]:
        """Return what is in a folder."""
        return os.listdir(folder)  # noqa: PTH208 (a thousand videos in a folder, each a Path to no purpose)


class _LocalPart:
    def __init__(self, path: str, access: Access | None) -> None:
        mode = access.file_mode if access else 0o666
        self._file = open(path, "xb", opener=partial(os.open, mode=mode))  # noqa: SIM115 - see close, abandon
        if access:
            _set_mode(path, mode)
        self._waiting = 0

    def write(self, data: bytes, /) -> None:
        self._file.write(data)
        self._waiting += len(data)
        if sys.platform == "linux" and self._waiting >= _WAITING_BYTES:
            # The disk begins now, and not only when all has arrived and fsync waits for it.
            with suppress(OSError):
                os.posix_fadvise(self._file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
            self._waiting = 0

    def close(self) -> None:
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()

    def abandon(self) -> None:
        # Closing flushes first, which fails again on a full disk; the second call finds it closed.
        with suppress(OSError):
            self._file.close()


def _set_mode(path: str, mode: int) -> None:
    """Give what was just created its permissions where the umask took some; a disk may know none."""
    with suppress(OSError):
        has = stat.S_IMODE(Path(path).stat().st_mode)
        if has & 0o777 != mode:
            # By its other bits a folder hands its group on to what is created in it.
            Path(path).chmod(mode | has & 0o7000)


def _sync_folder(folder: str) -> None:
    try:
        handle = os.open(folder, os.O_RDONLY)
    except OSError as error:
        # Where a folder may be written and not read, nobody can sync it.
        if error.errno not in _CANNOT_SYNC:
            raise
        return
    try:
        os.fsync(handle)
    except OSError as error:
        if error.errno not in _CANNOT_SYNC:
            raise
    finally:
        os.close(handle)

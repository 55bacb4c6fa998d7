"""A folder of this machine: its files are on the disk (fsync) before they bear their name, and created by link(2)."""

from __future__ import annotations

import errno
import os
import stat
import sys
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from typing import ClassVar

from openrouter_video.stores.folder_store import Access, FolderStore, PartFile, PathFiles
from openrouter_video.stores.urls import file_url

__all__ = ["LocalFiles", "LocalStore"]

_WAITING_BYTES = 32 * 2**20
# By these a mount says that it syncs no folders (CIFS, vboxsf, FUSE); nothing is lost by it, unlike by EIO or ENOSPC.
_CANNOT_SYNC = frozenset(
    {errno.EINVAL, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.ENOTTY}
    | {errno.EBADF, errno.EISDIR, errno.EACCES, errno.EPERM}
)


@dataclass(frozen=True)
class LocalStore(FolderStore):
    """A folder of this machine."""

    is_near: ClassVar[bool] = True

    def url_of(self, *parts: str) -> str:
        """Return the file URL of something in the store."""
        return file_url(self.path(*parts))

    def origin(self) -> str:
        """Return the number of this machine, on whose disk the folder is."""
        return f"{uuid.getnode():x}"

    @contextmanager
    def files(self) -> Iterator[PathFiles]:
        """Lend the operations on its files."""
        yield LocalFiles()


class LocalFiles:
    """Files of this machine."""

    def make_folders(self, folder: str, access: Access | None = None) -> None:
        """Create a folder and what is missing above it, each on the disk before the next."""
        if os.path.isdir(folder):
            return
        parent = os.path.dirname(folder)
        self.make_folders(parent, access)
        mode = access.of_folder(folder) if access else None
        try:
            os.mkdir(folder, 0o777 if mode is None else mode)
        except FileExistsError:
            if not os.path.isdir(folder):
                raise NotADirectoryError(errno.ENOTDIR, f"{folder} is a file, not a folder") from None
        else:
            if mode is not None:
                _set_mode(folder, mode)
        _sync_folder(parent)

    def open_part(self, path: str, access: Access | None = None) -> PartFile:
        """Create a new file for writing."""
        return _LocalPart(path, access)

    def size(self, path: str) -> int:
        """Return a file's size in bytes."""
        return os.stat(path).st_size

    def link_new(self, part: str, target: str) -> bool:
        """Link ``part`` to ``target``; the one operation that refuses an existing name on every file system."""
        try:
            os.link(part, target)
        except FileExistsError:
            # NFS may repeat a link whose answer was lost: then the name is there, and it is ours.
            if os.stat(part).st_nlink == 1:
                return False
        _sync_folder(os.path.dirname(target))
        return True

    def replace(self, part: str, target: str) -> None:
        """Rename ``part`` to ``target`` in place of an older file."""
        os.replace(part, target)
        _sync_folder(os.path.dirname(target))

    def remove(self, path: str) -> None:
        """Remove a file."""
        os.unlink(path)

    def names(self, folder: str) -> list[str]:
        """Return what is in a folder."""
        return os.listdir(folder)


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
        has = stat.S_IMODE(os.stat(path).st_mode)
        if has & 0o777 != mode:
            # By its other bits a folder hands its group on to what is created in it.
            os.chmod(path, mode | has & 0o7000)


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

"""A folder over SFTP, by way of fsspec and paramiko: a connection of its own for each thread.

Paramiko drops the answer that one thread waits for when another thread reads it from the same connection, so a
connection is lent to one thread at a time and a new one is opened when all are in use.
"""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass, field
from stat import S_IMODE, S_ISDIR
from typing import TYPE_CHECKING, Any

from fsspec import AbstractFileSystem

from openrouter_video.stores.errors import driver_errors
from openrouter_video.stores.folder_store import Access, FolderStore, PartFile, PathFiles

if TYPE_CHECKING:
    import paramiko

__all__ = ["SftpSessions", "SftpStore", "connect"]

_TIMEOUT_SECONDS = 10
_MOST_IDLE = 8
_ANSWER_SECONDS = 60
_KEEPALIVE_SECONDS = 30
_BUFFER_BYTES = 2**20
_REQUESTS_AHEAD = 64


def connect(filesystem: type[AbstractFileSystem], options: Mapping[str, Any]) -> AbstractFileSystem:
    """Open a connection of its own, outside fsspec's instance cache, that notices when the other side is gone."""

    def connect_or_close(self: AbstractFileSystem) -> None:
        try:
            filesystem._connect(self)  # noqa: SLF001 - what fsspec's file system does when it is made
            self.ftp.get_channel().settimeout(_ANSWER_SECONDS)
            self.client.get_transport().set_keepalive(_KEEPALIVE_SECONDS)
        except BaseException:
            # A server that refuses the password would be left connected.
            self.client.close()
            raise

    closing = type("ClosingSftp", (filesystem,), {"_connect": connect_or_close})
    stages = ("timeout", "banner_timeout", "auth_timeout", "channel_timeout")
    limits = dict.fromkeys(stages, _TIMEOUT_SECONDS)
    session: AbstractFileSystem = closing(**{**limits, **options, "skip_instance_cache": True})
    return session


class SftpSessions:
    """The connections to one server, each lent to one thread at a time; dead ones are replaced.

    A connection lives in a thread of its own, so that nothing but closing ends it: whoever has opened a store closes
    it, and what is forgotten all the same is closed when nothing refers to it any more.
    """

    def __init__(self, first: AbstractFileSystem, connect: Callable[[], AbstractFileSystem]) -> None:
        self._idle: list[AbstractFileSystem] = [first]
        self._connect = connect
        self._lock = threading.Lock()
        self._closed = False
        # At the end of the process the system closes them.
        weakref.finalize(self, _close_all, self._idle).atexit = False

    @contextmanager
    def lend(self) -> Iterator[AbstractFileSystem]:
        """Lend a connection; one that an exception passed through is closed, for its state is unknown."""
        session = self._take()
        try:
            yield session
        except BaseException:
            _close(session)
            raise
        with self._lock:
            keep = not self._closed and len(self._idle) < _MOST_IDLE
            if keep:
                self._idle.append(session)
        if not keep:
            _close(session)

    def close(self) -> None:
        """Close what nobody uses, and keep nothing from now on: a late user gets a connection for one use."""
        with self._lock:
            self._closed = True
        _close_all(self._idle)

    def _take(self) -> AbstractFileSystem:
        while True:
            with self._lock:
                session = self._idle.pop() if self._idle else None
            if session is None:
                return self._connect()
            transport = session.client.get_transport()
            if transport is not None and transport.is_active():
                return session


def _close_all(sessions: list[AbstractFileSystem]) -> None:
    while sessions:
        _close(sessions.pop())


def _close(session: AbstractFileSystem) -> None:
    with suppress(*driver_errors()):
        session.client.close()


@dataclass(frozen=True)
class SftpStore(FolderStore):
    """A folder on an SFTP server; ``filesystem`` is only the first of its ``sessions``."""

    sessions: SftpSessions = field(repr=False, compare=False, kw_only=True)

    def session(self) -> AbstractContextManager[AbstractFileSystem]:
        """Lend a connection."""
        return self.sessions.lend()

    def close(self) -> None:
        """Close the connections."""
        self.sessions.close()

    @contextmanager
    def files(self) -> Iterator[PathFiles]:
        """Lend the operations on its files."""
        with self.sessions.lend() as session:
            yield _SftpFiles(session)

    def _read_ahead(self, file: Any) -> None:
        # Else paramiko asks for 32 KiB at a time and waits for each answer; so for 2 MiB.
        file.prefetch(max_concurrent_requests=_REQUESTS_AHEAD)


class _SftpFiles:
    """Files over one connection."""

    def __init__(self, session: AbstractFileSystem) -> None:
        self._ftp: paramiko.SFTPClient = session.ftp

    def make_folders(self, folder: str, access: Access | None = None) -> None:
        """Create a folder and what is missing above it."""
        if not folder or self._is_folder(folder):
            return
        self.make_folders(folder.rpartition("/")[0], access)
        mode = access.of_folder(folder) if access else None
        try:
            self._ftp.mkdir(folder, *([] if mode is None else [mode]))
        except OSError:
            if not self._is_folder(folder):
                raise
        else:
            self._set_mode(folder, mode)

    def open_part(self, path: str, access: Access | None = None) -> PartFile:
        """Create a new file for writing."""
        if access is None:
            return _SftpPart(self._ftp.open(path, "wx"))
        import paramiko  # noqa: PLC0415 - an extra; whoever gets here has it
        from paramiko import sftp  # noqa: PLC0415

        wanted = paramiko.SFTPAttributes()
        wanted.st_mode = access.file_mode
        flags = sftp.SFTP_FLAG_WRITE | sftp.SFTP_FLAG_CREATE | sftp.SFTP_FLAG_EXCL
        # Paramiko's own open tells no permissions, and a moment later somebody could have opened the file.
        message = self._request(sftp.CMD_OPEN, path, flags, wanted)
        file = _SftpPart(paramiko.SFTPFile(self._ftp, message.get_binary(), "wx"))
        self._set_mode(path, access.file_mode)
        return file

    def _set_mode(self, path: str, mode: int | None) -> None:
        """Give what was just created the permissions of a group, which the server's umask may have taken."""
        if mode is not None and mode & 0o077:
            with suppress(*driver_errors()):
                self._ftp.chmod(path, mode | S_IMODE(self._ftp.stat(path).st_mode or 0) & 0o7000)

    def size(self, path: str) -> int:
        """Return a file's size in bytes."""
        return self._ftp.stat(path).st_size or 0

    def link_new(self, part: str, target: str) -> bool:
        """Link ``part`` to ``target`` by OpenSSH's extension, which is link(2) on the server and nothing else.

        A plain SFTP rename does not do: where links are unsupported, OpenSSH looks first and renames then, and other
        servers overwrite.
        """
        from paramiko import sftp  # noqa: PLC0415 - an extra; whoever gets here has it

        try:
            self._request(sftp.CMD_EXTENDED, "hardlink@openssh.com", part, target)
        except OSError:
            if not self._exists(target):
                raise
            return False
        return True

    def replace(self, part: str, target: str) -> None:
        """Rename ``part`` to ``target`` in place of an older file; in two steps on servers that know no better."""
        try:
            self._ftp.posix_rename(part, target)
        except OSError as error:
            # Paramiko hands on the server's words and no number. Any other trouble must not cost the older file.
            if "support" not in str(error).lower():
                raise
            if self._exists(target):
                self._ftp.remove(target)
            self._ftp.rename(part, target)

    def remove(self, path: str) -> None:
        """Remove a file."""
        self._ftp.remove(path)

    def names(self, folder: str) -> list[str]:
        """Return what is in a folder."""
        return list(self._ftp.listdir(folder))

    def _request(self, kind: int, *values: object) -> paramiko.Message:
        """Make a request for which paramiko has no method, as its posix_rename does."""
        _, answer = self._ftp._request(kind, *values)  # type: ignore[attr-defined] # noqa: SLF001
        return answer  # type: ignore[no-any-return]

    def _exists(self, path: str) -> bool:
        try:
            self._ftp.lstat(path)
        except FileNotFoundError:
            return False
        return True

    def _is_folder(self, path: str) -> bool:
        try:
            return S_ISDIR(self._ftp.stat(path).st_mode or 0)
        except FileNotFoundError:
            return False


class _SftpPart:
    """Writes without waiting for each answer, and asks for all of them before the end."""

    def __init__(self, file: paramiko.SFTPFile) -> None:
        self._file = file
        self._buffer = bytearray()
        file.set_pipelined(True)

    def write(self, data: bytes, /) -> None:
        self._buffer += data
        if len(self._buffer) > _BUFFER_BYTES:
            # A byte stays behind for close, which reads the answers with a write.
            self._file.write(bytes(self._buffer[:-1]))
            del self._buffer[:-1]

    def close(self) -> None:
        # Paramiko forgets unread answers when a file is closed; a write without pipelining reads them all.
        self._file.set_pipelined(False)
        self._file.write(bytes(self._buffer))
        self._file.close()

    def abandon(self) -> None:
        with suppress(*driver_errors()):
            self._file.close()

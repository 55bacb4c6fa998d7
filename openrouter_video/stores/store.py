"""A store: a folder, or a prefix, behind any fsspec URL, and the few operations that the rest of the package needs.

A class per kind tells how: ``LocalStore``, ``SftpStore``, ``S3Store``, ``GcsStore``, ``AzureStore``, ``MemoryStore``,
and ``OtherStore`` for all of which nothing is known.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext, suppress
from dataclasses import dataclass, field, replace
from typing import Any, BinaryIO, ClassVar, Protocol, Self

from fsspec import AbstractFileSystem

from openrouter_video.errors import LedgerUnsafe, StorageError
from openrouter_video.stores.errors import storage_errors

__all__ = ["Store", "Writer"]

_READ_BYTES = 2**20
_DEEPEST = 16  # a link to a folder above it would have no end


class Writer(Protocol):
    """A large file on its way into a store, which is not published yet; exceptions are the driver's own."""

    def write(self, data: bytes, /) -> object:
        """Take all of ``data``."""

    def publish(self) -> None:
        """Give the file its name, whole, in place of an older one."""

    def discard(self) -> None:
        """Leave nothing behind, best effort; raises nothing."""


@dataclass(frozen=True)
class Store(ABC):
    """A folder, or a prefix, in some store. Every operation blocks, and may be called from many threads at once.

    ``url`` holds no secret; ``root`` is the path inside ``filesystem``, which is used by way of ``session`` only. All
    operations raise StorageError, also for a path that leads out of the store.
    """

    keeps_probe: ClassVar[bool] = False
    """Whether the file of a check stays, so that who only ever creates files needs no right to remove any."""

    is_near: ClassVar[bool] = False
    """Whether what is in it can be read without asking another machine."""

    url: str
    filesystem: AbstractFileSystem = field(repr=False, compare=False)
    root: str
    secrets: tuple[str, ...] = field(default=(), repr=False, compare=False)

    # ---- Names -------------------------------------------------------------------------------------------------------

    def path(self, *parts: str) -> str:
        """Return the path of something in the store; a part may itself have slashes, but leads nowhere else."""
        relative = _relative(parts)
        return f"{self.root.rstrip('/')}/{relative}" if relative else self.root

    def url_of(self, *parts: str) -> str:
        """Return the URL of something in the store."""
        relative = _relative(parts)
        separator = "" if self.url.endswith("/") else "/"
        return f"{self.url}{separator}{relative}" if relative else self.url

    def child(self, *parts: str) -> Self:
        """Return the store whose root is a folder of this one."""
        return replace(self, url=self.url_of(*parts), root=self.path(*parts))

    def readable_by(self, mode: int) -> Self:  # noqa: ARG002 - a store without permissions has nobody to keep out
        """Return this store where new small files have these permissions, and new folders what goes with them."""
        return self

    def origin(self) -> str | None:
        """Return what tells this store from another one with the same URL; None if all machines see the same there."""
        return None

    # ---- Its driver --------------------------------------------------------------------------------------------------

    def session(self) -> AbstractContextManager[AbstractFileSystem]:
        """Lend a file system that no other thread uses meanwhile in a way that it could not bear."""
        return nullcontext(self.filesystem)

    def close(self) -> None:  # noqa: B027 - most kinds have nothing to close
        """Close the connections that belong to this store and its children; what is in use is closed after it."""

    def errors(
        self, doing: str, *parts: str, then: str = "", more: tuple[type[Exception], ...] = ()
    ) -> AbstractContextManager[None]:
        """Raise StorageError for what the driver raises inside, and for ``more``; ``doing`` completes "Could not …"."""
        return storage_errors(doing, lambda: self.url_of(*parts), self.secrets, then, more)

    def ledger_refusal(self, reason: str) -> LedgerUnsafe:
        """Return the error that says why this store cannot hold the ledger, and where it could be instead."""
        return LedgerUnsafe(
            f"{self.url} cannot hold the ledger, which keeps a video from being paid twice: {reason.rstrip('.')}. "
            "The videos may stay there; set the ledger elsewhere with OPENROUTER_VIDEO_LEDGER or --ledger, to a "
            "folder of this machine, or on S3, Google Cloud Storage, Azure or an OpenSSH server."
        )

    # ---- Small files -------------------------------------------------------------------------------------------------

    def read_bytes(self, relative: str) -> bytes | None:
        """Return a small file's content; None if there is none."""
        with self.errors("read", relative), self.session() as filesystem:
            try:
                content: bytes = filesystem.cat_file(self.path(relative))
            except FileNotFoundError:
                return None
            return content

    def size_of(self, relative: str) -> int | None:
        """Return a file's size in bytes; None if there is no such file."""
        with self.errors("look at", relative), self.session() as filesystem:
            filesystem.invalidate_cache()
            try:
                info: Mapping[str, Any] = filesystem.info(self.path(relative))
            except FileNotFoundError:
                return None
            return int(info["size"]) if info["type"] == "file" else None

    def list_names(self, relative: str = "", *, temporaries: bool = False) -> list[str]:  # noqa: ARG002 - folders have some
        """Return the names in a folder, sorted, as they are now; empty if there is none.

        Files that are still being written are left out, unless ``temporaries`` asks for them.
        """
        parts = _named(relative)
        path = self.path(*parts)
        with self.errors("list", *parts), self.session() as filesystem:
            filesystem.invalidate_cache()
            try:
                found = self._list(filesystem, path)
            except (FileNotFoundError, NotADirectoryError):
                return []
        # An object store lists a marker of the folder itself, and a file lists as itself.
        beneath = [entry.rstrip("/") for entry in found if entry.strip("/") != path.strip("/")]
        return sorted({entry.rpartition("/")[2] for entry in beneath})

    def list_tree(self, relative: str = "") -> dict[str, int] | None:  # noqa: ARG002 - few kinds can
        """Return the sizes of all files beneath a folder by their paths in it; None where that takes many requests."""
        return None

    def list_files(self, relative: str = "", *, without: Collection[str] = ()) -> list[str]:
        """Return the paths of all files beneath a folder, sorted; not those in folders of the names ``without``.

        Files that are still being written are left out, and so is what lies deeper than any video does.
        """
        parts = _named(relative)
        root, found = self.path(*parts), []
        with self.errors("list", *parts), self.session() as filesystem:
            filesystem.invalidate_cache()
            try:
                for folder, folders, names in filesystem.walk(root, maxdepth=_DEEPEST, on_error="raise"):
                    # What is taken out of the list is not looked into.
                    folders[:] = [name for name in folders if name not in without]
                    found += [f"{folder}/{name}" for name in names if name]
            except (FileNotFoundError, NotADirectoryError):
                return []
        beginning = f"{root.strip('/')}/"
        return sorted(path.strip("/").removeprefix(beginning) for path in found)

    def write_bytes(self, relative: str, data: bytes) -> None:
        """Write a small file whole, in place of an older one, which is still there if it fails."""
        with self.errors("write", relative):
            self._write(self.path(relative), data)

    def create_exclusive(self, relative: str, data: bytes) -> bool:
        """Create a file, whole or not at all, unless it exists; of any number of processes, one is told True.

        False may also mean that a first attempt was ours and its answer was lost: read the file to know whose it is.

        Raises:
            LedgerUnsafe: Stores of this kind cannot promise it.
            StorageError: It failed, or nobody can tell whether the file was created.
        """
        with self.errors("create", relative):
            return self._create(self.path(relative), data)

    def remove(self, relative: str) -> None:
        """Remove a file; one that is not there is fine."""
        with self.errors("remove", relative), self.session() as filesystem, suppress(FileNotFoundError):
            filesystem.rm_file(self.path(relative))

    def sign(self, relative: str, seconds: int) -> str:  # noqa: ARG002 - only object stores can
        """Return an address that opens a file for so long, to whoever has it: a secret. Empty: the store's root itself.

        Raises:
            StorageError: There can be none, or these credentials cannot sign one.
        """
        raise StorageError(f"{self.url_of(*_named(relative))} is in a store that cannot sign an address for a file.")

    # ---- Large files -------------------------------------------------------------------------------------------------

    @contextmanager
    def writing(self, relative: str) -> Iterator[Writer]:
        """Lend a writer for a file that nobody sees before it is whole; after an exception nothing is left behind.

        An object store says at its first request that the file cannot be begun, which comes later.
        """
        with ExitStack() as lent:
            with self.errors("write", relative):
                writer = lent.enter_context(self._writer(self.path(relative)))
            try:
                yield writer
            except BaseException:
                writer.discard()
                raise

    @contextmanager
    def reading(self, *parts: str, through: bool = False) -> Iterator[BinaryIO]:
        """Lend a file to read, from beginning to end if ``through``; exceptions are the driver's own."""
        with self.session() as filesystem, filesystem.open(self.path(*parts), "rb", block_size=_READ_BYTES) as file:
            if through:
                self._read_ahead(file)
            yield file

    def clear_leftovers(self, folder: str, names: Collection[str] | None = None) -> None:
        """Remove what killed writers left of the files of these names in a folder (None: of all), best effort.

        Nothing shows whether a writer is dead or slow, on another machine least of all. So it is left alone until its
        file is complete: by then a slow writer's work is superfluous, and it finds the file that another has finished.
        """
        with suppress(StorageError), self.errors("clear", folder):
            self._clear(self.path(folder), names)

    # ---- What differs by kind; exceptions are the driver's own -------------------------------------------------------

    @abstractmethod
    def _write(self, path: str, data: bytes) -> None:
        """Write a small file whole."""

    @abstractmethod
    def _create(self, path: str, data: bytes) -> bool:
        """Create a small file unless it exists."""

    @abstractmethod
    def _writer(self, path: str) -> AbstractContextManager[Writer]:
        """Begin a large file."""

    def _list(self, filesystem: AbstractFileSystem, path: str) -> list[str]:
        """Return the paths right below a folder, and perhaps its own."""
        found: list[str] = filesystem.ls(path, detail=False)
        return found

    def _read_ahead(self, file: BinaryIO) -> None:  # noqa: B027 - fsspec's files read ahead by themselves
        """Prepare a file that is read to its end."""

    def _clear(self, folder: str, names: Collection[str] | None) -> None:  # noqa: B027 - most drop such things themselves
        """Remove what writers left that were killed."""


def _named(relative: str) -> tuple[str, ...]:
    return (relative,) if relative else ()


def _relative(parts: tuple[str, ...]) -> str:
    names = [name for part in parts for name in part.split("/")]
    if any(name in {"", ".", ".."} or "\0" in name for name in names):
        raise StorageError(f"{'/'.join(parts)!r} is not a path inside a store. Leave out '..', '.' and empty parts.")
    return "/".join(names)

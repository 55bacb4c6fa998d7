"""Edge: a place for files, named by any fsspec URL, opened once and used from many threads."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import fsspec
from fsspec import AbstractFileSystem

from openrouter_video.errors import ConfigurationError, StorageError
from openrouter_video.stores.azure import check_account
from openrouter_video.stores.errors import driver_errors, explain, storage_errors
from openrouter_video.stores.path_files import Access, LocalFiles, PathFiles
from openrouter_video.stores.patience import answered_in_time
from openrouter_video.stores.sftp import SftpFiles, SftpSessions, connect
from openrouter_video.stores.urls import (
    StoreKind,
    StoreUrl,
    ends_with_the_process,
    file_url,
    nearest_schemes,
    parse_store_url,
    secret_values,
)

__all__ = ["Store", "local_path", "open_store", "passing_place"]

_S3_PATIENCE = {"connect_timeout": 5}  # botocore's own is a minute, for each of five attempts
_EXTRAS: Mapping[StoreKind, str] = {"s3": "s3", "gcs": "gcs", "azure": "azure", "sftp": "sftp"}


@dataclass(frozen=True)
class Store:
    """A folder, or a prefix, in some store.

    ``url`` holds no secret; ``root`` is the path inside ``filesystem``. Over SFTP use ``session`` rather than
    ``filesystem``, which is one connection that only one thread may use at a time.
    """

    url: str
    filesystem: AbstractFileSystem = field(repr=False, compare=False)
    root: str
    kind: StoreKind
    secrets: tuple[str, ...] = field(default=(), repr=False, compare=False)
    sessions: SftpSessions | None = field(default=None, repr=False, compare=False)
    access: Access | None = field(default=None, compare=False)

    def path(self, *parts: str) -> str:
        """Return the path of something in the store; a part may itself have slashes, but leads nowhere else."""
        relative = _relative(parts)
        return f"{self.root.rstrip('/')}/{relative}" if relative else self.root

    def url_of(self, *parts: str) -> str:
        """Return the URL of something in the store."""
        relative = _relative(parts)
        if self.kind == "local":
            return file_url(self.path(*parts))
        separator = "" if self.url.endswith("/") else "/"
        return f"{self.url}{separator}{relative}" if relative else self.url

    def child(self, *parts: str) -> Store:
        """Return the store whose root is a folder of this one."""
        return replace(self, url=self.url_of(*parts), root=self.path(*parts))

    def readable_by(self, mode: int) -> Store:
        """Return this store where new small files have these permissions, and new folders what goes with them."""
        return replace(self, access=Access(self.root, mode))

    def close(self) -> None:
        """Close the connections that belong to this store and its children; what is in use is closed after it."""
        if self.sessions is not None:
            self.sessions.close()

    @contextmanager
    def session(self) -> Iterator[AbstractFileSystem]:
        """Lend a file system that no other thread uses meanwhile in a way that it could not bear."""
        if self.sessions is None:
            yield self.filesystem
        else:
            with self.sessions.lend() as filesystem:
                yield filesystem

    @contextmanager
    def files(self) -> Iterator[PathFiles]:
        """Lend the operations of a path store, that is of kind "local" or "sftp"."""
        if self.sessions is None:
            yield LocalFiles()
        else:
            with self.sessions.lend() as filesystem:
                yield SftpFiles(filesystem)

    @contextmanager
    def errors(self, doing: str, *parts: str, then: str = "") -> Iterator[None]:
        """Raise StorageError for what the driver raises inside; ``doing`` completes "Could not …"."""
        with storage_errors(doing, self.url_of(*parts), self.secrets, then):
            yield


def _relative(parts: tuple[str, ...]) -> str:
    names = [name for part in parts for name in part.split("/")]
    if any(name in {"", ".", ".."} or "\0" in name for name in names):
        raise StorageError(f"{'/'.join(parts)!r} is not a path inside a store. Leave out '..', '.' and empty parts.")
    return "/".join(names)


def open_store(url: str, storage_options: Mapping[str, Any] | None = None) -> Store:
    """Open any fsspec URL, or a folder of this machine, as a store.

    SFTP connects at once; the other stores at their first use. ``storage_options`` go to fsspec's file system as they
    are, and win over what the URL says.

    Raises:
        ConfigurationError: The URL or the options cannot be used, a driver is missing, or SFTP cannot connect.
    """
    parsed = parse_store_url(url)
    options = dict(storage_options or {})
    driver = _driver(parsed)
    if parsed.kind == "local":
        root = local_path(parsed)
        return Store(file_url(root), driver(), root, "local")
    if parsed.kind == "memory":
        return Store(parsed.shown, driver(**options), parsed.path, "memory")
    if parsed.kind == "s3":
        # It connects at its first use; and fsspec shares what one thread has opened with that thread only.
        return _connected(parsed, url, driver, options)
    return answered_in_time(lambda: _connected(parsed, url, driver, options), parsed.shown, too_late=Store.close)


def _connected(parsed: StoreUrl, url: str, driver: type[AbstractFileSystem], options: dict[str, Any]) -> Store:
    secrets = secret_values(options)
    try:
        if parsed.kind in {"s3", "gcs", "azure"}:
            # A listing that another process has made stale would hide a claim.
            options.setdefault("use_listings_cache", False)
        if parsed.kind == "s3":
            options["config_kwargs"] = {**_S3_PATIENCE, **(options.get("config_kwargs") or {})}
        if parsed.kind == "gcs":
            # Or else "#1" at the end of a folder's name is the version of an object, and the folder seems empty.
            options = {"version_aware": False, **options}
        options = {**driver._get_kwargs_from_urls(url), **options}  # noqa: SLF001 - fsspec's own way to open a URL
        root = driver._strip_protocol(url).rstrip("/") or "/"  # noqa: SLF001
        if parsed.kind != "sftp":
            store = Store(parsed.shown, driver(**options), root, parsed.kind, secrets)
            if parsed.kind == "azure":
                check_account(store.filesystem, options.get("account_name"), store.url)
            return store
        first = connect(driver, options)
    except driver_errors(TypeError, KeyError) as error:
        raise ConfigurationError(f"Could not open the store {parsed.shown}: {explain(error, secrets)}") from None
    return Store(parsed.shown, first, root, "sftp", secrets, SftpSessions(first, lambda: connect(driver, options)))


def local_path(parsed: StoreUrl) -> str:
    """Return the absolute path that a local URL or a plain path means on this machine.

    Raises:
        ConfigurationError: Nobody can tell, as where the home of a user, or the current folder, is unknown.
    """
    try:
        path = Path(parsed.path) if parsed.scheme else Path(parsed.path).expanduser()
        if parsed.other_path is not None and not path.exists() and Path(parsed.other_path).exists():
            path = Path(parsed.other_path)
        return str(path.resolve() if ".." in path.parts else path.absolute())
    except RuntimeError:
        raise _unknown_home(parsed.path) from None
    except OSError as error:
        raise ConfigurationError(f"The folder {parsed.path!r} cannot be found: {explain(error)}") from None


def _unknown_home(path: str) -> ConfigurationError:
    return ConfigurationError(
        f"This machine cannot tell which home {path!r} means. Give the whole path, or write ./{path} for a folder "
        "of that name."
    )


def passing_place(url: str) -> bool:
    """Whether what is kept there ends with a worker's process, or with the folder that it happens to work in.

    Raises:
        ConfigurationError: The URL cannot be used.
    """
    parsed = parse_store_url(url)
    if parsed.kind != "local" or parsed.scheme:
        return ends_with_the_process(parsed)
    try:
        return not Path(parsed.path).expanduser().is_absolute()
    except RuntimeError:
        raise _unknown_home(parsed.path) from None


def _driver(parsed: StoreUrl) -> type[AbstractFileSystem]:
    scheme = parsed.scheme or "file"
    try:
        if parsed.kind == "sftp":
            # Not by the scheme: another package may have registered a driver of its own for it, as sshfs does.
            from fsspec.implementations.sftp import SFTPFileSystem  # noqa: PLC0415 - it needs paramiko, an extra

            return SFTPFileSystem  # type: ignore[no-any-return]
        if parsed.kind == "gcs":
            # Not the one that gcsfs registers: before its operations that asks for the bucket's type by gRPC, for up to
            # a minute where only HTTP gets through, and all that we do needs HTTP alone.
            from gcsfs.core import GCSFileSystem  # noqa: PLC0415 - an extra

            return GCSFileSystem  # type: ignore[no-any-return]
        return fsspec.get_filesystem_class(scheme)  # type: ignore[no-any-return]
    except ValueError:
        near = nearest_schemes(scheme, fsspec.available_protocols())
        hint = f"Did you mean {' or '.join(f'{name}://' for name in near)}?" if near else "See fsspec's documentation."
        raise ConfigurationError(f"No store is known by {scheme}:// (in {parsed.shown}). {hint}") from None
    except ImportError as error:
        extra = _EXTRAS.get(parsed.kind)
        cure = f'pip install "prefect-openrouter-video[{extra}]"' if extra else str(error)
        raise ConfigurationError(f"The driver for {parsed.shown} is not installed: {cure}") from None

"""From any fsspec URL, or a path of this machine, to the store of its kind."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import fsspec
from fsspec import AbstractFileSystem

from openrouter_video.errors import ConfigurationError
from openrouter_video.stores.errors import driver_errors, explain
from openrouter_video.stores.local_store import LocalStore
from openrouter_video.stores.object_store import AzureStore, GcsStore, S3Store
from openrouter_video.stores.other_store import MemoryStore, OtherStore
from openrouter_video.stores.sftp_store import SftpSessions, SftpStore, connect
from openrouter_video.stores.store import Store
from openrouter_video.stores.time_limit import answered_in_time
from openrouter_video.stores.urls import StoreKind, StoreUrl, file_url, nearest_schemes, parse_store_url, secret_values

__all__ = ["OptionsFor", "is_relative", "no_options", "open_store"]

OptionsFor = Callable[[str], Mapping[str, Any] | None]
"""Tells the storage options that a URL may be opened with."""

_STORES: Mapping[StoreKind, type[Store]] = {"s3": S3Store, "gcs": GcsStore, "azure": AzureStore, "other": OtherStore}
# A listing that another process has made stale would hide a claim.
_NO_CACHE: Mapping[str, Any] = {"use_listings_cache": False}
_DEFAULTS: Mapping[StoreKind, Mapping[str, Any]] = {
    "s3": _NO_CACHE,
    # Or else "#1" at the end of a folder's name is the version of an object, and the folder seems empty.
    "gcs": {**_NO_CACHE, "version_aware": False},
    "azure": _NO_CACHE,
}
_S3_TIMEOUTS = {"connect_timeout": 5}  # botocore's own is a minute, for each of five attempts
_EXTRAS: Mapping[StoreKind, str] = {"s3": "s3", "gcs": "gcs", "azure": "azure", "sftp": "sftp"}


def no_options(_url: str) -> None:
    """Say of any URL that it is opened without storage options."""


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
        root = _local_path(parsed)
        return LocalStore(file_url(root), driver(), root)
    if parsed.kind == "memory":
        return MemoryStore(parsed.shown, driver(**options), parsed.path)
    if parsed.kind == "s3":
        # It connects at its first use; and fsspec shares what one thread has opened with that thread only.
        return _connected(parsed, url, driver, options)
    return answered_in_time(
        lambda: _connected(parsed, url, driver, options), parsed.shown, too_late=lambda store: store.close()
    )


def _connected(parsed: StoreUrl, url: str, driver: type[AbstractFileSystem], options: dict[str, Any]) -> Store:
    secrets = secret_values(options)
    try:
        options = {**_DEFAULTS.get(parsed.kind, {}), **options}
        if parsed.kind == "s3":
            options["config_kwargs"] = {**_S3_TIMEOUTS, **(options.get("config_kwargs") or {})}
        options = {**driver._get_kwargs_from_urls(url), **options}  # noqa: SLF001 - fsspec's own way to open a URL
        root = driver._strip_protocol(url).rstrip("/") or "/"  # noqa: SLF001
        filesystem = connect(driver, options) if parsed.kind == "sftp" else driver(**options)
        if parsed.kind == "azure":
            _check_account(filesystem, options.get("account_name"), parsed.shown)
    except driver_errors(TypeError, KeyError) as error:
        raise ConfigurationError(f"Could not open the store {parsed.shown}: {explain(error, secrets)}") from None
    if parsed.kind == "sftp":
        sessions = SftpSessions(filesystem, lambda: connect(driver, options))
        return SftpStore(parsed.shown, filesystem, root, secrets, sessions=sessions)
    return _STORES[parsed.kind](parsed.shown, filesystem, root, secrets)


def _check_account(filesystem: AbstractFileSystem, account: str | None, url: str) -> None:
    """Refuse a URL that names one account where a connection string, which wins without a word, names another."""
    opened = filesystem.service_client.account_name if filesystem.connection_string else None
    if account and opened and account != opened:
        raise ConfigurationError(
            f"The store {url} is in the account {account!r}, and the connection string (in the storage options or in "
            f"AZURE_STORAGE_CONNECTION_STRING) is for the account {opened!r}. Correct one of them."
        )


def is_relative(url: str) -> bool:
    """Whether a path depends on the folder that a process happens to work in, as one below a relative home does.

    Raises:
        ConfigurationError: The URL cannot be used.
    """
    parsed = parse_store_url(url)
    return parsed.kind == "local" and not _path(parsed).is_absolute()


def _local_path(parsed: StoreUrl) -> str:
    """Return the absolute path that a local URL or a plain path means on this machine.

    Raises:
        ConfigurationError: Nobody can tell, as where the home of a user, or the current folder, is unknown.
    """
    path = _path(parsed)
    try:
        if parsed.other_path is not None and not path.exists() and Path(parsed.other_path).exists():
            path = Path(parsed.other_path)
        return str(path.resolve() if ".." in path.parts else path.absolute())
    except OSError as error:
        raise ConfigurationError(f"The folder {parsed.path!r} cannot be found: {explain(error)}") from None


def _path(parsed: StoreUrl) -> Path:
    """Return the path of a local URL, or a plain path with its home."""
    try:
        return Path(parsed.path) if parsed.scheme else Path(parsed.path).expanduser()
    except RuntimeError:
        raise ConfigurationError(
            f"This machine cannot tell which home {parsed.path!r} means. Give the whole path, or write "
            f"./{parsed.path} for a folder of that name."
        ) from None


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

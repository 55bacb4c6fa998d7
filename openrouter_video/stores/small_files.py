"""Edge: small files in a store, and what each kind of store can promise about them.

Every function here blocks, and may be called from many threads at once. A promise to create a file exclusively is made
per kind, since fsspec's own ``mode="create"`` on this machine's disk and over SFTP only looks before it writes.
"""

from __future__ import annotations

import re
import secrets
import time
from collections.abc import Iterable, Mapping
from contextlib import suppress
from typing import Any

from openrouter_video.errors import ConfigurationError, StorageError
from openrouter_video.stores.azure import azure_paths
from openrouter_video.stores.exclusive import UNKNOWN_KIND, create_exclusive, ledger_refusal, memory_lock
from openrouter_video.stores.opening import Store
from openrouter_video.stores.path_files import is_part, remove_quietly, write_part

__all__ = [
    "check_ledger",
    "check_writable",
    "clear_probes",
    "list_names",
    "read_bytes",
    "remove",
    "size_of",
    "write_bytes",
]


_PROBE = re.compile(r"\.{1,2}probe-([0-9]+)-.*")  # with two dots it is the temporary of one
_PROBE_SECONDS = 600.0


def write_bytes(store: Store, relative: str, data: bytes) -> None:
    """Write a small file whole, in place of an older one.

    Raises:
        StorageError: It could not be written; an older file is still there.
    """
    path = store.path(relative)
    with store.errors("write", relative):
        if store.kind == "memory":
            with memory_lock:
                store.filesystem.pipe_file(path, data)
        elif store.kind in {"local", "sftp"}:
            with store.files() as files:
                part = write_part(files, path, data)
                try:
                    files.replace(part, path)
                except BaseException:
                    remove_quietly(files, part)
                    raise
        else:
            store.filesystem.pipe_file(path, data)


def read_bytes(store: Store, relative: str) -> bytes | None:
    """Return a small file's content; None if there is none.

    Raises:
        StorageError: It could not be read, which is not to say that it is absent.
    """
    with store.errors("read", relative), store.session() as filesystem:
        try:
            content: bytes = filesystem.cat_file(store.path(relative))
        except FileNotFoundError:
            return None
        return content


def size_of(store: Store, relative: str) -> int | None:
    """Return a file's size in bytes; None if there is no such file.

    Raises:
        StorageError: The store could not be asked.
    """
    with store.errors("look at", relative), store.session() as filesystem:
        _forget_listings(store)
        try:
            info: Mapping[str, Any] = filesystem.info(store.path(relative))
        except FileNotFoundError:
            return None
        return int(info["size"]) if info["type"] == "file" else None


def list_names(store: Store, relative: str = "", *, temporaries: bool = False) -> list[str]:
    """Return the names in a folder, sorted, as they are now; empty if there is none.

    Files that are still being written are left out, unless ``temporaries`` asks for them.

    Raises:
        StorageError: The folder could not be listed.
    """
    parts = (relative,) if relative else ()
    path = store.path(*parts)
    with store.errors("list", *parts), store.session() as filesystem:
        _forget_listings(store)
        try:
            found: list[str] = (
                azure_paths(filesystem, path) if store.kind == "azure" else filesystem.ls(path, detail=False)
            )
        except (FileNotFoundError, NotADirectoryError):
            return []
        # An object store lists a marker of the folder itself, and a file lists as itself.
        names = {entry.rstrip("/").rpartition("/")[2] for entry in found if entry.strip("/") != path.strip("/")}
    return sorted(name for name in names if temporaries or not is_part(name))


def _forget_listings(store: Store) -> None:
    if store.kind in {"s3", "gcs", "azure", "other"}:
        store.filesystem.invalidate_cache()


def remove(store: Store, relative: str) -> None:
    """Remove a file; one that is not there is fine.

    Raises:
        StorageError: It could not be removed.
    """
    with store.errors("remove", relative), store.session() as filesystem:
        try:
            filesystem.rm_file(store.path(relative))
        except FileNotFoundError:
            return


def check_writable(store: Store) -> None:
    """Write, read, list and remove a small file, so that a store that cannot take a video says so before one is paid.

    Raises:
        ConfigurationError: Something of it is not possible.
    """
    probe, content = _new_probe(), b"openrouter-video"
    try:
        write_bytes(store, probe, content)
        try:
            whole = read_bytes(store, probe) == content
            clear_probes(store, list_names(store, temporaries=True))
        finally:
            remove(store, probe)
        # S3 answers 403 about an absent object to those who may not list, which nobody can tell from a locked one.
        absent = read_bytes(store, probe) is None
    except StorageError as error:
        raise ConfigurationError(f"The store {store.url} cannot be used. {error}") from None
    if not (whole and absent):
        raise ConfigurationError(
            f"The store {store.url} cannot be used: it gives back something else than what was written or removed. "
            "Choose another place."
        )


def clear_probes(store: Store, names: Iterable[str]) -> None:
    """Remove those of the names that are probes of processes killed in the middle, known by their age; best effort."""
    for name in names:
        probe = _PROBE.fullmatch(name)
        if probe is not None and time.time() - int(probe[1]) > _PROBE_SECONDS:
            with suppress(StorageError):
                remove(store, name)


def _new_probe() -> str:
    return f".probe-{time.time():.0f}-{secrets.token_hex(6)}"


def check_ledger(store: Store) -> None:
    """Create a small file twice, and leave nothing behind: the second attempt must be told that it exists.

    Raises:
        LedgerUnsafe: The store cannot promise that of two processes only one creates a record.
    """
    if store.kind == "other":
        raise ledger_refusal(store, UNKNOWN_KIND)
    probe = _new_probe()
    try:
        try:
            first = create_exclusive(store, probe, b"1")
            second = create_exclusive(store, probe, b"2")
            kept = read_bytes(store, probe)
        finally:
            remove(store, probe)
    except StorageError as error:
        raise ledger_refusal(store, f"the test of it failed. {error}") from None
    if not first or second or kept != b"1":
        raise ledger_refusal(store, "it let a second writer replace a record that must be created only once")

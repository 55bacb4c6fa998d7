"""Edge: small files in a store, and what each kind of store can promise about them.

Every function here blocks, and may be called from many threads at once. A promise to create a file exclusively is made
per kind, since fsspec's own ``mode="create"`` on this machine's disk and over SFTP only looks before it writes.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from openrouter_video.stores.azure import azure_paths
from openrouter_video.stores.exclusive import memory_lock
from openrouter_video.stores.opening import Store
from openrouter_video.stores.path_files import is_part, remove_quietly, write_part

__all__ = ["list_names", "read_bytes", "remove", "size_of", "write_bytes"]


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
                part = write_part(files, path, data, store.access)
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

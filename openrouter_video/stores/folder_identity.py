"""Edge: which folder a local path means, since a ledger may be shared by machines that have different ones there.

A folder says it itself, by a small file in it: so a mounted volume is known again in a container of another name. The
text is made of the machine and the path, so that a folder that was removed and made anew there is the same one.
"""

from __future__ import annotations

import hashlib
import platform
import secrets
import uuid

from openrouter_video.stores.exclusive import create_exclusive
from openrouter_video.stores.opening import Store
from openrouter_video.stores.small_files import read_bytes

__all__ = ["folder_identity", "is_same_folder"]

MARKER = ".openrouter-video-folder"
_PROCESS = secrets.token_hex(8)


def folder_identity(store: Store) -> str | None:
    """Return by what a folder of this machine is known again, and leave it there; None for a store that has one URL.

    Raises:
        StorageError: The folder could not be read or written.
    """
    if store.kind not in {"local", "memory"}:
        return None
    found = read_bytes(store, MARKER)
    if found is None:
        create_exclusive(store, MARKER, _identity(store).encode())
        found = read_bytes(store, MARKER)
    return (found or b"").decode("utf-8", "replace").strip() or None


def is_same_folder(store: Store, identity: str | None) -> bool:
    """Whether this machine sees the folder of that identity at this place; without one it must at least exist.

    Raises:
        StorageError: The folder could not be read.
    """
    if store.kind not in {"local", "memory"}:
        return True
    with store.errors("look at"):
        if identity is None:
            return bool(store.filesystem.isdir(store.path()))
    found = read_bytes(store, MARKER)
    return identity == (_identity(store) if found is None else found.decode("utf-8", "replace").strip())


def _identity(store: Store) -> str:
    # What is in memory is gone with its process, whatever machine that was on.
    where = _PROCESS if store.kind == "memory" else f"{uuid.getnode():x}"
    text = f"{platform.node()}\0{where}\0{store.path()}"
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()[:32]

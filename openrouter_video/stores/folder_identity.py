"""Which folder a path of this machine means, since a ledger may be shared by machines that have different ones there.

A folder says it itself, by a small file in it: so a mounted volume is known again in a container of another name. The
text is made of the machine and the path, so that a folder that was removed and made anew there is the same one.
"""

from __future__ import annotations

import hashlib
import platform

from openrouter_video.stores.store import Store

__all__ = ["folder_identity", "is_same_folder"]

MARKER = ".openrouter-video-folder"


def folder_identity(store: Store) -> str | None:
    """Return by what a folder of this machine is known again, and leave it there; None for a store that has one URL.

    Raises:
        StorageError: The folder could not be read or written.
    """
    origin = store.origin()
    if origin is None:
        return None
    found = store.read_bytes(MARKER)
    if found is None:
        store.create_exclusive(MARKER, _identity(store, origin).encode())
        found = store.read_bytes(MARKER)
    return (found or b"").decode("utf-8", "replace").strip() or None


def is_same_folder(store: Store, identity: str | None) -> bool:
    """Whether this machine sees the folder of that identity under this URL; without one it must at least exist.

    Raises:
        StorageError: The folder could not be read.
    """
    origin = store.origin()
    if origin is None:
        return True
    if identity is None:
        with store.errors("look at"), store.session() as filesystem:
            return bool(filesystem.isdir(store.path()))
    found = store.read_bytes(MARKER)
    return identity == (_identity(store, origin) if found is None else found.decode("utf-8", "replace").strip())


def _identity(store: Store, origin: str) -> str:
    text = f"{platform.node()}\0{origin}\0{store.path()}"
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()[:32]

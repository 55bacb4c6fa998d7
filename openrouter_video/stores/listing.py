"""Edge: everything beneath a folder of an object store, by the fewest requests."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from openrouter_video.stores.opening import Store

__all__ = ["list_tree"]


def list_tree(store: Store, relative: str = "") -> dict[str, int] | None:
    """Return the sizes of all files beneath a folder by their paths in it; None where that takes a look at each folder.

    S3, Google and Azure list a thousand files or more in one request, whatever folders they are in.

    Raises:
        StorageError: The folder could not be listed.
    """
    if store.kind not in {"s3", "gcs", "azure"}:
        return None
    parts = (relative,) if relative else ()
    path = store.path(*parts)
    with store.errors("list", *parts):
        store.filesystem.invalidate_cache()
        try:
            found: Any = store.filesystem.find(path, detail=True)
        except FileNotFoundError:
            return {}
    if not isinstance(found, Mapping):
        # Azure's driver names a file in place of a folder, and nothing else of it.
        return {}
    prefix = f"{path.strip('/')}/"
    beneath = {name.strip("/").removeprefix(prefix): info for name, info in found.items() if name.strip("/") != path}
    return {name: int(info.get("size") or 0) for name, info in beneath.items()}

"""Edge: the names in a folder on Azure, asked of Azure itself.

adlfs asks for everything that begins like the folder's name and sorts it out afterwards: a file of the folder's own
name, or the empty blob by which a web page marks a folder, then hides all that is in it, a claim too.
"""

from __future__ import annotations

from typing import Any

from fsspec import AbstractFileSystem
from fsspec.asyn import sync

__all__ = ["azure_paths"]


def azure_paths(filesystem: AbstractFileSystem, folder: str) -> list[str]:
    """Return the paths right below a folder, each with its container in front; a path of a folder ends in a slash.

    Exceptions are those of Azure's library.
    """
    paths: list[str] = sync(filesystem.loop, _paths, filesystem, folder)
    return paths


async def _paths(filesystem: Any, folder: str) -> list[str]:
    container, _, prefix = folder.partition("/")
    async with filesystem.service_client.get_container_client(container) as client:
        found = client.walk_blobs(name_starts_with=f"{prefix}/" if prefix else None, delimiter="/")
        return [f"{container}/{entry.name}" async for entry in found]

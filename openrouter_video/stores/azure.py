"""Edge: what adlfs must not be left to do alone on Azure: to choose the account, and to list a folder.

For a listing adlfs asks for everything that begins like the folder's name and sorts it out afterwards: a file of the
folder's own name, or the empty blob by which a web page marks a folder, then hides all that is in it, a claim too.
"""

from __future__ import annotations

from typing import Any

from fsspec import AbstractFileSystem
from fsspec.asyn import sync

from openrouter_video.errors import ConfigurationError

__all__ = ["azure_paths", "check_account"]


def check_account(filesystem: AbstractFileSystem, account: str | None, url: str) -> None:
    """Refuse a URL that names one account where a connection string, which wins without a word, names another.

    Raises:
        ConfigurationError: They are not the same.
    """
    opened = filesystem.service_client.account_name if filesystem.connection_string else None
    if account and opened and account != opened:
        raise ConfigurationError(
            f"The store {url} is in the account {account!r}, and the connection string (in the storage options or in "
            f"AZURE_STORAGE_CONNECTION_STRING) is for the account {opened!r}. Correct one of them."
        )


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

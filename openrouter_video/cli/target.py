"""The file that a command writes: the folder that it is in, and its name."""

from __future__ import annotations

from openrouter_video.errors import Problem, RequestRefused
from openrouter_video.stores import parse_store_url, safe_url

__all__ = ["folder_and_name"]


def folder_and_name(field: str, option: str, to: str) -> tuple[str, str]:
    """Return the folder and the name of the file to write; ``option`` is what the command line calls it.

    Raises:
        RequestRefused: if it names no file, or one that nobody would ever see.
        ConfigurationError: if it is not the URL of a store.
    """
    folder, slash, name = to.rpartition("/")
    if not name or name in {".", ".."} or folder.endswith(":/"):
        raise RequestRefused([Problem(field, f"{option} {safe_url(to)} names a folder; give the file too")])
    if parse_store_url(to).ends_with_the_process:
        raise RequestRefused([Problem(field, f"{option} {safe_url(to)} ends with this command; give a lasting place")])
    return folder or slash or ".", name

"""Writes the page of a folder."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from importlib.resources import files
from typing import Literal

from openrouter_video.errors import StorageError
from openrouter_video.gallery.links import Place
from openrouter_video.gallery.matrix import Entry, page_data
from openrouter_video.gallery.page import MARK, Parts, page_of
from openrouter_video.stores import Store

__all__ = ["PAGE", "page_in", "write_page"]

PAGE = "index.html"


def write_page(store: Store, folder: str, entries: Sequence[Entry], pages: Mapping[str, str] | None = None) -> str:
    """Write the page of a folder of a store, in place of an older one; return its URL.

    Raises:
        StorageError: It could not be written, or somebody else's page is there.
    """
    path = f"{folder}/{PAGE}".lstrip("/")
    if page_in(store, folder) == "foreign":
        message = "was not made by openrouter-video, and is not written over. Rename it, or put the videos elsewhere."
        raise StorageError(f"{store.url_of(path)} {message}")
    store.write_bytes(path, page_of(page_data(entries, Place(store.url, folder), pages), _parts()))
    return store.url_of(path)


def page_in(store: Store, folder: str) -> Literal["ours", "foreign"] | None:
    """Return whose page a folder has already; None if it has none.

    Raises:
        StorageError: It could not be read.
    """
    page = store.read_bytes(f"{folder}/{PAGE}".lstrip("/"))
    if not page:
        return None
    return "ours" if MARK.encode() in page else "foreign"


@cache
def _parts() -> Parts:
    here = files(__package__)
    return Parts((here / "page.css").read_text(encoding="utf-8"), (here / "page.js").read_text(encoding="utf-8"))

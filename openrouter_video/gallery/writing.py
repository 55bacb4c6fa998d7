"""Writes the page of a folder."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from importlib.resources import files

from openrouter_video.gallery.links import Place
from openrouter_video.gallery.matrix import Entry, page_data
from openrouter_video.gallery.page import Parts, page_of
from openrouter_video.stores import Store

__all__ = ["PAGE", "write_page"]

PAGE = "index.html"


def write_page(store: Store, folder: str, entries: Sequence[Entry], pages: Mapping[str, str] | None = None) -> str:
    """Write the page of a folder of a store, in place of an older one; return its URL.

    Raises:
        StorageError: It could not be written.
    """
    path = f"{folder}/{PAGE}".lstrip("/")
    store.write_bytes(path, page_of(page_data(entries, Place(store.url, folder), pages), _parts()))
    return store.url_of(path)


@cache
def _parts() -> Parts:
    here = files(__package__)
    return Parts((here / "page.css").read_text(encoding="utf-8"), (here / "page.js").read_text(encoding="utf-8"))

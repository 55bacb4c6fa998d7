"""Reads all that a folder tells of its videos: sidecars, manifests, and which pages there are already. Blocks."""

from __future__ import annotations

import json
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

from openrouter_video.gallery.matrix import Entry
from openrouter_video.gallery.merging import Files, found_videos, is_sidecar
from openrouter_video.gallery.writing import PAGE, write_page
from openrouter_video.run import LEDGER_FOLDER, MANIFEST, read_manifest
from openrouter_video.stores import Store

__all__ = ["BuiltPage", "build_page"]

READERS = 16
"""Of a store that answers in 50 ms these read three hundred records a second."""


class BuiltPage(NamedTuple):
    """A page that was made, and how many videos it shows; without videos there is none."""

    url: str | None
    videos: int


def build_page(store: Store) -> BuiltPage:
    """Make the page of a store's folder anew, whatever lies in it: a run, a batch, or a whole output.

    Raises:
        StorageError: The folder could not be read, or the page not be written.
    """
    paths = store.list_files(without={LEDGER_FOLDER})
    folders = [path.removesuffix(MANIFEST).rstrip("/") for path in paths if path.rpartition("/")[2] == MANIFEST]
    manifests = {folder: read_manifest(store, folder) for folder in folders}
    sidecars = _read_all(store, [path for path in paths if is_sidecar(path)])
    entries = found_videos(manifests, sidecars, Files(store.url, frozenset(paths), store.url_of))
    if not entries:
        return BuiltPage(None, 0)
    return BuiltPage(write_page(store, "", entries, _pages(paths, entries)), len(entries))


def _pages(paths: Sequence[str], entries: Sequence[Entry]) -> dict[str, str]:
    """Return the pages of the folders that the videos belong to, save the one that is being made."""
    homes = {entry.folder for entry in entries} - {""}
    return {path.removesuffix(f"/{PAGE}"): path for path in paths if path.removesuffix(f"/{PAGE}") in homes}


def _read_all(store: Store, paths: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Return the contents of small JSON files; of those that are objects."""
    with ThreadPoolExecutor(READERS) as readers:
        try:
            contents = list(readers.map(store.read_bytes, paths))
        except BaseException:
            readers.shutdown(wait=False, cancel_futures=True)
            raise
    records = {path: _object_in(content) for path, content in zip(paths, contents, strict=True)}
    return {path: record for path, record in records.items() if record is not None}


def _object_in(content: bytes | None) -> dict[str, Any] | None:
    try:
        record = json.loads(content or b"")
    except (ValueError, RecursionError):
        return None
    return record if isinstance(record, dict) else None

"""Which paths of planned videos hold another video already, which may be paid for. An edge; blocks.

A path with the digits of what is asked is nobody else's, so that only a template without them is looked up.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor

from openrouter_video.run.planned_video import PlannedVideo
from openrouter_video.stores import Store
from openrouter_video.videos import possible_names, sidecar_path

__all__ = ["taken_paths"]

READERS = 16
UNKNOWN = "unknown"


def taken_paths(store: Store, videos: Iterable[PlannedVideo]) -> dict[str, str]:
    """Return the paths that are taken, with the ledger key of the video that is there, as far as its sidecar tells it.

    Raises:
        StorageError: if a folder cannot be listed.
    """
    paths = [video.path for video in videos if video.scope.short not in video.path]
    folders = sorted({path.rpartition("/")[0] for path in paths})
    with ThreadPoolExecutor(READERS) as readers:
        listed = zip(folders, readers.map(store.list_names, folders), strict=True)
        names = {folder: {name.casefold() for name in found} for folder, found in listed}
        there = [path for path in paths if _is_there(path, names)]
        return dict(zip(there, readers.map(lambda path: _key_at(store, path), there), strict=True))


def _is_there(path: str, names: Mapping[str, set[str]]) -> bool:
    sidecar = sidecar_path(path).rpartition("/")[2]
    return not names[path.rpartition("/")[0]].isdisjoint(map(str.casefold, {sidecar, *possible_names(path)}))


def _key_at(store: Store, path: str) -> str:
    try:
        key = json.loads(store.read_bytes(sidecar_path(path)) or b"")["key"]
    except (ValueError, TypeError, KeyError, RecursionError):
        return UNKNOWN
    return key if isinstance(key, str) else UNKNOWN

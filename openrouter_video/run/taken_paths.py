"""Which paths of planned videos are another video's already, which may be paid for. An edge; blocks.

A path with the digits of what is asked and its model is nobody else's, so that only a template without them is looked
up: in the store, and among the jobs that are open, whose videos are still to come.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor

from openrouter_video.ledger import Ledger, read_marked
from openrouter_video.run.planned_video import PlannedVideo
from openrouter_video.stores import Store
from openrouter_video.videos import model_slug, possible_names, sidecar_path

__all__ = ["taken_paths"]

READERS = 16
UNKNOWN = "unknown"


def taken_paths(store: Store, ledger: Ledger, videos: Iterable[PlannedVideo]) -> dict[str, str]:
    """Return the paths that are taken, with the ledger key of the video that is there, as far as its sidecar tells it.

    Raises:
        StorageError: if a folder cannot be listed.
        LedgerError: if what is open cannot be listed.
    """
    paths = [video.path for video in videos if not _is_its_own(video)]
    return _on_their_way(store, ledger, paths) | _there(store, paths) if paths else {}


def _is_its_own(video: PlannedVideo) -> bool:
    return video.scope.short in video.path and model_slug(video.plan.model) in video.path


def _on_their_way(store: Store, ledger: Ledger, paths: Iterable[str]) -> dict[str, str]:
    claims = [entry.claim for entry in read_marked(ledger) if entry.claim]
    open_ones = {claim.path.casefold(): claim.key for claim in claims if claim.output == store.url}
    return {path: key for path in paths if (key := open_ones.get(path.casefold()))}


def _there(store: Store, paths: Iterable[str]) -> dict[str, str]:
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

"""Brings the page and the manifest of a folder up to date with what has become of its videos. Blocks.

A manifest and a page are read, two files are written and one folder is looked at, however many videos there are.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from openrouter_video.gallery.merging import keys_of, merged_rows, videos_of
from openrouter_video.gallery.reading import build_page
from openrouter_video.gallery.writing import PAGE, page_in, write_page
from openrouter_video.outcome import Outcome
from openrouter_video.rows import Row
from openrouter_video.run import MANIFEST, PARQUET, Published, read_manifest, write_manifest
from openrouter_video.stores import Store
from openrouter_video.videos import folder_of_batch

__all__ = ["publish", "refresh", "was_begun"]


def was_begun(outcomes: Sequence[Outcome]) -> bool:
    """Whether there is anything to show: of a run that was refused as a whole there is not."""
    return any(outcome.status not in {"refused", "skipped"} for outcome in outcomes)


def publish(store: Store, folder: str, outcomes: Sequence[Outcome], *, with_manifest: bool = True) -> Published:
    """Write the page of a run's or batch's folder, and its manifest unless it has been written already.

    What earlier runs have left in the same folder stays on both.

    Raises:
        StorageError: if one could not be written.
    """
    rows = merged_rows(read_manifest(store, folder), outcomes)
    manifest_url = write_manifest(store, folder, rows) if with_manifest else None
    gallery_url = write_page(store, folder, videos_of(rows, outcomes))
    # Of writers that were killed.
    store.clear_leftovers(folder, {PAGE, MANIFEST})
    return Published(gallery_url, manifest_url)


def refresh(store: Store, outcomes: Mapping[str, Outcome]) -> list[Published]:
    """Bring up to date what was published of these videos before, by their paths; return what was.

    It lies in a folder above a video, or in that of its batch, whose videos may be anywhere.

    Raises:
        StorageError: if it could not be read or written.
    """
    keys = {outcome.key for outcome in outcomes.values() if outcome.key}
    published = []
    folders = [above for path in outcomes for above in _folders_above(path)]
    folders += [folder_of_batch(outcome.batch) for outcome in outcomes.values() if outcome.batch]
    for folder in dict.fromkeys(folders):
        rows = read_manifest(store, folder)
        known = keys_of(rows) & keys
        if known:
            own = [outcome for outcome in outcomes.values() if outcome.key in known]
            published.append(_update(store, folder, rows, own))
        elif not rows and page_in(store, folder) == "ours":
            # Somebody has made a page of a folder that is older than manifests.
            published.append(Published(build_page(store.child(folder)).url))
    return published


def _update(store: Store, folder: str, rows: Sequence[Row], outcomes: Sequence[Outcome]) -> Published:
    merged = merged_rows(rows, outcomes)
    parquet = store.size_of(f"{folder}/{PARQUET}".lstrip("/")) is not None
    manifest_url = write_manifest(store, folder, merged, parquet=parquet)
    return Published(write_page(store, folder, videos_of(merged, outcomes)), manifest_url)


def _folders_above(path: str) -> Iterator[str]:
    """Yield the folders that a path is in, the nearest first, without the store's own."""
    while path := path.rpartition("/")[0]:
        yield path

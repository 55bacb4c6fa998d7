"""Which videos a folder holds, by its sidecars and its manifests, and where their files are now. Pure.

A sidecar says that a video is complete; a manifest tells also of those that are not. Of the same video the sidecar
counts, unless the manifest knows something newer.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from pydantic import ValidationError

from openrouter_video.gallery.links import path_inside
from openrouter_video.gallery.matrix import Entry
from openrouter_video.money import Estimate
from openrouter_video.outcome import Outcome
from openrouter_video.rows import COLUMNS, Row, outcome_of_row, row_now, row_of_outcome
from openrouter_video.stores import path_of_file_url

__all__ = ["Files", "found_videos", "is_sidecar", "keys_of", "merged_rows", "videos_of"]


class Files(NamedTuple):
    """What lies in a store: the paths of its files, and how its URLs are made."""

    store_url: str
    paths: Collection[str]
    url_of: Callable[[str], str]


def is_sidecar(path: str) -> bool:
    """Whether a file may be the record beside a video; what begins with an underscore or a dot is something else."""
    return path.endswith(".json") and not any(part.startswith(("_", ".")) for part in path.split("/"))


def found_videos(
    manifests: Mapping[str, Iterable[Row]], sidecars: Mapping[str, Mapping[str, Any]], files: Files
) -> list[Entry]:
    """Return the videos that these tell of, by the folders of the manifests and the paths of the sidecars."""
    found: dict[str, Entry] = {}
    for folder, rows in manifests.items():
        for number, row in enumerate(rows):
            outcome = outcome_of_row(row)
            if outcome is not None and _is_finite(outcome):
                entry = Entry(_located(outcome, folder, files), folder)
                found.setdefault(outcome.key or f"{folder}/{number}", entry)
    for path, content in sidecars.items():
        outcome = _outcome_in(content)
        if outcome is None:
            continue
        home = _home_of(path, manifests)
        known = found.get(outcome.key or path)
        if known is None or not _is_newer(known.outcome, outcome):
            entry = Entry(_located(outcome, path.rpartition("/")[0], files), known.folder if known else home)
            found[outcome.key or path] = entry
    return list(found.values())


def merged_rows(rows: Sequence[Row], outcomes: Iterable[Outcome]) -> list[Row]:
    """Return the rows of a manifest with what has become of these videos now, in their old order, new ones behind.

    What a row carries beside our columns stays in it.
    """
    now = {outcome.key or f"{number}": outcome for number, outcome in enumerate(outcomes)}
    merged = []
    for row in rows:
        outcome = now.pop(str(row.get("key")), None)
        carried = {name: value for name, value in row.items() if name not in COLUMNS}
        merged.append(row if outcome is None else row_now(row, outcome, carried))
    return merged + [row_of_outcome(outcome) for outcome in now.values()]


def videos_of(rows: Iterable[Row], outcomes: Iterable[Outcome]) -> list[Entry]:
    """Return the videos of a manifest's rows; of those that ended just now what is known of them, which is more.

    A row that tells of an earlier end is that of a video of which nothing was sent just now.
    """
    now = {f"{outcome.key} {outcome.status}": outcome for outcome in outcomes if outcome.key}
    found = (now.get(f"{row.get('key')} {row.get('status')}") or outcome_of_row(row) for row in rows)
    return [Entry(outcome) for outcome in found if outcome is not None and _is_finite(outcome)]


def keys_of(rows: Iterable[Row]) -> set[str]:
    """Return the keys of a manifest's videos; another program may have written anything there."""
    return {key for row in rows if isinstance(key := row.get("key"), str)}


def _outcome_in(content: Mapping[str, Any]) -> Outcome | None:
    """Read a sidecar; None for any other JSON."""
    if "asked" not in content:
        return None
    try:
        outcome = Outcome.model_validate({key: content[key] for key in Outcome.model_fields if key in content})
    except ValidationError:
        return None
    return outcome if _is_finite(outcome) else None


def _is_finite(outcome: Outcome) -> bool:
    """Whether its numbers are such that sums of them are."""
    expected = outcome.estimate or Estimate()
    numbers = outcome.cost_usd, outcome.elapsed_seconds, outcome.duration_seconds, expected.low_usd, expected.high_usd
    return all(number is None or math.isfinite(number) for number in numbers)


def _is_newer(one: Outcome, other: Outcome) -> bool:
    """Whether what is told of a video is newer than what is told of it elsewhere."""
    return one.made_at is not None and other.made_at is not None and one.made_at > other.made_at


def _home_of(path: str, folders: Collection[str]) -> str:
    """Return the folder of the run or batch that a sidecar belongs to: the nearest with a manifest, or its own."""
    own = folder = path.rpartition("/")[0]
    while folder not in folders:
        if not folder:
            return own
        folder = folder.rpartition("/")[0]
    return folder


def _located(outcome: Outcome, folder: str, files: Files) -> Outcome:
    """Return an outcome with the files where they are now: beside what tells of them, if the folder was moved."""
    url = _where(outcome.url, folder, files)
    where = {
        "url": url,
        "poster_url": _where(outcome.poster_url, folder, files) or _poster_beside(url, files),
        "sidecar_url": _where(outcome.sidecar_url, folder, files),
        "extra_urls": tuple(filter(None, (_where(one, folder, files) for one in outcome.extra_urls))),
    }
    if outcome.url and not url:
        note = f"the file is not there any more: {outcome.url}"
        where["notes"] = (*outcome.notes, note)
    return outcome.model_copy(update=where)


def _where(url: str | None, folder: str, files: Files) -> str | None:
    """Return the URL of a file as it is now; None for one that should be in this store and is not."""
    if not url:
        return None
    beside = f"{folder}/{_path(url).rpartition('/')[2]}".lstrip("/")
    if beside in files.paths:
        return files.url_of(beside)
    path = path_inside(url, files.store_url)
    return url if path is None or path in files.paths else None


def _poster_beside(url: str | None, files: Files) -> str | None:
    """Return the poster of a video of whose record nobody knows that it has one."""
    path = path_inside(url, files.store_url) if url else None
    poster = f"{path.rpartition('.')[0]}.jpg" if path else ""
    return files.url_of(poster) if poster in files.paths else None


def _path(url: str) -> str:
    return path_of_file_url(url) or url

"""The manifest of a folder of videos: ``videos.jsonl``, one flat row per video, whatever became of it.

An edge: ``rows`` says what a row holds. Whoever reads it while it is written sees the rows of before. Blocks.
"""

from __future__ import annotations

import json
from collections.abc import Sequence

from openrouter_video.errors import StorageError
from openrouter_video.rows import Row, as_json_lines, is_row
from openrouter_video.run.parquet import parquet_encoder
from openrouter_video.stores import Store
from openrouter_video.text import clip

__all__ = ["MANIFEST", "PARQUET", "read_manifest", "write_manifest"]

MANIFEST, PARQUET = "videos.jsonl", "videos.parquet"


def write_manifest(store: Store, folder: str, rows: Sequence[Row], *, parquet: bool = False) -> str:
    """Write the manifest of a folder, "" for the store's own, in place of an older one, and return its URL.

    ``parquet``: also as ``videos.parquet`` beside it, where pyarrow is installed.

    Raises:
        StorageError: if it could not be written; the older one is still there.
    """
    path = _in(folder, MANIFEST)
    store.write_bytes(path, as_json_lines(rows))
    if parquet and (encode := parquet_encoder()):
        try:
            content = encode(rows)
        except (ValueError, TypeError, OverflowError) as error:
            raise StorageError(f"{_in(folder, PARQUET)} cannot hold these rows: {clip(str(error))}") from None
        store.write_bytes(_in(folder, PARQUET), content)
    return store.url_of(path)


def read_manifest(store: Store, folder: str) -> list[Row]:
    """Read the rows of a folder's manifest; none if there is none. A line that is not a row is left out.

    Raises:
        StorageError: if it could not be read.
    """
    content = store.read_bytes(_in(folder, MANIFEST)) or b""
    rows = (_row(line) for line in content.split(b"\n") if line.strip())
    return [row for row in rows if row is not None]


def _in(folder: str, name: str) -> str:
    return f"{folder}/{name}" if folder else name


def _row(line: bytes) -> Row | None:
    try:
        row: Row = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return row if is_row(row) else None

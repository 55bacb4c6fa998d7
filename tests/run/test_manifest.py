"""The manifest beside the videos: written whole, read back, and joined by DuckDB to the table of the prompts."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import duckdb
import pytest

from openrouter_video.errors import StorageError
from openrouter_video.outcome import Outcome
from openrouter_video.rows import COLUMNS, Row, row_of_outcome
from openrouter_video.run import parquet
from openrouter_video.run.manifest import read_manifest, write_manifest
from openrouter_video.stores import Store, open_store, path_of_file_url

CARRIED: list[dict[str, Any]] = [
    {"sku": "A-1", "status": "draft", "stock": 3, "weight": 1, "tags": ["new", "red"], "huge": 2**70, "sold": True},
    {"sku": "B-2", "status": "ready", "stock": None, "weight": 0.5, "tags": "none", "huge": 1, "sold": False},
]
ROWS: list[Row] = [
    row_of_outcome(Outcome(model="a/film", status="completed", cost_usd=0.2 * n, batch="spring", row=n), carried)
    for n, carried in enumerate(CARRIED, start=1)
]


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """A folder on this machine."""
    with closing(open_store(str(tmp_path))) as opened:
        yield opened


def test_a_manifest_is_read_back(store: Store, tmp_path: Path) -> None:
    """A later one takes its place; what is not a row in it, as after an edit, is left out."""
    assert read_manifest(store, "spring") == []
    write_manifest(store, "spring", ROWS[:1])
    url = write_manifest(store, "spring", ROWS)
    assert url == f"{store.url}/spring/videos.jsonl"
    assert read_manifest(store, "spring") == ROWS
    assert [path.name for path in (tmp_path / "spring").iterdir()] == ["videos.jsonl"]
    with (tmp_path / "spring" / "videos.jsonl").open("a") as file:
        file.write('\n["no row"]\n{"key": "half')
    assert read_manifest(store, "spring") == ROWS


@pytest.mark.parametrize("form", ["jsonl", "parquet"])
def test_duckdb_joins_it_to_ones_own_table(store: Store, tmp_path: Path, form: str) -> None:
    """The columns of the table are there, with their types; one that is called as one of ours by another name."""
    write_manifest(store, "spring", ROWS, parquet=True)
    with duckdb.connect() as database:
        file = f"'{tmp_path}/spring/videos.{form}'"
        query = f"SELECT sku, status, source_status, round(cost_usd, 1), stock + 1, sold FROM {file} ORDER BY row"
        assert database.sql(query).fetchall() == [
            ("A-1", "completed", "draft", 0.2, 4, True),
            ("B-2", "completed", "ready", 0.4, None, False),
        ]
        names = [name for name, *_ in database.sql(f"DESCRIBE FROM {file}").fetchall()]
        assert names == [*COLUMNS, "sku", "source_status", *list(CARRIED[0])[2:]]
        assert database.sql(f"SELECT sum(weight) FROM {file}").fetchall() == [(1.5,)]
        if form == "parquet":
            assert database.sql(f"SELECT tags, huge FROM {file} ORDER BY row").fetchall() == [
                ('["new", "red"]', str(2**70)),
                ("none", "1"),
            ]


def test_without_pyarrow_there_are_json_lines_only(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is an extra."""
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    assert parquet.parquet_encoder() is None
    write_manifest(store, "spring", ROWS, parquet=True)
    assert [path.name for path in (tmp_path / "spring").iterdir()] == ["videos.jsonl"]


@pytest.mark.parametrize(
    ("values", "kept"),
    [([2**60 + 1, 0.5], [str(2**60 + 1), "0.5"]), ([2**53 - 1, 0.5], [2.0**53 - 1, 0.5])],
)
def test_numbers_that_have_no_column_in_common_are_texts(store: Store, values: list[Any], kept: list[Any]) -> None:
    """No number is rounded, and none keeps the manifest from being written."""
    rows = [{**ROWS[0], "row": n, "number": value} for n, value in enumerate(values)]
    write_manifest(store, "spring", rows, parquet=True)
    with duckdb.connect() as database:
        file = f"'{path_of_file_url(store.url)}/spring/videos.parquet'"
        assert database.sql(f"SELECT number FROM {file} ORDER BY row").fetchall() == [(value,) for value in kept]


def test_what_parquet_cannot_hold_is_told_as_what_a_store_refuses(store: Store) -> None:
    """So that it fails no run; the JSON Lines are there."""
    with pytest.raises(StorageError, match=r"spring/videos.parquet cannot hold these rows"):
        write_manifest(store, "spring", [{**ROWS[0], "bytes": 2**70}], parquet=True)
    assert len(read_manifest(store, "spring")) == 1

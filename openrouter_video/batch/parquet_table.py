"""A table of prompts in Parquet, which needs the extra ``parquet``."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, BinaryIO

from openrouter_video.batch.table import COUNTED_AS_LIST, FIELD, MOST_ROWS, Table, check_columns, raw_row, too_many_rows
from openrouter_video.errors import Problem, RequestRefused
from openrouter_video.text import clip

__all__ = ["parse_parquet"]

MOST_BYTES = 64 * 2**20
"""So much may a table have unpacked: a small file can hold a great deal of the same."""
ROWS_AT_ONCE = 50


def parse_parquet(file: BinaryIO, title: str) -> Table:
    """Read a Parquet file.

    Raises:
        RequestRefused: if it is none, if it is too large, or if pyarrow is not installed.
    """
    try:
        import pyarrow as pa  # noqa: PLC0415 (an extra)
        from pyarrow import parquet  # noqa: PLC0415
    except ImportError:
        message = "to read Parquet, install the extra: pip install 'prefect-openrouter-video[parquet]'"
        raise RequestRefused([Problem(FIELD, f"{title}: {message}")]) from None
    try:
        opened = parquet.ParquetFile(file)
        if opened.metadata.num_rows > MOST_ROWS:
            raise RequestRefused([Problem(FIELD, too_many_rows(title))])
        names = opened.schema_arrow.names
        check_columns(names, title)
        rows = [row for batch in _batches(opened, title) for row in batch.to_pylist()]
    except (pa.ArrowException, OSError) as error:
        raise RequestRefused([Problem(FIELD, f"{title} cannot be read as Parquet: {clip(str(error))}")]) from None
    return Table.of(title, COUNTED_AS_LIST, [raw_row(number, row) for number, row in enumerate(rows, start=1)], names)


def _batches(opened: Any, title: str) -> Iterator[Any]:
    unpacked = 0
    for batch in opened.iter_batches(batch_size=ROWS_AT_ONCE):
        unpacked += batch.nbytes
        if unpacked > MOST_BYTES:
            message = f"{title} has more than the {MOST_BYTES // 2**20} MiB that are allowed unpacked"
            raise RequestRefused([Problem(FIELD, f"{message}; divide it, or leave out columns")])
        yield batch

"""A table of prompts in Parquet, which needs the extra ``parquet``."""

from __future__ import annotations

from typing import BinaryIO

from openrouter_video.batch.table import COUNTED_AS_LIST, FIELD, MOST_ROWS, Table, check_columns, raw_row, too_many_rows
from openrouter_video.errors import Problem, RequestRefused
from openrouter_video.text import clip

__all__ = ["parse_parquet"]

MOST_BYTES = 256 * 2**20
"""So much may a file have unpacked: a small one can hold a great deal of the same."""


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
        metadata = opened.metadata
        if metadata.num_rows > MOST_ROWS:
            raise RequestRefused([Problem(FIELD, too_many_rows(title))])
        unpacked = sum(metadata.row_group(index).total_byte_size for index in range(metadata.num_row_groups))
        if unpacked > MOST_BYTES:
            message = f"{title} has {unpacked // 2**20:,} MiB unpacked, and {MOST_BYTES // 2**20} are allowed"
            raise RequestRefused([Problem(FIELD, f"{message}; divide it, or leave out columns")])
        names = opened.schema_arrow.names
        check_columns(names, title)
        rows = opened.read().to_pylist()
    except (pa.ArrowException, OSError) as error:
        raise RequestRefused([Problem(FIELD, f"{title} cannot be read as Parquet: {clip(str(error))}")]) from None
    return Table.of(title, COUNTED_AS_LIST, [raw_row(number, row) for number, row in enumerate(rows, start=1)], names)

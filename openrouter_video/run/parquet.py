"""Videos as a Parquet table, where pyarrow is installed: the columns of ``rows``, then what a table of prompts told."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from io import BytesIO
from typing import Any

from openrouter_video.rows import COLUMNS, Row

__all__ = ["parquet_encoder"]

LARGEST_WHOLE, LARGEST_EXACT = 2**63, 2**53


def parquet_encoder() -> Callable[[Sequence[Row]], bytes] | None:
    """Return what writes rows as Parquet; None where pyarrow, which is an extra, is not installed."""
    try:
        import pyarrow as pa  # noqa: PLC0415 (an extra, and slow to import)
        from pyarrow import parquet  # noqa: PLC0415
    except ImportError:
        return None
    kinds = {str: pa.string(), int: pa.int64(), float: pa.float64(), bool: pa.bool_()}
    kinds[datetime] = pa.timestamp("ms", tz="UTC")

    def encode(rows: Sequence[Row]) -> bytes:
        columns = _columns(rows)
        typed = [{name: _value(row.get(name), kind) for name, kind in columns.items()} for row in rows]
        table = pa.Table.from_pylist(typed, schema=pa.schema([(name, kinds[kind]) for name, kind in columns.items()]))
        parquet.write_table(table, written := BytesIO())
        return written.getvalue()

    return encode


def _columns(rows: Sequence[Row]) -> dict[str, type]:
    """Return the columns and their types: ours, then of what is carried the type that all its values share."""
    carried: dict[str, list[Any]] = {}
    for row in rows:
        for name in filter(lambda name: name not in COLUMNS, row):
            carried.setdefault(name, []).append(row[name])
    return {**COLUMNS, **{name: _kind_of(values) for name, values in carried.items()}}


def _kind_of(values: Iterable[Any]) -> type:
    """Return what values are, apart from None; a text, if they are not all of one kind or too large for it."""
    values = [value for value in values if value is not None]
    kinds = set(map(type, values))
    if kinds in ({bool}, {float}):
        return kinds.pop()
    largest = LARGEST_EXACT if float in kinds else LARGEST_WHOLE
    if kinds and kinds <= {int, float} and all(isinstance(v, float) or -largest <= v < largest for v in values):
        return float if float in kinds else int
    return str


def _value(value: Any, kind: type) -> Any:
    """Return a value as its column holds it: a time as one, and in a column of texts what is not a text as JSON."""
    if value is None:
        return None
    if kind is datetime:
        return _moment(value)
    return json.dumps(value, ensure_ascii=False, default=str) if kind is str and not isinstance(value, str) else value


def _moment(text: Any) -> datetime | None:
    """Return a recorded time; None for one that somebody has edited into something that is none."""
    try:
        moment = datetime.fromisoformat(text)
    except (TypeError, ValueError):
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)

"""A table of prompts as it was read: rows of cells under the names of their columns, and what cannot be read. Pure.

A row has the number by which people find it again, which depends on the file: ``Table.counted`` says what it counts.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, time
from decimal import Decimal
from typing import Any, NamedTuple, Self

from openrouter_video.elision import redact
from openrouter_video.errors import Problem, RequestRefused
from openrouter_video.text import clip, row_title, shown

__all__ = [
    "COUNTED_AS_LIST",
    "FIELD",
    "MOST_ROWS",
    "RawRow",
    "RowProblem",
    "Table",
    "check_columns",
    "parse_json",
    "problems_in_words",
    "raw_row",
    "table_of_rows",
]

MOST_ROWS = 10_000
"""What one batch has at most: more is a slip, or a table of something else, and each row costs money."""

FIELD = "source"
"""The parameter that the table as a whole comes from, which its problems are of."""

MOST_COLUMNS = 500

COUNTED_AS_LIST = "rows count from 1"
DEEPEST = 32


class RowProblem(NamedTuple):
    """One thing that is wrong with a row, or with a column (``row`` None); ``model``: for which of its models only."""

    row: int | None
    column: str
    message: str
    row_id: str | None = None
    model: str | None = None

    @property
    def place(self) -> str:
        """Where it is: ``row 7 (orchid), column duration``."""
        column = f"column {clip(self.column)}" if self.column else ""
        if self.row is None:
            return column
        return ", ".join(filter(None, [row_title(self.row, self.row_id), column]))

    @property
    def problem(self) -> Problem:
        """It as one of a request."""
        return Problem(self.column, str(self))

    def __str__(self) -> str:
        model = f"{clip(self.model)}: " if self.model else ""
        return redact(f"{self.place}: {model}{self.message}")


def problems_in_words(problems: Iterable[RowProblem], most: int) -> list[str]:
    """Return problems as they are told: what many rows have in common once, and of many different ones the first."""
    alike: dict[tuple[object, ...], list[RowProblem]] = {}
    for one in problems:
        alike.setdefault((one.column, one.message, one.model), []).append(one)
    groups = list(alike.values())
    lines = [
        str(first) + (f" (and in {len(others):,} more row{'s' * (len(others) != 1)})" if others else "")
        for first, *others in groups[:most]
    ]
    rest = sum(map(len, groups[most:]))
    return [*lines, f"and {rest:,} more problem{'s' * (rest != 1)}"] if rest else lines


class RawRow(NamedTuple):
    """One row as it was read; what it says by column, in JSON's own kinds of values, and what could not be read."""

    number: int
    cells: Mapping[str, Any]
    problems: tuple[RowProblem, ...] = ()


class Table(NamedTuple):
    """All rows. ``source`` is where they are from, as it may be shown; ``counted`` what the number of a row counts."""

    source: str
    counted: str
    columns: tuple[str, ...]
    rows: tuple[RawRow, ...]

    @classmethod
    def of(cls, source: str, counted: str, rows: Sequence[RawRow], columns: Iterable[str] | None = None) -> Self:
        """Return the table of these rows; without ``columns`` it has all that its rows have.

        Raises:
            RequestRefused: if there is no row, or if there are too many columns.
        """
        if not rows:
            raise RequestRefused([Problem(FIELD, f"{source} has no rows; write at least one prompt")])
        names = tuple(dict.fromkeys(name for row in rows for name in row.cells) if columns is None else columns)
        if len(names) > MOST_COLUMNS:
            message = f"{source} has {len(names):,} columns, and at most {MOST_COLUMNS} are read; leave some out"
            raise RequestRefused([Problem(FIELD, message)])
        return cls(source, counted, names, tuple(rows))


def table_of_rows(rows: object) -> Table:
    """Return the table of rows that were given as values, such as the records of a DataFrame.

    Raises:
        RequestRefused: if they are not a list of objects, if there are none, or too many.
    """
    if isinstance(rows, str | bytes | Mapping) or not isinstance(rows, Iterable):
        message = 'rows must be a list of objects by column, such as [{"prompt": "an orchid"}]'
        raise RequestRefused([Problem("rows", f"{message}; got {shown(rows)}")])
    read = []
    for number, row in enumerate(rows, start=1):
        if number > MOST_ROWS:
            raise RequestRefused([Problem("rows", too_many_rows("the list of rows"))])
        read.append(raw_row(number, row))
    if not read:
        raise RequestRefused([Problem("rows", "the list of rows is empty; give at least one prompt")])
    return Table.of("the list of rows", COUNTED_AS_LIST, read)


def too_many_rows(source: str) -> str:
    """Say that a table has more rows than a batch may have."""
    return f"{source} has more than the {MOST_ROWS:,} rows that one batch may have; divide it into several"


def raw_row(number: int, row: object) -> RawRow:
    """Return an object as a row; a value that JSON does not have is a problem of its column."""
    if not isinstance(row, Mapping):
        message = f'it must be an object by column, such as {{"prompt": "an orchid"}}; got {shown(row)}'
        return RawRow(number, {}, (RowProblem(number, "", message),))
    cells, problems = dict[str, Any](), list[RowProblem]()
    for name, value in row.items():
        if not isinstance(name, str) or not _is_utf8(name):
            problems.append(RowProblem(number, "", f"the name of a column must be text in UTF-8, not {shown(name)}"))
            continue
        cells[name] = None
        try:
            cells[name] = _plain(value)
        except ValueError as error:
            problems.append(RowProblem(number, name, str(error)))
    return RawRow(number, cells, tuple(problems))


def check_columns(names: Sequence[str], source: str) -> None:
    """Refuse a table in which a column has no name, or two have the same.

    Raises:
        RequestRefused: with one problem per name.
    """
    twice = [name for name in dict.fromkeys(names) if name and names.count(name) > 1]
    message = "{} has the column {} {} times; which of them is meant is not known: rename or remove the others"
    problems = [Problem(FIELD, message.format(source, shown(name), names.count(name))) for name in twice]
    nameless = ", ".join(str(index) for index, name in enumerate(names, start=1) if not name)
    if nameless:
        problems.append(Problem(FIELD, f"{source} has columns without a name (number {nameless}); name or remove them"))
    if problems:
        raise RequestRefused(problems)


def parse_json(text: str) -> Any:
    """Return the value of a JSON text.

    Raises:
        ValueError: if it is not JSON, has a number that is none, or names a field of an object twice; in words.
    """
    try:
        return json.loads(text, parse_constant=_refuse_constant, object_pairs_hook=_once)
    except json.JSONDecodeError as error:
        raise ValueError(f"it is not JSON: {error.msg} at character {error.pos + 1}") from None
    except RecursionError:
        raise ValueError(f"lists and objects go {DEEPEST} deep at most") from None


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not a number; leave out what is not known, or write null")


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        twice = ", ".join(shown(name) for name in found if names.count(name) > 1)
        raise ValueError(f"{twice} is given twice")
    return found


def _plain(value: object, depth: int = DEEPEST) -> Any:
    """Return a value as JSON has it: of a date its text, of an amount its number.

    Raises:
        ValueError: if JSON has no such value; in words.
    """
    if isinstance(value, str) and not _is_utf8(value):
        raise ValueError(f"{shown(value)} is not text in UTF-8: half a character stands in it")
    if value is None or isinstance(value, str | bool | int):
        return value
    # What compares unlike itself is what pandas and others write where a value is missing.
    if value != value or (isinstance(value, float) and math.isinf(value)):  # noqa: PLR0124
        raise ValueError(f"{shown(value)} is not a number; leave out what is not known, or write null")
    if isinstance(value, float):
        return value
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    if isinstance(value, date | time):
        return value.isoformat()
    if depth and isinstance(value, Mapping):
        return {_plain(str(key)): _plain(item, depth - 1) for key, item in value.items()}
    if depth and isinstance(value, list | tuple):
        return [_plain(item, depth - 1) for item in value]
    raise ValueError(f"{shown(value)} cannot be written as JSON")


def _is_utf8(text: str) -> bool:
    """Whether a text can be written at all: JSON can spell half a character, which nothing else takes."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True

"""Tables of prompts in text: CSV with any of the usual separators, and JSON, a list of objects or one per line. Pure.

A row of a CSV file has the number that a spreadsheet shows beside it: a cell with line breaks is still one row.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import count, islice
from typing import Any

from openrouter_video.batch.table import (
    COUNTED_AS_LIST,
    FIELD,
    MOST_ROWS,
    RawRow,
    RowProblem,
    Table,
    check_columns,
    parse_json,
    raw_row,
    too_many_rows,
)
from openrouter_video.errors import Problem, RequestRefused

__all__ = ["parse_csv", "parse_json_lines"]

COUNTED_AS_SPREADSHEET = "rows count as in a spreadsheet: the names of the columns are row 1"
COUNTED_AS_LINES = "rows count as the lines of the file, from 1"
SEPARATORS = (",", ";", "\t")
SAID_SEPARATOR = re.compile(r"\Asep=.\r?\n", re.IGNORECASE)
"""What some programs write first for spreadsheets, which show no row for it."""
# Not as str.splitlines does, which also divides at characters that stand in prompts.
LINE = re.compile(r"[^\r\n]*(?:\r\n?|\n)|[^\r\n]+")


def parse_csv(text: str, title: str) -> Table:
    """Read a CSV file, separated by commas, semicolons or tabs, whichever divides its first row into most cells.

    Raises:
        RequestRefused: if its quotes do not end, if a column has no name or the name of another, or without rows.
    """
    text = SAID_SEPARATOR.sub("", text)
    separator = max(SEPARATORS, key=lambda one: _width(text, title, one))
    header = _header(text, title, separator)
    check_columns(header, title)
    rows, below = list[RawRow](), False
    for number, record in _records(text, title, separator):
        if below and any(cell.strip() for cell in record):
            rows.append(_row(number, record, header))
        below = below or bool(record)
        if len(rows) > MOST_ROWS:
            raise RequestRefused([Problem(FIELD, too_many_rows(title))])
    return Table.of(title, COUNTED_AS_SPREADSHEET, rows, header)


def _width(text: str, title: str, separator: str) -> int:
    """Return how many columns a separator makes; none where the quotes do not fit to it."""
    try:
        return len(_header(text, title, separator))
    except RequestRefused:
        return 0


def _header(text: str, title: str, separator: str) -> list[str]:
    """Return the names of the columns; spreadsheets write empty ones behind the last."""
    names = [cell.strip() for cell in next((record for _, record in _records(text, title, separator) if record), [])]
    while names and not names[-1]:
        names.pop()
    return names


def _records(text: str, title: str, separator: str) -> Iterator[tuple[int, list[str]]]:
    """Yield each record with its number from 1; an empty line is an empty one."""
    reader = csv.reader((match[0] for match in LINE.finditer(text)), delimiter=separator, strict=True)
    number = 0
    try:
        for number, record in enumerate(reader, start=1):
            yield number, record
    except csv.Error as error:
        message = f"{title} cannot be read from row {number + 1:,} on: {error}"
        hint = "a text with quotes stands in quotes, each of them written twice"
        if "field limit" in str(error):
            hint = "shorten the cell, or end the quotes in which it stands"
        raise RequestRefused([Problem(FIELD, f"{message}; {hint}")]) from None


def _row(number: int, record: Sequence[str], header: Sequence[str]) -> RawRow:
    width = len(header)
    if len(record) < width or any(cell.strip() for cell in record[width:]):
        cells = f"it has {len(record)} cell{'s' * (len(record) != 1)}, and there are {width} columns"
        message = f"{cells}; put a text with separators or line breaks in quotes, and write empty cells too"
        return RawRow(number, {}, (RowProblem(number, "", message),))
    values = [cell.replace("\r\n", "\n") for cell in record[:width]]
    return RawRow(number, dict(zip(header, values, strict=True)))


def parse_json_lines(text: str, title: str) -> Table:
    """Read JSON Lines, or one JSON list of objects.

    Raises:
        RequestRefused: if it is one object or a broken list, or without rows.
    """
    if text.lstrip().startswith("["):
        return Table.of(title, COUNTED_AS_LIST, _bounded(map(raw_row, count(1), _listed(text, title)), title))
    if text.split(maxsplit=1)[0] == "{" and "\n" in text.strip():
        message = f"{title} has an object over several lines; write one object per line, or a list of them in [ ]"
        raise RequestRefused([Problem(FIELD, message)])
    lines = ((number, line) for number, line in enumerate(text.split("\n"), start=1) if line.strip())
    return Table.of(title, COUNTED_AS_LINES, _bounded((_line(*line) for line in lines), title))


def _listed(text: str, title: str) -> list[Any]:
    try:
        listed: list[Any] = parse_json(text)
    except ValueError as error:
        raise RequestRefused([Problem(FIELD, f"{title} cannot be read: {error}")]) from None
    return listed


def _line(number: int, line: str) -> RawRow:
    try:
        return raw_row(number, parse_json(line))
    except ValueError as error:
        return RawRow(number, {}, (RowProblem(number, "", str(error)),))


def _bounded(rows: Iterable[RawRow], title: str) -> list[RawRow]:
    found = list(islice(rows, MOST_ROWS + 1))
    if len(found) > MOST_ROWS:
        raise RequestRefused([Problem(FIELD, too_many_rows(title))])
    return found

"""CSV and JSON Lines as people and their programs write them: what each file means, and what is no table."""

from __future__ import annotations

import csv
from typing import Any

import pytest

from openrouter_video.batch.table import MOST_ROWS, Table
from openrouter_video.batch.text_tables import parse_csv, parse_json_lines
from openrouter_video.errors import RequestRefused


def cells(table: Table) -> list[tuple[int, dict[str, Any]]]:
    """The rows of a table by their numbers."""
    return [(row.number, dict(row.cells)) for row in table.rows]


def told(table: Table) -> list[str]:
    """What is wrong with the rows of a table."""
    return [str(problem) for row in table.rows for problem in row.problems]


ORCHID, FERN = {"prompt": "an orchid", "id": "o"}, {"prompt": "a fern", "id": "f"}


@pytest.mark.parametrize(
    ("text", "rows"),
    [
        ("prompt,id\nan orchid,o\na fern,f\n", [(2, ORCHID), (3, FERN)]),
        ("prompt;id\r\nan orchid;o\r\na fern;f", [(2, ORCHID), (3, FERN)]),
        ("prompt\tid\ran orchid\to\ra fern\tf", [(2, ORCHID), (3, FERN)]),
        # A header in quotes, with the other separators in it.
        ('"prompt";"a,b,c"\nan orchid;1,5\n', [(2, {"prompt": "an orchid", "a,b,c": "1,5"})]),
        # A cell with line breaks is one row, whatever breaks them.
        ('prompt,id\n"an\r\norchid",o\na fern,f\n', [(2, {"prompt": "an\norchid", "id": "o"}), (3, FERN)]),
        ('prompt,id\n"an ""orchid"", white",o\n', [(2, {"prompt": 'an "orchid", white', "id": "o"})]),
        # Other characters that Python takes for line breaks are part of a text.
        ("prompt,id\nan\u2028orchid\x0b,o\n", [(2, {"prompt": "an\u2028orchid\x0b", "id": "o"})]),
        # Empty lines and rows count as they do in a spreadsheet, and say nothing.
        ("\nprompt,id\n\nan orchid,o\n,\n ;\na fern,f\n\n", [(4, ORCHID), (6, {}), (7, FERN)]),
        # What a spreadsheet leaves behind the last column.
        ("prompt,id,,\nan orchid,o,,\na fern,f,,,,\n", [(2, ORCHID), (3, FERN)]),
        ("prompt\nan orchid\n", [(2, {"prompt": "an orchid"})]),
        ("sep=;\r\nprompt;id\r\nan orchid;o\r\n", [(2, ORCHID)]),
        (" prompt , id\nan orchid,o\n", [(2, ORCHID)]),
    ],
)
def test_a_csv_file_is_read_as_a_spreadsheet_shows_it(text: str, rows: list[tuple[int, dict[str, Any]]]) -> None:
    """Its separator is found, and the number of a row is the one beside it."""
    table = parse_csv(text, "x.csv")
    assert cells(table) == rows
    assert table.counted == "rows count as in a spreadsheet: the names of the columns are row 1"


@pytest.mark.parametrize("row", ["an orchid", "a white, orchid,o"])
def test_a_row_with_more_or_fewer_cells_than_columns_is_a_problem(row: str) -> None:
    """Half of a prompt, cut at a comma or a line break that should have been in quotes, is not what was meant."""
    (problem,) = told(parse_csv(f"prompt,id\n{row}\na fern,f\n", "x.csv"))
    assert problem.startswith("row 2: it has ")
    assert "and there are 2 columns; put a text with separators or line breaks in quotes" in problem


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("prompt,id\n", "x.csv has no rows"),
        ("prompt,id\n\n,\n", "x.csv has no rows"),
        ("prompt,id,prompt\na,b,c\n", "the column 'prompt' 2 times"),
        ("prompt,,id\na,b,c\n", r"columns without a name \(number 2\)"),
        ('prompt,id\na,b\n"an orchid,o\na fern,f\n', "cannot be read from row 3 on"),
        ('prompt,id\n"an" orchid,o\n', "cannot be read from row 2 on"),
        (
            f"prompt,id\n{'x' * (csv.field_size_limit() + 1)},o\n",
            "shorten the cell, or end the quotes in",
        ),
        ("p\n" + "x\n" * (MOST_ROWS + 1), "x.csv has more than the 10,000 rows"),
    ],
)
def test_what_is_no_table_is_refused(text: str, words: str) -> None:
    """In words, with the row from which on nothing can be trusted."""
    with pytest.raises(RequestRefused, match=words):
        parse_csv(text, "x.csv")


def test_ten_thousand_rows_are_a_batch() -> None:
    """The limit itself is allowed, in each format."""
    assert len(parse_csv("p\n" + "x\n" * MOST_ROWS, "x.csv").rows) == MOST_ROWS
    assert len(parse_json_lines("{}\n" * MOST_ROWS, "x.jsonl").rows) == MOST_ROWS


@pytest.mark.parametrize(
    ("text", "rows"),
    [
        ('{"prompt": "an orchid", "id": "o"}\n{"prompt": "a fern", "id": "f"}\n', [(1, ORCHID), (2, FERN)]),
        ('{"prompt": "an orchid", "id": "o"}\r\n\r\n{"prompt": "a fern", "id": "f"}', [(1, ORCHID), (3, FERN)]),
        ('[{"prompt": "an orchid", "id": "o"},\n {"prompt": "a fern",\n "id": "f"}]', [(1, ORCHID), (2, FERN)]),
        ('{"prompt": "an\u2028orchid", "n": 4, "x": null}', [(1, {"prompt": "an\u2028orchid", "n": 4, "x": None})]),
    ],
)
def test_json_is_an_object_per_line_or_a_list_of_them(text: str, rows: list[tuple[int, dict[str, Any]]]) -> None:
    """The number of a row is that of its line, or its place in the list."""
    assert cells(parse_json_lines(text, "x.jsonl")) == rows


def test_every_broken_line_is_a_problem_of_its_own() -> None:
    """All of them at once, with their numbers; the others are read."""
    text = '{"prompt": "an orchid"}\n{"prompt": \n["a fern"]\n{"a": 1, "a": 2}\n{"duration": NaN}\n{"big": 1e999}\n'
    table = parse_json_lines(text, "x.jsonl")
    assert [problem.partition(";")[0] for problem in told(table)] == [
        "row 2: it is not JSON: Expecting value at character 12",
        'row 3: it must be an object by column, such as {"prompt": "an orchid"}',
        "row 4: 'a' is given twice",
        "row 5: NaN is not a number",
        "row 6, column big: inf is not a number",
    ]
    assert table.counted == "rows count as the lines of the file, from 1"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[]", "x.jsonl has no rows"),
        ("[{}, ", "x.jsonl cannot be read: it is not JSON"),
        ('{\n"prompt": "an orchid"\n}\n', "an object over several lines; write one object per line"),
        ("{}\n" * (MOST_ROWS + 1), "more than the 10,000 rows"),
        (f"[{','.join(['{}'] * (MOST_ROWS + 1))}]", "more than the 10,000 rows"),
    ],
)
def test_json_that_is_no_table_is_refused(text: str, words: str) -> None:
    """As a whole, where no line stands for itself."""
    with pytest.raises(RequestRefused, match=words):
        parse_json_lines(text, "x.jsonl")

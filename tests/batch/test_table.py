"""Rows that were given as values: what JSON has is kept, what it has not is a problem of its row and column."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Any

import pytest

from openrouter_video.batch.table import MOST_ROWS, RowProblem, Table, check_columns, parse_json, table_of_rows
from openrouter_video.errors import Problem, RequestRefused

NAN = float("nan")


def told(rows: Any) -> list[str]:
    """What is wrong with rows, each with its place."""
    return [str(problem) for row in table_of_rows(rows).rows for problem in row.problems]


@pytest.mark.parametrize(
    ("value", "kept"),
    [
        ("an orchid", "an orchid"),
        (4, 4),
        (4.5, 4.5),
        (True, True),
        (None, None),
        (Decimal(4), 4),
        (Decimal("0.5"), 0.5),
        (dt.date(2026, 11, 26), "2026-11-26"),
        (dt.datetime(2026, 11, 26, 4, 5, tzinfo=dt.UTC), "2026-11-26T04:05:00+00:00"),
        (dt.time(4, 5), "04:05:00"),
        ({"a": (1, Decimal(2))}, {"a": [1, 2]}),
    ],
)
def test_values_become_what_json_has(value: object, kept: object) -> None:
    """So that whatever is carried along can be written into a manifest."""
    assert table_of_rows([{"x": value}]).rows[0].cells == {"x": kept}


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ({"duration": NAN}, "row 1, column duration: nan is not a number; leave out what is not known, or write null"),
        ({"x": Decimal("NaN")}, "row 1, column x: Decimal('NaN') is not a number"),
        ({"x": float("-inf")}, "row 1, column x: -inf is not a number"),
        ({"x": {"y": [NAN]}}, "row 1, column x: nan is not a number"),
        ({"x": b"bytes"}, "row 1, column x: b'bytes' cannot be written as JSON"),
        ({3: "x"}, "row 1: the name of a column must be text in UTF-8, not 3"),
        ({"x": ["\ud800"]}, "row 1, column x: '\\ud800' is not text in UTF-8"),
        ({"\ud800": "x"}, "row 1: the name of a column must be text in UTF-8, not '\\ud800'"),
        (["an orchid"], "row 1: it must be an object by column"),
        (None, "row 1: it must be an object by column"),
    ],
)
def test_what_json_has_not_is_a_problem_with_row_and_column(row: object, words: str) -> None:
    """NaN above all, which pandas writes where a cell is empty."""
    (problem,) = told([row])
    assert problem.startswith(words)


def test_lists_that_never_end_are_refused_in_words() -> None:
    """No RecursionError leaves the reader."""
    endless: list[Any] = []
    endless.append(endless)
    assert "cannot be written as JSON" in told([{"x": endless}])[0]


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ("prompts.csv", "rows must be a list of objects"),
        ({"prompt": "an orchid"}, "rows must be a list of objects"),
        (7, "rows must be a list of objects"),
        ([], "the list of rows is empty"),
        ([{}] * (MOST_ROWS + 1), "more than the 10,000 rows"),
    ],
)
def test_what_is_no_list_of_rows_is_refused(rows: object, words: str) -> None:
    """A text, one row alone, nothing, and too many."""
    with pytest.raises(RequestRefused, match=words):
        table_of_rows(rows)


def test_a_table_has_the_columns_of_all_its_rows() -> None:
    """Rows as objects may each leave out others."""
    assert table_of_rows([{"a": 1}, {"b": 2, "a": 3}]).columns == ("a", "b")


def test_a_table_without_rows_is_refused() -> None:
    """A header alone asks for nothing."""
    with pytest.raises(RequestRefused, match=r"x\.csv has no rows"):
        Table.of("x.csv", "rows", [], ["prompt"])


def test_a_table_has_an_end_to_its_right_too() -> None:
    """Each of its columns is compared with those that are read."""
    with pytest.raises(RequestRefused, match="has 501 columns, and at most 500 are read"):
        table_of_rows([{str(n): 1 for n in range(501)}])


def test_columns_have_names_and_each_another() -> None:
    """All that are wrong are told."""
    with pytest.raises(RequestRefused) as refused:
        check_columns(["a", "", "b", "a", "b", "b"], "x.csv")
    assert [one.message.partition(";")[0] for one in refused.value.problems] == [
        "x.csv has the column 'a' 2 times",
        "x.csv has the column 'b' 3 times",
        "x.csv has columns without a name (number 2)",
    ]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{'a': 1}", "it is not JSON: Expecting property name enclosed in double quotes at character 2"),
        ('{"a": NaN}', "NaN is not a number"),
        ('{"a": 1, "b": 2, "a": 3}', "'a' is given twice"),
        ("[" * 100_000, "lists and objects go 32 deep at most"),
    ],
)
def test_json_that_others_would_read_in_their_own_way_is_refused(text: str, words: str) -> None:
    """A field that is given twice has two values, and which is meant nobody knows."""
    with pytest.raises(ValueError, match=words):
        parse_json(text)


def test_a_problem_says_its_place_on_one_printable_line() -> None:
    """Ids and columns are other people's words."""
    assert "secret" not in str(RowProblem(1, "x", "https://x.test/a?sig=secret is no image"))
    problem = RowProblem(1234, "du\nration", "is wrong", "or\x1bchid", "acme/film")
    assert str(problem) == "row 1,234 (or chid), column du ration: acme/film: is wrong"
    assert problem.problem == Problem("du\nration", str(problem))
    assert RowProblem(None, "Duration", "is wrong").place == "column Duration"

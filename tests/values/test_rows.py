"""Videos as a table: what each row tells, and that a text comes back as it was recorded."""

from __future__ import annotations

import csv
import json
from datetime import date
from io import StringIO
from typing import Any

import pytest

from openrouter_video.money import Estimate
from openrouter_video.outcome import FanOut, LeftOut, Outcome
from openrouter_video.rows import COLUMNS, Row, as_csv, as_json_lines, is_row, outcome_of_row, row_now, row_of_outcome

DONE = Outcome(
    model="a/b",
    take=2,
    key="k1",
    batch="autumn",
    row=17,
    row_id="rose",
    status="completed",
    url="s3://videos/p.mp4",
    poster_url="s3://videos/p.jpg",
    has_audio=False,
    c2pa=True,
    checks=("frozen", "no_audio"),
    elapsed_seconds=61.5,
    made_at="2026-11-26T10:01:01.500+00:00",
    sent={"model": "a/b"},
    left_out=(LeftOut(key="style", reason="not allowed"),),
    notes=("one", "two"),
    labels={"team": "film"},
    estimate=Estimate(low_usd=0.1, high_usd=0.2, basis="listed"),
)


def read_csv(content: bytes) -> list[dict[str, str]]:
    """What a reader of CSV gets."""
    return list(csv.DictReader(StringIO(content.decode(), newline="")))


def test_a_row_tells_what_its_outcome_tells() -> None:
    """Flat; what is not known is None, in every row the same columns."""
    row = row_of_outcome(DONE)
    assert list(row) == list(COLUMNS)
    assert {name: value for name, value in row.items() if value is not None} == {
        **DONE.model_dump(include={"key", "batch", "row", "row_id", "status", "model", "take", "url", "poster_url"}),
        "has_audio": False,
        "c2pa": True,
        "sandbox": False,
        "elapsed_seconds": 61.5,
        "made_at": DONE.made_at,
        "checks": "frozen no_audio",
        "notes": "one; two",
        "labels": '{"team": "film"}',
        "sent": '{"model": "a/b"}',
        "left_out": '[{"key": "style", "reason": "not allowed", "suggestion": null}]',
        "estimate_low_usd": 0.1,
        "estimate_high_usd": 0.2,
        "estimate_basis": "listed",
    }


def test_a_run_is_a_table() -> None:
    """For a data frame; how long an open job has been waited for is no fact of its video."""
    still = DONE.model_copy(update={"status": "open", "made_at": None})
    done, waiting = FanOut(status="partial", asked={}, outcomes=(DONE, still)).rows()
    assert done == row_of_outcome(DONE)
    assert (waiting["status"], waiting["elapsed_seconds"]) == ("open", None)


@pytest.mark.parametrize(
    ("carried", "told"),
    [
        ({"campaign": "x", "weight": 2}, {"campaign": "x", "weight": 2}),
        ({"url": "mine", "source_url": "theirs"}, {"source_url": "mine", "source_source_url": "theirs"}),
        ({}, {}),
    ],
)
def test_what_a_table_of_prompts_told_besides_is_carried(carried: Row, told: Row) -> None:
    """At the end, and never in place of what we tell."""
    row = row_of_outcome(DONE, carried)
    assert list(row.items()) == [*row_of_outcome(DONE).items(), *told.items()]


def test_rows_that_carry_different_columns_are_one_table() -> None:
    """What a row does not have is empty; a date is a text."""
    rows = [row_of_outcome(DONE, one) for one in ({"a": 1}, {"b": date(2026, 11, 26)}, {})]
    assert [(one["a"], one["b"], one["key"]) for one in read_csv(as_csv(rows))] == [
        ("1", "", "k1"),
        ("", "2026-11-26", "k1"),
        ("", "", "k1"),
    ]
    lines: list[dict[str, Any]] = [json.loads(line) for line in as_json_lines(rows).splitlines()]
    assert [(one.get("a"), one.get("b")) for one in lines] == [(1, None), (None, "2026-11-26"), (None, None)]


@pytest.mark.parametrize(
    "text", ["=1+1", 'a "b", c', "two\nlines\r\nand\rmore", " blanks ", "größe 日本", "a\u2028b", "-"]
)
def test_a_text_comes_back_as_it_was(text: str) -> None:
    """No text is changed for the sake of a spreadsheet that would calculate it."""
    row = row_of_outcome(DONE.model_copy(update={"prompt": text}))
    assert json.loads(as_json_lines([row])) == row
    (read,) = read_csv(as_csv([row]))
    assert (read["prompt"], read["sandbox"], read["cost_usd"], read["take"]) == (text, "false", "", "2")


def test_a_table_without_a_video_has_a_header() -> None:
    """The columns are known without any."""
    assert as_csv([]).decode().strip().split(",") == list(COLUMNS)
    assert as_json_lines([]) == b""


def test_a_row_leads_back_to_its_outcome() -> None:
    """With all that it tells, several notes as one; what is carried besides is left aside."""
    assert outcome_of_row(row_of_outcome(DONE, {"sku": "x"})) == DONE.model_copy(update={"notes": ("one; two",)})
    bare = Outcome(model="m", status="open")
    assert outcome_of_row(row_of_outcome(bare)) == bare


@pytest.mark.parametrize(
    "row", [{}, {"model": "m", "status": "odd"}, {"model": "m", "status": "open", "sent": "{"}, {"labels": 1}]
)
def test_what_is_not_the_row_of_a_video_leads_nowhere(row: Row) -> None:
    """Another program may have written into the table."""
    assert outcome_of_row(row) is None


@pytest.mark.parametrize(
    ("before", "status", "now"),
    [
        (None, "refused", "refused"),
        ("refused", "skipped", "skipped"),
        ("refused", "completed", "completed"),
        ("open", "completed", "completed"),
        # Its file is gone, and could not be fetched once more.
        ("completed", "open", "open"),
        # A run that sends nothing knows nothing of what was paid for before it.
        ("completed", "refused", "completed"),
        ("open", "skipped", "open"),
        ("uncertain", "refused", "uncertain"),
    ],
)
def test_a_run_that_sends_nothing_hides_no_video_that_was_paid_for(before: str | None, status: str, now: str) -> None:
    """Its row stays in the manifest, and with it the video on the page."""
    row = row_of_outcome(DONE.model_copy(update={"status": before})) if before else None
    assert row_now(row, DONE.model_copy(update={"status": status}))["status"] == now


def test_what_is_carried_has_no_secret_in_its_urls() -> None:
    """Whoever has a signed URL has the object, and a manifest is passed on; written twice it is the same."""
    signed = "https://shop.test/p.jpg?X-Amz-Signature=SECRET&X-Amz-Expires=60"
    carried = {"picture": signed, "shop": "https://shop.test/p/7", "list": [f"see {signed}"]}
    row = row_of_outcome(DONE, carried)
    assert "SECRET" not in as_json_lines([row]).decode()
    assert row["shop"] == "https://shop.test/p/7"
    assert row_of_outcome(DONE, {name: row[name] for name in carried}) == row


@pytest.mark.parametrize(
    ("edit", "good"),
    [
        ({}, True),
        ({"sku": {"any": "thing"}, "cost_usd": 1, "row": None}, True),
        ({"row": "17"}, False),
        ({"row": True}, False),
        ({"sandbox": 0}, False),
        ({"cost_usd": "0.2"}, False),
        ({"made_at": 7}, False),
        ({"key": ["k1"]}, False),
        ({"status": {}}, False),
    ],
)
def test_an_edited_row_is_one_as_long_as_its_columns_hold_what_they_are_for(edit: dict[str, Any], good: bool) -> None:
    """Or what compares and tabulates rows would break off, in the middle of a batch."""
    assert is_row({**row_of_outcome(DONE), **edit}) is good
    assert not is_row(["no row"])

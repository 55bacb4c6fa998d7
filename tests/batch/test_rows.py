"""Rows become requests: what they leave out is the batch's, and every problem of every row is told at once."""

from __future__ import annotations

from typing import Any

import pytest

from openrouter_video.batch.batch_request import DEFAULT_PATH, BatchRequest, parse_batch_request
from openrouter_video.batch.rows import BatchRow, models_of, parse_rows
from openrouter_video.batch.table import table_of_rows
from openrouter_video.batch.text_tables import parse_csv
from openrouter_video.errors import RequestRefused

LITE, MINI = "google/veo-3.1-lite", "bytedance/seedance-2.0-mini"


def batch_of(**form: Any) -> BatchRequest:
    """A batch of one model, unless something else is said."""
    return parse_batch_request(**{"batch": "orchids", "models": [LITE], **form})


def row_of(cells: dict[str, Any], **form: Any) -> BatchRow:
    """The only row of a batch, without a problem."""
    parsed = parse_rows(table_of_rows([cells]), batch_of(**form))
    assert (parsed.problems, parsed.of_batch, parsed.total) == ((), (), 1)
    return parsed.rows[0]


def told(rows: Any, **form: Any) -> list[str]:
    """All that is wrong, of the batch and of its rows."""
    table = parse_csv(rows, "x.csv") if isinstance(rows, str) else table_of_rows(rows)
    parsed = parse_rows(table, batch_of(**form))
    return [*(one.message for one in parsed.of_batch), *map(str, parsed.problems)]


# ---- The batch -------------------------------------------------------------------------------------------------------


def test_a_batch_has_a_name_and_what_its_rows_leave_out() -> None:
    """An empty text is as good as none, as a form sends it."""
    batch = batch_of(batch=" orchids ", takes=2, settings={"duration": 4}, path_template="", prompt_template="")
    assert (batch.name, batch.run.takes, batch.run.request.settings.duration) == ("orchids", 2, 4)
    assert (batch.path_template, batch.prompt_template, batch.on_invalid_row) == (DEFAULT_PATH, None, "refuse")
    assert parse_batch_request(batch="orchids", models=None).run.models == ()
    assert batch_of(on_invalid_row="skip").on_invalid_row == "skip"


def test_the_models_of_a_batch() -> None:
    """Each once: its own, and those of its rows in all the ways in which they may be written."""
    cells: list[dict[str, Any]] = [
        {"model": MINI},
        {"model": f" {MINI}"},
        {"models": f"{LITE}; a/b"},
        {"models": '["c/d"]'},
        {"models": 7},
        {},
    ]
    table = table_of_rows([{"prompt": "x", **one} for one in cells])
    assert models_of(table, batch_of()) == [LITE, MINI, "a/b", "c/d"]
    assert models_of(table, batch_of(models=None)) == [MINI, LITE, "a/b", "c/d"]


def test_all_that_is_wrong_with_a_batch_is_told_at_once() -> None:
    """Before a table is read: it is not said again for each row."""
    wrong = {"batch": " ", "on_invalid_row": "ignore", "min_success": -1, "takes": 0, "concurrency": 0, "max_usd": -1}
    with pytest.raises(RequestRefused) as refused:
        batch_of(**wrong, labels={"team": 3})
    assert {one.field for one in refused.value.problems} == {"batch", "on_invalid_row", "min_success", "labels"}
    with pytest.raises(RequestRefused) as refused:
        batch_of(**wrong, models=[])
    assert {one.field for one in refused.value.problems} == {*wrong}


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (0, "0 videos of each provider"),
        ({"x-ai": 2, "google-vertex": -1}, "-1 videos of google-vertex"),
        (5000, "it must be 1 to 1,000"),
        ({"x-ai": True}, "videos of x-ai"),
    ],
)
def test_so_many_of_a_provider_cannot_be_made(given: Any, words: str) -> None:
    """With none at a time a provider would never make any."""
    with pytest.raises(RequestRefused, match=words):
        batch_of(concurrency_per_provider=given)
    assert batch_of(concurrency_per_provider={"x-ai": 2}).per_provider == {"x-ai": 2}


@pytest.mark.parametrize("given", [0, 51, True, "4"])
def test_so_many_shards_cannot_be_made(given: Any) -> None:
    """Whatever calls it: a form takes whole numbers only, a call from Python anything."""
    with pytest.raises(RequestRefused, match="a batch has 1 to 50 shards, not"):
        batch_of(shards=given)
    assert batch_of(shards=50).shards == 50


# ---- Rows ------------------------------------------------------------------------------------------------------------


def test_a_row_is_a_request_with_all_its_columns() -> None:
    """Texts, as a CSV file has them."""
    row = row_of(
        {
            "id": "orchid",
            "prompt": " A white orchid ",
            "models": f"{LITE}, {MINI}",
            "takes": "2.0",
            "duration": "4",
            "resolution": "720p",
            "generate_audio": "no",
            "seed": "",
            "provider_options": '{"google-vertex": {"negativePrompt": "text"}}',
            "labels": "team=film",
            "product": "orchid",
            "price": 4.5,
        }
    )
    assert (row.number, row.id, row.title) == (1, "orchid", "row 1 (orchid)")
    assert row.run.request.prompt == "A white orchid"
    assert (row.run.models, row.run.takes, dict(row.run.labels)) == ((LITE, MINI), 2, {"team": "film"})
    settings = {"duration": 4, "resolution": "720p", "generate_audio": False}
    assert row.run.request.settings.model_dump(exclude_none=True) == settings
    assert row.run.request.provider_options == {"google-vertex": {"negativePrompt": "text"}}
    assert row.carried == {"product": "orchid", "price": 4.5}


def test_what_a_row_leaves_out_is_the_batchs() -> None:
    """Settings one by one, labels by name; an empty cell leaves out, and takes nothing away."""
    given = {"settings": {"duration": 4, "resolution": "720p"}, "labels": {"team": "film", "year": "26"}, "takes": 3}
    bare = row_of({"prompt": "an orchid", "duration": "", "models": None}, **given)
    assert (bare.run.models, bare.run.takes, dict(bare.run.labels)) == ((LITE,), 3, given["labels"])
    assert bare.run.request.settings.model_dump(exclude_none=True) == given["settings"]
    own = row_of({"prompt": "an orchid", "duration": 6, "model": MINI, "labels": {"team": "art"}}, **given)
    assert (own.run.models, dict(own.run.labels)) == ((MINI,), {"team": "art", "year": "26"})
    assert own.run.request.settings.model_dump(exclude_none=True) == {"duration": 6, "resolution": "720p"}


@pytest.mark.parametrize(
    ("cells", "form", "prompt"),
    [
        ({"product": "orchid"}, {"prompt_template": "A {product}"}, "A orchid"),
        ({"product": " orchid ", "n": 4.0}, {"prompt_template": "{n} x {product}, {{really}}"}, "4 x orchid, {really}"),
        ({"prompt": "An orchid"}, {"prompt_template": "{prompt}, macro lens"}, "An orchid, macro lens"),
        ({"prompt_template": "The {product}", "product": "fern"}, {"prompt_template": "A {product}"}, "The fern"),
        ({"prompt_template": "", "product": "fern"}, {"prompt_template": "A {product}"}, "A fern"),
        ({"prompt_template": "The {product}", "product": "fern"}, {}, "The fern"),
        ({"prompt": "An orchid in {braces}"}, {}, "An orchid in {braces}"),
    ],
)
def test_a_prompt_is_filled_from_the_columns_of_its_row(cells: Any, form: Any, prompt: str) -> None:
    """By the batch's template, or by the row's own; a prompt alone is never taken for one."""
    assert row_of(cells, **form).run.request.prompt == prompt


@pytest.mark.parametrize(
    ("cells", "form", "words"),
    [
        ({"product": ""}, {"prompt_template": "A {product}"}, "row 1, column product: it is empty, and the prompt is"),
        ({"product": [1]}, {"prompt_template": "A {product}"}, "row 1, column product: it must be a text, not [1]"),
        ({"prompt": "x"}, {"prompt_template": "A {prodct}"}, "prompt_template: {prodct} is not a column of the table;"),
        ({"prompt": "x"}, {"prompt_template": "A {"}, "prompt_template cannot be read: a { stands alone"),
        ({"prompt": "x", "a": 1}, {"prompt_template": "A {a}"}, "row 1, column prompt: the row has a prompt that the"),
        ({"prompt_template": "A {b}"}, {}, "row 1, column prompt_template: {b} is not a column of the table;"),
        ({"prompt_template": "A {"}, {}, "row 1, column prompt_template: it cannot be read: a { stands alone"),
        ({"prompt_template": ["A"]}, {}, "row 1, column prompt_template: it must be a text"),
        ({"prompt": {"a": 1}}, {}, "row 1, column prompt: it must be a text, not {'a': 1}"),
    ],
)
def test_a_prompt_that_cannot_be_made_is_one_problem(cells: Any, form: Any, words: str) -> None:
    """Not a second one, that it is empty."""
    found = told([cells], **form)
    assert [one.startswith(words) for one in found] == [True], found


def test_every_problem_of_every_row_is_told_at_once() -> None:
    """With the number that a spreadsheet shows, its id, and the column."""
    rows = (
        "id,prompt,models,duration,size,resolution,labels,takes,generate_audio\n"
        '1,,,four,,,team,0,maybe\n2,"an\norchid",,4,,,,,\n3,a fern,,4.5,1x1,720p,,,\n4,"a\0b","a/b a/b",,,,,,\n'
    )
    assert [one.partition(";")[0] for one in told(rows)] == [
        "row 2 (1), column duration: 'four' is not a whole number, such as 4",
        "row 2 (1), column generate_audio: 'maybe' is neither true nor false",
        "row 2 (1), column labels: 'team' is not NAME=TEXT, such as team=film",
        "row 2 (1), column prompt: the prompt is empty",
        "row 4 (3), column duration: '4.5' is not a whole number, such as 4",
        "row 4 (3), column size: size '1x1' says the same as resolution",
        "row 5 (4), column prompt: the prompt contains a NUL character (U+0000)",
    ]


def test_a_row_with_problems_goes_on_with_what_else_it_says() -> None:
    """So that its other problems are found too: what a catalog says of its models, for one."""
    cells = [{"prompt": "", "models": LITE, "resolution": "4K", "aspect_ratio": 1, "takes": "x"}]
    parsed = parse_rows(table_of_rows(cells), batch_of())
    assert [one.column for one in parsed.problems] == ["takes", "aspect_ratio", "prompt"]
    assert parsed.rows[0].run.models == (LITE,)
    assert parsed.rows[0].run.request.settings.resolution == "4K"
    hopeless = parse_rows(table_of_rows(["no object", {"prompt": "x", "models": "a/b a/b"}]), batch_of())
    assert hopeless.rows == ()
    assert [one.column for one in hopeless.problems] == ["", "models"]


def test_what_could_not_be_read_is_not_missing_too() -> None:
    """A NaN in place of a prompt is one problem."""
    assert [one.partition(";")[0] for one in told([{"prompt": float("nan"), "model": float("nan")}])] == [
        "row 1, column prompt: nan is not a number",
        "row 1, column model: nan is not a number",
    ]


def test_a_model_and_models_are_one_too_many() -> None:
    """Which of them is meant nobody knows."""
    found = told([{"prompt": "x", "model": LITE, "models": MINI}])
    assert found == ["row 1, column models: the row has a model and models; give one or the other"]


@pytest.mark.parametrize(
    ("first", "second", "words"),
    [
        ("orchid", "orchid", "row 2 (orchid), column id: row 1 has the same id; an id stands for one row"),
        ("orchid", "Orchid", "row 2 (Orchid), column id: row 1 has the id 'orchid', the same but for case;"),
        ("straße", "STRASSE", "row 2 (STRASSE), column id: row 1 has the id 'straße', the same but for case;"),
        ("7", 7, "row 2 (7), column id: row 1 has the same id"),
    ],
)
def test_an_id_stands_for_one_row(first: Any, second: Any, words: str) -> None:
    """Whatever its case: it stands in paths, and some file systems make no difference."""
    (problem,) = told([{"prompt": "a", "id": first}, {"prompt": "b", "id": second}])
    assert problem.startswith(words)


def test_a_prompt_may_be_missing_where_there_is_an_input() -> None:
    """Of the row, or of the batch for all rows; else it is that row's problem, also where others have templates."""
    clip = [{"type": "video_url", "url": "https://x.example/a.mp4"}]
    rows = [{"input_references": clip}, {"input_references": clip, "prompt": "at night"}, {"first_frame": "a.png"}]
    parsed = parse_rows(table_of_rows([*rows, {"input_references": None}]), batch_of())
    assert [row.run.request.prompt for row in parsed.rows[:3]] == ["", "at night", ""]
    assert [str(one).partition(";")[0] for one in parsed.problems] == ["row 4, column prompt: the prompt is empty"]
    assert row_of({"id": "a"}, settings={"input_references": clip}).run.request.title == "a.mp4"
    found = told([{"prompt_template": "A {id}", "id": "x"}, {"id": "y"}])
    assert [one.partition(";")[0] for one in found] == ["row 2 (y), column prompt: the prompt is empty"]


def test_what_no_row_can_have_is_told_once() -> None:
    """A file without a header, most likely; and a batch that names no model anywhere."""
    assert told("an orchid,a fern\na rose,a lily\n", models=[]) == [
        "x.csv has no column prompt, and no prompt_template is given; its columns are an orchid, a fern",
        "x.csv has no column models, and the batch names none; its columns are an orchid, a fern",
    ]
    assert told("prompt,Models\na rose,a/b\n", models=[])[0].startswith("column Models: 'Models' is not a column that")


def test_a_row_without_a_model_is_a_problem_where_others_have_one() -> None:
    """It is that row's, then."""
    found = told([{"prompt": "a", "models": LITE}, {"prompt": "b"}], models=[])
    assert [one.partition(";")[0] for one in found] == ["row 2, column models: no model was chosen"]

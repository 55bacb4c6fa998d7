"""Where the videos of a batch go: every template and every value of a row leads inside the output, or is refused."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openrouter_video.batch.batch_request import DEFAULT_PATH, parse_batch_request
from openrouter_video.batch.paths import (
    PathTemplate,
    field_problems,
    length_problems,
    overwritten,
    parse_path_template,
    row_fields,
    same_paths,
    video_path,
)
from openrouter_video.batch.rows import BatchRow, parse_rows
from openrouter_video.batch.table import table_of_rows
from openrouter_video.ledger import Scope
from openrouter_video.planning import ModelPlan
from openrouter_video.run import PlannedVideo

SCOPE = Scope("abcdef0123456789" * 4, shared=True)
MODEL = "google/veo-3.1-lite"


def row_of(**cells: Any) -> BatchRow:
    """The row of these cells."""
    batch = parse_batch_request(batch="b", models=[MODEL])
    (row,) = parse_rows(table_of_rows([{"prompt": "A white orchid", **cells}]), batch).rows
    return row


def template_of(text: str, *columns: str) -> PathTemplate:
    """A template without a problem."""
    template, problems = parse_path_template(text, columns)
    assert problems == []
    assert template is not None
    return template


def path_of(text: str, take: int = 1, batch: str = "Orchids, 2026", **cells: Any) -> str:
    """Where a video of a row goes."""
    row, template = row_of(**cells), template_of(text, *cells)
    return video_path(template, row_fields(template, batch, row, SCOPE), MODEL, take)


def video_at(path: str, key: str = "a", row: int = 1) -> PlannedVideo:
    """A planned video, of which only its path, its key and its row count."""
    return PlannedVideo(
        ModelPlan(model=MODEL, decision="send"), 1, row_of().run, Scope(key * 64, shared=True), path, "b", row, "orchid"
    )


@pytest.mark.parametrize(
    ("template", "cells", "path"),
    [
        (DEFAULT_PATH, {}, "orchids-2026/0001-a-white-orchid-abcdef01/google--veo-3.1-lite.mp4"),
        ("{batch}/{id}/{model}.mp4", {"id": "Orchid #7"}, "orchids-2026/orchid-7/google--veo-3.1-lite.mp4"),
        ("all_videos/v1.0/{id}-{model}", {"id": 7}, "all_videos/v1.0/7-google--veo-3.1-lite.mp4"),
        ("{shop}/{shop name}-{row}", {"shop": "A/B", "shop name": "Ünï, Ltd."}, "a-b/uni-ltd-0001.mp4"),
        ("{n}/{flag}", {"n": 4.0, "flag": True}, "4/true.mp4"),
        ("take{take}/{row}", {}, "take1/0001.mp4"),
        # A column that bears the name of a field is not meant: the field is.
        ("{hash}/{model}", {"hash": "mine"}, "abcdef01/google--veo-3.1-lite.mp4"),
    ],
)
def test_a_template_is_filled_for_each_video(template: str, cells: dict[str, Any], path: str) -> None:
    """What comes from a row becomes letters, digits and hyphens."""
    assert path_of(template, **cells) == path


def test_takes_have_the_usual_name_whatever_the_template() -> None:
    """A collection finds them by it."""
    assert path_of("{batch}/{row}", 2) == "orchids-2026/0001.take-2.mp4"
    assert path_of("{batch}/{take}", 2) == "orchids-2026/2.take-2.mp4"


@pytest.mark.parametrize(
    ("template", "words"),
    [
        ("../{row}", "it contains '..', which leads out of the folder of the output"),
        ("{batch}/../{row}", "it contains '..'"),
        ("{batch}..{row}", "it contains '..'"),
        ("/videos/{row}", "it begins with a slash; a path begins in the folder of the output"),
        ("{batch}//{row}", "a part of it is empty"),
        ("{batch}/", "a part of it is empty"),
        ("", "a part of it is empty"),
        ("{batch}/{row", "path_template cannot be read: a { stands alone at character 9"),
        ("{batch}/{}", "path_template cannot be read: the field at character 9 has no name"),
        ("{batch}/{rwo}", "{rwo} is not a field of a path; did you mean row?"),
        ("{batch}/{produkt}", "{produkt} is not a field of a path; did you mean product?"),
        ("C:\\{row}", "it has ':\\\\'; beside fields there may be letters, digits and - _ . /"),
        ("{batch}/<b>{row}", "it has '<>'; beside fields"),
        ("{batch} {row}", "it has ' '; beside fields"),
        ("s3://bucket/{row}", "it has ':'; beside fields"),
        ("{batch}/\x1b{row}", "it has '\\x1b'; beside fields"),
        ("ä{row}", "it has 'ä'; beside fields"),
        ("_jobs/{row}", "a part of it begins with . or _ or ends with a dot"),
        (".hidden/{row}", "a part of it begins with . or _ or ends with a dot"),
        ("{batch}./{row}", "a part of it begins with . or _ or ends with a dot"),
        ("{batch}/index.html/{row}", "'index.html' is the name of a file that is written beside videos"),
        ("{batch}/videos.jsonl", "'videos.jsonl' is the name of a file that is written beside videos"),
        ("{batch}/{row}.JPG", "'x.JPG' is the name of a file that is written beside videos"),
        ("{batch}/{row}.json", "'x.json' is the name of a file that is written beside videos"),
        ("{batch}.mp4/{row}", "'x.mp4' is the name of a file that is written beside videos"),
        ("{batch}/{row}.take-2", "'.take-' and '.damaged' are added where they are needed"),
    ],
)
def test_a_template_that_is_no_path_is_refused_in_words(template: str, words: str) -> None:
    """Before any row is looked at."""
    parsed, problems = parse_path_template(template, ["product"])
    assert parsed is None
    assert {one.field for one in problems} == {"path_template"}
    assert words in problems[0].message


HOSTILE = st.text(st.characters(exclude_categories=["Cs"]), max_size=300) | st.sampled_from(
    ["..", "/etc/passwd", "<script>alert(1)</script>", "a\0b", "\u202e"]
)


@given(prompt=HOSTILE.filter(lambda text: text.strip() and "\0" not in text), value=HOSTILE, name=HOSTILE)
def test_nothing_that_a_row_says_leads_out_of_the_output(prompt: str, value: str, name: str) -> None:
    """No slash, no HTML, no control character, nothing too long, whatever stands in a cell."""
    template = template_of("{batch}/{slug}/{column}", "column")
    row = row_of(prompt=prompt)._replace(cells={"column": value})
    fields = row_fields(template, name, row, SCOPE)
    if field_problems(fields, row):
        return
    path = video_path(template, fields, MODEL, 2)
    assert set(path) <= set("abcdefghijklmnopqrstuvwxyz0123456789-./")
    assert len(path.split("/")) == 3
    assert ".." not in path
    assert length_problems(path, row) == []


def test_a_row_without_anything_for_a_field_is_a_problem() -> None:
    """A missing id, an empty column, signs only, a list."""
    template = template_of("{id}/{product}/{signs}/{list}/{slug}", "product", "signs", "list")
    row = row_of(product="", signs="!?", list=[1])
    problems = field_problems(row_fields(template, "b", row, SCOPE), row)
    assert [one.column for one in problems] == ["id", "product", "signs", "list"]
    assert "the path of its videos is made with {id}" in problems[0].message


@pytest.mark.parametrize(
    ("path", "words"),
    [
        (f"b/{'x' * 161}.mp4", "a part of 165 characters, and at most 160 are good"),
        ("/".join(["x" * 100] * 7), "has 706 characters, at most 600 are good"),
        (f"b/{'x' * 150}.mp4", None),
    ],
)
def test_a_path_is_no_longer_than_that_of_a_file(path: str, words: str | None) -> None:
    """With room for what is added to it."""
    problems = [one.message for one in length_problems(path, row_of())]
    assert [words in one for one in problems if words] == [True] * bool(words)
    assert bool(problems) is bool(words)


def test_two_videos_never_have_one_path() -> None:
    """On a file system that ignores case neither; and it says which field would tell them apart."""
    videos = [video_at("b/x.mp4"), video_at("b/X.mp4", row=2), video_at("b/y.mp4", row=3), video_at("b/y.mp4", row=3)]
    of_rows, of_one = map(str, same_paths(videos))
    place = f"column path_template: {MODEL}"
    assert of_rows.startswith(
        f"row 2 (orchid), {place}: b/X.mp4 is also the path of a video of row 1; write {{row}} or"
    )
    assert of_one == f"row 3 (orchid), {place}: b/y.mp4 is the path of two of its videos; write {{model}} into it"
    assert same_paths([video_at("b/x.mp4"), video_at("b/y.mp4")]) == []


def test_a_path_that_is_another_videos_already_is_found() -> None:
    """What is paid for is never written over; the same video again is no other."""
    videos = [video_at("b/x.mp4", "a"), video_at("b/y.mp4", "b", 2), video_at("b/z.mp4", "c", 3)]
    taken = {"B/X.mp4": "f" * 32, "b/y.mp4": videos[1].key}
    (problem,) = overwritten(videos, taken)
    assert (problem.row, problem.column) == (1, "path_template")
    assert "b/x.mp4 is the path of another request's video already (key ffff" in problem.message

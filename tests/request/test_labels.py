"""Labels: which are taken, and what is said of those that are not."""

from __future__ import annotations

from typing import Any

import pytest

from openrouter_video.errors import Problem
from openrouter_video.request.labels import parse_labels


@pytest.mark.parametrize(
    ("given", "labels"),
    [
        (None, {}),
        ({}, {}),
        ({"team": "film"}, {"team": "film"}),
        ({" team ": " film crew ", "größe": "日本"}, {"team": "film crew", "größe": "日本"}),
        ({"n" * 64: "v" * 256}, {"n" * 64: "v" * 256}),
        ({f"n{number}": "v" for number in range(20)}, {f"n{number}": "v" for number in range(20)}),
        ({"brief": "see https://a.example/b?token=secret"}, {"brief": "see https://a.example/b?…"}),
    ],
)
def test_labels_are_texts_by_name(given: Any, labels: dict[str, str]) -> None:
    """Without the blanks that a form leaves around them, and without the secrets of URLs."""
    problems: list[Problem] = []
    assert (parse_labels(given, None, problems), problems) == (labels, [])


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("team=film", """must be an object of texts by name, such as {"team": "film"}; got 'team=film'"""),
        ([1], "got [1]"),
        ({f"n{number}": "v" for number in range(21)}, "21 labels are more than the 20 that a run may have"),
        ({"team": 7}, "label 'team' cannot be 7: its value must be text"),
        ({"team": {"lead": "a"}}, "its value must be text"),
        ({7: "a"}, "its name must be text"),
        ({"team": " "}, "its value is empty; leave the label out"),
        ({"": "film"}, "its name is empty"),
        ({"n" * 65: "v"}, "its name has 65 characters, and at most 64 are allowed"),
        ({"n": "v" * 257}, "its value has 257 characters, and at most 256 are allowed"),
        ({"team": "a\nb"}, "its value must be one line without control characters"),
        ({"team\x1b": "a"}, "its name must be one line"),
        ({"team": "\ud800"}, "its value must be one line"),
        ({"a=b": "c"}, "its name must not contain ="),
        ({"https://me:pw@a.example": "c"}, "its name is a URL with a secret in it"),
        ({"team": "film"}, "it would be sent beside 'ads', which trace says under this name; rename one"),
    ],
)
def test_what_is_no_label(given: Any, said: str) -> None:
    """Named with what is allowed; nothing is left out without a word."""
    problems: list[Problem] = []
    assert parse_labels(given, {"team": "ads"} if "beside" in said else None, problems) == {}
    (problem,) = problems
    assert problem.field == "labels"
    assert said in problem.message
    assert len(problem.message) < 300


def test_a_trace_that_says_the_same_is_fine() -> None:
    """As are its other names."""
    problems: list[Problem] = []
    assert parse_labels({"team": "film"}, {"team": "film", "n": 1}, problems) == {"team": "film"}
    assert problems == []

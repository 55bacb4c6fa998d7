"""The error tree: one base to catch, plain values only, whole after every way out of the process."""

from __future__ import annotations

import pickle
import re
from typing import Any

import pytest

from openrouter_video import errors
from openrouter_video.errors import Problem, RequestRefused, TooFewVideos, VideoError
from openrouter_video.outcome import LeftOut, Outcome
from openrouter_video.tasks import RESULT_FORMAT

OUTCOMES = (
    Outcome(model="a/b", status="completed", cost_usd=0.1, left_out=(LeftOut(key="k", reason="r", suggestion="s"),)),
    Outcome(model="a/c", status="open", job_id="j", sent={"model": "a/c"}),
)
CARRIERS: dict[str, VideoError] = {
    "RequestRefused": RequestRefused([Problem("duration", "too long", "a/b"), Problem("prompt", "empty")]),
    "TooFewVideos": TooFewVideos(OUTCOMES, 2),
}
CLASSES = [
    thing
    for name in errors.__all__
    if isinstance(thing := getattr(errors, name), type) and issubclass(thing, VideoError)
]
EVERY_ERROR = [CARRIERS.get(kind.__name__) or kind("what happened") for kind in CLASSES]


@pytest.mark.parametrize("error", EVERY_ERROR, ids=lambda error: type(error).__name__)
@pytest.mark.parametrize("way", [pickle, RESULT_FORMAT], ids=["pickle", "result"])
def test_an_error_arrives_whole(error: VideoError, way: Any) -> None:
    """Between processes, and through the storage of Prefect's results: type, words and what it carries."""
    arrived = way.loads(way.dumps(error))
    assert (type(arrived), str(arrived), vars(arrived)) == (type(error), str(error), vars(error))


def test_the_tree_in_the_docstring_is_the_tree() -> None:
    """Drawn once, and every class is in it, below its parent."""
    drawn = re.findall(r"^    ([│├└─ ]*)([A-Z]\w+) {2,}\S", errors.__doc__ or "", re.MULTILINE)
    parents: dict[int, str] = {}
    for branch, name in drawn:
        depth = len(branch) // 4
        parents[depth] = name
        if depth:
            assert getattr(errors, name).__bases__ == (getattr(errors, parents[depth - 1]),)
    assert {name for _, name in drawn} == {kind.__name__ for kind in CLASSES}


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (RequestRefused([]), ""),
        (CARRIERS["RequestRefused"], "a/b: too long\nempty"),
        (CARRIERS["TooFewVideos"], "1 of 2 videos; 2 were asked for"),
    ],
    ids=["no problem", "one line per problem", "videos are counted"],
)
def test_what_an_error_says(error: VideoError, words: str) -> None:
    """The words that a person reads in a terminal or on the page of a run."""
    assert str(error) == words

"""What a chain asks for, from prompts and settings as people write them."""

from __future__ import annotations

from typing import Any

import pytest

from openrouter_video.errors import Problem, RequestRefused
from openrouter_video.request import VideoSettings
from openrouter_video.shots.chain_request import Shot, parse_chain_request, told_by_shot

MODEL = "google/veo-3.1-lite"


def test_a_shot_takes_over_the_settings_of_the_chain() -> None:
    """What the chain begins and ends with is for its first and last shot; what a shot says itself wins."""
    settings = VideoSettings(duration=4, first_frame="a.png", last_frame="z.png", seed=1)
    shots = ["One", {"prompt": "Two", "settings": {"duration": 8, "seed": None}}, Shot(prompt="Three")]
    chain = parse_chain_request(shots=shots, model=MODEL, settings=settings, labels={"team": "film"})
    assert (chain.model, chain.continue_by, chain.concat, chain.run) == (MODEL, "auto", True, chain.shots[0])
    assert chain.asked() == {
        "models": [MODEL],
        "labels": {"team": "film"},
        "continue_by": "auto",
        "concat": True,
        "shots": [
            {"prompt": "One", "settings": {"duration": 4, "seed": 1, "first_frame": "a.png"}},
            {"prompt": "Two", "settings": {"duration": 8, "seed": 1}},
            {"prompt": "Three", "settings": {"duration": 4, "seed": 1, "last_frame": "z.png"}},
        ],
    }


def test_the_first_shot_may_continue_an_earlier_video() -> None:
    """Said of the chain or of the shot, it is of the first shot only."""
    for settings, first in (({"previous_job_id": "gen-1"}, None), (None, {"previous_job_id": "gen-1"})):
        shots = [{"prompt": "One", "settings": first}, "Two"]
        chain = parse_chain_request(shots=shots, model=MODEL, settings=settings)
        assert [shot.request.settings.previous_job_id for shot in chain.shots] == ["gen-1", None]


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"shots": []}, ["give the shots as a list of prompts, or of objects with a prompt and settings; got []"]),
        (
            {"shots": "One"},
            ["give the shots as a list of prompts, or of objects with a prompt and settings; got 'One'"],
        ),
        ({"shots": ["One"] * 101}, ["101 shots are more than the 100 of one chain"]),
        ({"continue_by": "magic"}, ["continue_by is auto, previous_job_id or last_frame, not 'magic'"]),
        (
            {"shots": ["One", " "]},
            ["shot 2: the prompt is empty; say what the video should show, or give an image or a video to work from"],
        ),
        (
            {"shots": ["One", 7, {"settings": {}}]},
            [
                "shot 2: a shot is a prompt, or an object of a prompt and settings; got 7",
                "shot 3: a shot is a prompt, or an object of a prompt and settings; got {'settings': {}}",
            ],
        ),
        (
            {"shots": ["One", {"prompt": "Two", "takes": 2}]},
            ["shot 2: a shot has a prompt and settings, and no 'takes'"],
        ),
        (
            {"shots": ["One", {"prompt": "Two", "settings": {"first_frame": "b.png"}}]},
            ["shot 2: first_frame cannot be given: the shot begins where the one before it ends"],
        ),
        (
            {"shots": ["One", {"prompt": "Two", "settings": "720p"}]},
            ["shot 2: settings must be an object, such as {\"duration\": 4}; got '720p'"],
        ),
        ({"settings": ["720p"]}, ["settings must be an object, such as {\"duration\": 4}; got ['720p']"]),
        (
            {"settings": {"duration": 0}, "shots": ["One", {"prompt": "Two", "settings": {"duration": 4}}, "Three"]},
            [
                "shot 1: duration cannot be 0: it should be greater than or equal to 1",
                "shot 3: duration cannot be 0: it should be greater than or equal to 1",
            ],
        ),
        (
            {"idempotency_key": " ", "max_usd": 0.0},
            [
                "the idempotency key is empty and would protect nothing; leave it out",
                "the ceiling must be above 0 and at most 1,000,000 US dollars, not 0.0; leave it out for none",
            ],
        ),
    ],
)
def test_what_is_wrong_is_told_at_once_and_by_its_shot(asked: dict[str, Any], said: list[str]) -> None:
    """What all shots have in common is told once."""
    with pytest.raises(RequestRefused) as refused:
        parse_chain_request(**{"shots": ["One", "Two"], "model": MODEL, **asked})
    assert [str(problem) for problem in refused.value.problems] == said


def test_problems_are_told_in_order() -> None:
    """Those of all first, then by shot, none twice."""
    a, b = Problem("x", "a"), Problem("x", "b")
    assert [one.message for one in told_by_shot([[a, b, b], [a]])] == ["a", "shot 1: b"]
    assert told_by_shot([]) == []
    assert [one.message for one in told_by_shot([[b]])] == ["shot 1: b"]

"""What is said of a video beside what was asked: each check at its limits, with both values."""

from __future__ import annotations

import json
from importlib import resources
from typing import Any, get_args

import pytest

from openrouter_video.outcome import Check, SavedFile, Sight
from openrouter_video.videos.checks import checked


def saved(**known: Any) -> SavedFile:
    """A file of which that is known."""
    return SavedFile(url="u", bytes=1, sha256="a", **known)


def pixels(width: int, height: int) -> SavedFile:
    """A file of that size."""
    return saved(width=width, height=height)


@pytest.mark.parametrize(
    ("asked", "got", "check"),
    [
        (8, 8.0, None),
        (8, 7.6, None),
        (8, 7.5, "shorter_than_asked"),
        (8, 8.4, None),
        (8, 8.5, "longer_than_asked"),
        (1, 0.7, None),
        (1, 0.6, "shorter_than_asked"),
        (5, 5.0625, None),
        (6, 5.875, None),
        (30, 28.5, None),
        (30, 28.4, "shorter_than_asked"),
        (8, None, None),
        (None, 8.0, None),
        (True, 8.0, None),
        ("8", 1.0, None),
    ],
)
def test_the_length(asked: Any, got: float | None, check: Check | None) -> None:
    """By 0.3 s or a twentieth it may differ: models count frames."""
    found = checked({"duration": asked}, saved(duration_seconds=got))
    assert found.checks == ((check,) if check else ())


def test_the_length_of_a_continuation_is_not_known() -> None:
    """It may hold what it continues."""
    assert checked({"duration": 4, "previous_job_id": "gen-1"}, saved(duration_seconds=12.0)).checks == ()


@pytest.mark.parametrize(
    ("sent", "width", "height", "checks"),
    [
        ({"resolution": "720p"}, 1280, 720, ()),
        ({"resolution": "720p"}, 720, 1280, ()),
        ({"resolution": "720p"}, 960, 960, ()),
        ({"resolution": "720p"}, 720, 720, ()),
        ({"resolution": "720P"}, 1248, 704, ()),
        ({"resolution": "720p"}, 854, 480, ("smaller_than_asked",)),
        ({"resolution": "720p"}, 1920, 1080, ("larger_than_asked",)),
        ({"resolution": "480p"}, 544, 544, ()),
        ({"resolution": "4K"}, 3840, 2160, ()),
        ({"resolution": "4K"}, 1920, 1080, ("smaller_than_asked",)),
        ({"resolution": "2K"}, 2560, 1440, ()),
        ({"resolution": "cinema"}, 64, 48, ()),
        ({"size": "1280x720"}, 1280, 720, ()),
        ({"size": "1280x720"}, 1280, 704, ()),
        ({"size": "1280x720"}, 640, 360, ("smaller_than_asked",)),
        ({"size": "1280x720"}, 720, 1280, ("other_aspect_ratio",)),
        ({"size": "640x360"}, 1080, 1080, ("larger_than_asked", "other_aspect_ratio")),
        ({"aspect_ratio": "16:9"}, 832, 480, ()),
        ({"aspect_ratio": "16:9"}, 1280, 800, ("other_aspect_ratio",)),
        ({"aspect_ratio": "9:16"}, 1280, 720, ("other_aspect_ratio",)),
        ({"aspect_ratio": "9:16"}, 768, 1344, ()),
        ({"aspect_ratio": "auto"}, 1280, 720, ()),
        ({"resolution": "720p", "aspect_ratio": "1:1"}, 1280, 720, ("other_aspect_ratio",)),
        ({}, 64, 48, ()),
        ({"resolution": "720p", "aspect_ratio": "16:9"}, None, None, ()),
    ],
)
def test_the_size_and_its_ratio(sent: Any, width: Any, height: Any, checks: tuple[Check, ...]) -> None:
    """A resolution is a shorter side, or a number of pixels, whatever the ratio; a size is both."""
    assert checked(sent, pixels(width, height)).checks == checks


def test_every_size_that_a_model_lists_is_one_of_its_resolutions() -> None:
    """Each model's own list passes by the rules, so that they need no list."""
    text = resources.files("openrouter_video.sandbox").joinpath("video_models.json").read_text(encoding="utf-8")
    tried = 0
    for model in json.loads(text)["data"]:
        for size in model["supported_sizes"] or ():
            file = pixels(*map(int, size.split("x")))
            fits = [not checked({"resolution": one}, file).checks for one in model["supported_resolutions"]]
            ratios = [not checked({"aspect_ratio": one}, file).checks for one in model["supported_aspect_ratios"]]
            assert any(fits), (model["id"], size)
            assert any(ratios), (model["id"], size)
            tried += 1
    assert tried > 100


@pytest.mark.parametrize(
    ("asked", "has_audio", "sights", "checks"),
    [
        (True, True, (), ()),
        (True, False, (), ("no_audio",)),
        (True, True, ("silent",), ("silent",)),
        (True, None, (), ()),
        (False, False, (), ()),
        (False, True, (), ("unasked_audio",)),
        (False, True, ("silent",), ()),
        (None, True, (), ()),
        (None, False, (), ()),
        (None, True, ("silent",), ("silent",)),
    ],
)
def test_the_sound(asked: Any, has_audio: Any, sights: tuple[Sight, ...], checks: tuple[Check, ...]) -> None:
    """What was left to the model is not checked; a silent track is what somebody gets who wants no sound."""
    sent = {} if asked is None else {"generate_audio": asked}
    assert checked(sent, saved(has_audio=has_audio, sights=sights)).checks == checks


def test_each_check_has_a_sentence_with_both_values() -> None:
    """In the order of the list; what a file shows comes last."""
    sent = {"duration": 8, "resolution": "1080p", "aspect_ratio": "16:9", "generate_audio": True}
    file = saved(duration_seconds=5.0, width=480, height=480, has_audio=False, sights=("black", "frozen"))
    found = checked(sent, file)
    assert found.checks == (
        "shorter_than_asked",
        "smaller_than_asked",
        "other_aspect_ratio",
        "no_audio",
        "black",
        "frozen",
    )
    assert found.notes == (
        "shorter than asked: asked 8 s, got 5.0 s",
        "smaller than asked: asked 1080p, got 480 x 480 pixels",
        "other aspect ratio: asked 16:9, got 480 x 480 pixels",
        "no audio: asked for sound, got a video without a sound track",
        "black: each frame is black",
        "frozen: nothing moves in it",
    )
    sent, file = (
        {"duration": 4, "size": "640x360", "generate_audio": False},
        saved(duration_seconds=8.04, width=1280, height=720, has_audio=True),
    )
    assert checked(sent, file).notes == (
        "longer than asked: asked 4 s, got 8.0 s",
        "larger than asked: asked 640x360, got 1280 x 720 pixels",
        "unasked audio: asked for no sound, got a video with sound",
    )
    assert {*found.checks, *checked(sent, file).checks, "silent"} == {
        name for one in get_args(Check) for name in (get_args(one) or (one,))
    }

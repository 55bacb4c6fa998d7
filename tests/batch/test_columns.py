"""Columns: which are read, which are one's own, and which are a slip that nobody may pay for."""

from __future__ import annotations

import pytest

from openrouter_video.batch.columns import KNOWN, SETTINGS, column_problems, option_warnings
from openrouter_video.request.settings import VideoSettings


def test_every_setting_of_a_video_is_a_column_of_its_kind() -> None:
    """A field that is added to the settings is one at once."""
    assert set(SETTINGS) == set(VideoSettings.model_fields)
    assert SETTINGS["duration"] == "whole number"
    assert SETTINGS["resolution"] == "text"
    assert SETTINGS["generate_audio"] == "yes or no"
    assert SETTINGS["input_references"] == SETTINGS["trace"] == "JSON"


@pytest.mark.parametrize(
    ("column", "meant"),
    [
        ("resolutoin", "resolution"),
        ("Duration", "duration"),
        ("DURATION", "duration"),
        (" duration", "duration"),
        ("aspect ratio", "aspect_ratio"),
        ("aspect-ratio", "aspect_ratio"),
        ("AspectRatio", "aspect_ratio"),
        ("Prompt", "prompt"),
        ("prompts", "prompt"),
        ("take", "takes"),
        ("label", "labels"),
        ("audio", "generate_audio"),
        ("generateAudio", "generate_audio"),
        ("providerOptions", "provider_options"),
        ("ID", "id"),
    ],
)
def test_a_column_that_looks_like_a_known_one_is_a_problem_with_its_spelling(column: str, meant: str) -> None:
    """In another case, with blanks, or with a slip: it would be carried along, and the setting be missing."""
    (problem,) = column_problems([column])
    assert problem.column == column
    assert f"write {meant}, or rename it if it is your own" in str(problem)


def test_a_parameter_of_the_batch_is_no_column() -> None:
    """It would have no effect."""
    (problem,) = column_problems(["on_unsupported"])
    assert str(problem).startswith("column on_unsupported: it is a parameter of the whole batch, and of no row;")


def test_a_column_called_like_an_option_of_a_provider_is_a_warning() -> None:
    """It may be one's own, and it may be meant to be sent."""
    columns = ["negative_prompt", "style", "seed", "prompt"]
    (warning,) = option_warnings(columns, ["negativePrompt", "seed"])
    assert warning.startswith(
        "the column 'negative_prompt' is carried along and not sent; the option negativePrompt of"
    )


@pytest.mark.parametrize(
    "column", ["x" * 300, "product", "sku", "user_id", "first_name", "last_name", "title", "price", "", "日本"]
)
def test_other_columns_are_ones_own(column: str) -> None:
    """They are carried along, for joins."""
    assert column_problems([column, *KNOWN]) == []

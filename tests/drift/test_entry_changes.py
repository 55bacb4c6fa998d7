"""What has changed in an entry, in words: the changes that were seen in OpenRouter's own list in 2026."""

from __future__ import annotations

from typing import Any

import pytest

from openrouter_video.api.catalog import VideoModel
from openrouter_video.drift.entry_changes import entry_changes, facts_of


def facts(**fields: Any) -> dict[str, Any]:
    """What is remembered of an entry with these fields."""
    return facts_of(VideoModel.read({"id": "a/b", "name": "B", **fields}))


SEEN = [
    (
        "seedance-2.0-fast, June to October",
        {"pricing_skus": {"video_tokens": "0.0000056"}},
        {"pricing_skus": {"video_tokens": "0.0000042"}},
        ["price video_tokens fell from 0.0000056 to 0.0000042"],
    ),
    (
        "kling-video-o1, June to October",
        {"pricing_skus": {"duration_seconds": "0.0896"}},
        {"pricing_skus": {"duration_seconds": "0.1120"}},
        ["price duration_seconds rose from 0.0896 to 0.1120"],
    ),
    (
        "seedance-2.0, June to October",
        {"supported_resolutions": ["480p", "720p", "1080p"], "pricing_skus": {"video_tokens": "0.000007"}},
        {
            "supported_resolutions": ["480p", "720p", "1080p", "4K"],
            "pricing_skus": {"video_tokens": "0.000007", "video_tokens_4k": "0.000004"},
        },
        ["resolution gained 4K", "price video_tokens_4k is new (0.000004)"],
    ),
    (
        "heygen-video-1, within a week",
        {"supported_resolutions": ["480p", "768p"], "allowed_passthrough_parameters": []},
        {"supported_resolutions": ["480p", "768p", "2K"], "allowed_passthrough_parameters": ["prompt_enhancement"]},
        ["resolution gained 2K", "provider option gained prompt_enhancement"],
    ),
]
MADE_UP = [
    ("nothing", {"supported_durations": [8, 4]}, {"supported_durations": [8, 4], "name": "C"}, []),
    ("another order", {"supported_durations": [8, 4]}, {"supported_durations": [4, 8]}, []),
    ("shorter", {"supported_durations": [4, 8]}, {"supported_durations": [4]}, ["duration lost 8"]),
    ("unsaid", {"supported_sizes": None}, {"supported_sizes": ["1x1"]}, ["size gained 1x1"]),
    (
        "many",
        {"supported_sizes": None},
        {"supported_sizes": [f"{n}x1" for n in range(9)]},
        ["size gained 0x1, 1x1, 2x1, 3x1, 4x1, 5x1 and 3 more"],
    ),
    ("a flag", {"generate_audio": True}, {"generate_audio": False}, ["generate_audio was yes and is no"]),
    ("no flag", {"seed": True}, {"seed": None}, ["seed was yes and is not said"]),
    ("another version", {"canonical_slug": "a-1"}, {"canonical_slug": "a-2"}, ["canonical_slug was a-1 and is a-2"]),
    ("a price gone", {"pricing_skus": {"x": "1"}}, {"pricing_skus": None}, ["price x (1) is gone"]),
    ("the same price", {"pricing_skus": {"x": "1"}}, {"pricing_skus": {"x": "1.0"}}, []),
    ("no number", {"pricing_skus": {"x": "1"}}, {"pricing_skus": {"x": "?"}}, ["price x changed from 1 to ?"]),
]


@pytest.mark.parametrize(("before", "after", "words"), [row[1:] for row in SEEN + MADE_UP])
def test_the_words(before: dict[str, Any], after: dict[str, Any], words: list[str]) -> None:
    """Each change once, with what it was and is."""
    assert entry_changes(facts(**before), facts(**after)) == words


def test_what_only_one_of_them_tells_of_has_not_changed() -> None:
    """An older version remembered less, and a newer one may remember more."""
    assert entry_changes({"seed": True}, facts(seed=True, supported_durations=[4])) == []
    assert entry_changes({**facts(), "from_later": [1]}, facts()) == []


@pytest.mark.parametrize(
    ("before", "after", "words"),
    [
        ({"input_modalities": None}, {"input_modalities": ["text"]}, []),
        ({"input_modalities": ["text"]}, {"input_modalities": None}, []),
        (
            {"input_modalities": ["text"]},
            {"input_modalities": ["text", "image"]},
            ["input_modalities gained image"],
        ),
        ({"expiration_date": "2026-12-24"}, {"expiration_date": None}, []),
        ({}, {"expiration_date": "2026-12-24"}, ["expiration_date was not said and is 2026-12-24"]),
    ],
)
def test_a_list_that_could_not_be_had_changes_nothing(
    before: dict[str, Any], after: dict[str, Any], words: list[str]
) -> None:
    """What the plain list of models tells is missing where that does not answer."""
    assert entry_changes(facts(**before), facts(**after)) == words

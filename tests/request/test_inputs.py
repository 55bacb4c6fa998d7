"""What is known of the inputs of a request: what is sent for them, and what prices hang on."""

from __future__ import annotations

from typing import Any

import pytest

from openrouter_video.request.inputs import Given, Input, Inputs, PreviousJob
from openrouter_video.request.settings import VideoSettings

CLIP, OTHER, SOUND = (
    {"type": "video_url", "url": "clips/a.mp4"},
    {"type": "video_url", "url": "clips/b.mp4"},
    {"type": "audio_url", "url": "a.mp3"},
)
KNOWN = Inputs(
    {
        "clips/a.mp4": Input("https://signed.example/a", 4.5, 1280, 720),
        "clips/b.mp4": Input("https://signed.example/b", 9.0, 640, 480),
        "a.mp3": Input("https://signed.example/s", 3.0),
    },
    {"key": PreviousJob("gen-1", "a/b", None, 6.0, 854, 480)},
)


def test_what_is_sent_for_a_source() -> None:
    """Its own URL or id where nothing is known of it."""
    assert KNOWN.url("clips/a.mp4") == "https://signed.example/a"
    assert KNOWN.url("https://x.example/c.mp4") == "https://x.example/c.mp4"
    assert KNOWN.job_id("key") == "gen-1"
    assert KNOWN.job_id("gen-7") == "gen-7"


@pytest.mark.parametrize(
    ("settings", "given"),
    [
        ({}, Given()),
        ({"input_references": [CLIP]}, Given(4.5, 1280, 720)),
        ({"input_references": [SOUND]}, Given(sound_seconds=3.0)),
        ({"input_references": [CLIP, SOUND]}, Given(4.5, 1280, 720)),
        # Of a video of unknown length a short sound beside it says nothing: the price would be too low.
        ({"input_references": [{"type": "video_url", "url": "https://x.example/c.mp4"}, SOUND]}, Given()),
        ({"previous_job_id": "gen-7", "input_references": [SOUND]}, Given()),
        ({"input_references": [CLIP, OTHER]}, Given()),
        ({"input_references": [SOUND, SOUND]}, Given()),
        ({"input_references": [{"type": "video_url", "url": "https://x.example/c.mp4"}]}, Given()),
        ({"previous_job_id": "key"}, Given(6.0, 854, 480, None, 6.0)),
        ({"previous_job_id": "key", "input_references": [CLIP]}, Given(4.5, 1280, 720, None, 6.0)),
        ({"previous_job_id": "gen-7"}, Given()),
    ],
)
def test_what_prices_hang_on(settings: dict[str, Any], given: Given) -> None:
    """Of one video and one sound; a video that is continued is one too."""
    assert KNOWN.given(VideoSettings.model_validate(settings)) == given

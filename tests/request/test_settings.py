"""The normalized fields: what a form or a caller may write, and what makes no sense for any model."""

from __future__ import annotations

from typing import Any

import pytest

from openrouter_video.errors import Problem
from openrouter_video.request.settings import InputReference, VideoSettings, parse_settings

PICTURE = {"url": "https://x.example/a.png"}


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        (None, {}),
        ({}, {}),
        ({"duration": None, "seed": None, "trace": None}, {}),
        ({"resolution": " 720p ", "size": "  ", "first_frame": "", "user": ""}, {"resolution": "720p"}),
        ({"input_references": [], "trace": {}}, {}),
        ({"duration": "4", "seed": 0, "generate_audio": False}, {"duration": 4, "seed": 0, "generate_audio": False}),
        ({"trace": {"a": None, "b": [1, None]}}, {"trace": {"a": None, "b": [1, None]}}),
        (VideoSettings(duration=4), {"duration": 4}),
        ({"input_references": [PICTURE]}, {"input_references": [{"type": "image_url", **PICTURE}]}),
    ],
    ids=[
        "none",
        "empty",
        "null",
        "blank",
        "emptied",
        "false and zero are given",
        "nulls inside",
        "parsed",
        "reference",
    ],
)
def test_what_was_not_given_is_absent(given: Any, kept: dict[str, Any]) -> None:
    """A form sends null, an empty text or an empty list for what was left alone."""
    problems: list[Problem] = []
    assert parse_settings(given, problems).model_dump(mode="json", exclude_none=True) == kept
    assert problems == []


@pytest.mark.parametrize(
    ("given", "field", "message"),
    [
        ([4], "settings", 'settings must be an object, such as {"duration": 4}; got [4]'),
        (
            {"durations": 4},
            "durations",
            "settings has no field 'durations'; did you mean duration? it has duration, asp",
        ),
        ({"fps": 24}, "fps", "settings has no field 'fps'; it has duration, aspect_ratio,"),
        ({"duration": 0}, "duration", "duration cannot be 0: it should be greater than or equal to 1"),
        ({"duration": 4.5}, "duration", "duration cannot be 4.5: it should be a valid integer"),
        ({"duration": True}, "duration", "duration cannot be True: it must be a whole number, not true or false"),
        ({"seed": "x" * 999}, "seed", "seed cannot be 'xxx"),
        ({"generate_audio": "loud"}, "generate_audio", "generate_audio cannot be 'loud': it should be a valid boolean"),
        ({"resolution": 720}, "resolution", "resolution cannot be 720: it should be a valid string"),
        ({"input_references": [{}]}, "input_references[0].url", "input_references[0].url is missing"),
        (
            {"input_references": [PICTURE, {**PICTURE, "typ": "x"}]},
            "input_references[1].typ",
            "input_references[1] has no field 'typ'; did you mean type? it has type, url",
        ),
        (
            {"input_references": [{**PICTURE, "type": "gif"}]},
            "input_references[0].type",
            "input_references[0].type cannot be 'gif': it should be 'image_url', 'audio_url' or 'video_url'",
        ),
    ],
)
def test_what_cannot_be_read(given: Any, field: str, message: str) -> None:
    """One problem: the field, the value, what is allowed, and no longer than a few lines."""
    problems: list[Problem] = []
    assert parse_settings(given, problems) == VideoSettings()
    ((name, text, model),) = problems
    assert (name, model) == (field, None)
    assert text.startswith(message)
    assert len(text) < 300


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"size": "1280x720", "resolution": "720p"}, "size '1280x720' says the same as resolution; give one"),
        ({"size": "9x9", "resolution": "4K", "aspect_ratio": "1:1"}, "says the same as resolution and aspect_ratio"),
        ({"size": "1280X720"}, "size '1280X720' is not WIDTHxHEIGHT in pixels, such as 1280x720"),
        ({"size": "720p"}, "is not WIDTHxHEIGHT"),
        ({"first_frame": "a.png", "input_references": [PICTURE]}, "input_references are ignored beside frames"),
        ({"last_frame": "a.png", "input_references": [PICTURE]}, "input_references are ignored beside frames"),
        ({"callback_url": "http://x.example?canary"}, "callback_url 'http://x.example?…' must begin with https://"),
        ({"callback_url": "https://a..b/"}, "callback_url 'https://a..b/' names a host that cannot exist"),
        ({"callback_url": "https://exa mple/"}, "names a host that cannot exist; give an https address"),
        ({"callback_url": f"https://{'a' * 64}.b"}, "names a host that cannot exist"),
        ({"callback_url": "https://[::1"}, "names a host that cannot exist"),
        ({"callback_url": "https://a.b:port"}, "names a host that cannot exist"),
        ({"callback_url": "https://a.b/\x00"}, "contains a space or a character that URLs do not have"),
        (
            {"input_references": [{"type": "audio_url", "url": "https://u:canary@a..b/x?canary"}]},
            "'https://***@a..b/x?…' names a host that cannot exist",
        ),
        (
            {"input_references": [PICTURE, {"type": "video_url", "url": "data:video/mp4;base64,AAAA"}]},
            "input_references[1] is video_url: 'data:video/mp4,…' is taken for images only; give an https URL, or a",
        ),
    ],
)
def test_what_contradicts_itself(given: Any, message: str) -> None:
    """Found whatever the model, also in settings that were parsed before."""
    for settings in (given, VideoSettings.model_validate(given)):
        problems: list[Problem] = []
        parse_settings(settings, problems)
        assert [message in problem.message for problem in problems] == [True]


def test_every_problem_is_told_at_once() -> None:
    """Nobody wants to be told of his mistakes one by one."""
    problems: list[Problem] = []
    parse_settings({"duration": 0, "seed": "x", "fps": 24}, problems)
    assert [problem.field for problem in problems] == ["duration", "seed", "fps"]


def test_images_by_the_field_that_names_them() -> None:
    """Only images are read from files; sounds and clips are always URLs."""
    frames = VideoSettings(first_frame="a.png", last_frame="b.png")
    assert frames.image_sources() == {"first_frame": "a.png", "last_frame": "b.png"}
    sound = InputReference(type="audio_url", url="https://x.example/a.mp3")
    references = VideoSettings(input_references=(sound, InputReference(url="c.png")))
    assert references.image_sources() == {"input_references[1]": "c.png"}
    assert VideoSettings().image_sources() == {}

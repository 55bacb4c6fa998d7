"""Which values a model takes: one problem per value, with what is allowed and the nearest spelling."""

from __future__ import annotations

from typing import Any

import pytest

from openrouter_video.api.catalog import VideoModel
from openrouter_video.errors import Problem
from openrouter_video.planning.capabilities import model_problems, spans, unchecked_notes
from openrouter_video.request.settings import VideoSettings

FULL = VideoModel(
    id="a/full",
    supported_durations=(8, 4, 6),
    supported_resolutions=("720p", "1080p"),
    supported_aspect_ratios=("16:9", "9:16"),
    supported_sizes=("1280x720",),
    supported_frame_images=("first_frame",),
    generate_audio=True,
    seed=True,
)
MUTE = FULL.model_copy(update={"id": "a/mute", "generate_audio": False, "seed": False})
BARE = VideoModel(id="a/bare", supported_durations=())
ODD = VideoModel.read(
    {"id": "a/odd", "supported_durations": ["4s"], "supported_sizes": ["1x1", 5], "supported_frame_images": [{}]}
)
SILENT = VideoModel(id="a/silent", supported_durations=(4,))
EDITOR = VideoModel(id="a/editor", supported_resolutions=("720p",))
UPSCALER = VideoModel(id="a/upscaler", upscale_factor=(1.5, 3.0), creativity=(1, 0))
ODD_UPSCALER = VideoModel.read({"id": "a/odd-upscaler", "upscale_factor": {"min": "low"}, "creativity": [0, "high"]})
CONTINUES = FULL.model_copy(update={"pricing_skus": {"cents_per_second_video_continuation_720p": "41"}})
TOLD = FULL.model_copy(update={"input_modalities": ("text", "image", "audio")})
SOUND = {"type": "audio_url", "url": "https://x.example/a.mp3"}


@pytest.mark.parametrize("model", [FULL, MUTE, BARE, SILENT], ids=lambda model: model.id)
@pytest.mark.parametrize("values", [{}, {"generate_audio": False}, {"user": "u", "trace": {"a": 1}}], ids=str)
def test_what_every_model_takes(model: VideoModel, values: dict[str, Any]) -> None:
    """Nothing asked is nothing to refuse, and silence is always possible."""
    assert model_problems(VideoSettings(**values), model) == []


@pytest.mark.parametrize(
    "values",
    [
        {"duration": 4},
        {"resolution": "1080p", "aspect_ratio": "9:16"},
        {"size": "1280x720"},
        {"first_frame": "a.png"},
        {"generate_audio": True, "seed": 0},
    ],
    ids=str,
)
def test_what_a_full_model_takes(values: dict[str, Any]) -> None:
    """All that its lists name, unsorted or not."""
    assert model_problems(VideoSettings(**values), FULL) == []


@pytest.mark.parametrize(
    ("model", "values", "message"),
    [
        (FULL, {"duration": 5}, "duration 5 s is not supported; it supports 4, 6, 8 s; the nearest is 4"),
        (FULL, {"duration": 99}, "duration 99 s is not supported; it supports 4, 6, 8 s; the nearest is 8"),
        (BARE, {"duration": 4}, "duration 4 s cannot be chosen: it lists none; leave it out"),
        (
            FULL,
            {"resolution": "1080P"},
            "resolution '1080P' is not supported; it supports 720p, 1080p; did you mean 1080p?",
        ),
        (FULL, {"resolution": "tiny"}, "resolution 'tiny' is not supported; it supports 720p, 1080p"),
        (ODD, {"duration": 4}, 'duration 4 s cannot be chosen: it lists "4s", which cannot be read; leave it out'),
        (ODD, {"size": "9x9"}, "size '9x9' is not supported; it supports 1x1 (and lists 5, which cannot be read)"),
        (
            ODD,
            {"first_frame": "a.png"},
            "first_frame is not supported; frames that it takes: none (and it lists {}, which cannot be read)",
        ),
        (BARE, {"resolution": "720p"}, "resolution '720p' cannot be chosen: it lists none; leave it out"),
        (FULL, {"aspect_ratio": "1:1"}, "aspect_ratio '1:1' is not supported; it supports 16:9, 9:16"),
        (BARE, {"aspect_ratio": "1:1"}, "aspect_ratio '1:1' cannot be chosen: it lists none; leave it out"),
        (FULL, {"size": "720x1280"}, "size '720x1280' is not supported; it supports 1280x720"),
        (BARE, {"size": "9x9"}, "size '9x9' cannot be chosen: it lists none; use resolution and aspect_ratio instead"),
        (FULL, {"last_frame": "a.png"}, "last_frame is not supported; frames that it takes: first_frame"),
        (BARE, {"first_frame": "a.png"}, "first_frame is not supported; frames that it takes: none"),
        (MUTE, {"generate_audio": True}, "it makes silent videos only; leave audio off"),
        (MUTE, {"seed": 0}, "it does not take a seed; leave it out"),
        (FULL, {"upscale_factor": 2}, "it does not enlarge videos; leave upscale_factor out"),
        (UPSCALER, {"upscale_factor": 1.4}, "upscale_factor 1.4 is not supported; it supports 1.5 to 3"),
        (UPSCALER, {"upscale_factor": 4}, "upscale_factor 4 is not supported; it supports 1.5 to 3"),
        (FULL, {"creativity": 0}, "creativity cannot be chosen: it lists none; leave it out"),
        (UPSCALER, {"creativity": 2}, "creativity 2 is not supported; it supports 0, 1"),
        (
            ODD_UPSCALER,
            {"creativity": 2},
            'creativity 2 is not supported; it supports 0 (and lists "high", which cannot be read)',
        ),
        (EDITOR, {"duration": 4}, "duration 4 s cannot be chosen: it lists none; leave it out"),
        (
            EDITOR,
            {"first_frame": "a.png"},
            "first_frame is not supported; frames that it takes: none; give the image as an input reference",
        ),
    ],
)
def test_what_a_model_lacks(model: VideoModel, values: dict[str, Any], message: str) -> None:
    """What was asked, what is allowed, and what to write instead."""
    (field,) = values
    assert model_problems(VideoSettings(**values), model) == [Problem(field, message, model.id)]


def test_every_value_that_is_lacking_is_named() -> None:
    """One problem each."""
    wrong = VideoSettings(duration=5, resolution="8K", aspect_ratio="1:1", last_frame="a.png", seed=1)
    fields = [problem.field for problem in model_problems(wrong, MUTE)]
    assert fields == ["duration", "resolution", "aspect_ratio", "last_frame", "seed"]


@pytest.mark.parametrize(
    ("model", "values", "named"),
    [
        (SILENT, {"generate_audio": True, "seed": 7}, ["generate_audio", "seed"]),
        (SILENT, {"generate_audio": False, "seed": 0}, ["generate_audio", "seed"]),
        (SILENT, {"duration": 4}, []),
        (FULL, {"generate_audio": True, "seed": 7}, []),
        (FULL, {"input_references": [SOUND, SOUND, {"url": "a.png"}]}, ["the audio_url reference"]),
        (TOLD, {"input_references": [SOUND, {"url": "a.png"}]}, []),
        (EDITOR, {"input_references": [{"url": "a.png"}]}, ["the image_url reference"]),
        (FULL, {"previous_job_id": "gen-vid-1"}, ["previous_job_id"]),
        (CONTINUES, {"previous_job_id": "gen-vid-1"}, []),
        (UPSCALER, {"upscale_factor": 3, "creativity": 0}, []),
        (UPSCALER, {"upscale_factor": 1.5, "creativity": 1}, []),
        (ODD_UPSCALER, {"upscale_factor": 9}, ["upscale_factor"]),
    ],
)
def test_what_cannot_be_checked_is_said(model: VideoModel, values: dict[str, Any], named: list[str]) -> None:
    """A null flag says neither yes nor no, so the value is sent and the report says that nobody knows."""
    settings = VideoSettings.model_validate(values)
    assert model_problems(settings, model) == []
    notes = unchecked_notes(settings, model)
    assert [note.partition(" is sent")[0] for note in notes] == named
    assert all(model.id in note for note in notes)


@pytest.mark.parametrize(
    ("numbers", "words"),
    [((), ""), ((4,), "4"), ((4, 5), "4, 5"), ((4, 5, 6), "4-6"), ((1, 2, 4, 6, 7, 8, 10), "1, 2, 4, 6-8, 10")],
)
def test_numbers_as_people_read_them(numbers: tuple[int, ...], words: str) -> None:
    """Three in a row are a span."""
    assert spans(numbers) == words

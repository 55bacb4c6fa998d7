"""What models without durations work from: a video, an image, sound, an earlier job; and what does not fit."""

from __future__ import annotations

from typing import Any

import pytest

from openrouter_video.api.catalog import VideoModel
from openrouter_video.planning.needs import need_problems
from openrouter_video.planning.plan import plan_model
from openrouter_video.request.inputs import Inputs, PreviousJob
from openrouter_video.request.request import parse_request

EDITOR = VideoModel(id="a/editor", input_modalities=("text", "video"))
BOTH = VideoModel(id="a/both", input_modalities=("text", "image", "video"))
UPSCALER = VideoModel(id="a/upscaler", upscale_factor=(1.5, 3))
AVATAR = VideoModel(id="a/avatar", input_modalities=("text", "image", "audio"))
VOICE = VideoModel(id="a/voice", input_modalities=("text", "audio"))
PORTRAIT = VideoModel(id="a/portrait", input_modalities=("text", "image"))
UNTOLD = VideoModel(id="a/untold")
MAKER = VideoModel(id="a/maker", supported_durations=(4,), supported_frame_images=("first_frame",))
TOLD_MAKER = MAKER.model_copy(update={"input_modalities": ("text", "image")})

CLIP = {"type": "video_url", "url": "https://x.example/a.mp4"}
SOUND = {"type": "audio_url", "url": "https://x.example/a.mp3"}
PICTURE = {"type": "image_url", "url": "https://x.example/a.png"}
MADE_BY = {name: PreviousJob("gen-vid-1", model) for name, model in (("key", "a/maker"), ("other", "b/c"), ("?", None))}


def given(*references: dict[str, str], **settings: Any) -> dict[str, Any]:
    """Settings with these references."""
    return {"input_references": list(references), **settings}


@pytest.mark.parametrize(
    ("model", "prompt", "settings"),
    [
        (EDITOR, "at night", given(CLIP)),
        (EDITOR, "", given(CLIP)),
        (EDITOR, "at night", {"previous_job_id": "gen-vid-1"}),
        (BOTH, "like this", given(CLIP, PICTURE)),
        (UPSCALER, "", given(CLIP, upscale_factor=2, creativity=None)),
        (AVATAR, "good day", given(PICTURE)),
        (AVATAR, "", given(PICTURE, SOUND)),
        (PORTRAIT, "", given(PICTURE)),
        (VOICE, "", given(SOUND)),
        (UNTOLD, "", given(PICTURE)),
        (UNTOLD, "", given(CLIP)),
        (UNTOLD, "at night", {"previous_job_id": "gen-vid-1"}),
        (MAKER, "an orchid", {}),
        (MAKER, "an orchid", given(CLIP, SOUND)),
        (MAKER, "", given(PICTURE)),
        (MAKER, "", {"first_frame": "https://x.example/a.png"}),
        (TOLD_MAKER, "an orchid", given(PICTURE)),
        (MAKER, "go on", {"previous_job_id": "key"}),
        (MAKER, "go on", {"previous_job_id": "?"}),
    ],
)
def test_what_is_enough(model: VideoModel, prompt: str, settings: dict[str, Any]) -> None:
    """It is planned, and the body has a prompt only if there is one."""
    request = parse_request(prompt, settings)
    assert need_problems(request, model, Inputs(jobs=MADE_BY)) == []
    plan = plan_model(request, model, inputs=Inputs(jobs=MADE_BY))
    assert plan.decision == "send"
    assert plan.body.get("prompt") == (prompt or None)
    assert ("prompt" in plan.body) == bool(prompt)
    if settings.get("previous_job_id"):
        assert plan.body["previous_job_id"] == "gen-vid-1"


@pytest.mark.parametrize(
    ("model", "prompt", "settings", "problems"),
    [
        (EDITOR, "p", {}, {"input_references": "it edits or enlarges a video, and none is given; give one as an inp"}),
        (UPSCALER, "p", {}, {"input_references": "it edits or enlarges a video, and none is given"}),
        (UPSCALER, "p", given(PICTURE), {"input_references": "it edits or enlarges a video, and none is given"}),
        (BOTH, "p", given(PICTURE), {"input_references": "it edits or enlarges a video, and none is given"}),
        (AVATAR, "p", given(SOUND), {"input_references": "it animates an image, and none is given; give one as an"}),
        (AVATAR, "", given(PICTURE), {"prompt": "it needs something to say: give a prompt, or a sound as an input"}),
        (VOICE, "p", {}, {"input_references": "it works from sound, and none is given; give it as an input reference"}),
        (
            UNTOLD,
            "p",
            {},
            {"input_references": "it edits, enlarges or animates what it is given, and nothing is given"},
        ),
        (
            TOLD_MAKER,
            "p",
            given(PICTURE, CLIP, SOUND),
            {"input_references": "it takes text and image as input, not video and audio; leave such references out"},
        ),
        (
            BOTH,
            "p",
            given(CLIP, SOUND),
            {"input_references": "it takes text, image and video as input, not audio; leave such references out"},
        ),
        (
            MAKER,
            "p",
            {"previous_job_id": "other"},
            {"previous_job_id": "the previous job was made by 'b/c', and only the same model continues it; choose th"},
        ),
    ],
)
def test_what_is_missing_or_does_not_fit(
    model: VideoModel, prompt: str, settings: dict[str, Any], problems: dict[str, str]
) -> None:
    """Refused in words that say what is missing and how to give it."""
    found = need_problems(parse_request(prompt, settings), model, Inputs(jobs=MADE_BY))
    assert [(one.field, one.model) for one in found] == [(field, model.id) for field in problems]
    for problem, words in zip(found, problems.values(), strict=True):
        assert problem.message.startswith(words)


def test_an_image_where_a_video_is_needed_is_told_twice() -> None:
    """What is missing, and what is of no use."""
    missing, unfit = need_problems(parse_request("p", given(PICTURE)), EDITOR, Inputs())
    assert missing.message.startswith("it edits or enlarges a video, and none is given")
    assert unfit.message == "it takes text and video as input, not image; leave such references out"


def test_a_frame_for_an_avatar_is_told_once() -> None:
    """With the way to give it."""
    plan = plan_model(parse_request("good day", {"first_frame": "a.png"}), AVATAR)
    (problem,) = plan.problems
    assert problem.field == "first_frame"
    assert problem.message.endswith("frames that it takes: none; give the image as an input reference")

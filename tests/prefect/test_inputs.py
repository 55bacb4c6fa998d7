"""Videos that are made from something: each model without durations, and the continuation of a finished job."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from flows import generate_video
from openrouter_video.errors import RequestRefused
from openrouter_video.outcome import Outcome
from openrouter_video.request import VideoSettings
from openrouter_video.sandbox import Fault, Sandbox

pytestmark = pytest.mark.usefixtures("prefect_server", "short_waits")

CONTINUES = "black-forest-labs/flux-3-video"
CLIP = {"type": "video_url", "url": "https://x.example/clips/orchid.mp4"}
FACE = {"type": "image_url", "url": "https://x.example/face.png"}
SHORT = {"duration": 5, "resolution": "720p"}


@pytest.mark.parametrize(
    ("model", "prompt", "settings", "title"),
    [
        ("runway/aleph-2", "at night", {"input_references": [CLIP]}, "at night"),
        ("black-forest-labs/flux-video-edit", "in the snow", {"input_references": [CLIP]}, "in the snow"),
        (
            "black-forest-labs/flux-video-upscale",
            None,
            {"input_references": [CLIP], "upscale_factor": 1.5, "creativity": 0},
            "orchid.mp4",
        ),
        ("heygen/avatar-iv", "Good day", {"input_references": [FACE]}, "Good day"),
    ],
)
async def test_a_model_without_durations_makes_a_video_from_its_input(
    sandbox: Sandbox, model: str, prompt: str | None, settings: dict[str, Any], title: str
) -> None:
    """A prompt is sent only where there is one; the video is called by its input where there is none."""
    (outcome,) = await generate_video(prompt, model, VideoSettings.model_validate(settings))
    assert outcome.status == "completed"
    assert outcome.title == title
    assert (outcome.sent or {}).get("prompt") == prompt
    assert (outcome.url or "").rpartition("/")[0].rpartition("/")[2].startswith(title.lower().replace(" ", "-")[:6])


def following(previous: Any) -> VideoSettings:
    """The settings of a video that continues this one."""
    return VideoSettings.model_validate({**SHORT, "previous_job_id": previous})


async def refusal(previous: Any, model: str = CONTINUES, **more: Any) -> str:
    """Why a job is not continued."""
    with pytest.raises(RequestRefused) as refused:
        await generate_video("it goes on", model, following(previous), **more)
    return str(refused.value)


async def test_a_finished_video_is_continued_by_all_that_names_it(sandbox: Sandbox, tmp_path: Path) -> None:
    """Its outcome, key, file or id; the id of its job is sent, and what cannot be continued is refused for nothing."""
    (first,) = await generate_video("an orchid", CONTINUES, VideoSettings.model_validate(SHORT))
    assert isinstance(first, Outcome)
    for named in (first, first.url, first.job_id):
        settings = following(named)
        (outcome,) = await generate_video("it goes on", CONTINUES, settings, idempotency_key=f"shot {named!s:.20}")
        assert outcome.status == "completed"
        assert (outcome.sent or {})["previous_job_id"] == first.job_id
        assert outcome.estimate is not None
        assert outcome.estimate.priced is (named != first.job_id)
    paid = len(sandbox.charges)
    assert "was made by" in await refusal(first.key, "google/veo-3.1-lite")
    assert "has no job under the key" in await refusal("0" * 32)
    assert "there is no record" in await refusal(f"{tmp_path}/nowhere.mp4")
    assert "does not know the job" in await refusal("gen-vid-1790983457-nobody")
    assert "used for a different request" in await refusal(first.job_id, idempotency_key=f"shot {first!s:.20}")
    assert len(sandbox.charges) == paid
    sandbox.add_fault(Fault(on="poll", status=500, body="x"))
    (outcome,) = await generate_video("on and on", CONTINUES, following(first.job_id))
    assert outcome.status == "completed"

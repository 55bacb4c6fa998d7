"""Where a run waits for its videos: here, suspended, or not at all."""

from __future__ import annotations

from typing import Any

import pytest

from flows import batch_videos, collect_videos, fan_out_video
from openrouter_video.errors import RequestRefused, TooFewVideos
from openrouter_video.request.settings import VideoSettings
from openrouter_video.sandbox import Fault, Sandbox

pytestmark = pytest.mark.usefixtures("prefect_server", "short_waits")

VEO, KLING = "google/veo-3.1-lite", "kwaivgi/kling-v3.0-std"
LONG = "alibaba/wan-2.6"  # makes no 4 seconds
SMALL = VideoSettings(duration=4, resolution="720p", aspect_ratio="16:9", generate_audio=False)
REFUSED = {"error": {"code": 400, "message": "no"}}


async def fan_out(models: list[str], **given: Any) -> tuple[str, str, Any]:
    """Name and message of the state that ends a fan-out, and its result."""
    state = await fan_out_video("An orchid", models, settings=SMALL, wait="no", return_state=True, **given)
    return state.name or "", state.message or "", await state.aresult(raise_on_failure=False)


# ---- Not at all ------------------------------------------------------------------------------------------------------


async def test_a_run_that_does_not_wait_submits_and_ends(sandbox: Sandbox) -> None:
    """Nothing is polled; what is submitted counts, what is refused does not, and what was finished before is found."""
    name, message, result = await fan_out([VEO, KLING], idempotency_key="a")
    assert (name, message) == ("Completed", "2 submitted, collect finishes them; 0 of 2 videos, 2 open")
    assert (result.status, {one.error for one in result.outcomes}) == (
        "submitted",
        {"it is submitted, and this run does not wait for it; `openrouter-video collect` finishes it"},
    )
    assert "poll" not in {request.kind for request in sandbox.requests}
    name, message, _ = await fan_out([VEO, LONG], min_success=1)
    assert (name, message.partition(";")[0]) == ("Partial", "1 submitted, collect finishes it")
    sandbox.add_fault(Fault(on="submit", status=400, body=REFUSED))
    name, message, result = await fan_out([VEO, KLING])
    assert (name, type(result), message.partition(";")[0]) == (
        "Failed",
        TooFewVideos,
        "1 submitted, collect finishes it",
    )
    assert {one.status for one in await collect_videos(wait_minutes=1)} == {"completed"}
    name, message, result = await fan_out([VEO, KLING], idempotency_key="a")
    assert (name, result.status, message.partition(",")[0]) == ("Completed", "completed", "2 of 2 videos")
    assert len(sandbox.charges) == 4


async def test_a_batch_that_does_not_wait_is_finished_by_its_keys(sandbox: Sandbox) -> None:
    """Its manifest knows what is open, and a collection of one key brings that row up to date."""
    rows = [{"prompt": "An orchid"}, {"prompt": "A rose"}]
    batch = await batch_videos(rows=rows, batch="flowers", models=[VEO], settings=SMALL, wait="no")
    assert batch.status == "submitted"
    first, second = (one.key or "" for one in batch.outcomes)
    (one,) = await collect_videos(keys=[first, "0" * 32], wait_minutes=1)
    assert (one.key, one.status) == (first, "completed")
    with pytest.raises(RequestRefused, match="'x' is not the key of a video in a ledger"):
        await collect_videos(keys=["x", second])
    assert [one.key for one in await collect_videos(wait_minutes=1)] == [second]
    assert len(sandbox.charges) == 2

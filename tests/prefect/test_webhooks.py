"""Webhooks: what a submission says of them."""

from __future__ import annotations

import pytest

from openrouter_video.errors import ConfigurationError
from openrouter_video.flows import batch_videos
from openrouter_video.request import VideoSettings
from openrouter_video.run.limits import using_limits
from tests.support.faulty_runs import MODEL, FaultyRuns

pytestmark = pytest.mark.usefixtures("prefect_server")

SMALL = VideoSettings(duration=1, resolution="480p")


async def test_a_submission_says_where_its_end_is_to_be_told(runs: FaultyRuns, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the key in the query; on record is only the host, and another address makes no other video."""
    monkeypatch.setenv("OPENROUTER_VIDEO_WEBHOOK_URL", "https://nobody.invalid/s3cr3t?token=t0k3n")
    first = await runs.generate(idempotency_key="one")
    monkeypatch.setenv("OPENROUTER_VIDEO_WEBHOOK_URL", "https://nobody.invalid/elsewhere")
    second = await runs.generate(idempotency_key="one")
    monkeypatch.delenv("OPENROUTER_VIDEO_WEBHOOK_URL")
    third = await runs.generate(idempotency_key="one")
    [charge] = runs.sandbox.charges
    assert charge.body["callback_url"] == f"https://nobody.invalid/s3cr3t?token=t0k3n&key={first.key}"
    shown = {name: value for name, value in charge.body.items() if name != "callback_url"}
    assert first.sent == {**shown, "callback_url": "https://nobody.invalid/…"}
    assert [(one.status, one.reused, one.sent) for one in (second, third)] == [("completed", True, first.sent)] * 2
    kept = [path.read_text() for path in runs.output.rglob("*") if path.suffix in {".json", ".html", ".jsonl"}]
    assert kept
    assert not [text for text in kept if "s3cr3t" in text or "t0k3n" in text]


async def test_the_rows_of_a_batch_say_it_too(runs: FaultyRuns, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each with its own key, unless it names an address itself; a wrong one refuses all before anything is sent."""
    own = "https://nobody.invalid/mine"
    rows = [{"prompt": "A rose"}, {"prompt": "A tulip"}, {"prompt": "A lily", "callback_url": own}]
    with using_limits(runs.limits):
        monkeypatch.setenv("OPENROUTER_VIDEO_WEBHOOK_URL", "http://hooks.example.com")
        with pytest.raises(ConfigurationError, match="OPENROUTER_VIDEO_WEBHOOK_URL must begin with https://"):
            await batch_videos(rows=rows, batch="flowers", models=[MODEL], settings=SMALL)
        assert [*runs.sandbox.charges] == []
        monkeypatch.setenv("OPENROUTER_VIDEO_WEBHOOK_URL", "https://nobody.invalid")
        batch = await batch_videos(rows=rows, batch="flowers", models=[MODEL], settings=SMALL)
    told = {charge.session_id: charge.body["callback_url"] for charge in runs.sandbox.charges}
    rose, tulip, lily = (outcome.key or "" for outcome in batch.outcomes)
    assert told == {**{key: f"https://nobody.invalid?key={key}" for key in (rose, tulip)}, lily: own}

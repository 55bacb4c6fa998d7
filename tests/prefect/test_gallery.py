"""Galleries through the flows: what a run leaves, what a collection mends, and that a page never fails a run."""

from __future__ import annotations

import json
import logging
import re
from pathlib import Path
from typing import Any

import pytest

from flows import fan_out_video
from openrouter_video.errors import RequestRefused
from openrouter_video.outcome import FanOut
from openrouter_video.request.settings import VideoSettings
from openrouter_video.run.progress import watching
from openrouter_video.sandbox import Fault
from openrouter_video.stores import path_of_file_url
from tests.support.faulty_runs import MODEL, FaultyRuns

pytestmark = pytest.mark.usefixtures("prefect_server", "short_waits")

SMALL = VideoSettings(duration=4, resolution="480p")
MODELS = [MODEL, "bytedance/seedance-2.0-mini"]


async def fan_out(**kwargs: Any) -> FanOut:
    """One prompt, two models."""
    result = await fan_out_video("A white orchid", MODELS, settings=SMALL, idempotency_key="orchid", **kwargs)
    assert isinstance(result, FanOut)
    return result


def file_of(url: str | None) -> Path:
    """The file that a URL means."""
    return Path(path_of_file_url(url or "") or "")


def told_of(page: Path) -> list[str]:
    """The status of each video on a page."""
    data = re.search(r'id="data">(.*?)</script>', page.read_text(encoding="utf-8"), re.DOTALL)
    assert data is not None
    return [tile["status"] for row in json.loads(data[1])["rows"] for cell in row["cells"] for tile in cell]


async def test_a_run_leaves_a_page_and_a_manifest_which_a_collection_mends(runs: FaultyRuns) -> None:
    """Also of what is still open; whoever watches the run hears where the page is."""
    runs.sandbox.add_fault(Fault(on="content", status=401, body={"error": {"code": 401, "message": "no"}}))
    with watching(lambda _: None) as watched:
        result = await fan_out(min_success=1)
    page, manifest = file_of(result.gallery_url), file_of(result.manifest_url)
    assert [one.gallery_url for one in watched.published] == [result.gallery_url]
    assert (page.parent, page.name) == (manifest.parent, "index.html")
    assert sorted(told_of(page)) == ["completed", "open"]
    rows = [json.loads(line) for line in manifest.read_text().splitlines()]
    assert [row["model"] for row in rows] == MODELS
    await runs.collect()
    assert told_of(page) == ["completed", "completed"]
    assert [json.loads(line)["status"] for line in manifest.read_text().splitlines()] == ["completed", "completed"]


async def test_a_page_that_cannot_be_written_is_a_warning_and_a_note(
    runs: FaultyRuns, caplog: pytest.LogCaptureFixture
) -> None:
    """The videos are safe: the run is as good as ever."""
    page = file_of((await fan_out()).gallery_url)
    page.unlink()
    page.mkdir()
    with caplog.at_level(logging.WARNING):
        result = await fan_out()
    assert (result.status, result.gallery_url) == ("completed", None)
    (problem,) = result.problems
    assert problem.startswith("the gallery was not written: Could not read file://")
    assert problem in caplog.text


async def test_a_run_of_which_nothing_was_sent_leaves_nothing(runs: FaultyRuns) -> None:
    """A page without a video, and without what to do, helps nobody."""
    with pytest.raises(RequestRefused):
        await fan_out(max_usd=0.001)
    assert not list(runs.output.rglob("index.html"))

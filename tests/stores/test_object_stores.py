"""Whole runs with videos and ledger in an object store that serves requests side by side, opened by its environment."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from prefect.settings import PREFECT_API_URL

from flows import fan_out_video
from openrouter_video.request.settings import VideoSettings
from openrouter_video.run.limits import using_limits
from openrouter_video.sandbox import Fault
from openrouter_video.stores import Store, open_store
from tests.support import object_stores
from tests.support.flow_processes import Errand, FlowProcess, environment_of

if TYPE_CHECKING:
    from tests.support.faulty_runs import FaultyRuns

ROOT = Path(__file__).resolve().parents[2]
GROK, VEO = "x-ai/grok-imagine-video", "google/veo-3.1-lite"
KINDS = ("jpg", "json", "mp4")
FILES = [
    *(f"google--veo-3.1-lite.{kind}" for kind in KINDS),
    *("index.html", "videos.jsonl"),
    *(f"x-ai--grok-imagine-video.{kind}" for kind in KINDS),
]


ORDER: dict[str, Any] = {
    "prompt": "A white orchid",
    "models": [GROK, VEO],
    "settings": {"duration": 4, "resolution": "720p", "aspect_ratio": "16:9"},
    "idempotency_key": "nightly",
    "min_success": 1,
}


@pytest.fixture(params=["seaweed", "gcs", "azure"])
def url(request: pytest.FixtureRequest) -> str:
    """The URL of an empty folder in a store that this process and its children can open without options."""
    found: str = request.getfixturevalue(f"{request.param}_store_url")
    return found


def run_twins(runs: FaultyRuns, url: str, folder: Path) -> list[list[dict[str, Any]]]:
    """Run the order in two processes at once; what each of them got."""
    environment = environment_of(runs.sandbox, runs.output) | {"OPENROUTER_VIDEO_OUTPUT": url}
    environment |= object_stores.environment()
    errand = Errand(ORDER, folder, PREFECT_API_URL.value() or "", environment, flow="fan_out_video")
    with (
        FlowProcess(errand._replace(folder=folder / "one")) as one,
        FlowProcess(errand._replace(folder=folder / "two")) as two,
    ):
        assert (one.wait(120), two.wait(120)) == (0, 0), one.output + two.output
        return [one.outcomes, two.outcomes]


async def run_again(runs: FaultyRuns) -> list[dict[str, Any]]:
    """Run the order in this process."""
    with using_limits(runs.limits):
        result = await fan_out_video(**{**ORDER, "settings": VideoSettings(**ORDER["settings"])})
    return [outcome.model_dump() for outcome in result.outcomes]


def collect(url: str) -> list[dict[str, Any]]:
    """Collect as a user does, by the command, which complains of nothing; its outcomes."""
    done = subprocess.run(
        [sys.executable, "-m", "openrouter_video", "collect", "--output", url, "--json"],
        env={**os.environ, "PREFECT_API_URL": PREFECT_API_URL.value() or "", "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert not [sign for sign in ("Traceback", "Unclosed", "never awaited") if sign in done.stderr], done.stderr
    return list(json.loads(done.stdout)["outcomes"])


def files_in(store: Store) -> list[str]:
    """The names of the files in the one folder of videos, temporary ones too."""
    names = store.list_names(temporaries=True)
    (folder,) = (name for name in names if name != "_jobs" and not name.startswith(".openrouter-video-"))
    return store.list_names(folder, temporaries=True)


async def test_a_fan_out_into_an_object_store(runs: FaultyRuns, url: str, tmp_path: Path) -> None:
    """Two runs with one key at once pay each video once, a third pays nothing, and collect finishes what is open."""
    runs.use_store(url)
    store = open_store(url)
    runs.sandbox.add_fault(Fault(on="content", model=GROK, status=401, body="no", times=None))
    for outcomes in await asyncio.to_thread(run_twins, runs, url, tmp_path / "twins"):
        assert [outcome["status"] for outcome in outcomes] == ["open", "completed"]
    assert (runs.jobs, runs.count("submit")) == (2, 2)

    assert [(outcome["status"], outcome["reused"]) for outcome in await run_again(runs)] == [
        ("open", True),
        ("completed", True),
    ]
    assert (runs.jobs, runs.count("submit"), files_in(store)) == (2, 2, FILES[:5])

    runs.sandbox.clear_faults()
    (collected,) = await asyncio.to_thread(collect, url)
    assert (collected["model"], collected["status"]) == (GROK, "completed")
    assert collected["url"].startswith(f"{url}/")
    assert (runs.jobs, runs.count("submit"), files_in(store)) == (2, 2, FILES)
    records = [
        store.list_names(f"_jobs/{key}", temporaries=True) for key in store.list_names("_jobs") if len(key) == 32
    ]
    assert records == [["claim-1.json", "job-1.json", "outcome.json"]] * 2

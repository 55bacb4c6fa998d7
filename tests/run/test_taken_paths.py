"""Which paths are taken by videos that may be paid for, where a template of paths does not keep requests apart."""

from __future__ import annotations

from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest

from openrouter_video.ledger import Ledger, Scope
from openrouter_video.planning import ModelPlan
from openrouter_video.request import parse_run_request
from openrouter_video.run.planned_video import PlannedVideo
from openrouter_video.run.taken_paths import taken_paths
from openrouter_video.stores import open_store
from tests.support.claims import claim_on

SCOPE = Scope("12345678" * 8, shared=True)
SENT = ModelPlan(model="a/film", decision="send")


def video_at(path: str) -> PlannedVideo:
    """A video that goes to a path."""
    return PlannedVideo(SENT, 1, parse_run_request(prompt="A rose", model="a/film"), SCOPE, path)


@pytest.mark.parametrize(
    ("path", "files", "expected"),
    [
        ("b/rose/a.mp4", {}, None),
        ("b/rose/a.mp4", {"b/rose/other.mp4": "x"}, None),
        ("b/rose/a.mp4", {"b/rose/a.json": '{"key": "k1"}', "b/rose/a.mp4": "x"}, "k1"),
        ("b/rose/a.mp4", {"b/rose/a.webm": "x"}, "unknown"),
        ("b/rose/a.mp4", {"b/rose/a.json": "[", "b/rose/A.MP4": "x"}, "unknown"),
        ("b/rose/a.mp4", {"b/rose/a.json": '{"key": 7}'}, "unknown"),
        # The digits of a row are also those of its other models.
        ("b/rose-12345678/a.mp4", {"b/rose-12345678/a.json": '{"key": "k1"}'}, "k1"),
        ("b/rose-12345678/a--film.mp4", {"b/rose-12345678/a--film.mp4": "x"}, None),
    ],
)
def test_a_path_is_taken(tmp_path: Path, path: str, files: dict[str, str], expected: str | None) -> None:
    """By a video of any kind, or a sidecar, whatever the case of its name; one of its request and its model never."""
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    with closing(open_store(str(tmp_path))) as store:
        assert taken_paths(store, Ledger(store.child("_jobs")), [video_at(path)]).get(path) == expected


def test_a_job_that_is_open_has_its_path_already(tmp_path: Path) -> None:
    """Its video is paid for and still to come; one that was released, or goes elsewhere, takes none."""
    with closing(open_store(str(tmp_path))) as store:
        ledger, now = Ledger(store.child("_jobs")), datetime.now(UTC).isoformat()
        places = [("b/X.mp4", store.url), ("b/y.mp4", "s3://other"), ("b/z.mp4", store.url)]
        for number, (path, output) in enumerate(places):
            claim = claim_on(f"{number:032x}", at=now, model="a/film", output=output, path=path)
            assert ledger.claim(1, claim)
            if path == "b/z.mp4":
                ledger.release(claim.key, 1, "nothing was accepted")
            else:
                ledger.record_job(claim.key, 1, f"job-{number}")
        videos = [video_at(path) for path in ("b/x.mp4", "b/y.mp4", "b/z.mp4")]
        assert taken_paths(store, ledger, videos) == {"b/x.mp4": f"{0:032x}"}

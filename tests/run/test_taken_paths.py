"""Which paths are taken by videos that may be paid for, where a template of paths does not keep requests apart."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest

from openrouter_video.ledger import Scope
from openrouter_video.planning import ModelPlan
from openrouter_video.request import parse_run_request
from openrouter_video.run.planned_video import PlannedVideo
from openrouter_video.run.taken_paths import taken_paths
from openrouter_video.stores import open_store

SCOPE = Scope("12345678" * 8, shared=True)
SENT = ModelPlan(model="a/film", decision="send")


@pytest.mark.parametrize(
    ("path", "files", "expected"),
    [
        ("b/rose/a.mp4", {}, None),
        ("b/rose/a.mp4", {"b/rose/other.mp4": "x"}, None),
        ("b/rose/a.mp4", {"b/rose/a.json": '{"key": "k1"}', "b/rose/a.mp4": "x"}, "k1"),
        ("b/rose/a.mp4", {"b/rose/a.webm": "x"}, "unknown"),
        ("b/rose/a.mp4", {"b/rose/a.json": "[", "b/rose/A.MP4": "x"}, "unknown"),
        ("b/rose/a.mp4", {"b/rose/a.json": '{"key": 7}'}, "unknown"),
        ("b/rose-12345678/a.mp4", {"b/rose-12345678/a.mp4": "x"}, None),
    ],
)
def test_a_path_is_taken(tmp_path: Path, path: str, files: dict[str, str], expected: str | None) -> None:
    """By a video of any kind, or a sidecar, whatever the case of its name; one with the digits of its request never."""
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    video = PlannedVideo(SENT, 1, parse_run_request(prompt="A rose", model="a/film"), SCOPE, path)
    with closing(open_store(str(tmp_path))) as store:
        assert taken_paths(store, [video]).get(path) == expected

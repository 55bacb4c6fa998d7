"""The images of a batch: each is read once, whatever many rows it is for, and all of them have a limit together."""

from __future__ import annotations

import json
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from openrouter_video.api.catalog import parse_catalog
from openrouter_video.batch import dry_run
from openrouter_video.batch.batch_request import parse_batch_request
from openrouter_video.batch.dry_run import dry_batch
from openrouter_video.batch.plan import BatchPlan
from openrouter_video.batch.table import table_of_rows

OFFERED = parse_catalog(json.loads((files("openrouter_video.sandbox") / "video_models.json").read_text()))


@pytest.fixture
def pictures(tmp_path: Path) -> list[str]:
    """Two small pictures."""
    paths = [tmp_path / name for name in ("a.png", "b.png")]
    for path in paths:
        Image.new("RGB", (8, 8)).save(path)
    return list(map(str, paths))


def plan_of(rows: list[dict[str, Any]], asked: list[str] | None = None) -> BatchPlan:
    """The plan of these rows; ``asked`` keeps the URLs for which options were asked."""
    batch = parse_batch_request(batch="b", models=["google/veo-3.1-lite"], settings={"duration": 8})
    return dry_batch(table_of_rows(rows), batch, OFFERED, (asked if asked is not None else []).append)


def test_each_image_is_read_once_and_sent_for_every_row(pictures: list[str]) -> None:
    """One that cannot be read is asked for once too, and told of each row."""
    asked: list[str] = []
    first, missing = pictures[0], "/nowhere/c.png"
    rows = [{"prompt": str(n), "first_frame": image} for n, image in enumerate([first, first, missing, missing])]
    plan = plan_of(rows, asked)
    assert asked == [first, missing]
    urls = [video.plan.body["frame_images"][0]["image_url"]["url"] for video in plan.videos]
    assert len(urls) == 2
    assert all(url.startswith("data:image/png;base64,") for url in urls)
    assert [(one.row, one.column) for one in plan.row_problems] == [(3, "first_frame"), (4, "first_frame")]


def test_the_images_of_a_batch_have_a_limit_together(pictures: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """They are all held in memory, so it says where they could be instead."""
    monkeypatch.setattr(dry_run, "MOST_BYTES", 150)
    plan = plan_of([{"prompt": "a", "first_frame": one} for one in pictures])
    assert [one.row for one in plan.row_problems] == [2]
    assert "the images of the batch have more than 512 MiB together; put them on https URLs" in str(plan.problems[0])


def test_another_picture_of_the_same_name_makes_another_video(pictures: list[str]) -> None:
    """Else the video of the old one would stand in for it, or its key be refused at the last moment."""
    rows = [{"prompt": "a", "first_frame": pictures[0]}, {"prompt": "b"}]
    before, again = plan_of(rows), plan_of(rows)
    Image.new("RGB", (9, 9)).save(pictures[0])
    after = plan_of(rows)
    keys, keys_again, keys_after = ([video.key for video in plan.videos] for plan in (before, again, after))
    assert keys == keys_again
    assert [one == other for one, other in zip(keys, keys_after, strict=True)] == [False, True]
    assert before.videos[0].path != after.videos[0].path

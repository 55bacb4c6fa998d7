"""How the videos of a large run are divided into lanes."""

from __future__ import annotations

import pytest

from openrouter_video.run.lanes import MOST_LANES, Lane, divide


@pytest.mark.parametrize("videos", [0, 1, 10, MOST_LANES])
def test_few_videos_need_no_lanes(videos: int) -> None:
    """Each has its own task runs."""
    assert divide(videos, MOST_LANES) == []


@pytest.mark.parametrize("videos", [MOST_LANES + 1, 100, 127, 128, 129, 999, 1000, 12_345])
def test_every_video_is_in_one_lane(videos: int) -> None:
    """In order, none twice, in lanes that differ by one video at most."""
    lanes = divide(videos, MOST_LANES)
    assert [index for lane in lanes for index in lane.indexes] == list(range(videos))
    sizes = {len(lane.indexes) for lane in lanes}
    assert len(lanes) == min(MOST_LANES, videos // 8)
    assert max(sizes) - min(sizes) <= 1
    assert min(sizes) >= 8


def test_a_lane_is_named_for_its_videos() -> None:
    """By their numbers in the run, as people count."""
    assert [str(lane) for lane in divide(1000, 3)] == [
        "videos 1-333 of 1,000",
        "videos 334-666 of 1,000",
        "videos 667-1,000 of 1,000",
    ]
    assert Lane(5, 6, 9).indexes == range(4, 6)


def test_the_lanes_of_a_batch_count_on_from_portion_to_portion() -> None:
    """By the numbers in the whole batch; and a last portion of a few is in one lane, though few need none elsewhere."""
    lanes = divide(20, 2, before=500, total=523)
    assert [str(lane) for lane in lanes] == ["videos 501-510 of 523", "videos 511-520 of 523"]
    assert [index for lane in lanes for index in lane.indexes] == list(range(20))
    assert [str(lane) for lane in divide(3, 64, before=520, total=523)] == ["videos 521-523 of 523"]

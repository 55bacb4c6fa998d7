"""How a batch is divided: no limit is passed by all shards together, and none of them is left with nothing to do."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from openrouter_video.shards.division import deal_videos, share_limits

V, X = "google-vertex", "x-ai"
MANY = [V, X] * 50


@pytest.mark.parametrize(
    ("asked", "concurrency", "per_provider", "providers", "shares", "why"),
    [
        (4, 8, None, MANY, [(2, None)] * 4, None),
        (4, 10, None, MANY, [(3, None), (3, None), (2, None), (2, None)], None),
        (3, 8, 4, MANY, [(3, 2), (3, 1), (2, 1)], None),
        (2, 8, {V: 3, X: 2}, MANY, [(4, {V: 2, X: 1}), (4, {V: 1, X: 1})], None),
        (4, 3, None, MANY, [(1, None)] * 3, "3 shards in place of 4: concurrency is 3"),
        (4, 8, {V: 2}, MANY, [(4, {V: 1})] * 2, "2 shards in place of 4: google-vertex has 2 at the same time"),
        (4, 8, {V: 2}, [X] * 9, [(2, {V: 1})] * 4, None),
        (4, 8, 1, MANY, [(8, 1)], "1 shard in place of 4: google-vertex has 1 at the same time"),
        (4, 8, None, [X] * 2, [(4, None)] * 2, "2 shards in place of 4: 2 videos are to be sent"),
        (4, 8, None, [], [(8, None)], None),
    ],
)
def test_limits_are_divided(
    asked: int,
    concurrency: int,
    per_provider: int | Mapping[str, int] | None,
    providers: list[str],
    shares: list[tuple[int, object]],
    why: str | None,
) -> None:
    """In all exactly as many as before; where a limit is below the number of shards, there are fewer of them."""
    shared = share_limits(asked, concurrency, per_provider, providers)
    assert [tuple(share) for share in shared.shares] == shares
    assert shared.note == why
    assert sum(share.concurrency for share in shared.shares) == concurrency


@pytest.mark.parametrize(
    ("unpaid", "number", "why"),
    [
        (50, 2, "2 shards in place of 4: google-vertex has 2 at the same time"),
        (1, 1, "1 shard in place of 4: 1 video is to be sent"),
        (0, 1, None),
    ],
)
def test_what_is_paid_for_needs_no_shard_and_keeps_its_limit(unpaid: int, number: int, why: str | None) -> None:
    """Divided once more, in another process, there are as many."""
    shared = share_limits(4, 8, {V: 2}, MANY, unpaid)
    assert (len(shared.shares), shared.note) == (number, why)
    assert share_limits(number, 8, {V: 2}, MANY).shares == shared.shares


@pytest.mark.parametrize(
    ("providers", "shards", "dealt"),
    [
        ([V] * 5, 2, [[0, 2, 4], [1, 3]]),
        # Each row of a table for each of its models: no shard gets one provider only.
        ([V, X] * 3, 2, [[0, 3, 4], [1, 2, 5]]),
        ([V], 3, [[0], [], []]),
        ([], 2, [[], []]),
    ],
)
def test_videos_are_dealt(providers: list[str], shards: int, dealt: list[list[int]]) -> None:
    """Each once, in the order of the table."""
    assert deal_videos(providers, shards) == dealt


def test_each_provider_is_dealt_evenly() -> None:
    """So that each shard has as much to do under its part of a provider's limit."""
    for part in deal_videos(MANY, 4):
        assert abs([MANY[index] for index in part].count(V) - 12.5) < 1

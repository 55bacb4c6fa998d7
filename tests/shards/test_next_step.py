"""What is next about a shard: started, waited for, read, started again, cancelled, given up."""

from __future__ import annotations

import pytest

from openrouter_video.shards.next_step import Shard, Step, next_step

IN_TIME, LATE, TOO_LATE = (
    {"late": False, "too_late": False},
    {"late": True, "too_late": False},
    {"late": True, "too_late": True},
)


@pytest.mark.parametrize(
    ("shard", "when", "step"),
    [
        (Shard(), IN_TIME, "start"),
        (Shard(attempts=1, state="live"), IN_TIME, "wait"),
        (Shard(attempts=1, state="over"), IN_TIME, "start"),
        (Shard(attempts=2, state="over"), IN_TIME, "start"),
        (Shard(attempts=3, state="over"), IN_TIME, "give_up"),
        (Shard(attempts=3, state="live"), IN_TIME, "wait"),
        (Shard(attempts=1, state="cancelling"), IN_TIME, "wait"),
        (Shard(attempts=1, state="cancelled"), IN_TIME, "give_up"),
        *(
            (Shard(True, 1, state), when, "read")
            for state in ("live", "over", "cancelled")
            for when in (IN_TIME, LATE, TOO_LATE)
        ),
        (Shard(), LATE, "give_up"),
        (Shard(attempts=1, state="live"), LATE, "cancel"),
        (Shard(attempts=1, state="cancelling"), LATE, "wait"),
        (Shard(attempts=1, state="over"), LATE, "give_up"),
        (Shard(attempts=1, state="live"), TOO_LATE, "give_up"),
        (Shard(attempts=1, state="cancelling"), TOO_LATE, "give_up"),
    ],
)
def test_next_step(shard: Shard, when: dict[str, bool], step: Step) -> None:
    """A worker that died is replaced, a person's word holds, and no shard is waited for without an end."""
    assert next_step(shard, **when) == step

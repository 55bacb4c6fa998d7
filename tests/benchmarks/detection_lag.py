"""How late a finished job is noticed, by the poll schedule alone: simulated, and so exact anywhere."""

from __future__ import annotations

import random
from math import ceil
from statistics import mean
from typing import Any, NamedTuple

from openrouter_video.run.polling import poll_interval

JOBS = 20_000
BANDS = ((1, 10), (10, 15), (15, 30), (30, 60), (60, 150), (150, 300), (300, 600))
FIXED_SECONDS = 2.0
SEED = 4


def measure(jobs: int = JOBS) -> dict[str, Any]:
    """Follow jobs of every length, ``jobs`` of them in each band of lengths."""
    chance = random.Random(SEED)  # noqa: S311 (the same lengths in each run)
    bands = {band: [_follow(chance.uniform(*band), chance) for _ in range(jobs)] for band in BANDS}
    later = [run for (start, _), runs in bands.items() if start >= 10 for run in runs]
    return {
        "mean_lag_below_10_s": mean(run.lag for run in bands[1, 10]),
        "mean_share_from_10_s": mean(run.lag / run.seconds for run in later),
        "worst_band_share": max(
            mean(run.lag / run.seconds for run in runs) for (start, _), runs in bands.items() if start >= 10
        ),
        "longest_lag_s": max(run.lag for runs in bands.values() for run in runs),
        # A fixed interval asks once more after the job's end, as ours does.
        "most_polls_over_fixed_from_30_s": max(
            mean(run.polls for run in runs) / mean(ceil(run.seconds / FIXED_SECONDS) for run in runs)
            for (start, _), runs in bands.items()
            if start >= 30
        ),
        "polls": {f"{start}-{end} s": mean(run.polls for run in runs) for (start, end), runs in bands.items()},
    }


class Followed(NamedTuple):
    """A job of so many seconds, noticed so much later, after so many polls."""

    seconds: float
    lag: float
    polls: int


def _follow(seconds: float, chance: random.Random) -> Followed:
    now, polls = poll_interval(0.0), 1
    while now < seconds:
        now += poll_interval(now, chance.random())
        polls += 1
    return Followed(seconds, now - seconds, polls)

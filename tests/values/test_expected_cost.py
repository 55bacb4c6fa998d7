"""What the videos of a run were to cost, beside what they came to."""

from __future__ import annotations

import pytest

from openrouter_video.money import Estimate
from openrouter_video.outcome import Outcome, expected_cost

EXPECTED = Estimate.of(100_000, 200_000, "listed")
OWN = Outcome(model="a/b", status="completed", estimate=EXPECTED)


@pytest.mark.parametrize(
    ("outcomes", "ends"),
    [
        ([], None),
        ([OWN.model_copy(update={"estimate": None})], None),
        ([OWN, OWN], (0.2, 0.4)),
        ([OWN, OWN.model_copy(update={"reused": True})], (0.1, 0.2)),
        ([OWN, OWN.model_copy(update={"sandbox": True})], (0.1, 0.2)),
        ([OWN.model_copy(update={"sandbox": True})], (0.1, 0.2)),
    ],
)
def test_what_a_run_was_to_cost(outcomes: list[Outcome], ends: tuple[float, float] | None) -> None:
    """Only what it has paid for; what a sandbox counts is in no sum with what is billed."""
    found = expected_cost(outcomes)
    assert (found and (found.low_usd, found.high_usd)) == ends

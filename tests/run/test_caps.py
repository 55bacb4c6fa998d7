"""The caps that an environment and a key set."""

from __future__ import annotations

import pytest

from openrouter_video.errors import ConfigurationError
from openrouter_video.ledger import Caps
from openrouter_video.run.caps import caps_of

DAY, MONTH = "OPENROUTER_VIDEO_MAX_USD_PER_DAY", "OPENROUTER_VIDEO_MAX_USD_PER_MONTH"


@pytest.mark.parametrize(
    ("per_day", "per_month", "environ", "caps"),
    [
        (None, None, {}, Caps()),
        (None, None, {DAY: " ", MONTH: "20"}, Caps(None, 20_000_000)),
        (2.5, None, {DAY: "3"}, Caps(2_500_000)),
        (2.5, 9, {DAY: "1", MONTH: "10"}, Caps(1_000_000, 9_000_000)),
    ],
)
def test_the_lower_cap_counts(
    per_day: float | None, per_month: float | None, environ: dict[str, str], caps: Caps
) -> None:
    """Of the key and of the environment; one that is not set holds nobody."""
    assert caps_of(per_day, per_month, environ) == caps


@pytest.mark.parametrize("text", ["0", "-1", "nan", "inf", "5$"])
def test_a_variable_that_is_not_an_amount_is_refused(text: str) -> None:
    """An unreadable cap is none at all."""
    with pytest.raises(ConfigurationError, match=f"{DAY} is .*must be an amount of US dollars above 0"):
        caps_of(None, None, {DAY: text})

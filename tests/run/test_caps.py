"""The limits of money that a run, a key and an environment set."""

from __future__ import annotations

import pytest

from openrouter_video.errors import ConfigurationError
from openrouter_video.ledger import Caps
from openrouter_video.run.caps import approval_threshold, caps_of

DAY, MONTH = "OPENROUTER_VIDEO_MAX_USD_PER_DAY", "OPENROUTER_VIDEO_MAX_USD_PER_MONTH"
ABOVE = "OPENROUTER_VIDEO_APPROVE_ABOVE_USD"


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


@pytest.mark.parametrize("text", ["0", "-1", "nan", "inf", "1e308", "1e10", "5$"])
def test_a_variable_that_is_not_an_amount_is_refused(text: str) -> None:
    """An unreadable cap is none at all."""
    with pytest.raises(ConfigurationError, match=f"{DAY} is .*must be an amount of US dollars above 0"):
        caps_of(None, None, {DAY: text})


@pytest.mark.parametrize(
    ("of_run", "of_key", "environ", "threshold"),
    [
        (None, None, {}, None),
        (None, None, {ABOVE: ""}, None),
        (5.0, None, {}, 5.0),
        (5.0, 2.0, {ABOVE: ""}, 2.0),
        (5.0, 2.0, {ABOVE: "1.5"}, 1.5),
        (0.0, 2.0, {ABOVE: "1.5"}, 0.0),
        (None, None, {ABOVE: " 3 "}, 3.0),
        (None, None, {ABOVE: "0"}, 0.0),
    ],
)
def test_the_lowest_amount_above_which_to_ask_holds(
    of_run: float | None, of_key: float | None, environ: dict[str, str], threshold: float | None
) -> None:
    """Who asks for a run cannot lift what the one who pays has set."""
    assert approval_threshold(of_run, of_key, environ) == threshold


@pytest.mark.parametrize("text", ["-1", "nan", "inf", "1e308", "5$"])
def test_an_amount_above_which_nobody_could_be_asked_is_refused(text: str) -> None:
    """It would be a rule that somebody thinks is there; 0 is one."""
    with pytest.raises(ConfigurationError, match=rf"{ABOVE} is .*must be an amount of US dollars \(0 asks always\)"):
        approval_threshold(None, None, {ABOVE: text})

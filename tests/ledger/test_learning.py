"""What bills teach: the interval of the price list moves to where the latest ones were."""

from __future__ import annotations

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from openrouter_video.ledger.learning import REMEMBERED_BILLS, Ratios, learn, subject
from openrouter_video.money import Estimate

WAN = subject("alibaba/wan-3.0", "text")


@pytest.mark.parametrize(
    ("amount", "listed", "latest"),
    [
        (100, (100, 200), (1.0,)),
        (200, (100, 200), (1.0,)),
        (212_500, (100_000, 100_000), (2.125,)),
        (50, (100, 200), (0.5,)),
        (1, (3, 3), (1 / 3,)),
        (4, (3, 3), (4 / 3,)),
    ],
)
def test_the_ratio_of_a_bill(amount: int, listed: tuple[int, int], latest: tuple[float, ...]) -> None:
    """1 inside the listed interval, else over its nearer end."""
    assert learn({}, [(WAN, amount, listed)]) == {WAN: Ratios(bills=1, latest=latest)}


def test_a_bill_teaches_nothing_where_the_list_says_nothing() -> None:
    """No number of times zero is what was billed."""
    assert learn({}, [(WAN, 5, (0, 0))]) == {}


@pytest.mark.parametrize("listed", [(3, 3), (0, 3), (0, 0)])
def test_a_bill_of_nothing_teaches_nothing(listed: tuple[int, int]) -> None:
    """A gift, or a key of the provider's own: the next bill may be one again, and no estimate is ever 0."""
    assert learn({}, [(WAN, 0, listed)]) == {}


def test_one_bill_makes_the_estimate_right() -> None:
    """As of wan-3.0, which costs 2.125 times what its list says, at every length."""
    bills = learn({}, [(WAN, 212_500, (100_000, 100_000))])[WAN].as_bills()
    moved = bills.move(Estimate.of(300_000, 300_000, "listed"))
    assert (moved.low, moved.high, moved.basis) == (637_500, 637_500, "observed")
    assert moved.why == ("observed in 1 bill",)


def test_only_the_latest_bills_count() -> None:
    """What a model cost long ago is forgotten, how many bills there were is not."""
    known = learn({}, [(WAN, 500, (100, 100))])
    for _ in range(REMEMBERED_BILLS):
        known = learn(known, [(WAN, 100, (100, 100))])
    assert known[WAN] == Ratios(bills=REMEMBERED_BILLS + 1, latest=(1.0,) * REMEMBERED_BILLS)


@given(st.integers(1, 10**9), st.integers(0, 10**9), st.integers(1, 10**9))
def test_the_moved_interval_holds_the_bill_that_moved_it(low: int, more: int, amount: int) -> None:
    """Whatever the list said, as long as it is not a hundred thousand times too much."""
    assume(amount * 10**5 > low)
    listed = Estimate.of(low, low + more, "listed")
    moved = learn({}, [(WAN, amount, (low, low + more))])[WAN].as_bills().move(listed)
    assert moved.low is not None
    assert moved.high is not None
    assert moved.low <= amount <= moved.high

"""Amounts, and what something may cost."""

from __future__ import annotations

import pytest

from openrouter_video.money import Bills, Estimate, dollars, micro, total_estimate


@pytest.mark.parametrize(
    ("amount", "text"),
    [
        (1.2, "$1.20"),
        (0.0525, "$0.0525"),
        (0, "$0.00"),
        (1234.5, "$1,234.50"),
        (0.00001, "$0.00001"),
        (0.0000004, "$0.00"),
        (0.1 + 0.2, "$0.30"),
    ],
)
def test_dollars(amount: float, text: str) -> None:
    """Two digits, more where cents would hide it."""
    assert dollars(amount) == text


@pytest.mark.parametrize("amount", [0, 1, 52_500, 212_500, 123_456_789_012])
def test_micro_dollars_survive_as_dollars(amount: int) -> None:
    """What is counted is a whole number, what is written a decimal one."""
    assert micro(amount / 1_000_000) == amount
    assert Estimate.of(amount, amount, "listed").high == amount
    assert Estimate.model_validate_json(Estimate.of(amount, amount, "listed").model_dump_json()).low == amount


@pytest.mark.parametrize(
    ("estimate", "text", "listed"),
    [
        (Estimate.of(120_000, 200_000, "listed"), "$0.12 to $0.20", (120_000, 200_000)),
        (Estimate.of(120_000, 120_000, "assumed"), "$0.12", None),
        (Estimate.of(5, None, "unpriced"), "unpriced", None),
        (Bills((0.5,), 4).move(Estimate.of(100_000, 100_000, "listed")), "$0.05 to $0.10", (100_000, 100_000)),
        (Bills((0.5,) * 5, 5).move(Estimate.of(100_000, 100_000, "listed")), "$0.05", (100_000, 100_000)),
    ],
)
def test_an_estimate_in_words(estimate: Estimate, text: str, listed: tuple[int, int] | None) -> None:
    """One figure, an interval, or none; what bills have moved still knows what is listed."""
    assert str(estimate) == text
    assert estimate.listed == listed
    assert estimate.priced is (text != "unpriced")


@pytest.mark.parametrize("why", [(), ("nobody knows",)])
def test_a_total_without_a_figure_for_each_has_none(why: tuple[str, ...]) -> None:
    """Whether or not somebody wrote down why; what the others cost at least is known."""
    whole = total_estimate([Estimate.of(120_000, 200_000, "listed"), Estimate(why=why)])
    assert (whole.priced, whole.low, whole.basis, whole.why) == (False, 120_000, "unpriced", why)


def test_no_bill_makes_the_next_video_free() -> None:
    """What is above nothing passes no gate that asks about nothing."""
    moved = Bills((1e-9,) * 16, 40).move(Estimate.of(100_000, 10_000_000, "listed"))
    assert (moved.high or 0) > 0

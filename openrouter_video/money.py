"""Amounts of money: whole micro-dollars to count with, US dollars to read, and what something may cost.

Pure.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from fractions import Fraction
from typing import Literal, NamedTuple, Self

from pydantic import BaseModel, ConfigDict

__all__ = ["MICRO", "Basis", "Bills", "Estimate", "dollars", "micro", "total_estimate"]

MICRO = 1_000_000
"""Micro-dollars in a dollar. The low end of an estimate is rounded down to a whole one, the high end up."""

SMALL = 0.001
"""Below this an amount is written with all its digits: it is never shown as nothing."""

SEVERAL = 5
"""So many bills are no exception, such as prices for a day, or a key of one's own at the provider."""

Basis = Literal["listed", "observed", "assumed", "unpriced"]


class Estimate(BaseModel):
    """What something may cost, in US dollars from the least to the most; both None where it is unpriced.

    ``basis``: by the price list, by what bills have said of it, by what the caller told to assume, or not at all.
    ``why`` holds what a person should know of it: why there is no figure, or what would make a wide one narrow.
    ``listed_usd``: the interval by the price list, where bills have moved it.
    """

    model_config = ConfigDict(frozen=True)

    low_usd: float | None = None
    high_usd: float | None = None
    basis: Basis = "unpriced"
    why: tuple[str, ...] = ()
    listed_usd: tuple[float, float] | None = None

    @classmethod
    def of(cls, low: int | None, high: int | None, basis: Basis, why: Iterable[str] = ()) -> Self:
        """Return the estimate of these micro-dollars."""
        ends = [None if end is None else end / MICRO for end in (low, high)]
        return cls(low_usd=ends[0], high_usd=ends[1], basis=basis, why=tuple(why))

    @classmethod
    def between(cls, low: Fraction, high: Fraction, basis: Basis, why: Iterable[str] = ()) -> Self:
        """Return the estimate of an interval of micro-dollars, rounded outwards to what ``dollars`` can show of it.

        So nothing is dearer than the figure that people read, and set as a ceiling.
        """
        steps = (1, 1) if low == high else (_step(low), _step(high))
        ends = math.floor(low / steps[0]) * steps[0], math.ceil(high / steps[1]) * steps[1]
        return cls.of(*ends, basis, why)

    @property
    def low(self) -> int | None:
        """The low end in micro-dollars; of several jobs without a figure for each, what is known of them."""
        return None if self.low_usd is None else micro(self.low_usd)

    @property
    def high(self) -> int | None:
        """The high end in micro-dollars."""
        return None if self.high_usd is None else micro(self.high_usd)

    @property
    def priced(self) -> bool:
        """Whether there is a figure, and so a high end to hold against a ceiling."""
        return self.high_usd is not None

    @property
    def listed(self) -> tuple[int, int] | None:
        """The interval by the price list in micro-dollars; None where there is none."""
        if self.listed_usd is not None:
            return micro(self.listed_usd[0]), micro(self.listed_usd[1])
        listed = self.basis in {"listed", "observed"} and self.low is not None and self.high is not None
        return (self.low or 0, self.high or 0) if listed else None

    @property
    def ground(self) -> str:
        """What it stands on, with all that is to be said of it: ``observed in 14 bills; set duration to narrow it``."""
        reasons = "; ".join(self.why)
        if reasons.startswith(self.basis):
            return reasons
        return f"{self.basis}: {reasons}" if reasons else self.basis

    def __str__(self) -> str:
        return self.words()

    def words(self, *, sandbox: bool = False) -> str:
        """Return the interval as people write it; ``sandbox`` as for ``dollars``."""
        if self.low_usd is None or self.high_usd is None:
            return "unpriced"
        low, high = dollars(self.low_usd, sandbox=sandbox), dollars(self.high_usd)
        return low if dollars(self.low_usd) == high else f"{low} to {high}"


class Bills(NamedTuple):
    """What bills were over their listed interval: 1 inside it, else how many times its nearer end.

    ``ratios`` holds the newest of them, ``number`` says how many there were in all.
    """

    ratios: tuple[float, ...]
    number: int

    def move(self, estimate: Estimate) -> Estimate:
        """Return a listed estimate as these bills correct it; one without a listed interval stays.

        Ceilings are held against the high end, so a few cheap bills do not lower it.
        """
        if estimate.listed is None or not self.ratios:
            return estimate
        low, high = estimate.listed
        least, most = (Fraction(ratio).limit_denominator(MICRO) for ratio in (min(self.ratios), max(self.ratios)))
        if self.number < SEVERAL:
            most = max(most, Fraction(1))
        seen = f"observed in {self.number:,} bill{'s' * (self.number != 1)}"
        moved = Estimate.between(low * least, max(high * most, Fraction(1)), "observed", (seen, *estimate.why))
        return moved.model_copy(update={"listed_usd": (low / MICRO, high / MICRO)})


def total_estimate(estimates: Iterable[Estimate]) -> Estimate:
    """Return what several jobs may cost together, nothing for none; unpriced as soon as one of them is."""
    found = list(estimates)
    low = sum(one.low or 0 for one in found)
    if missing := [one for one in found if not one.priced]:
        return Estimate.of(low, None, "unpriced", dict.fromkeys(reason for one in missing for reason in one.why))
    bases = {one.basis for one in found}
    basis: Basis = next((one for one in ("assumed", "observed") if one in bases), "listed")
    return Estimate.of(low, sum(one.high or 0 for one in found), basis)


def _step(amount: Fraction) -> int:
    """Return to how many micro-dollars an end is rounded, so that ``dollars`` shows all of it."""
    return 100 if amount >= SMALL * MICRO else 1


def micro(usd: float) -> int:
    """Return an amount of US dollars in whole micro-dollars.

    >>> micro(0.2125)
    212500
    """
    return round(usd * MICRO)


def dollars(amount: float, *, sandbox: bool = False) -> str:
    """Return an amount as people write it: two digits, more only where cents would hide it.

    ``sandbox`` marks what a sandbox has counted, which nobody pays.

    >>> dollars(1.2), dollars(0.0525), dollars(0), dollars(1.2, sandbox=True)
    ('$1.20', '$0.0525', '$0.00', 'sandbox $1.20')
    """
    text = (f"{amount:,.6f}" if 0 < amount < SMALL else f"{amount:,.4f}").rstrip("0")
    whole, _, cents = text.partition(".")
    return f"{'sandbox ' if sandbox else ''}${whole}.{cents.ljust(2, '0')}"

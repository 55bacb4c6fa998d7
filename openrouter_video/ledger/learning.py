"""What bills teach about estimates: how far the latest ones lay outside the interval of the price list.

Pure. What they make of an estimate is told by ``money.Bills``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from openrouter_video.money import Bills

__all__ = ["REMEMBERED_BILLS", "Ratios", "learn", "subject"]

REMEMBERED_BILLS = 16
"""So many of the latest bills of a model and mode count, so that an old price is forgotten."""

Ratio = Annotated[float, Field(ge=0, allow_inf_nan=False)]


class Ratios(BaseModel):
    """How the latest bills of one model and mode compare with the list, and how many bills there have been.

    A ratio is 1 for a bill inside its listed interval, else bill / high above it, or bill / low below it.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    bills: Annotated[int, Field(ge=1, strict=True)]
    latest: Annotated[tuple[Ratio, ...], Field(min_length=1, max_length=REMEMBERED_BILLS)]

    def as_bills(self) -> Bills:
        """Return them as an estimate takes them."""
        return Bills(self.latest, self.bills)


def subject(model: str, mode: str) -> str:
    """Return what ratios are kept by: the model's id and the mode of the request (text, image or reference)."""
    return f"{model} {mode}"


def learn(known: Mapping[str, Ratios], bills: Iterable[tuple[str, int, tuple[int, int]]]) -> dict[str, Ratios]:
    """Return the ratios with those of new bills, each a subject, an amount and the listed interval."""
    learned = dict(known)
    for name, amount, listed in bills:
        ratio = _ratio(amount, *listed)
        if ratio is not None:
            before = learned.get(name)
            latest = (*(before.latest if before else ()), ratio)[-REMEMBERED_BILLS:]
            learned[name] = Ratios(bills=(before.bills if before else 0) + 1, latest=latest)
    return learned


def _ratio(amount: int, low: int, high: int) -> float | None:
    """Return None for what teaches nothing: no list price, or a bill of 0, after which anything would pass any cap."""
    if amount == 0:
        return None
    if low <= amount <= high:
        return 1.0
    if amount < low:
        return amount / low
    return amount / high if high > 0 else None

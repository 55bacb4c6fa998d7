"""The price list of a model: a row for each thing that is charged by length, and what comes on top. Pure.

The vocabulary is closed: a name that is not known may be a surcharge, so that it makes the whole list unreadable.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from decimal import Decimal, InvalidOperation
from fractions import Fraction
from typing import NamedTuple

from openrouter_video.api import VideoModel

__all__ = [
    "MINIMUM",
    "PER_IMAGE",
    "PER_MEGAPIXEL",
    "PER_REFERENCE",
    "Case",
    "Prices",
    "Row",
    "Unpriced",
    "parse_prices",
]

RESOLUTION = r"(?P<resolution>[0-9]{3,4}p|[0-9]{1,2}k)"
ROWS = (
    re.compile(rf"duration_seconds(?:_(?P<audio>with|without)_audio)?(?:_{RESOLUTION})?"),
    re.compile(rf"(?P<mode>text|image)_to_video_duration_seconds(?:_{RESOLUTION})?"),
    re.compile(rf"(?P<mode>reference)_duration_seconds(?:_{RESOLUTION})?"),
    re.compile(rf"(?P<cents>cents)_per_second_output(?:_{RESOLUTION})?"),
    re.compile(rf"(?P<cents>cents)_per_video_output_second(?:_{RESOLUTION})?"),
    re.compile(rf"(?P<cents>cents)_per_second_video_(?P<input>continuation)(?:_{RESOLUTION})?"),
    re.compile(
        rf"(?P<tokens>video_tokens)(?:_{RESOLUTION})?(?:_(?P<audio>without)_audio|_with_(?P<input>video)_input)?"
    ),
)
PER_IMAGE, PER_REFERENCE, MINIMUM = "cents_per_image_input", "reference_images", "minimum_cents_per_generation"
PER_MEGAPIXEL = re.compile(r"cents_per_megapixel_second_(precise|creative)")
CENT = Fraction(1, 100)
DEAREST = 10**6
LONGEST_AMOUNT = 40
MOST_ROWS = 200


class Unpriced(Exception):
    """There is no figure; the message says why."""


class Row(NamedTuple):
    """One line of a price list: dollars per second or token, and what it is for; None means for any."""

    name: str
    dollars: Fraction
    tokens: bool
    resolution: str | None
    audio: bool | None
    mode: str | None

    def fits(self, case: Case, mode: str) -> bool:
        """Whether it may be what a case is charged by, if that counts as this mode."""
        return (
            self.resolution in {None, case.resolution}
            and self.audio in {None, case.audio}
            and self.mode in {None, mode}
        )

    def is_narrower_than(self, other: Row) -> bool:
        """Whether it says all that the other says of its case, and more."""
        pairs = list(zip(self[3:], other[3:], strict=True))
        return all(there is None or here == there for here, there in pairs) and self[3:] != other[3:]


class Case(NamedTuple):
    """One way in which an open request may turn out.

    ``modes``: what it may count as; ``area``: the least and the most pixels of a frame.
    """

    seconds: int | Fraction
    resolution: str | None
    audio: bool
    modes: Sequence[str]
    area: tuple[Fraction, Fraction]


class Prices(NamedTuple):
    """A price list: a row for each thing that is charged by length, and what comes on top, in dollars by name."""

    rows: tuple[Row, ...]
    extras: Mapping[str, Fraction]


def parse_prices(model: VideoModel) -> Prices:
    """Read a price list; a name or an amount that is not known makes the whole of it unreadable."""
    if not model.pricing_skus:
        raise Unpriced("the API lists no price for it")
    if len(model.pricing_skus) > MOST_ROWS:
        raise Unpriced(f"its price list has {len(model.pricing_skus):,} rows, and at most {MOST_ROWS} are read")
    rows, extras, unknown = [], dict[str, Fraction](), []
    for written, text in model.pricing_skus.items():
        name = written.lower()
        match = next(filter(None, (pattern.fullmatch(name) for pattern in ROWS)), None)
        if match is not None:
            rows.append(_row(name, match.groupdict(), _amount(name, text)))
        elif name in {PER_IMAGE, PER_REFERENCE, MINIMUM} or PER_MEGAPIXEL.fullmatch(name):
            extras[name] = _amount(name, text) * (CENT if "cents" in name else 1)
        else:
            unknown.append(written)
    if unknown:
        raise Unpriced(f"its price list has {', '.join(sorted(unknown))[:200]}, whose meaning is not known")
    if len({row.tokens for row in rows}) > 1:
        raise Unpriced("its price list counts both seconds and tokens, and which of them is charged is not known")
    return Prices(tuple(rows), extras)


def _row(name: str, parts: Mapping[str, str | None], amount: Fraction) -> Row:
    audio = {"with": True, "without": False}.get(parts.get("audio") or "")
    unit = CENT if parts.get("cents") else 1
    # Rows for a clip that comes in are read, since they are known, and never used: see _rows in pricing.
    mode = parts.get("input") or parts.get("mode")
    return Row(name, amount * unit, bool(parts.get("tokens")), parts.get("resolution"), audio, mode)


def _amount(name: str, text: str) -> Fraction:
    """Read a price; as a fraction, 1e-999999999 would have a thousand million digits, so what is not short is none."""
    said = f"its price {name} is {text[:LONGEST_AMOUNT]!r}, which is not"
    try:
        amount = Decimal(text.strip())
    except InvalidOperation:
        raise Unpriced(f"{said} a number") from None
    if not amount.is_finite() or not 0 <= amount <= DEAREST:
        raise Unpriced(f"{said} an amount of money")
    if len(text) > LONGEST_AMOUNT or abs(int(amount.as_tuple().exponent)) > LONGEST_AMOUNT:
        raise Unpriced(f"{said} an amount of money")
    return Fraction(amount)

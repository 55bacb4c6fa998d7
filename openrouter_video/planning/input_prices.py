"""How long and how large it is what a video is charged by that is made from another one, or from sound. Pure.

Nobody has published how parts of a second are charged, so that both whole seconds around a length are readings.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from fractions import Fraction
from typing import Any, NamedTuple

from openrouter_video.api import VideoModel
from openrouter_video.planning.price_list import PER_MEGAPIXEL, Case, Row, Unpriced
from openrouter_video.request import Given

__all__ = ["CONTINUATION", "Charge", "charge_of_continuation", "charges_by_megapixel", "length_of_input"]

LONGEST_SECONDS = 10**6
LARGEST_SIDE = 10**5
MEGAPIXELS = (2**20, 10**6)
ASSUME = "say what to assume with assumed_usd"
WAYS_ON = f"give the video as a file in a store, where that is read, or {ASSUME}"
OF_SOUND = f"give what it says as a sound in a store, whose length is read, or {ASSUME}"
CONTINUATION = "continuation"


class Charge(NamedTuple):
    """What may be charged, in dollars, and by which row of the list."""

    row: Row
    low: Fraction
    high: Fraction


def length_of_input(model: VideoModel, given: Given) -> tuple[Fraction, Fraction]:
    """Return the least and the most seconds that are charged of a model without durations.

    Raises:
        Unpriced: if the length of what it is given is not known.
    """
    if model.needs in {"image", "audio"}:
        return _seconds(given.sound_seconds, f"its price depends on how long it speaks, which is not known; {OF_SOUND}")
    seconds = given.video_seconds if given.video_seconds is not None else given.sound_seconds
    return _seconds(seconds, f"its price depends on the length of the video it is given, which is not known; {WAYS_ON}")


def charges_by_megapixel(
    model: VideoModel, extras: Mapping[str, Fraction], body: Mapping[str, Any], given: Given
) -> Iterator[Charge]:
    """Yield what an upscaler may charge: by the pixels that it makes, and seconds, in either of its ways.

    Raises:
        Unpriced: if the length or the size of its video is not known, or its way has no price.
    """
    why = f"its price depends on the length and size of the video it is given, which are not known; {WAYS_ON}"
    low, high = _seconds(given.video_seconds, why)
    width, height = given.width or 0, given.height or 0
    if not (0 < width <= LARGEST_SIDE and 0 < height <= LARGEST_SIDE):
        raise Unpriced(f"its price depends on the size of the video it is given, which is not known; {WAYS_ON}")
    asked: Sequence[float] = [body["upscale_factor"]] if "upscale_factor" in body else []
    factors = asked or model.upscale_factor or ()
    if not factors:
        raise Unpriced("its price depends on how far it enlarges, which its entry does not tell; set upscale_factor")
    least, most = (Fraction(str(factor)) for factor in (factors[0], factors[-1]))
    # Sides are whole and even in the end.
    largest = (math.ceil(width * most) + 1) * (math.ceil(height * most) + 1)
    by_way = {kind[1]: (name, dollars) for name, dollars in extras.items() if (kind := PER_MEGAPIXEL.fullmatch(name))}
    ways = ["creative" if body["creativity"] else "precise"] if "creativity" in body else [*by_way]
    if not by_way.keys() >= {*ways}:
        raise Unpriced(f"its price list has no row for creativity {body['creativity']}")
    for name, dollars in map(by_way.__getitem__, ways):
        row = Row(name, dollars, tokens=False, resolution=None, audio=None, mode=None)
        fewest = max(width * least - 1, Fraction(0)) * max(height * least - 1, Fraction(0))
        yield Charge(row, dollars * low * fewest / MEGAPIXELS[0], dollars * high * largest / MEGAPIXELS[1])


def charge_of_continuation(row: Row, plain: Row, case: Case, given: Given) -> Charge:
    """Return what may be charged for the seconds that follow, by the rows for continuations and for other videos.

    Whether those before are charged too, and by which of the rows, is not published: every reading is held.

    Raises:
        Unpriced: if it is not known how long the video is that is continued.
    """
    why = "its price may depend on the length of the video that it continues, which is not known"
    low, high = _seconds(given.previous_seconds, f"{why}; name that video by its ledger key or its path, or {ASSUME}")
    new, rates = case.seconds, (row.dollars, plain.dollars)
    readings = [row.dollars * new, row.dollars * (high + new)]
    readings += [row.dollars * before + rate * new for before in (low, high) for rate in rates]
    return Charge(row, min(readings), max(*readings, max(rates) * (high + new)))


def _seconds(seconds: float | None, why_not: str) -> tuple[Fraction, Fraction]:
    """Return the whole seconds around a length; of less than one it is the length itself, and one."""
    if seconds is None or not 0 < seconds <= LONGEST_SECONDS:
        raise Unpriced(why_not)
    exact = Fraction(str(seconds))
    return Fraction(math.floor(exact)) or exact, Fraction(math.ceil(exact))

"""What a request may cost, by its model's published prices: an interval in US dollars, or the reason why there is none.

Pure. A price list says less than it seems to: names of rows overlap, what a body leaves open is the model's to choose,
and nobody has published which row a reference selects. So every reading is computed and the interval holds them all.
Where a rule is not known there is no figure: a model that is *unpriced* costs an unknown amount, never nothing.

The rules follow OpenRouter's published vocabulary and six publicly recorded bills. Five lie inside their interval. The
sixth, alibaba/wan-3.0 with 0.2125 for 2 s at 480p where its list says 0.10, is explained by no reading of the list, and
is carried as an observed factor.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal, InvalidOperation
from fnmatch import fnmatchcase
from fractions import Fraction
from typing import Any, NamedTuple

from openrouter_video.api import VideoModel
from openrouter_video.money import MICRO, Bills, Estimate, micro
from openrouter_video.text import printable, shown

__all__ = ["OBSERVED_FACTORS", "assume", "estimate", "mode_of", "price_per_second", "unpriced"]

OBSERVED_FACTORS: Mapping[str, Fraction] = {"alibaba/wan-3.0": Fraction("2.125")}
"""What a recorded bill was, over what the list says, where no reading of the list explains it."""

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

FRAMES_PER_SECOND = 24
FRAMES_MORE = 25  # a bill counts 24 s + 1 frames; a second more is the most that a container adds
AREA_SLACK = Fraction(6, 100)
SHORT_SIDES = {"1k": 1024, "2k": 1440, "4k": 2160}
TOKEN = 1024
DEAREST = 10**6
LONGEST_AMOUNT = 40
MOST_ROWS = 200
PIXELS = re.compile(r"[1-9][0-9]{0,4}")


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

    seconds: int
    resolution: str | None
    audio: bool
    modes: Sequence[str]
    area: tuple[Fraction, Fraction]


class Prices(NamedTuple):
    """A price list: a row for each thing that is charged by length, and what comes on top, in dollars by name."""

    rows: tuple[Row, ...]
    extras: Mapping[str, Fraction]


class Reading(NamedTuple):
    """What a body may be charged, in dollars; by which rows, and what is to be said of them."""

    low: Fraction
    high: Fraction
    rows: tuple[Row, ...]
    notes: tuple[str, ...]


class _Unpriced(Exception):
    """There is no figure; the message says why."""


def unpriced(why: str) -> Estimate:
    """Return the estimate of what nobody can put a figure on."""
    return Estimate(why=(why,))


def mode_of(body: Mapping[str, Any]) -> str:
    """Return by what a body's bills are told apart: frames, which win over references, else these, else text only."""
    return "image" if body.get("frame_images") else "reference" if body.get("input_references") else "text"


def estimate(model: VideoModel, body: Mapping[str, Any], bills: Bills | None = None) -> Estimate:
    """Return what one job of a model may cost when it is sent this body, the JSON of ``POST /videos``.

    ``bills``: what bills of such jobs have said of the price list, which counts more than what was known before them.
    """
    try:
        listed = _listed(model, body)
    except _Unpriced as reason:
        return unpriced(printable(str(reason)))
    if bills is not None and bills.ratios:
        return bills.move(listed)
    factor = OBSERVED_FACTORS.get(model.id)
    if factor is None:
        return listed
    low, high = listed.listed or (0, 0)
    note = f"a bill was {float(factor):g} times the listed price"
    ends = low * min(factor, Fraction(1)), high * max(factor, Fraction(1))
    observed = Estimate.between(*ends, "observed", (note, *listed.why))
    return observed.model_copy(update={"listed_usd": (low / MICRO, high / MICRO)})


def price_per_second(model: VideoModel) -> Estimate:
    """Return what a second of a video may cost that is made from a prompt alone, by the cheapest and dearest choice.

    A fixed part counts most in the shortest video, so that this one and the longest stand for all between them.
    """
    lengths = dict.fromkeys((model.durations[0], model.durations[-1])) if model.durations else [1]
    found = [(estimate(model, {"duration": seconds}), seconds) for seconds in lengths]
    ends = [(Fraction(one.low or 0, seconds), Fraction(one.high or 0, seconds)) for one, seconds in found]
    first = found[0][0]
    if not first.priced:
        return first
    return Estimate.between(min(low for low, _ in ends), max(high for _, high in ends), first.basis, first.why)


def _listed(model: VideoModel, body: Mapping[str, Any]) -> Estimate:
    """Return the interval by the price list alone."""
    prices = _parse(model)
    _refuse_unknown_lengths(model, body)
    whole = _reading(model, prices, body)
    if not whole.high:
        raise _Unpriced("its price list says that it costs nothing; whether that is so is not known")
    why = (*whole.notes, *(_spread(model, prices, body, whole) if whole.high > whole.low else ()))
    return Estimate.between(whole.low * MICRO, whole.high * MICRO, "listed", map(printable, why))


def _reading(model: VideoModel, prices: Prices, body: Mapping[str, Any]) -> Reading:
    """Return the least and the most that a body may be charged by a price list, whatever the model chooses."""
    notes: dict[str, None] = {}
    charged = [(row, case) for case in _cases(model, body) for row in _rows(prices.rows, case, notes)]
    bounds = [bound for row, case in charged for bound in _bounds(row, case)]
    least, most = (_images(prices.extras, body, generous=generous) for generous in (False, True))
    floor = prices.extras.get(MINIMUM, Fraction(0))
    low, high = max(min(bounds) + least, floor), max(max(bounds) + most, floor)
    return Reading(low, high, tuple(dict.fromkeys(row for row, _ in charged)), tuple(notes))


def assume(estimate: Estimate, model: str, assumed_usd: Mapping[str, float]) -> Estimate:
    """Return what the caller says to assume of a model that is unpriced: by its id, else by the first pattern."""
    if estimate.priced:
        return estimate
    pattern = next((name for name in (model, *assumed_usd) if name in assumed_usd and fnmatchcase(model, name)), None)
    if pattern is None:
        return estimate
    amount = micro(assumed_usd[pattern])
    return Estimate.of(amount, amount, "assumed", (f"assumed by {shown(pattern)}", *estimate.why))


def _parse(model: VideoModel) -> Prices:
    """Read a price list; a name or an amount that is not known makes the whole of it unreadable."""
    if not model.pricing_skus:
        raise _Unpriced("the API lists no price for it")
    if len(model.pricing_skus) > MOST_ROWS:
        raise _Unpriced(f"its price list has {len(model.pricing_skus):,} rows, and at most {MOST_ROWS} are read")
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
        raise _Unpriced(f"its price list has {', '.join(sorted(unknown))[:200]}, whose meaning is not known")
    if len({row.tokens for row in rows}) > 1:
        raise _Unpriced("its price list counts both seconds and tokens, and which of them is charged is not known")
    return Prices(tuple(rows), extras)


def _row(name: str, parts: Mapping[str, str | None], amount: Fraction) -> Row:
    audio = {"with": True, "without": False}.get(parts.get("audio") or "")
    unit = CENT if parts.get("cents") else 1
    # Rows for a clip that comes in are read, since they are known, and never used: see _refuse_unknown_lengths.
    mode = parts.get("input") or parts.get("mode")
    return Row(name, amount * unit, bool(parts.get("tokens")), parts.get("resolution"), audio, mode)


def _amount(name: str, text: str) -> Fraction:
    """Read a price; as a fraction, 1e-999999999 would have a thousand million digits, so what is not short is none."""
    said = f"its price {name} is {text[:LONGEST_AMOUNT]!r}, which is not"
    try:
        amount = Decimal(text.strip())
    except InvalidOperation:
        raise _Unpriced(f"{said} a number") from None
    if not amount.is_finite() or not 0 <= amount <= DEAREST:
        raise _Unpriced(f"{said} an amount of money")
    if len(text) > LONGEST_AMOUNT or abs(int(amount.as_tuple().exponent)) > LONGEST_AMOUNT:
        raise _Unpriced(f"{said} an amount of money")
    return Fraction(amount)


def _refuse_unknown_lengths(model: VideoModel, body: Mapping[str, Any]) -> None:
    if not model.durations or any(PER_MEGAPIXEL.fullmatch(name.lower()) for name in model.pricing_skus or ()):
        raise _Unpriced("its price depends on the length and size of what it is given, which are not known beforehand")
    if body.get("previous_job_id"):
        raise _Unpriced("how many seconds of a continued job are charged is not published")
    if any(reference.get("type") == "video_url" for reference in body.get("input_references") or ()):
        raise _Unpriced("how many seconds of a video reference are charged is not published")


def _cases(model: VideoModel, body: Mapping[str, Any]) -> Iterator[Case]:
    """Yield every way in which a body may turn out: what it leaves open, the model chooses."""
    # By every rule more seconds cost more, so that the shortest and the longest stand for all between them.
    seconds = [body["duration"]] if body.get("duration") else dict.fromkeys((model.durations[0], model.durations[-1]))
    said = body.get("generate_audio")
    sounds = [said] if said is not None else [False] if model.generate_audio is False else [False, True]
    for resolution in _resolutions(model, body):
        area = _area(model, body, resolution)
        for one in seconds:
            for audio in sounds:
                yield Case(one, resolution, audio, _modes(body), area)


def _modes(body: Mapping[str, Any]) -> Sequence[str]:
    """Which row a frame or a reference selects is unpublished, so that each of them is an alternative."""
    if body.get("input_references"):
        return ("text", "image", "reference")
    return ("text", "image") if body.get("frame_images") else ("text",)


def _resolutions(model: VideoModel, body: Mapping[str, Any]) -> Sequence[str | None]:
    """Return the resolutions that a body may be rendered in, in lower case as price lists write them."""
    if body.get("resolution"):
        return [str(body["resolution"]).lower()]
    supported = [one.lower() for one in model.supported_resolutions or ()]
    size = _pixels(body.get("size"))
    if size is not None:
        near = [one for one in supported if _is_of(size, one)]
        return near or supported or [None]
    return supported or [None]


def _is_of(size: tuple[int, int], resolution: str | None) -> bool:
    """Whether pixels may be what a resolution means: by their short side, or by the area of its 16:9."""
    short = _short_side(resolution)
    if short is None:
        return False
    return min(size) == short or _about(size[0] * size[1], _nominal(short, 16, 9))


def _has_ratio(size: tuple[int, int], ratio: tuple[int, int]) -> bool:
    """Whether pixels are in a ratio, as far as whole and even sides allow."""
    return _about(size[0] * ratio[1], Fraction(size[1] * ratio[0]))


def _about(one: int, other: Fraction) -> bool:
    return abs(one - other) <= other * AREA_SLACK


def _area(model: VideoModel, body: Mapping[str, Any], resolution: str | None) -> tuple[Fraction, Fraction]:
    """Return the least and the most pixels of one frame: the nominal size, the area of 16:9, the listed sizes."""
    size, short = _pixels(body.get("size")), _short_side(resolution)
    areas = [Fraction(size[0] * size[1])] if size is not None else []
    if short is not None:
        areas.append(_nominal(short, 16, 9))
        if size is None:
            said = _ratio(body.get("aspect_ratio") or "")
            ratios = [said] if said else filter(None, map(_ratio, model.supported_aspect_ratios or ("16:9",)))
            areas += [_nominal(short, *ratio) for ratio in ratios]
            sizes = [one for one in filter(None, map(_pixels, model.supported_sizes or ())) if _is_of(one, resolution)]
            areas += [Fraction(w * h) for w, h in sizes if said is None or _has_ratio((w, h), said)]
    if not areas:
        areas = [Fraction(w * h) for w, h in filter(None, map(_pixels, model.supported_sizes or ()))]
    return (min(areas) * (1 - AREA_SLACK), max(areas) * (1 + AREA_SLACK)) if areas else (Fraction(0), Fraction(0))


def _rows(rows: Sequence[Row], case: Case, notes: dict[str, None]) -> Sequence[Row]:
    """Return each row that is as specific as any other that fits a case; what no row fits may be charged by any."""
    by_mode = [[row for row in rows if row.fits(case, mode)] for mode in case.modes]
    chosen = [row for fit in by_mode for row in fit if not any(other.is_narrower_than(row) for other in fit)]
    if chosen:
        return tuple(dict.fromkeys(chosen))
    others = [row for row in rows if row.mode not in {"continuation", "video"}]
    if not others:
        raise _Unpriced("its price list has no row for a video that is made from a prompt")
    notes[f"its price list has no row for {case.resolution or 'this'}; taken from the lowest to the highest"] = None
    return others


def _bounds(row: Row, case: Case) -> tuple[Fraction, Fraction]:
    """Return the least and the most that a case may be charged by a row."""
    if not row.tokens:
        return row.dollars * case.seconds, row.dollars * case.seconds
    if not case.area[1]:
        raise _Unpriced("it is charged by pixels, and how many it renders is not listed")
    frames = FRAMES_PER_SECOND * case.seconds
    least, most = case.area[0] * frames / TOKEN, case.area[1] * (frames + FRAMES_MORE) / TOKEN
    return row.dollars * least, row.dollars * most


def _images(extras: Mapping[str, Fraction], body: Mapping[str, Any], *, generous: bool) -> Fraction:
    """Return what the pictures of a request cost, the least or, generously, the most.

    Frames win over references, so that references beside them may not be charged. Whether a frame is charged as a
    reference is not published.
    """
    frames = len(body.get("frame_images") or ())
    references: int = sum(one.get("type") == "image_url" for one in body.get("input_references") or ())
    if frames and not generous:
        references = 0
    each, reference = extras.get(PER_IMAGE, Fraction(0)), extras.get(PER_REFERENCE, Fraction(0))
    return each * (frames + references) + reference * (references + frames * generous)


def _spread(model: VideoModel, prices: Prices, body: Mapping[str, Any], whole: Reading) -> tuple[str, ...]:
    """Say why there is more than one figure: what a person can set to narrow it, else what nobody can."""
    choices: dict[str, Sequence[object]] = {
        "duration": (model.durations[0], model.durations[-1]),
        "resolution": () if body.get("size") else model.supported_resolutions or (),
        "aspect_ratio": () if body.get("size") else model.supported_aspect_ratios or (),
        "generate_audio": () if model.generate_audio is False else (True, False),
    }
    left_open = [
        field
        for field, values in choices.items()
        if body.get(field) is None
        and any(_reading(model, prices, {**body, field: value})[:2] != whole[:2] for value in values)
    ]
    if left_open:
        return (f"set {', '.join(left_open)} to narrow it",)
    if len({row.dollars for row in whole.rows}) > 1:
        return (f"{' or '.join(row.name for row in whole.rows)}: which of them is charged is not published",)
    if whole.rows[0].tokens:
        return ("charged by pixels and frames, whose number only the video tells",)
    return ("how frames and references are charged together is not published",)


def _short_side(resolution: str | None) -> int | None:
    if resolution is None:
        return None
    text = resolution.removesuffix("p")
    return SHORT_SIDES.get(resolution) or (int(text) if PIXELS.fullmatch(text) and text != resolution else None)


def _nominal(short: int, across: int, down: int) -> Fraction:
    return Fraction(short * short * max(across, down), min(across, down))


def _pixels(size: Any) -> tuple[int, int] | None:
    match = re.fullmatch(r"([1-9][0-9]{0,4})x([1-9][0-9]{0,4})", str(size or ""))
    return (int(match[1]), int(match[2])) if match else None


def _ratio(text: str) -> tuple[int, int] | None:
    match = re.fullmatch(r"([1-9][0-9]{0,3}):([1-9][0-9]{0,3})", text)
    return (int(match[1]), int(match[2])) if match else None

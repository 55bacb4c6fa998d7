"""What a request may cost, by its model's published prices: an interval in US dollars, or the reason why there is none.

Pure. A price list says less than it seems to: names of rows overlap, what a body leaves open is the model's to choose,
and nobody has published which row a reference selects. So every reading is computed and the interval holds them all.
Where a rule is not known there is no figure: a model that is *unpriced* costs an unknown amount, never nothing.

The rules follow OpenRouter's published vocabulary and six publicly recorded bills. Five lie inside their interval. The
sixth, alibaba/wan-3.0 with 0.2125 for 2 s at 480p where its list says 0.10, is explained by no reading of the list, and
is carried as an observed factor.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal, InvalidOperation
from fnmatch import fnmatchcase
from fractions import Fraction
from typing import Any, NamedTuple

from openrouter_video.api import VideoModel
from openrouter_video.money import MICRO, Bills, Estimate, micro
from openrouter_video.text import shown

__all__ = ["OBSERVED_FACTORS", "assume", "estimate", "mode_of", "unpriced"]

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
WIDE = 4  # times the low end: from here on an interval says too little to plan by


class Row(NamedTuple):
    """One line of a price list: dollars per second or token, and what it is for; None means for any."""

    name: str
    dollars: Fraction
    tokens: bool
    resolution: str | None
    audio: bool | None
    mode: str | None

    def fits(self, case: Case) -> bool:
        """Whether it may be what a case is charged by."""
        return (
            self.resolution in {None, case.resolution}
            and self.audio in {None, case.audio}
            and self.mode in {None, case.mode}
        )

    def is_narrower_than(self, other: Row) -> bool:
        """Whether it says all that the other says of its case, and more."""
        pairs = list(zip(self[3:], other[3:], strict=True))
        return all(there is None or here == there for here, there in pairs) and self[3:] != other[3:]


class Case(NamedTuple):
    """One way in which an open request may turn out; ``area`` holds the least and the most pixels of a frame."""

    seconds: int
    resolution: str | None
    audio: bool
    mode: str
    area: tuple[Fraction, Fraction]


class _Unpriced(Exception):
    """There is no figure; the message says why."""


def unpriced(why: str) -> Estimate:
    """Return the estimate of what nobody can put a figure on."""
    return Estimate(why=(why,))


def mode_of(body: Mapping[str, Any]) -> str:
    """Return by what a body's bills are told apart: whether it has references, frames, or text only."""
    return "reference" if body.get("input_references") else "image" if body.get("frame_images") else "text"


def estimate(model: VideoModel, body: Mapping[str, Any], bills: Bills | None = None) -> Estimate:
    """Return what one job of a model may cost when it is sent this body, the JSON of ``POST /videos``.

    ``bills``: what bills of such jobs have said of the price list, which counts more than what was known before them.
    """
    try:
        listed = _listed(model, body)
    except _Unpriced as reason:
        return unpriced(str(reason))
    if bills is not None and bills.ratios:
        return bills.move(listed)
    factor = OBSERVED_FACTORS.get(model.id)
    if factor is None:
        return listed
    low, high = listed.listed or (0, 0)
    ends = math.floor(low * min(factor, Fraction(1))), math.ceil(high * max(factor, Fraction(1)))
    note = f"a bill was {float(factor):g} times the listed price"
    observed = Estimate.of(*ends, "observed", (note, *listed.why))
    return observed.model_copy(update={"listed_usd": (low / MICRO, high / MICRO)})


def _listed(model: VideoModel, body: Mapping[str, Any]) -> Estimate:
    """Return the interval by the price list alone."""
    rows, extras = _parse(model)
    _refuse_unknown_lengths(model, body)
    notes: list[str] = []
    bounds = [bound for case in _cases(model, body) for bound in _bounds(rows, case, notes)]
    images = [_images(extras, body, generous=generous) for generous in (False, True)]
    floor = extras.get(MINIMUM, Fraction(0))
    low, high = max(min(bounds) + images[0], floor), max(max(bounds) + images[1], floor)
    why = (*dict.fromkeys(notes), *(_narrowing(model, rows, body) if high > low * WIDE else ()))
    return Estimate.of(math.floor(low * MICRO), math.ceil(high * MICRO), "listed", why)


def assume(estimate: Estimate, model: str, assumed_usd: Mapping[str, float]) -> Estimate:
    """Return what the caller says to assume of a model that is unpriced: by its id, else by the first pattern."""
    if estimate.priced:
        return estimate
    pattern = next((name for name in (model, *assumed_usd) if name in assumed_usd and fnmatchcase(model, name)), None)
    if pattern is None:
        return estimate
    amount = micro(assumed_usd[pattern])
    return Estimate.of(amount, amount, "assumed", (f"assumed by {shown(pattern)}", *estimate.why))


def _parse(model: VideoModel) -> tuple[list[Row], dict[str, Fraction]]:
    """Read a price list; a name or an amount that is not known makes the whole of it unreadable."""
    if not model.pricing_skus:
        raise _Unpriced("the API lists no price for it")
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
    return [row for row in rows if row.dollars >= 0], extras


def _row(name: str, parts: Mapping[str, str | None], amount: Fraction) -> Row:
    audio = {"with": True, "without": False}.get(parts.get("audio") or "")
    unit = CENT if parts.get("cents") else 1
    # Rows for a clip that comes in are read, since they are known, and never used: see _refuse_unknown_lengths.
    mode = parts.get("input") or parts.get("mode")
    return Row(name, amount * unit, bool(parts.get("tokens")), parts.get("resolution"), audio, mode)


def _amount(name: str, text: str) -> Fraction:
    try:
        amount = Decimal(text.strip())
    except InvalidOperation:
        raise _Unpriced(f"its price {name} is {text[:40]!r}, which is not a number") from None
    if not amount.is_finite() or amount < 0:
        raise _Unpriced(f"its price {name} is {text[:40]!r}, which is not an amount of money")
    return Fraction(amount)


def _refuse_unknown_lengths(model: VideoModel, body: Mapping[str, Any]) -> None:
    if not model.durations:
        raise _Unpriced("its price depends on the length and size of what it is given, which are not known beforehand")
    if body.get("previous_job_id"):
        raise _Unpriced("how many seconds of a continued job are charged is not published")
    if any(reference.get("type") == "video_url" for reference in body.get("input_references") or ()):
        raise _Unpriced("how many seconds of a video reference are charged is not published")


def _cases(model: VideoModel, body: Mapping[str, Any]) -> Iterator[Case]:
    """Yield every way in which a body may turn out: what it leaves open, the model chooses."""
    seconds = [body["duration"]] if body.get("duration") else model.durations
    said = body.get("generate_audio")
    sounds = [said] if said is not None else [False] if model.generate_audio is False else [False, True]
    for resolution in _resolutions(model, body):
        area = _area(model, body, resolution)
        for one in seconds:
            for audio in sounds:
                for mode in _modes(body):
                    yield Case(one, resolution, audio, mode, area)


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


def _is_of(size: tuple[int, int], resolution: str) -> bool:
    """Whether pixels may be what a resolution means: by their short side, or by the area of its 16:9."""
    short = _short_side(resolution)
    if short is None:
        return False
    wide, area = _nominal(short, 16, 9), Fraction(size[0] * size[1])
    return min(size) == short or abs(area - wide) <= wide * AREA_SLACK


def _area(model: VideoModel, body: Mapping[str, Any], resolution: str | None) -> tuple[Fraction, Fraction]:
    """Return the least and the most pixels of one frame: the nominal size, the area of 16:9, the listed sizes."""
    size, short = _pixels(body.get("size")), _short_side(resolution)
    areas = [Fraction(size[0] * size[1])] if size is not None else []
    if short is not None:
        areas.append(_nominal(short, 16, 9))
        if size is None:
            said = body.get("aspect_ratio")
            ratios = [said] if said else list(model.supported_aspect_ratios or ("16:9",))
            areas += [_nominal(short, *ratio) for ratio in filter(None, map(_ratio, ratios))]
            listed = [pixels for pixels in map(_pixels, model.supported_sizes or ()) if pixels is not None]
            areas += [Fraction(w * h) for w, h in listed if _is_of((w, h), resolution or "")]
    if not areas:
        areas = [Fraction(w * h) for w, h in filter(None, map(_pixels, model.supported_sizes or ()))]
    return (min(areas) * (1 - AREA_SLACK), max(areas) * (1 + AREA_SLACK)) if areas else (Fraction(0), Fraction(0))


def _bounds(rows: Sequence[Row], case: Case, notes: list[str]) -> list[Fraction]:
    """Return what a case may be charged by each row that is as specific as any other that fits it."""
    fitting = [row for row in rows if row.fits(case)]
    chosen = [row for row in fitting if not any(other.is_narrower_than(row) for other in fitting)]
    if not chosen:
        chosen = [row for row in rows if row.mode not in {"continuation", "video"}]
        if not chosen:
            raise _Unpriced("its price list has no row for a video that is made from a prompt")
        notes.append(f"its price list has no row for {case.resolution or 'this'}; taken from the lowest to the highest")
    if not any(row.tokens for row in chosen):
        return [row.dollars * case.seconds for row in chosen]
    if not case.area[1]:
        raise _Unpriced("it is charged by pixels, and how many it renders is not listed")
    frames = FRAMES_PER_SECOND * case.seconds
    least, most = case.area[0] * frames / TOKEN, case.area[1] * (frames + FRAMES_MORE) / TOKEN
    return [row.dollars * tokens for row in chosen for tokens in (least, most)]


def _images(extras: Mapping[str, Fraction], body: Mapping[str, Any], *, generous: bool) -> Fraction:
    """Return what the pictures of a request cost; whether a frame is a reference too is not published."""
    frames = len(body.get("frame_images") or ())
    references: int = sum(one.get("type") == "image_url" for one in body.get("input_references") or ())
    each, reference = extras.get(PER_IMAGE, Fraction(0)), extras.get(PER_REFERENCE, Fraction(0))
    return each * (frames + references) + reference * (references + frames * generous)


def _narrowing(model: VideoModel, rows: Sequence[Row], body: Mapping[str, Any]) -> tuple[str, ...]:
    """Name what a person can set to make a wide interval narrow: what is open and has a price for each choice."""
    open_choices = {
        "duration": not body.get("duration") and len(model.durations) > 1,
        "resolution": len(_resolutions(model, body)) > 1,
        "generate_audio": body.get("generate_audio") is None and any(row.audio is not None for row in rows),
    }
    names = [name for name, is_open in open_choices.items() if is_open]
    return (f"set {', '.join(names)} to narrow it",) if names else ()


def _short_side(resolution: str | None) -> int | None:
    if resolution is None:
        return None
    text = resolution.removesuffix("p")
    return SHORT_SIDES.get(resolution) or (int(text) if text.isdecimal() and text != resolution else None)


def _nominal(short: int, across: int, down: int) -> Fraction:
    return Fraction(short * short * max(across, down), min(across, down))


def _pixels(size: Any) -> tuple[int, int] | None:
    match = re.fullmatch(r"([1-9][0-9]{0,4})x([1-9][0-9]{0,4})", str(size or ""))
    return (int(match[1]), int(match[2])) if match else None


def _ratio(text: str) -> tuple[int, int] | None:
    match = re.fullmatch(r"([1-9][0-9]{0,3}):([1-9][0-9]{0,3})", text)
    return (int(match[1]), int(match[2])) if match else None

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
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from fractions import Fraction
from functools import partial
from typing import Any, NamedTuple

from openrouter_video.api import VideoModel
from openrouter_video.money import MICRO, Bills, Estimate, micro
from openrouter_video.planning.input_prices import (
    CONTINUATION,
    Charge,
    charge_of_continuation,
    charges_by_megapixel,
    length_of_input,
)
from openrouter_video.planning.price_list import (
    MINIMUM,
    PER_IMAGE,
    PER_MEGAPIXEL,
    PER_REFERENCE,
    Case,
    Prices,
    Row,
    Unpriced,
    parse_prices,
)
from openrouter_video.request import Given
from openrouter_video.text import printable, shown

__all__ = ["OBSERVED_FACTORS", "assume", "estimate", "mode_of", "price_per_second", "unpriced"]

OBSERVED_FACTORS: Mapping[str, Fraction] = {"alibaba/wan-3.0": Fraction("2.125")}
"""What a recorded bill was, over what the list says, where no reading of the list explains it."""

NOTHING_GIVEN = Given()
FRAMES_PER_SECOND = 24
FRAMES_MORE = 25  # a bill counts 24 s + 1 frames; a second more is the most that a container adds
AREA_SLACK = Fraction(6, 100)
SHORT_SIDES = {"1k": 1024, "2k": 1440, "4k": 2160}
TOKEN = 1024
PIXELS = re.compile(r"[1-9][0-9]{0,4}")


class Reading(NamedTuple):
    """What a body may be charged, in dollars; by which rows, and what is to be said of them."""

    low: Fraction
    high: Fraction
    rows: tuple[Row, ...]
    notes: tuple[str, ...]


def unpriced(why: str) -> Estimate:
    """Return the estimate of what nobody can put a figure on."""
    return Estimate(why=(why,))


def mode_of(body: Mapping[str, Any]) -> str:
    """Return by what a body's bills are told apart: frames, which win over references, else these, else text only.

    What continues another video is billed by rows of its own.
    """
    if body.get("previous_job_id"):
        return "continuation"
    return "image" if body.get("frame_images") else "reference" if body.get("input_references") else "text"


def estimate(
    model: VideoModel, body: Mapping[str, Any], bills: Bills | None = None, given: Given = NOTHING_GIVEN
) -> Estimate:
    """Return what one job of a model may cost when it is sent this body, the JSON of ``POST /videos``.

    ``bills``: what bills of such jobs have said of the price list, which counts more than what was known before them.
    ``given``: what is known of the video, the sound or the earlier job that it works from.
    """
    try:
        listed = _listed(model, body, given)
    except Unpriced as reason:
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


def _listed(model: VideoModel, body: Mapping[str, Any], given: Given) -> Estimate:
    """Return the interval by the price list alone."""
    prices = parse_prices(model)
    read = partial(_reading, model, prices, given=given)
    whole = read(body)
    if not whole.high:
        raise Unpriced("its price list says that it costs nothing; whether that is so is not known")
    why = (*whole.notes, *(_spread(model, read, body, whole) if whole.high > whole.low else ()))
    return Estimate.between(whole.low * MICRO, whole.high * MICRO, "listed", map(printable, why))


def _reading(model: VideoModel, prices: Prices, body: Mapping[str, Any], *, given: Given) -> Reading:
    """Return the least and the most that a body may be charged by a price list, whatever the model chooses."""
    notes: dict[str, None] = {}
    charges = list(_charges(model, prices, body, given, notes))
    least, most = (_images(prices.extras, body, generous=generous) for generous in (False, True))
    floor = prices.extras.get(MINIMUM, Fraction(0))
    low = max(min(charge.low for charge in charges) + least, floor)
    high = max(max(charge.high for charge in charges) + most, floor)
    return Reading(low, high, tuple(dict.fromkeys(charge.row for charge in charges)), tuple(notes))


def _charges(
    model: VideoModel, prices: Prices, body: Mapping[str, Any], given: Given, notes: dict[str, None]
) -> Iterator[Charge]:
    """Yield everything that may be charged by length; adds to ``notes`` what is to be said of it."""
    if any(map(PER_MEGAPIXEL.fullmatch, prices.extras)):
        if prices.rows:
            raise Unpriced(
                "its price list counts both megapixels and seconds, and which of them is charged is not known"
            )
        yield from charges_by_megapixel(model, prices.extras, body, given)
        return
    if (
        any(reference.get("type") == "video_url" for reference in body.get("input_references") or ())
        and model.durations
    ):
        raise Unpriced("how many seconds of a video reference are charged is not published")
    following = [row for row in prices.rows if row.mode == CONTINUATION]
    if body.get("previous_job_id") and model.durations and not following:
        raise Unpriced("how many seconds of a continued job are charged is not published")
    for case in _cases(model, body, given):
        plain = _rows(prices.rows, case, notes)
        if body.get("previous_job_id") and following:
            fitting = [row for row in following if row.fits(case, CONTINUATION)] or following
            yield from (charge_of_continuation(row, other, case, given) for row in fitting for other in plain)
        else:
            yield from (Charge(row, *_bounds(row, case)) for row in plain)


def assume(estimate: Estimate, model: str, assumed_usd: Mapping[str, float]) -> Estimate:
    """Return what the caller says to assume of a model that is unpriced: by its id, else by the first pattern."""
    if estimate.priced:
        return estimate
    pattern = next((name for name in (model, *assumed_usd) if name in assumed_usd and fnmatchcase(model, name)), None)
    if pattern is None:
        return estimate
    amount = micro(assumed_usd[pattern])
    return Estimate.of(amount, amount, "assumed", (f"assumed by {shown(pattern)}", *estimate.why))


def _cases(model: VideoModel, body: Mapping[str, Any], given: Given) -> Iterator[Case]:
    """Yield every way in which a body may turn out: what it leaves open, the model chooses."""
    # By every rule more seconds cost more, so that the shortest and the longest stand for all between them.
    ends = (model.durations[0], model.durations[-1]) if model.durations else length_of_input(model, given)
    seconds: Iterable[int | Fraction] = [body["duration"]] if body.get("duration") else dict.fromkeys(ends)
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
        raise Unpriced("its price list has no row for a video that is made from a prompt")
    notes[f"its price list has no row for {case.resolution or 'this'}; taken from the lowest to the highest"] = None
    return others


def _bounds(row: Row, case: Case) -> tuple[Fraction, Fraction]:
    """Return the least and the most that a case may be charged by a row."""
    if not row.tokens:
        return row.dollars * case.seconds, row.dollars * case.seconds
    if not case.area[1]:
        raise Unpriced("it is charged by pixels, and how many it renders is not listed")
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


def _spread(
    model: VideoModel, read: Callable[[Mapping[str, Any]], Reading], body: Mapping[str, Any], whole: Reading
) -> tuple[str, ...]:
    """Say why there is more than one figure: what a person can set to narrow it, else what nobody can."""
    choices: dict[str, Sequence[object]] = {
        "duration": (*model.durations[:1], *model.durations[-1:]),
        "resolution": () if body.get("size") else model.supported_resolutions or (),
        "aspect_ratio": () if body.get("size") else model.supported_aspect_ratios or (),
        "generate_audio": () if model.generate_audio is False else (True, False),
        "upscale_factor": model.upscale_factor or (),
        "creativity": model.creativity or (),
    }
    left_open = [
        field
        for field, values in choices.items()
        if body.get(field) is None and any(read({**body, field: value})[:2] != whole[:2] for value in values)
    ]
    if left_open:
        return (f"set {', '.join(left_open)} to narrow it",)
    if body.get("previous_job_id"):
        return ("whether the seconds before are charged too, and how, is not published",)
    if len({row.dollars for row in whole.rows}) > 1:
        return (f"{' or '.join(row.name for row in whole.rows)}: which of them is charged is not published",)
    if not model.durations:
        return ("how megapixels and parts of a second are counted is not published",)
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

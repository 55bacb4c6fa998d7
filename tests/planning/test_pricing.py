"""What a request may cost: an interval by the published prices, or the reason why there is none."""

from __future__ import annotations

import json
from importlib import resources
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openrouter_video.api import Catalog, VideoModel, parse_catalog
from openrouter_video.money import Bills, Estimate, total_estimate
from openrouter_video.planning.pricing import assume, estimate, mode_of, price_per_second, unpriced
from openrouter_video.request.inputs import Given

FRAME = {"type": "image_url", "image_url": {"url": "https://example.com/a.png"}, "frame_type": "first_frame"}
LAST = FRAME | {"frame_type": "last_frame"}
IMAGE = {"type": "image_url", "image_url": {"url": "https://example.com/a.png"}}
CLIP = {"type": "video_url", "video_url": {"url": "https://example.com/a.mp4"}}


def _catalog() -> Catalog:
    text = resources.files("openrouter_video.sandbox").joinpath("video_models.json").read_text(encoding="utf-8")
    return parse_catalog(json.loads(text))


CATALOG = _catalog()
KLING = "text_to_video_duration_seconds_720p: which of them is charged is not published"
PRICED = [model for model in CATALOG.models if model.durations]


def of(model_id: str, **body: Any) -> Estimate:
    """The estimate for a model of the real catalogue."""
    model = CATALOG.get(model_id)
    assert model is not None
    return estimate(model, body)


def model_with(skus: dict[str, str] | None, **fields: Any) -> VideoModel:
    """A model with these prices, that makes 4 or 8 s at 480p and 720p, with or without sound."""
    usual: dict[str, Any] = {"supported_durations": [4, 8], "supported_resolutions": ["480p", "720p"]}
    return VideoModel(id="acme/film", pricing_skus=skus, **(usual | fields))


# What OpenRouter is publicly recorded to have charged.
BILLS: list[tuple[str, dict[str, Any], float, bool]] = [
    ("x-ai/grok-imagine-video", {"duration": 1, "resolution": "480p"}, 0.05, True),
    ("x-ai/grok-imagine-video", {"duration": 1, "resolution": "480p", "frame_images": [FRAME]}, 0.052, True),
    ("x-ai/grok-imagine-video", {"duration": 1, "resolution": "480p", "input_references": [IMAGE]}, 0.052, True),
    ("google/veo-3.1-lite", {"duration": 4, "resolution": "720p", "generate_audio": False}, 0.12, True),
    (
        "bytedance/seedance-2.0-mini",
        {
            "duration": 4,
            "resolution": "480p",
            "aspect_ratio": "1:1",
            "generate_audio": False,
            "frame_images": [FRAME, LAST],
        },
        0.1358,
        False,
    ),
]


@pytest.mark.parametrize(("model", "body", "bill", "exactly"), BILLS)
def test_a_recorded_bill_lies_inside_its_interval(model: str, body: dict[str, Any], bill: float, exactly: bool) -> None:
    """Five of six; those that are charged by the second are a single figure."""
    found = of(model, **body)
    assert found.low_usd is not None
    assert found.high_usd is not None
    assert found.low_usd <= bill <= found.high_usd
    assert (found.low_usd == found.high_usd == bill) is exactly
    assert found.basis == "listed"


def test_the_one_bill_that_no_price_explains_is_carried_as_observed() -> None:
    """2 s of wan-3.0 at 480p: the list says 0.10, the bill said 0.2125."""
    found = of("alibaba/wan-3.0", duration=2, resolution="480p")
    assert (found.low_usd, found.high_usd, found.basis) == (0.1, 0.2125, "observed")
    assert found.why == ("a bill was 2.125 times the listed price",)


@pytest.mark.parametrize("model", CATALOG.models, ids=lambda model: model.id)
def test_every_model_of_the_catalogue_has_an_interval_or_a_reason(model: VideoModel) -> None:
    """Nothing set: never 0, never upside down; four work from material of which nothing is known here."""
    found = estimate(model, {})
    if model.durations:
        assert found.low is not None
        assert found.high is not None
        assert 0 < found.low <= found.high
    else:
        (why,) = found.why
        assert not found.priced
        assert why.startswith("its price depends on ")
        assert why.endswith("or say what to assume with assumed_usd")


TABLE: list[tuple[str, str, dict[str, Any], float, float]] = [
    ("the open choice of everything", "bytedance/seedance-2.0", {}, 0.1421, 30.3703),
    ("two rows, neither more specific", "kwaivgi/kling-v3.0-std", {"duration": 5, "generate_audio": True}, 0.42, 0.63),
    (
        "a price for sound only: else the bare row",
        "kwaivgi/kling-v3.0-std",
        {"duration": 5, "generate_audio": False},
        0.42,
        0.42,
    ),
    (
        "a row of the resolution and the sound",
        "google/veo-3.1-fast",
        {"duration": 4, "resolution": "4K", "generate_audio": True},
        1.2,
        1.2,
    ),
    (
        "a row for neither, in capitals",
        "google/veo-3.1-fast",
        {"duration": 4, "resolution": "1080p", "generate_audio": True},
        0.48,
        0.48,
    ),
    ("sound unsaid", "google/veo-3.1-lite", {"duration": 4, "resolution": "720p"}, 0.12, 0.2),
    (
        "a size is a resolution",
        "google/veo-3.1-lite",
        {"duration": 4, "size": "1280x720", "generate_audio": False},
        0.12,
        0.12,
    ),
    (
        "a frame may be text or image",
        "alibaba/wan-2.6",
        {"duration": 5, "resolution": "720p", "frame_images": [FRAME]},
        0.4,
        0.5,
    ),
    (
        "a reference may be any",
        "heygen/heygen-video-1",
        {"duration": 5, "resolution": "480p", "input_references": [IMAGE]},
        0.1,
        0.2,
    ),
    ("images cost extra, frames perhaps", "minimax/hailuo-3", {"duration": 5, "frame_images": [FRAME]}, 0.65, 0.69),
    (
        "references beside frames may not be charged",
        "x-ai/grok-imagine-video",
        {"duration": 1, "resolution": "480p", "frame_images": [FRAME], "input_references": [IMAGE, IMAGE]},
        0.052,
        0.056,
    ),
    (
        "a reference is charged as something, though not by a row for 1080p",
        "alibaba/wan-2.6",
        {"duration": 5, "resolution": "720p", "input_references": [IMAGE]},
        0.4,
        0.5,
    ),
    (
        "a size has the ratio that was asked for",
        "bytedance/seedance-2.0-mini",
        {"duration": 4, "resolution": "480p", "aspect_ratio": "1:1"},
        0.071,
        0.1796,
    ),
    ("images cost extra", "minimax/hailuo-3", {"duration": 5, "input_references": [IMAGE, IMAGE]}, 0.73, 0.73),
    (
        "a row without a resolution is passed over",
        "black-forest-labs/flux-3-video",
        {"duration": 5, "resolution": "1080p"},
        1.45,
        1.45,
    ),
]


@pytest.mark.parametrize(("why", "model", "body", "low", "high"), TABLE, ids=[row[0] for row in TABLE])
def test_an_estimate(why: str, model: str, body: dict[str, Any], low: float, high: float) -> None:
    """What a price list of the real catalogue makes of a body."""
    found = of(model, **body)
    assert (found.low_usd, found.high_usd) == (low, high)


REFUSED: list[tuple[dict[str, str] | None, dict[str, Any], str]] = [
    (None, {}, "the API lists no price for it"),
    ({}, {}, "the API lists no price for it"),
    ({"duration_seconds": "0.1", "surcharge_4k": "1"}, {}, "surcharge_4k, whose meaning is not known"),
    ({"duration_seconds": "free"}, {}, "'free', which is not a number"),
    ({"duration_seconds": ""}, {}, "'', which is not a number"),
    ({"duration_seconds": "-0.1"}, {}, "'-0.1', which is not an amount of money"),
    ({"duration_seconds": "NaN"}, {}, "'NaN', which is not an amount of money"),
    ({"duration_seconds": "Infinity"}, {}, "'Infinity', which is not an amount of money"),
    ({"duration_seconds": "1e400"}, {}, "'1e400', which is not an amount of money"),
    ({"duration_seconds": "1e-999999999"}, {}, "'1e-999999999', which is not an amount of money"),
    ({"duration_seconds": "0e999999999"}, {}, "'0e999999999', which is not an amount of money"),
    ({"duration_seconds": "0." + "1" * 50}, {}, "which is not an amount of money"),
    ({"duration_seconds": "sNaN"}, {}, "'sNaN', which is not an amount of money"),
    ({"duration_seconds": "-0"}, {}, "says that it costs nothing; whether that is so"),
    ({f"x{n}": "1" for n in range(10**6)}, {}, "its price list has 1,000,000 rows, and at most 200 are read"),
    ({"duration_seconds": "0", "reference_images": "0.1"}, {}, "says that it costs nothing; whether that is so"),
    ({"duration_seconds": "1", "cents_per_megapixel_second_precise": "1"}, {}, "both megapixels and seconds"),
    ({"duration_seconds": "0.1", "video_tokens": "0.1"}, {}, "both seconds and tokens"),
    ({"minimum_cents_per_generation": "5"}, {}, "no row for a video that is made from a prompt"),
    ({"duration_seconds": "0.1"}, {"input_references": [CLIP]}, "seconds of a video reference"),
    ({"duration_seconds": "0.1"}, {"previous_job_id": "gen-vid-1"}, "seconds of a continued job"),
]


VIDEO = Given(video_seconds=4, width=1280, height=720)
EDIT, ALEPH, UPSCALE, AVATAR, CONTINUES = (
    "black-forest-labs/flux-video-edit",
    "runway/aleph-2",
    "black-forest-labs/flux-video-upscale",
    "heygen/avatar-iv",
    "black-forest-labs/flux-3-video",
)
AT_720 = {"previous_job_id": "gen-1", "resolution": "720p", "duration": 5}
TWICE = {"input_references": [CLIP], "upscale_factor": 2.0}
# Dollars for a megapixel of 10^6 pixels and of 2^20, of a video of 4 s that is made twice as large.
MOST, LEAST = 4 * 2560 * 1440 / 10**6, 4 * 2560 * 1440 / 2**20


@pytest.mark.parametrize(
    ("model", "body", "known", "low", "high"),
    [
        pytest.param(EDIT, {"input_references": [CLIP]}, VIDEO, 0.12, 0.12, id="an edit, by the second"),
        pytest.param(EDIT, {"input_references": [CLIP]}, Given(video_seconds=4.2), 0.12, 0.15, id="a part of a second"),
        pytest.param(EDIT, {"input_references": [CLIP]}, Given(video_seconds=0.5), 0.015, 0.03, id="less than one"),
        pytest.param(EDIT, {"input_references": [CLIP]}, Given(video_seconds=1800), 54.0, 54.0, id="half an hour"),
        pytest.param(ALEPH, {"input_references": [CLIP]}, Given(video_seconds=1), 0.56, 0.56, id="the minimum"),
        pytest.param(ALEPH, {"input_references": [CLIP, IMAGE]}, VIDEO, 1.12, 1.12, id="an image beside it is free"),
        pytest.param(AVATAR, {"input_references": [IMAGE]}, Given(sound_seconds=10), 0.5, 0.5, id="a sound"),
        pytest.param(UPSCALE, {**TWICE, "creativity": 0}, VIDEO, 0.075 * LEAST, 0.075 * MOST, id="precise"),
        pytest.param(UPSCALE, {**TWICE, "creativity": 1}, VIDEO, 0.105 * LEAST, 0.105 * MOST, id="creative"),
        pytest.param(UPSCALE, TWICE, VIDEO, 0.075 * LEAST, 0.105 * MOST, id="either"),
        pytest.param(
            UPSCALE,
            {"input_references": [CLIP]},
            VIDEO,
            0.075 * LEAST * (1.5 / 2) ** 2,
            0.105 * MOST * (3 / 2) ** 2,
            id="all factors",
        ),
        pytest.param(CONTINUES, AT_720, Given(previous_seconds=6), 0.41 * 5, 0.41 * 11, id="a continuation"),
        pytest.param(CONTINUES, AT_720, Given(previous_seconds=2), 0.41 * 2 + 0.17 * 5, 0.41 * 7, id="of a short one"),
        pytest.param(
            CONTINUES,
            {**AT_720, "resolution": "1080p"},
            Given(previous_seconds=100.5),
            0.53 * 5,
            0.53 * 106,
            id="of a long one, at its resolution",
        ),
    ],
)
def test_what_is_made_from_something_is_priced_by_that(
    model: str, body: dict[str, Any], known: Given, low: float, high: float
) -> None:
    """By its length, by its pixels, by the seconds before: every reading is inside."""
    offered = CATALOG.get(model)
    assert offered is not None
    found = estimate(offered, body, given=known)
    assert found.low_usd == pytest.approx(low, rel=0.005)
    assert found.high_usd == pytest.approx(high, rel=0.005)
    assert bool(found.why) == (found.low != found.high)


@pytest.mark.parametrize(
    ("model", "body", "known", "why"),
    [
        (EDIT, {}, Given(width=1280, height=720), "the length of the video it is given, which is not known; give the"),
        (UPSCALE, {}, Given(video_seconds=4), "the size of the video it is given, which is not known; give the video"),
        (UPSCALE, {}, Given(width=9, height=9), "the length and size of the video it is given, which are not known"),
        (AVATAR, {}, Given(video_seconds=4), "how long it speaks, which is not known; give what it says as a sound"),
        (CONTINUES, AT_720, Given(), "the length of the video that it continues, which is not known; name that video"),
        (EDIT, {}, Given(video_seconds=0), "the length of the video it is given"),
        (EDIT, {}, Given(video_seconds=float("nan")), "the length of the video it is given"),
        (EDIT, {}, Given(video_seconds=float("inf")), "the length of the video it is given"),
        (UPSCALE, {}, VIDEO._replace(height=-1), "the size of the video it is given"),
    ],
)
def test_what_is_not_known_of_an_input_is_said(model: str, body: dict[str, Any], known: Given, why: str) -> None:
    """With the way to a price."""
    offered = CATALOG.get(model)
    assert offered is not None
    found = estimate(offered, body, given=known)
    assert not found.priced
    assert why in found.why[0]


def test_odd_price_lists_of_what_is_made_from_something() -> None:
    """No range of factors, an input of an unknown kind, rows of another resolution only, a dearer row for others."""
    upscaler = VideoModel(id="a/u", upscale_factor=None, pricing_skus={"cents_per_megapixel_second_precise": "1"})
    assert "how far it enlarges" in estimate(upscaler, {}, given=VIDEO).why[0]
    assert estimate(upscaler, {"upscale_factor": 1}, given=VIDEO).high_usd == pytest.approx(0.0369, rel=0.005)
    untold = VideoModel(id="a/x", pricing_skus={"duration_seconds_720p": "0.1"})
    assert estimate(untold, {}, given=Given(sound_seconds=3)).high_usd == pytest.approx(0.3)
    film = model_with({"duration_seconds": "0.1", "cents_per_second_video_continuation_4k": "20"})
    found = estimate(film, {"previous_job_id": "x", "duration": 4}, given=Given(previous_seconds=2))
    assert (found.low_usd, found.high_usd) == (0.8, 1.2)
    assert found.why == ("whether the seconds before are charged too, and how, is not published",)
    dear = model_with({"duration_seconds": "0.5", "cents_per_second_video_continuation": "20"})
    found = estimate(dear, {"previous_job_id": "x", "duration": 4}, given=Given(previous_seconds=2))
    assert (found.low_usd, found.high_usd) == (0.8, 3.0)
    precise = VideoModel(id="a/u", upscale_factor=(1, 2), creativity=(0, 1), pricing_skus=upscaler.pricing_skus)
    assert "no row for creativity 1" in estimate(precise, {"creativity": 1, "upscale_factor": 2}, given=VIDEO).why[0]
    assert estimate(precise, {"creativity": 0, "upscale_factor": 2}, given=VIDEO).priced
    both = {**(upscaler.pricing_skus or {}), "duration_seconds": "9"}
    upscaler = upscaler.model_copy(update={"pricing_skus": both})
    assert "counts both megapixels and seconds" in estimate(upscaler, {"upscale_factor": 1}, given=VIDEO).why[0]


@pytest.mark.parametrize(("skus", "body", "why"), REFUSED)
def test_what_nobody_knows_has_no_figure(skus: dict[str, str] | None, body: dict[str, Any], why: str) -> None:
    """Unpriced, with the reason; never 0."""
    found = estimate(model_with(skus), body)
    assert (found.priced, found.low, found.high, found.basis) == (False, None, None, "unpriced")
    assert why in found.why[0]


def test_a_resolution_of_a_million_digits_is_none() -> None:
    """What a list of models says of itself may be anything."""
    model = model_with({"video_tokens": "0.01"}, supported_resolutions=[f"{'9' * 10**6}p"])
    assert "how many it renders is not listed" in estimate(model, {"duration": 4}).why[0]


def test_a_model_that_is_no_longer_offered() -> None:
    """Its price list had a row for a resolution that the model did not support."""
    skus = {"duration_seconds_720p": "0.30", "duration_seconds_1024p": "0.50", "duration_seconds_1080p": "0.50"}
    model = model_with(skus, supported_durations=[4, 20], supported_resolutions=["720p", "1080p"])
    assert estimate(model, {"duration": 4, "resolution": "720p"}).high_usd == 1.2
    assert (estimate(model, {}).low_usd, estimate(model, {}).high_usd) == (1.2, 10)
    names = {name for one in CATALOG.models for name in one.pricing_skus or ()}
    assert len(names | set(skus)) == 41


def test_names_compare_in_lower_case() -> None:
    """``4K`` in a body is ``4k`` in a price list, and so the other way round."""
    model = model_with({"Duration_Seconds_4K": "0.5"}, supported_resolutions=["4K"])
    assert estimate(model, {"duration": 4, "resolution": "4K"}).high_usd == 2


def test_a_supported_resolution_without_a_price_is_bounded_by_all_rows() -> None:
    """And a priced one that the model does not support counts for nothing."""
    model = model_with({"duration_seconds_720p": "0.2", "duration_seconds_1080p": "0.3"})
    found = estimate(model, {"duration": 4, "resolution": "480p"})
    assert (found.low_usd, found.high_usd) == (0.8, 1.2)
    assert "no row for 480p" in found.why[0]
    assert estimate(model, {"duration": 4, "resolution": "720p"}).high_usd == 0.8


def test_a_minimum_comes_after_all_else() -> None:
    """56 cents at least, for two seconds as for one."""
    model = model_with({"cents_per_second_output": "10", "minimum_cents_per_generation": "56"})
    assert estimate(model, {"duration": 4}).high_usd == 0.56
    assert estimate(model, {"duration": 8}).high_usd == 0.8


def test_the_ends_are_rounded_outwards() -> None:
    """A tenth of a micro-dollar goes to the low end's favour below, to the high end's above."""
    found = estimate(model_with({"duration_seconds": "0.00000011"}), {"duration": 4})
    assert (found.low, found.high) == (0, 1)


@pytest.mark.parametrize(
    ("model", "body", "why"),
    [
        ("bytedance/seedance-2.0", {}, "set duration, resolution, aspect_ratio, generate_audio to narrow it"),
        ("bytedance/seedance-2.0", {"duration": 4, "size": "1920x1080"}, "set generate_audio to narrow it"),
        ("runway/gen-4.5", {}, "set duration to narrow it"),
        ("google/veo-3.1-lite", {"duration": 4}, "set resolution, generate_audio to narrow it"),
        ("alibaba/wan-2.7", {"duration": 4}, None),
        ("kwaivgi/kling-v3.0-std", {"duration": 4, "generate_audio": True}, f"duration_seconds_with_audio or {KLING}"),
        ("bytedance/seedance-2.0-mini", {"duration": 4, "size": "1280x720"}, "charged by pixels and frames"),
        ("minimax/hailuo-3", {"duration": 5, "frame_images": [FRAME]}, "how frames and references are charged"),
    ],
)
def test_an_interval_says_why_it_is_one(model: str, body: dict[str, Any], why: str | None) -> None:
    """What a person can set to narrow it, of what is open and has more than one price; else what nobody can know."""
    found = of(model, **body).why
    assert (len(found), (found or ("",))[0].startswith(why or "")) == (why is not None, True), found


def test_a_total_holds_only_if_every_part_has_a_figure() -> None:
    """The low end of the others is known all the same."""
    one, other = of("google/veo-3.1-lite", duration=4), of("alibaba/wan-3.0", duration=2)
    both = total_estimate([one, other])
    assert (both.low, both.high) == ((one.low or 0) + (other.low or 0), (one.high or 0) + (other.high or 0))
    assert both.basis == "observed"
    missing = total_estimate([one, unpriced("nobody knows"), unpriced("nobody knows")])
    assert (missing.low, missing.high, missing.why) == (one.low, None, ("nobody knows",))


@pytest.mark.parametrize(
    ("body", "mode"),
    [
        ({}, "text"),
        ({"frame_images": [FRAME]}, "image"),
        ({"input_references": [IMAGE]}, "reference"),
        ({"frame_images": [FRAME], "input_references": [IMAGE]}, "image"),
    ],
)
def test_bills_are_told_apart_by_what_a_video_is_made_from(body: dict[str, Any], mode: str) -> None:
    """A price list may have another row for each; frames win over references."""
    assert mode_of(body) == mode


@pytest.mark.parametrize(
    ("ratios", "ends"),
    [
        ((2.125,), (0.2125, 0.2125)),
        ((1.0,), (0.1, 0.1)),
        ((2.125, 1.0, 0.5), (0.05, 0.2125)),
        ((), (0.1, 0.2125)),
    ],
)
def test_bills_move_what_is_listed(ratios: tuple[float, ...], ends: tuple[float, float]) -> None:
    """From the lowest to the highest that they were; before the first, what is publicly known counts."""
    model = CATALOG.get("alibaba/wan-3.0")
    assert model is not None
    found = estimate(model, {"duration": 2, "resolution": "480p"}, Bills(ratios, 20))
    assert (found.low_usd, found.high_usd, found.basis, found.listed_usd) == (*ends, "observed", (0.1, 0.1))
    assert found.why == (("observed in 20 bills",) if ratios else ("a bill was 2.125 times the listed price",))


def test_bills_of_what_has_no_figure_move_nothing() -> None:
    """Bills say how far a price list is off, and there is none."""
    one = unpriced("nobody knows")
    assert Bills((2.0,), 1).move(one) is one
    assert estimate(model_with({}), {}, Bills((2.0,), 1)).basis == "unpriced"


def test_what_is_unpriced_can_be_assumed() -> None:
    """By its id before any pattern; what has a figure keeps it."""
    one, priced = unpriced("nobody knows"), of("google/veo-3.1-lite", duration=4)
    patterns = {"acme/*": 2.0, "acme/film": 0.3}
    found = assume(one, "acme/film", patterns)
    assert (found.low, found.high, found.basis) == (300_000, 300_000, "assumed")
    assert found.why == ("assumed by 'acme/film'", "nobody knows")
    assert assume(one, "acme/clip", patterns).high_usd == 2.0
    assert assume(one, "other/clip", patterns) is one
    assert assume(priced, "google/veo-3.1-lite", {"*": 9.0}) is priced


def test_a_total_says_what_its_parts_stand_on() -> None:
    """What is assumed says less than what bills have shown, and that less than a price list."""
    listed, assumed = of("google/veo-3.1-lite", duration=4), assume(unpriced("nobody knows"), "a", {"a": 1.0})
    assert total_estimate([listed, assumed]).basis == "assumed"
    assert total_estimate([]).high == 0


def _bodies(model: VideoModel) -> st.SearchStrategy[dict[str, Any]]:
    """Any body that may be sent to a model."""
    resolutions = [None, *(model.supported_resolutions or ())]
    ratios = [None, *(model.supported_aspect_ratios or ())]
    fields = {
        "duration": st.sampled_from([None, *model.durations]),
        "resolution": st.sampled_from(resolutions),
        "aspect_ratio": st.sampled_from(ratios),
        "generate_audio": st.sampled_from([None, True, False]),
        "frame_images": st.lists(st.just(FRAME), max_size=2),
        "input_references": st.lists(st.just(IMAGE), max_size=3),
    }
    return st.fixed_dictionaries(fields).map(lambda body: {key: value for key, value in body.items() if value})


CASES = st.sampled_from(PRICED).flatmap(lambda model: st.tuples(st.just(model), _bodies(model)))


@given(CASES)
def test_the_interval_of_an_open_choice_covers_each_of_its_choices(case: tuple[VideoModel, dict[str, Any]]) -> None:
    """Whatever the model chooses, its price is inside."""
    model, body = case
    whole = estimate(model, body)
    choices: dict[str, Any] = {
        "duration": model.durations,
        "resolution": model.supported_resolutions or (),
        "aspect_ratio": model.supported_aspect_ratios or (),
        "generate_audio": (True, False),
    }
    for field in [field for field in choices if field not in body]:
        for value in choices[field]:
            one = estimate(model, body | {field: value})
            assert (whole.low or 0) <= (one.low or 0), (field, value)
            assert (one.high or 0) <= (whole.high or 0), (field, value)


@given(CASES, st.data())
def test_more_never_costs_less(case: tuple[VideoModel, dict[str, Any]], data: st.DataObject) -> None:
    """More seconds, more pixels, more images: neither end goes down."""
    model, body = case
    less = estimate(model, body)
    more = (
        [body | {"input_references": [*body.get("input_references", ()), IMAGE]}] if "input_references" in body else []
    )
    more += [body | {"duration": longer} for longer in model.durations if longer >= (body.get("duration") or 99)]
    sides = {"480p": 0, "720p": 1, "768p": 2, "1080p": 3, "2K": 4, "4K": 5}
    here = sides.get(body.get("resolution", ""), 9)
    more += [body | {"resolution": one} for one in model.supported_resolutions or () if sides[one] >= here]
    for larger in more:
        found = estimate(model, larger)
        assert (found.low or 0) >= (less.low or 0), larger
        assert (found.high or 0) >= (less.high or 0), larger


@pytest.mark.parametrize(
    ("model", "low", "high", "basis"),
    [
        ("alibaba/happyhorse-1.1", 0.0988, 0.1278, "listed"),
        ("alibaba/wan-2.7", 0.1, 0.1, "listed"),
        ("alibaba/wan-3.0", 0.05, 0.425, "observed"),
        ("bytedance/seedance-1-5-pro", 0.006, 0.2046, "listed"),
        ("runway/aleph-2", None, None, "unpriced"),
    ],
)
def test_the_price_of_a_second(model: str, low: float | None, high: float | None, basis: str) -> None:
    """From the cheapest to the dearest choice, of a video that is made from a prompt."""
    offered = CATALOG.get(model)
    assert offered is not None
    found = price_per_second(offered)
    assert (found.low_usd, found.high_usd, found.basis) == (low, high, basis)


def test_the_price_of_a_second_has_a_share_of_what_is_fixed() -> None:
    """Of a least amount, the shortest video bears the most."""
    model = model_with({"duration_seconds": "0.1", "minimum_cents_per_generation": "60"})
    found = price_per_second(model)
    assert (found.low_usd, found.high_usd) == (0.1, 0.15)
    free = price_per_second(model_with({"duration_seconds_480p": "0", "duration_seconds_720p": "0.1"}))
    assert (free.low_usd, free.high_usd) == (0, 0.1)


def test_token_prices_need_pixels() -> None:
    """By the listed sizes where no resolution is listed; without either nobody can count them."""
    tokens = {"video_tokens": "0.00001"}
    sized = model_with(tokens, supported_resolutions=None, supported_sizes=["640x640"])
    assert estimate(sized, {"duration": 4}).why == ("charged by pixels and frames, whose number only the video tells",)
    odd = model_with(tokens, supported_resolutions=["best"], supported_sizes=["640x640"])
    assert estimate(odd, {"duration": 4}).high == estimate(sized, {"duration": 4}).high
    assert estimate(odd, {"duration": 4, "size": "640x640"}).priced
    unknown = estimate(model_with(tokens, supported_resolutions=None), {"duration": 4})
    assert unknown.why == ("it is charged by pixels, and how many it renders is not listed",)


def test_bills_of_continuations_are_told_apart() -> None:
    """They are charged by rows of their own, whatever frames or references are sent along."""
    assert mode_of({"previous_job_id": "gen-1", "frame_images": [FRAME]}) == "continuation"

"""What the sandbox charges lies inside the estimate of each body that may be sent to it."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from typing import Any

import pytest

from openrouter_video.api import VideoModel, parse_catalog
from openrouter_video.planning.pricing import estimate
from openrouter_video.request import Given
from openrouter_video.sandbox.catalogue import load_catalogue
from openrouter_video.sandbox.inputs import InputFacts
from openrouter_video.sandbox.orders import Order, read_order, shaped
from openrouter_video.sandbox.pricing import cost_usd

SERVED = load_catalogue()
MODELS = [model for model in parse_catalog(SERVED.wire).models if model.durations]
IMAGE = {"type": "image_url", "image_url": {"url": "https://example.com/a.png"}}


def bodies(model: VideoModel) -> Iterator[dict[str, Any]]:
    """A grid: every resolution, ratio and size, with and without sound, the shortest and longest, with images."""
    resolutions, ratios = [None, *(model.supported_resolutions or ())], [None, *(model.supported_aspect_ratios or ())]
    shapes = [{"resolution": one, "aspect_ratio": other} for one, other in product(resolutions, ratios)]
    shapes += [{"size": size} for size in model.supported_sizes or ()]
    frames = [{**IMAGE, "frame_type": one} for one in model.supported_frame_images or ()]
    images = [(None, None), (frames[:1], None), (None, [IMAGE]), (frames, [IMAGE] * 3)]
    lengths = [(None, None), (model.durations[0], True), (model.durations[-1], False)]
    for shape, (seconds, audio), (some, references) in product(shapes, lengths, images):
        body = {"duration": seconds, "frame_images": some, "input_references": references, **shape}
        if audio is not None and model.generate_audio is not False:
            body["generate_audio"] = audio
        yield {key: value for key, value in body.items() if value is not None}


@pytest.mark.no_cover  # Thousands of bodies, and no line that test_pricing.py does not reach.
@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.id)
def test_a_charge_lies_inside_its_estimate(model: VideoModel) -> None:
    """The sandbox chooses what a body leaves open, and reads price lists by a rule of its own."""
    skus = SERVED.entries[model.id].pricing_skus
    for body in bodies(model):
        order = read_order({"model": model.id, "prompt": "an orchid", **body}, SERVED)
        assert isinstance(order, Order), body
        charge, expected = cost_usd(skus, order), estimate(model, body)
        assert charge is not None
        assert expected.low_usd is not None
        assert expected.high_usd is not None
        assert expected.low_usd <= charge <= expected.high_usd, (body, charge)


CLIP = {"type": "video_url", "video_url": {"url": "https://example.com/a.mp4"}}
VOICE = {"type": "audio_url", "audio_url": {"url": "https://example.com/a.mp3"}}


@pytest.mark.parametrize(
    "body",
    [
        *(
            {"model": editor, "input_references": [CLIP]}
            for editor in ("runway/aleph-2", "black-forest-labs/flux-video-edit")
        ),
        {"model": "runway/aleph-2", "input_references": [CLIP, IMAGE], "aspect_ratio": "9:16"},
        *(
            {"model": "black-forest-labs/flux-video-upscale", "input_references": [CLIP], **more}
            for more in ({}, {"upscale_factor": 1.5}, {"upscale_factor": 3, "creativity": 1})
        ),
        {"model": "heygen/avatar-iv", "input_references": [IMAGE]},
        {"model": "heygen/avatar-iv", "input_references": [IMAGE, VOICE], "resolution": "1080p"},
        {"model": "bytedance/seedance-2.0", "input_references": [CLIP], "duration": 4},
        {"model": "black-forest-labs/flux-3-video", "previous_job_id": "gen-vid-1-a", "duration": 5},
    ],
    ids=lambda body: body["model"],
)
@pytest.mark.parametrize(
    "facts", [InputFacts("d", 1.0, 640, 360), InputFacts("d", 42.5, 1920, 1080)], ids=("short", "long")
)
def test_what_an_input_costs_lies_inside_the_estimate(body: dict[str, Any], facts: InputFacts) -> None:
    """With what is known of the input; without it there is no estimate, or one in which the charge lies."""
    [model] = [one for one in parse_catalog(SERVED.wire).models if one.id == body["model"]]
    model = model.model_copy(update={"input_modalities": SERVED.entries[model.id].input_modalities})
    order = read_order({"prompt": "an orchid", **body}, SERVED)
    assert isinstance(order, Order), body
    order = shaped(order.model_copy(update={"inputs": tuple(one.known(facts) for one in order.inputs)}), None)
    charge = cost_usd(SERVED.entries[model.id].pricing_skus, order)
    assert charge is not None
    asked = {name: value for name, value in body.items() if name != "model"}
    kinds = {one.kind for one in order.inputs}
    clip = facts if "video" in kinds else InputFacts()
    heard = facts.seconds if "audio" in kinds else None
    continued = 5.0 if "previous_job_id" in body else None
    given = Given(clip.seconds, clip.width, clip.height, sound_seconds=heard, previous_seconds=continued)
    known = estimate(model, asked, given=given)
    assert known.priced is ((model.durations == () and bool(kinds & {"video", "audio"})) or continued is not None)
    for expected in (known, estimate(model, asked)):
        assert (expected.low_usd or 0) <= charge <= (float("inf") if expected.high_usd is None else expected.high_usd)

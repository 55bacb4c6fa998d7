"""What the sandbox charges lies inside the estimate of each body that may be sent to it."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from typing import Any

import pytest

from openrouter_video.api import VideoModel, parse_catalog
from openrouter_video.planning.pricing import estimate
from openrouter_video.sandbox.catalogue import load_catalogue
from openrouter_video.sandbox.orders import Order, read_order
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

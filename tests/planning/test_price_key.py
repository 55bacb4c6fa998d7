"""Bodies of one key cost the same: what pricing reads of a body is in its key, and nothing else is."""

from __future__ import annotations

import ast
import inspect
import json
from importlib.resources import files

from openrouter_video.api.catalog import parse_catalog
from openrouter_video.money import Estimate
from openrouter_video.planning import input_prices, pricing
from openrouter_video.planning.plan import plan_run
from openrouter_video.planning.price_key import FIELDS, PriceKey, price_key
from openrouter_video.request.inputs import Given
from openrouter_video.request.run_request import parse_run_request

OFFERED = parse_catalog(json.loads((files("openrouter_video.sandbox") / "video_models.json").read_text()))


def test_all_that_pricing_reads_of_a_body_is_in_its_key() -> None:
    """Read from the source, so that a new rule that reads another field fails here."""
    nodes = [node for module in (pricing, input_prices) for node in ast.walk(ast.parse(inspect.getsource(module)))]
    asked = [node.args[0] for node in nodes if isinstance(node, ast.Call) and ast.unparse(node.func) == "body.get"]
    asked += [node.slice for node in nodes if isinstance(node, ast.Subscript) and ast.unparse(node.value) == "body"]
    read = {ast.literal_eval(one) for one in asked if isinstance(one, ast.Constant)}
    # _spread asks for the fields of its own table, which are in the key too.
    assert read <= {*FIELDS, "frame_images", "input_references", "previous_job_id"}
    assert {"upscale_factor", "creativity"} <= read
    assert {"duration", "resolution", "aspect_ratio", "generate_audio"} <= set(FIELDS)


def test_the_words_of_a_request_are_not_in_the_key_and_kinds_and_numbers_are() -> None:
    """A prompt, a seed or another picture of the same kind changes no price."""
    body = {"prompt": "an orchid", "seed": 1, "duration": 4, "frame_images": [{"type": "image_url"}]}
    assert price_key("acme/film", body, Given()) == price_key(
        "acme/film", {**body, "prompt": "a fern", "seed": 2}, Given()
    )
    others: list[dict[str, object]] = [
        {"duration": 5},
        {"frame_images": []},
        {"input_references": [{"type": "video_url"}]},
        {"previous_job_id": "gen-1"},
        {"upscale_factor": 2.0},
        {"creativity": 0},
    ]
    for other in others:
        assert price_key("acme/film", body, Given()) != price_key("acme/film", {**body, **other}, Given())
    assert price_key("acme/film", body, Given()) != price_key("acme/book", body, Given())
    assert price_key("acme/film", body, Given()) != price_key("acme/film", body, Given(video_seconds=2.5))


def test_a_price_that_was_found_before_is_taken() -> None:
    """Of the second run over the same catalog, with the caller's own assumption applied to each."""
    found: dict[PriceKey, Estimate] = {}
    model = "google/veo-3.1-lite"
    first = plan_run(parse_run_request(prompt="an orchid", models=[model]), OFFERED, found_before=found)
    (key,) = found
    found[key] = Estimate.of(1, 2, "listed")
    second = plan_run(parse_run_request(prompt="a fern", models=[model]), OFFERED, found_before=found)
    assert first.estimate.high != second.estimate.high == 2
    assert plan_run(parse_run_request(prompt="a fern", models=[model]), OFFERED).estimate == first.estimate

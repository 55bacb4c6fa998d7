"""The list of models: parsed whole, tolerant of what is new, clear about what is no list."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import date
from importlib.resources import files
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openrouter_video.api.catalog import Catalog, VideoModel, parse_catalog, with_plain_list
from openrouter_video.errors import ApiUnavailable, ConfigurationError
from openrouter_video.text import nearest

WIRE: dict[str, Any] = json.loads((files("openrouter_video.sandbox") / "video_models.json").read_text())
REAL = parse_catalog(WIRE)


def entry(**fields: Any) -> dict[str, Any]:
    """One entry of the list as the API writes it."""
    return {"id": "a/b", "supported_durations": [8, 4, 6], **fields}


def only_model(**fields: Any) -> VideoModel:
    """The model of a list of one."""
    (model,) = parse_catalog({"data": [entry(**fields)]}).models
    return model


def differing_fields() -> Iterator[tuple[str, str]]:
    """Every field of the real list in which what was read is not what the API wrote."""
    for wire, model in zip(WIRE["data"], REAL.models, strict=True):
        read = model.model_dump(mode="json")
        assert read.pop("unreadable") == {}
        if wire["upscale_factor"] is not None:
            assert read.pop("upscale_factor") == [wire["upscale_factor"]["min"], wire["upscale_factor"]["max"]]
        yield from ((wire["id"], field) for field in read if read[field] != wire.get(field))


def test_the_whole_real_list_is_read() -> None:
    """Every model, in the API's order, every field as it was written."""
    assert len(REAL.models) == 30
    assert REAL.unreadable == ()
    assert list(differing_fields()) == []


def test_the_real_lists_peculiarities() -> None:
    """Unsorted durations, lists that are null, models that allow nothing, and four that take no plain prompt."""
    veo = REAL.get("google/veo-3.1-lite")
    assert veo is not None
    assert (veo.supported_durations, veo.durations) == ((8, 4, 6), (4, 6, 8))
    given_material = {model.id for model in REAL.models if model.needs != "nothing"}
    upscalers = {"black-forest-labs/flux-video-edit", "black-forest-labs/flux-video-upscale"}
    assert given_material == {*upscalers, "heygen/avatar-iv", "runway/aleph-2"}
    assert "alibaba/wan-3.0" in {model.id for model in REAL.models if not model.passthrough_options}
    assert sum(model.supported_sizes is None for model in REAL.models) == 12


@pytest.mark.parametrize(
    ("fields", "read"),
    [
        ({"brand_new": {"x": 1}}, {}),
        ({"supported_resolutions": ["720p", {"name": "16K"}, None]}, {"supported_resolutions": ("720p",)}),
        (
            {"supported_durations": [4, "auto", 6.5, True, 6]},
            {"supported_durations": (4, 6), "unreadable": {"supported_durations": ('"auto"', "6.5", "true")}},
        ),
        ({"unreadable": "by the API itself"}, {"unreadable": {}}),
        ({"supported_durations": None}, {"supported_durations": None, "durations": (), "needs": "input"}),
        ({"supported_durations": []}, {"durations": (), "needs": "nothing"}),
        ({"allowed_passthrough_parameters": None}, {"passthrough_options": ()}),
        ({"generate_audio": "always", "seed": {"max": 9}}, {"generate_audio": None, "seed": None}),
        ({"pricing_skus": {"duration_seconds": 0.1}, "created": "today"}, {"pricing_skus": None, "created": None}),
        ({"name": None, "canonical_slug": 7}, {"name": None, "canonical_slug": None}),
    ],
)
def test_what_is_new_does_not_hide_a_model(fields: dict[str, Any], read: dict[str, Any]) -> None:
    """An unknown field or value is left aside; what is known of the model stays."""
    model = only_model(**fields)
    assert {name: getattr(model, name) for name in read} == read


@pytest.mark.parametrize(
    "numbers", [[4.0, 6.0, 8.0], ["4", "6", "8"], ["4.0", " 6 ", "+8"], [4, "6", 8.0, "8"]], ids=str
)
def test_whole_numbers_in_any_form(numbers: list[Any]) -> None:
    """4.0 is an integer by JSON Schema, and "4" is what some write; each length once."""
    model = only_model(supported_durations=numbers)
    assert (model.durations, model.unreadable) == ((4, 6, 8), {})


@pytest.mark.parametrize(
    "item", ["4s", "", 0, -4, 4.5, True, None, [4], {"s": 4}, float("inf"), 1e22, "4_0", "٤"], ids=str
)
def test_what_is_no_whole_number_is_unreadable(item: Any) -> None:
    """It is neither a length nor nothing: it is kept, to be told."""
    model = only_model(supported_durations=[item, 6])
    assert model.durations == (6,)
    assert len(model.unreadable["supported_durations"]) == 1
    assert VideoModel.model_validate(model.model_dump(mode="json")) == model


@pytest.mark.parametrize(
    ("payload", "said"),
    [({"data": []}, "it is empty"), ({"data": [1, {"name": "x"}]}, "none of its 2 entries can be read")],
)
def test_a_list_without_a_model_is_trouble(payload: Any, said: str) -> None:
    """It passes, so that nobody keeps it as the catalog."""
    with pytest.raises(ApiUnavailable, match=said):
        parse_catalog(payload)


@pytest.mark.parametrize(
    ("wanted", "lacking"), [([], False), (["c/d"], False), (["c/d", "e/f"], True), (["a/b"], True)]
)
def test_a_list_lacks_what_it_has_not_or_what_nobody_can_read(wanted: list[str], lacking: bool) -> None:
    """Either is a reason to fetch it afresh before a run is refused."""
    catalog = parse_catalog({"data": [entry(id="c/d"), entry(supported_resolutions="720p")]})
    assert catalog.lacks(wanted) is lacking


@pytest.mark.parametrize(
    ("broken", "name"),
    [
        (entry(supported_durations={"min": 1, "max": 9}), "a/b"),
        (entry(supported_resolutions="720p"), "a/b"),
        (entry(id="a/b\x1b[2J"), "a/b\x1b[2J"),
        (entry(id=" "), " "),
        ({"name": "no id"}, "None"),
        ("a/b", "a/b"),
        (None, "None"),
    ],
)
def test_an_unreadable_entry_does_not_hide_the_others(broken: Any, name: str) -> None:
    """It is kept by name, so that a person who asks for it is told."""
    catalog = parse_catalog({"data": [entry(id="c/d"), broken]})
    assert [model.id for model in catalog.models] == ["c/d"]
    assert catalog.unreadable == (name,)


@pytest.mark.parametrize(
    ("payload", "message"),
    [
        (None, "got nothing. Is the base URL that of OpenRouter's API"),
        ("<html>", "got text"),
        ([], "got a bare list"),
        (7, "got something else"),
        ({}, "got an object with no keys"),
        ({"object": "list", "models": []}, "got an object with 'object', 'models'"),
        ({"data": {"a/b": {}}}, "got an object with 'data'"),
    ],
)
def test_what_is_no_list_of_models(payload: Any, message: str) -> None:
    """A wrong base URL is the likely reason; the message says what came instead."""
    with pytest.raises(ConfigurationError) as refused:
        parse_catalog(payload)
    assert message in str(refused.value)


@pytest.mark.parametrize(
    ("asked", "near"),
    [
        ("google/veo-3.1-lit", "google/veo-3.1-lite"),
        ("Google/VEO_3.1_lite", "google/veo-3.1-lite"),
        ("veo-3.1-lite", "google/veo-3.1-lite"),
        ("bytedance/seedence-2.0-mini", "bytedance/seedance-2.0-mini"),
        ("google/veo-3.1-lite-20260331", "google/veo-3.1-lite"),
        ("veo", "google/veo-3.1-fast"),
        ("kling", "kwaivgi/kling-v3.0-pro"),
        ("wan-3", "alibaba/wan-3.0-prime"),
        ("zzz", None),
        ("", None),
    ],
)
def test_the_nearest_ids(asked: str, near: str | None) -> None:
    """A typo, a lost author, a dated slug, or a part of the name; nothing where nothing is like it."""
    found = REAL.nearest_ids(asked)
    assert (found[0] if found else None) == near
    assert len(found) <= 3


@pytest.mark.parametrize(
    ("word", "allowed", "near"),
    [
        ("negative_prompt", ["personGeneration", "negativePrompt"], ["negativePrompt"]),
        ("1080P", ["720p", "1080p"], ["1080p"]),
        ("4k", ["1080p", "4K"], ["4K"]),
        ("negativePrompt", ["negative_prompt", "negative-prompt"], ["negative_prompt"]),
        ("watermark", ["seed"], []),
        ("x", [], []),
    ],
)
def test_the_nearest_word(word: str, allowed: list[str], near: list[str]) -> None:
    """Case and dashes do not count; two spellings of one word are one suggestion."""
    assert nearest(word, allowed) == near


@given(st.text(max_size=30), st.lists(st.text(max_size=30), max_size=6), st.integers(1, 4))
def test_a_suggestion_is_always_allowed(word: str, allowed: list[str], count: int) -> None:
    """Whatever was written, and no more of them than asked for."""
    found = nearest(word, allowed, count)
    assert set(found) <= set(allowed)
    assert len(found) <= count


def test_an_unknown_id_is_none() -> None:
    """Looking up is not judging."""
    assert REAL.get("google/veo-9") is None


def plain_entry(model: str, *modalities: Any) -> dict[str, Any]:
    """A model of the plain list, as far as it is read."""
    return {"id": model, "architecture": {"input_modalities": list(modalities), "output_modalities": ["video"]}}


@pytest.mark.parametrize(
    ("payload", "told"),
    [
        (None, None),
        ([], None),
        ({"data": None}, None),
        ({"data": [1, {}, {"id": "a/b"}, {"id": 1, "architecture": {"input_modalities": []}}]}, None),
        ({"data": [{"id": "a/b", "architecture": {"input_modalities": "text"}}]}, None),
        ({"data": [{"id": "a/b", "architecture": ["text"]}]}, None),
        ({"data": [plain_entry("a/c", "text")]}, None),
        ({"data": [plain_entry("a/b")]}, ()),
        ({"data": [plain_entry("a/c"), plain_entry("a/b", "text", 7, "video")]}, ("text", "video")),
    ],
)
def test_the_plain_list_tells_what_models_take(payload: Any, told: tuple[str, ...] | None) -> None:
    """Whatever it holds, the catalog stays whole; what it does not tell is not known."""
    catalog = parse_catalog({"data": [entry(id="a/b")]})
    read = with_plain_list(catalog, payload)
    assert [model.input_modalities for model in read.models] == [told]
    assert Catalog.model_validate_json(read.model_dump_json()) == read


@pytest.mark.parametrize(
    ("written", "day"),
    [
        ("2026-12-24", date(2026, 12, 24)),
        ("2026-12-24T08:00:00Z", date(2026, 12, 24)),
        ("at Christmas", None),
        (20261224, None),
        (None, None),
    ],
)
def test_the_plain_list_tells_when_a_model_may_be_removed(written: Any, day: date | None) -> None:
    """What is not a day is not known."""
    catalog = parse_catalog({"data": [entry(id="a/b")]})
    (model,) = with_plain_list(catalog, {"data": [{"id": "a/b", "expiration_date": written}]}).models
    assert (model.expiration_date, model.input_modalities) == (day, None)


@pytest.mark.parametrize(
    ("fields", "needs"),
    [
        ({"supported_durations": [4]}, "nothing"),
        ({"supported_durations": [4], "input_modalities": ["text", "video"]}, "nothing"),
        ({"upscale_factor": {"min": 1.5, "max": 3}}, "video"),
        ({"input_modalities": ["text", "image", "video"]}, "video"),
        ({"input_modalities": ["text", "image", "audio"]}, "image"),
        ({"input_modalities": ["text", "audio"]}, "audio"),
        ({"input_modalities": ["text"]}, "input"),
        ({"input_modalities": []}, "input"),
        ({}, "input"),
    ],
)
def test_what_a_model_needs(fields: dict[str, Any], needs: str) -> None:
    """Those with durations need a prompt only; what the others work from, their modalities tell."""
    assert only_model(**{"supported_durations": None, **fields}).needs == needs


@pytest.mark.parametrize(
    ("factor", "read"),
    [
        ({"min": 1.5, "max": 3}, (1.5, 3.0)),
        ({"min": "2", "max": "2"}, (2.0, 2.0)),
        *(
            (factor, None)
            for factor in ({}, {"min": 1}, {"min": 3, "max": 2}, {"min": 0, "max": 2}, {"min": 1, "max": "inf"})
        ),
        ({"min": True, "max": {}}, None),
        ("1.5-3", None),
        (None, None),
    ],
)
def test_the_range_of_an_upscale_factor(factor: Any, read: tuple[float, float] | None) -> None:
    """What cannot be read as one is kept as unreadable."""
    model = only_model(upscale_factor=factor)
    assert model.upscale_factor == read
    assert bool(model.unreadable) == (isinstance(factor, dict) and read is None)


def test_levels_of_creativity_may_be_zero() -> None:
    """Unlike seconds."""
    model = only_model(creativity=[0, 1.0, "2", True, -1, "much"])
    assert model.creativity == (0, 1, 2)
    assert model.unreadable == {"creativity": ("true", "-1", '"much"')}

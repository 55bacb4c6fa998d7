"""Which options a model gets, row by row: nesting, slugs, policies, and what is said of all that is left out."""

from __future__ import annotations

import json
from importlib.resources import files
from typing import Any

import pytest

from openrouter_video.api.catalog import VideoModel, parse_catalog
from openrouter_video.outcome import LeftOut
from openrouter_video.planning.passthrough import (
    PROVIDER_SLUGS,
    Passthrough,
    named_options,
    provider_slug,
    select_options,
    unknown_slugs,
    unused_slugs,
)
from openrouter_video.request.request import VideoRequest, parse_request

REAL_LIST = parse_catalog(json.loads((files("openrouter_video.sandbox") / "video_models.json").read_text()))
VEO = VideoModel(id="google/veo-3.1", allowed_passthrough_parameters=("negativePrompt", "enhancePrompt"))
SEEDANCE = VideoModel(id="bytedance/seedance-2.0", allowed_passthrough_parameters=("watermark", "req_key"))
WAN = VideoModel(id="alibaba/wan-3.0", allowed_passthrough_parameters=())
STRANGER = VideoModel(id="new/model-1", allowed_passthrough_parameters=("style",))
NOTHING = "not allowed: alibaba/wan-3.0 allows no passthrough options"
TWO = "not allowed: bytedance/seedance-2.0 allows watermark, req_key"
MERGED = {"watermark": 3, "req_key": 2}
ENHANCED = {"google-vertex": {"parameters": {"enhancePrompt": True}}}
POLICIES = ("fallback", "drop", "skip", "fail")


def asking_for(options: Any, policy: str = "fallback", **slugs: str) -> VideoRequest:
    """A request with these options."""
    return parse_request("p", provider_options=options, on_unsupported=policy, provider_slugs=slugs)


def lost(decided: Passthrough) -> list[str]:
    """The keys that a model does not get."""
    return [option.key for option in decided.left_out]


# ---- Slugs and nesting -----------------------------------------------------------------------------------------------


def test_every_real_model_has_a_slug() -> None:
    """And the contract's table names no provider that no model has, but those whose models have left the list."""
    served = {model.id: provider_slug(model.id) for model in REAL_LIST.models}
    assert None not in served.values()
    assert set(PROVIDER_SLUGS.values()) - set(served.values()) == {"openai"}


@pytest.mark.parametrize(
    ("model", "overrides", "slug"),
    [
        ("google/veo-3.1", {}, "google-vertex"),
        ("bytedance/seedance-2.0-mini", {}, "seed"),
        ("alibaba/wan-2.7", {}, "atlas-cloud"),
        ("alibaba/wan-3.0", {}, "alibaba"),
        ("new/model-1", {}, None),
        ("google/veo-3.1", {"google/veo-*": "google-ai-studio"}, "google-ai-studio"),
        ("google/veo-3.1", {"*": "all", "google/veo-3.1": "mine"}, "mine"),
        ("google/veo-3.1", {"google/*": "first", "*/veo-3.1": "second"}, "first"),
        ("google/veo-3.1", {"new/*": "mine"}, "google-vertex"),
        ("new/model-1", {"new/*": "mine"}, "mine"),
    ],
)
def test_the_slug_of_a_model(model: str, overrides: dict[str, str], slug: str | None) -> None:
    """From one table; the user's own entries win, an id over a pattern."""
    assert provider_slug(model, overrides) == slug


@pytest.mark.parametrize(
    ("model", "overrides", "listed", "slug"),
    [
        ("bytedance/seedance-2.0-mini", {}, ("byteplus",), "byteplus"),
        ("bytedance/seedance-2.0-mini", {}, ("byteplus", "seed"), "seed"),
        ("bytedance/seedance-2.0-mini", {}, ("byteplus", "fal"), "byteplus"),
        ("bytedance/seedance-2.0-mini", {}, (), "seed"),
        ("bytedance/seedance-2.0-mini", {"bytedance/*": "mine"}, ("byteplus", "seed"), "mine"),
        ("new/model-1", {}, ("acme", "fal"), "acme"),
    ],
)
def test_the_slug_of_a_model_with_endpoints(
    model: str, overrides: dict[str, str], listed: tuple[str, ...], slug: str
) -> None:
    """The user's word first, then the API's list of its endpoints, and of several that which the table names."""
    assert provider_slug(model, overrides, listed) == slug


def test_options_of_a_model_that_several_providers_serve() -> None:
    """They are sent under one slug, nested as it wants them, and that another one reads none of them is said."""
    request = parse_request("x", provider_options={"google-vertex": {"negativePrompt": "x"}})
    decided = select_options(request, VEO, listed=("google-ai-studio", "google-vertex"))
    assert decided.provider == {"google-vertex": {"parameters": {"negativePrompt": "x"}}}
    assert decided.notes == ("the options go to the provider google-vertex only; it is served by google-ai-studio too",)
    elsewhere = select_options(request, VEO, listed=("google-ai-studio",))
    assert (elsewhere.provider, lost(elsewhere)) == ({}, ["google-vertex.negativePrompt"])
    assert "that of google/veo-3.1 is google-ai-studio" in elsewhere.left_out[0].reason
    assert select_options(parse_request("x"), VEO, listed=("google-ai-studio", "google-vertex")).notes == ()


@pytest.mark.parametrize(
    ("model", "options", "provider"),
    [
        (VEO, {"google-vertex": {"negativePrompt": "x"}}, {"google-vertex": {"parameters": {"negativePrompt": "x"}}}),
        (SEEDANCE, {"seed": {"watermark": False}}, {"seed": {"watermark": False}}),
        (SEEDANCE, {"seed": {"parameters": {"watermark": False}}}, {"seed": {"watermark": False}}),
        (SEEDANCE, {"*": {"watermark": True}}, {"seed": {"watermark": True}}),
        (SEEDANCE, {"*": {"watermark": 1, "req_key": 2}, "seed": {"watermark": 3}}, {"seed": MERGED}),
        (SEEDANCE, {"seed": {"watermark": 3}, "*": {"watermark": 1, "req_key": 2}}, {"seed": MERGED}),
    ],
    ids=["nested", "flat", "unwrapped", "for all", "own value wins", "whatever the order"],
)
def test_options_that_are_sent(model: VideoModel, options: Any, provider: Any) -> None:
    """Under the model's own slug, nested as its provider wants them, and nothing is left out."""
    slug = next(iter(provider))
    assert select_options(asking_for(options), model) == Passthrough(slug, provider)


def test_an_override_decides_where_options_go() -> None:
    """Both the slug and the nesting follow it; options for the table's slug are then another provider's."""
    request = asking_for(
        {"mine": {"negativePrompt": "x"}, "google-vertex": {"enhancePrompt": True}}, **{VEO.id: "mine"}
    )
    decided = select_options(request, VEO)
    assert decided.provider == {"mine": {"negativePrompt": "x"}}
    assert lost(decided) == ["google-vertex.enhancePrompt"]


# ---- What a model does not allow -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("policy", "provider", "note"),
    [
        ("fallback", {}, "fallback: the normalized request without options, for negative_prompt"),
        ("drop", ENHANCED, "sent without negative_prompt, by policy drop"),
        ("skip", {}, "not run for negative_prompt, by policy skip"),
        ("fail", {}, None),
    ],
)
def test_the_four_policies(policy: str, provider: Any, note: str | None) -> None:
    """One option of two is not allowed: what is sent, what is not, and why."""
    request = asking_for({"google-vertex": {"negative_prompt": "x", "enhancePrompt": True}}, policy)
    decided = select_options(request, VEO)
    bad = LeftOut(
        key="negative_prompt",
        reason="not allowed: google/veo-3.1 allows negativePrompt, enhancePrompt",
        suggestion="negativePrompt",
    )
    kept = LeftOut(key="enhancePrompt", reason="allowed, but left out together with negative_prompt")
    assert decided.provider == provider
    assert decided.left_out == ((bad,) if policy == "drop" else (bad, kept))
    assert decided.notes == ((note,) if note else ())
    assert decided.skip is (policy == "skip")
    said = [str(problem) for problem in decided.problems]
    why = f"google/veo-3.1: option 'negative_prompt': {bad.reason}; did you mean 'negativePrompt'?"
    assert said == ([why] if policy == "fail" else [])


@pytest.mark.parametrize("policy", POLICIES)
def test_options_that_are_all_allowed_ask_no_policy(policy: str) -> None:
    """Whatever the policy is."""
    assert select_options(asking_for({"seed": {"req_key": "k"}}, policy), SEEDANCE) == Passthrough(
        "seed", {"seed": {"req_key": "k"}}
    )


@pytest.mark.parametrize(
    ("model", "options", "left_out"),
    [
        (WAN, {"alibaba": {"seed": 1}}, LeftOut(key="seed", reason=NOTHING)),
        (WAN, {"*": {"seed": 1}}, LeftOut(key="seed", reason=NOTHING)),
        (
            STRANGER,
            {"*": {"style": "x"}},
            LeftOut(key="style", reason="the provider slug of new/model-1 is not known; say it with provider_slugs"),
        ),
        (
            SEEDANCE,
            {"seed": {"Watermark": False}},
            LeftOut(key="Watermark", reason=TWO, suggestion="watermark"),
        ),
        (
            WAN.model_copy(update={"unreadable": {"allowed_passthrough_parameters": ("7",)}}),
            {"alibaba": {"style": "x"}},
            LeftOut(key="style", reason=f"{NOTHING}, and lists what cannot be read: 7"),
        ),
    ],
    ids=["allows nothing", "allows nothing, for all", "unknown slug", "wrong case", "unreadable"],
)
def test_why_an_option_is_left_out(model: VideoModel, options: Any, left_out: LeftOut) -> None:
    """The reason names the model and what it allows; dropping the only option sends none."""
    for policy in ("fallback", "drop"):
        decided = select_options(asking_for(options, policy), model)
        assert (decided.provider, decided.left_out) == ({}, (left_out,))
        assert decided.notes


def test_fail_says_why_in_a_sentence_even_without_a_slug() -> None:
    """Every reason reads well behind the name of the option."""
    (problem,) = select_options(asking_for({"*": {"style": "x"}}, "fail"), STRANGER).problems
    assert problem.message == (
        "option 'style': the provider slug of new/model-1 is not known; say it with provider_slugs"
    )


@pytest.mark.parametrize("policy", POLICIES)
def test_another_providers_options_are_not_unsupported(policy: str) -> None:
    """They call for no policy; the report says that they were not for this model, which goes without."""
    decided = select_options(asking_for({"seed": {"watermark": False}}, policy), VEO)
    foreign = LeftOut(
        key="seed.watermark", reason="meant for the provider seed; that of google/veo-3.1 is google-vertex"
    )
    note = "sent without options: none were given for the provider google-vertex"
    assert decided == Passthrough("google-vertex", {}, (foreign,), (note,))


def test_foreign_options_are_reported_beside_own_ones() -> None:
    """Also where a policy had to decide about the own ones."""
    options = {"google-vertex": {"negativePrompt": "x"}, "seed": {"watermark": False}}
    assert lost(select_options(asking_for(options), VEO)) == ["seed.watermark"]
    options["google-vertex"] = {"style": "x"}
    assert lost(select_options(asking_for(options), VEO)) == ["style", "seed.watermark"]
    (foreign, *_) = select_options(asking_for(options), STRANGER).left_out
    assert foreign.reason == "meant for the provider google-vertex; that of new/model-1 is not known"


def test_no_options_need_no_words() -> None:
    """A note about options that nobody gave would be noise."""
    assert select_options(asking_for(None), STRANGER) == Passthrough(None, {})


# ---- What the API itself refused -------------------------------------------------------------------------------------


def test_an_option_that_the_api_refused() -> None:
    """Its word outweighs the catalog's; once the catalog agrees, the reason is the catalog's."""
    request = asking_for({"google-vertex": {"negativePrompt": "x", "enhancePrompt": True}}, "drop")
    decided = select_options(request, VEO, frozenset({"enhancePrompt"}))
    assert decided.provider == {"google-vertex": {"parameters": {"negativePrompt": "x"}}}
    reason = "google/veo-3.1 lists it, but the API refused it"
    assert decided.left_out == (LeftOut(key="enhancePrompt", reason=reason),)
    fresh = VEO.model_copy(update={"allowed_passthrough_parameters": ("negativePrompt",)})
    (gone,) = select_options(request, fresh, frozenset({"enhancePrompt"})).left_out
    assert gone.reason == "not allowed: google/veo-3.1 allows negativePrompt"


@pytest.mark.parametrize(
    ("message", "named"),
    [
        ("Unknown option enhancePrompt", {"enhancePrompt"}),
        ('options.google-vertex.parameters.negativePrompt, "enhancePrompt"', {"negativePrompt", "enhancePrompt"}),
        ("Unrecognized key: watermark, req_key.", {"watermark", "req_key"}),
        ("enhancePrompts, re-enhancePrompt and enhanceprompt are other words", set()),
        ("Duration 99s is not supported", set()),
        ("bad parameters", set()),
    ],
)
def test_the_options_that_an_error_names(message: str, named: set[str]) -> None:
    """As whole words, in both nestings, and only options that were sent."""
    nested = {"google-vertex": {"parameters": {"negativePrompt": "x", "enhancePrompt": True}}}
    flat = {"seed": {"watermark": False, "req_key": "k"}}
    assert named_options(message, {"prompt": "p", "provider": {"options": nested | flat}}) == named


@pytest.mark.parametrize("body", [{}, {"provider": {}}, {"provider": {"options": {"seed": {"parameters": "audio"}}}}])
def test_an_error_cannot_name_what_was_not_sent(body: dict[str, Any]) -> None:
    """Nor is the text of an option a name."""
    assert named_options("audio a u d i o negativePrompt", body) == frozenset()


# ---- Slugs in the request --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("slug", "hint"),
    [
        ("google", "did you mean 'google-vertex'?"),
        ("byteplus", "did you mean 'seed'?"),
        ("x-ai", "did you mean 'xai'?"),
        ("Google-Vertex", "did you mean 'google-vertex'?"),
        ("minimaxx", "did you mean 'minimax'?"),
        ("google/veo-3.1", ""),
        ("", ""),
    ],
)
def test_a_slug_that_nobody_knows(slug: str, hint: str) -> None:
    """It would be ignored without a word, so it is refused, with what is known and the way to make it known."""
    (problem,) = unknown_slugs(asking_for({slug: {"a": 1}, "seed": {"a": 1}, "*": {"a": 1}}), ["google-vertex"])
    assert problem.message.startswith(f"unknown provider slug {slug!r}; {hint}")
    assert "known are alibaba, atlas-cloud, black-forest-labs" in problem.message
    assert "provider_slugs" in problem.message
    assert (problem.field, problem.model) == ("provider_options", None)


def test_slugs_that_are_known() -> None:
    """From the table, from the user's overrides, and of the chosen models."""
    request = asking_for({"seed": {"a": 1}, "mine": {"a": 1}, "theirs": {"a": 1}, "*": {"a": 1}}, **{"new/*": "mine"})
    assert unknown_slugs(request, ["theirs"]) == []


def test_a_known_slug_that_nobody_uses_is_a_warning() -> None:
    """A shared deployment may carry options for models that this run does not choose."""
    request = asking_for({"seed": {"a": 1}, "xai": {"a": 1}, "*": {"a": 1}})
    assert unused_slugs(request, ["seed", None]) == [
        "the options for the provider xai are not used: none of the chosen models is served under it"
    ]


def test_an_override_can_nest_the_options() -> None:
    """A provider that the table does not know may want its options inside ``parameters``."""
    model = VideoModel(id="acme/one", allowed_passthrough_parameters=("style",))
    request = parse_request(
        "x", provider_options={"acme": {"style": "noir"}}, provider_slugs={"acme/*": "acme.parameters"}
    )
    assert provider_slug(model.id, request.provider_slugs) == "acme"
    assert unknown_slugs(request, []) == []
    decided = select_options(request, model)
    assert decided.provider == {"acme": {"parameters": {"style": "noir"}}}
    assert named_options("style is unknown", {"provider": {"options": decided.provider}}) == {"style"}

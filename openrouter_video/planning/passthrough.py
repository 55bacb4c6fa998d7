"""Which passthrough options a model gets, and what becomes of those that it does not allow.

Pure. A provider ignores unknown options without a word, and they cost as much as known ones; so every option is checked
against the model's ``allowed_passthrough_parameters`` first, and the policy decides about the rest.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any, NamedTuple

from pydantic import JsonValue

from openrouter_video.api import VideoModel
from openrouter_video.errors import Problem
from openrouter_video.outcome import LeftOut
from openrouter_video.request import EVERY_PROVIDER, WRAPPER, OnUnsupported, VideoRequest
from openrouter_video.text import nearest, shown

__all__ = [
    "PROVIDER_SLUGS",
    "Passthrough",
    "named_options",
    "provider_slug",
    "select_options",
    "unknown_slugs",
    "unused_slugs",
]

PROVIDER_SLUGS: Mapping[str, str] = {
    "google/veo-*": "google-vertex",
    "bytedance/seedance-*": "seed",
    "alibaba/wan-2.*": "atlas-cloud",
    "alibaba/happyhorse-*": "alibaba",
    "alibaba/wan-3.*": "alibaba",
    "kwaivgi/kling-*": "atlas-cloud",
    "minimax/hailuo-*": "minimax",
    "x-ai/grok-imagine-*": "xai",
    "openai/sora-*": "openai",
    "runway/*": "runway",
    "heygen/*": "heygen",
    "black-forest-labs/*": "black-forest-labs",
}
"""The provider's slug by model id. Recorded for google-vertex, seed and atlas-cloud (wan); the others follow the API's
prose, or are the best guess (alibaba, atlas-cloud for kling, minimax): override them where you know better."""

NESTED_SLUGS = frozenset({"google-vertex"})
"""Providers whose options go inside a ``parameters`` object (recorded); for seed and atlas-cloud such a wrapper was
accepted, billed and ignored (recorded), so everything else stays flat, unless ``provider_slugs`` says otherwise."""

NESTED_SUFFIX = f".{WRAPPER}"

MOST_SHOWN = 5

ALSO_CALLED = {"byteplus": "seed", "bytedance": "seed", "google": "google-vertex", "vertex": "google-vertex"}
ALSO_CALLED |= {"kwaivgi": "atlas-cloud", "kling": "atlas-cloud", "x-ai": "xai", "grok": "xai", "veo": "google-vertex"}


class Passthrough(NamedTuple):
    """The decision about one model's options. ``provider`` is the object for ``provider.options``, nested as needed."""

    slug: str | None
    provider: dict[str, JsonValue]
    left_out: tuple[LeftOut, ...] = ()
    notes: tuple[str, ...] = ()
    problems: tuple[Problem, ...] = ()
    skip: bool = False


def provider_slug(model_id: str, overrides: Mapping[str, str] | None = None, listed: Sequence[str] = ()) -> str | None:
    """Return the provider slug under which a model reads its options; None if nobody knows it.

    ``overrides`` maps model ids, or patterns with ``*``, to slugs, and wins; in it an id wins over a pattern, and the
    first pattern over the next. A slug with ``.parameters`` after it nests its options. Then ``listed`` counts, the
    slugs of the model's endpoints by the API: that of the table if it is among them, else the first.
    """
    entry = _entry(model_id, overrides, listed)
    return entry.removesuffix(NESTED_SUFFIX) if entry is not None else None


def _entry(model_id: str, overrides: Mapping[str, str] | None, listed: Sequence[str]) -> str | None:
    if own := _look_up(model_id, overrides or {}):
        return own
    of_table = _look_up(model_id, PROVIDER_SLUGS)
    return listed[0] if listed and of_table not in listed else of_table


def _look_up(model_id: str, table: Mapping[str, str]) -> str | None:
    if model_id in table:
        return table[model_id]
    return next((slug for pattern, slug in table.items() if fnmatchcase(model_id, pattern)), None)


def select_options(
    request: VideoRequest, model: VideoModel, rejected: frozenset[str] = frozenset(), listed: Sequence[str] = ()
) -> Passthrough:
    """Choose the options that are sent to one model, by what it allows and by the request's policy.

    ``rejected`` are names that the API itself has refused for this model, whatever the catalog says. ``listed`` as for
    ``provider_slug``.
    """
    slug = provider_slug(model.id, request.provider_slugs, listed)
    given = request.provider_options
    own = {**given.get(EVERY_PROVIDER, {}), **(given.get(slug, {}) if slug else {})}
    foreign = _foreign(request, slug, model)
    if not own:
        note = f"sent without options: none were given for {_provider(slug)}"
        return Passthrough(slug, {}, foreign, (note,) if given else ())
    unsupported = {key: _unsupported(key, model, slug, rejected) for key in own}
    bad = tuple(reason for reason in unsupported.values() if reason)
    if not bad:
        decided = Passthrough(slug, {slug: own} if slug else {})
    else:
        decided = _apply_policy(request.on_unsupported, model, slug, own, bad)
    entry = _entry(model.id, request.provider_slugs, listed) or ""
    nested = entry.endswith(NESTED_SUFFIX) or entry in NESTED_SLUGS
    provider = {name: {WRAPPER: keys} if nested else keys for name, keys in decided.provider.items()}
    notes = decided.notes + (_others(slug, listed) if provider else ())
    return decided._replace(provider=provider, left_out=decided.left_out + foreign, notes=notes)


def _others(slug: str | None, listed: Sequence[str]) -> tuple[str, ...]:
    """Say that a model may be served by a provider that reads none of the options that are sent."""
    others = [one for one in listed if one != slug]
    return (f"the options go to the provider {slug} only; it is served by {', '.join(others)} too",) if others else ()


def named_options(message: str, body: Mapping[str, Any]) -> frozenset[str]:
    """Return the passthrough options of a body that an error message names, as whole words."""
    options = body.get("provider", {}).get("options", {})
    sent = {key for keys in options.values() for key in (keys[WRAPPER] if _is_wrapped(keys) else keys)}
    return frozenset(key for key in sent if re.search(rf"(?<![\w-]){re.escape(key)}(?![\w-])", message))


def _is_wrapped(keys: Mapping[str, Any]) -> bool:
    return list(keys) == [WRAPPER] and isinstance(keys[WRAPPER], Mapping)


def unknown_slugs(request: VideoRequest, chosen: Iterable[str]) -> list[Problem]:
    """Find option slugs that no table knows: a misspelt slug would be ignored without a word."""
    known = {EVERY_PROVIDER, *PROVIDER_SLUGS.values(), *chosen}
    known |= {slug.removesuffix(NESTED_SUFFIX) for slug in request.provider_slugs.values()}
    problems = []
    for slug in request.provider_options:
        if slug in known:
            continue
        near = ALSO_CALLED.get(slug) or next(iter(nearest(slug, known - {EVERY_PROVIDER})), None)
        hint = f"did you mean {near!r}? " if near else ""
        listed = ", ".join(sorted(known - {EVERY_PROVIDER}))
        message = f"unknown provider slug {shown(slug)}; {hint}known are {listed}, and '*' for every model; "
        problems.append(Problem("provider_options", message + "provider_slugs says which model has a slug of its own"))
    return problems


def unused_slugs(request: VideoRequest, chosen: Iterable[str | None]) -> list[str]:
    """Warn of options for a known provider that serves none of the chosen models."""
    wanted = {EVERY_PROVIDER, *chosen}
    return [
        f"the options for the provider {slug} are not used: none of the chosen models is served under it"
        for slug in request.provider_options
        if slug not in wanted
    ]


def _unsupported(key: str, model: VideoModel, slug: str | None, rejected: frozenset[str]) -> LeftOut | None:
    allowed = [name for name in model.passthrough_options if name not in rejected]
    if slug is None:
        reason = f"the provider slug of {model.id} is not known; say it with provider_slugs"
        return LeftOut(key=key, reason=reason)
    if key in allowed:
        return None
    if key in model.passthrough_options:
        return LeftOut(key=key, reason=f"{model.id} lists it, but the API refused it")
    near = next(iter(nearest(key, allowed)), None)
    listed = "allows no passthrough options" if not allowed else f"allows {', '.join(allowed)}"
    if unread := model.unreadable.get("allowed_passthrough_parameters"):
        listed = f"{listed}, and lists what cannot be read: {', '.join(unread[:MOST_SHOWN])}"
    return LeftOut(key=key, reason=f"not allowed: {model.id} {listed}", suggestion=near)


def _apply_policy(
    policy: OnUnsupported,
    model: VideoModel,
    slug: str | None,
    own: Mapping[str, JsonValue],
    bad: tuple[LeftOut, ...],
) -> Passthrough:
    names = ", ".join(option.key for option in bad)
    kept = {key: value for key, value in own.items() if key not in {option.key for option in bad}}
    dropped = tuple(LeftOut(key=key, reason=f"allowed, but left out together with {names}") for key in kept)
    if policy is OnUnsupported.drop:
        note = f"sent without {names}, by policy drop"
        return Passthrough(slug, {slug: kept} if slug and kept else {}, bad, (note,))
    if policy is OnUnsupported.fail:
        problems = tuple(
            Problem("provider_options", f"option {shown(option.key)}: {option.reason}{_hint(option)}", model.id)
            for option in bad
        )
        return Passthrough(slug, {}, (*bad, *dropped), problems=problems)
    if policy is OnUnsupported.skip:
        return Passthrough(slug, {}, (*bad, *dropped), (f"not run for {names}, by policy skip",), skip=True)
    note = f"fallback: the normalized request without options, for {names}"
    return Passthrough(slug, {}, (*bad, *dropped), (note,))


def _foreign(request: VideoRequest, slug: str | None, model: VideoModel) -> tuple[LeftOut, ...]:
    """Name the options that were meant for other providers, so that nobody believes they were sent here."""
    return tuple(
        LeftOut(
            key=f"{other}.{key}",
            reason=f"meant for the provider {other}; that of {model.id} is {slug or 'not known'}",
        )
        for other, keys in request.provider_options.items()
        if other not in {EVERY_PROVIDER, slug}
        for key in keys
    )


def _provider(slug: str | None) -> str:
    """Say the slug so that nobody takes the provider ``seed`` for the setting of that name."""
    return f"the provider {slug}" if slug else "its provider"


def _hint(option: LeftOut) -> str:
    return f"; did you mean {option.suggestion!r}?" if option.suggestion else ""

"""What the user wants: a prompt, settings, provider options, and the policy for options that a model lacks.

Pure: ``parse_request`` turns what a caller wrote into a value that is well-formed in itself, whatever the model.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Any

from pydantic import BaseModel, ConfigDict, JsonValue

from openrouter_video.elision import elide, elide_source, redact, source_name
from openrouter_video.errors import Problem, RequestRefused
from openrouter_video.request.settings import VideoSettings, parse_settings
from openrouter_video.text import shown

__all__ = [
    "EVERY_PROVIDER",
    "OnUnsupported",
    "ProviderOptions",
    "VideoRequest",
    "parse_request",
]

EVERY_PROVIDER = "*"
"""The slug under which options are meant for every model of a fan-out."""

ProviderOptions = dict[str, dict[str, JsonValue]]
"""Passthrough options by provider slug, as in OpenRouter's ``provider.options``; keys are plain, never nested."""

DEEPEST = 32
WRAPPER = "parameters"


class OnUnsupported(StrEnum):
    """What becomes of a model that does not allow one of the options given for it."""

    fallback = "fallback"
    drop = "drop"
    skip = "skip"
    fail = "fail"


class VideoRequest(BaseModel):
    """One prompt with its settings and options: everything that decides what is sent, except the model."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    prompt: str
    settings: VideoSettings = VideoSettings()
    provider_options: ProviderOptions = {}
    on_unsupported: OnUnsupported = OnUnsupported.fallback
    provider_slugs: dict[str, str] = {}

    @property
    def title(self) -> str:
        """What to call it: its prompt, else the name of what it works from; no secret of a URL is in it."""
        return redact(self.prompt) or next(map(source_name, self.settings.sources()), "")

    def asked(self) -> dict[str, Any]:
        """Return the request as asked, in JSON, short: what is compared, recorded and reported.

        Inline images and the secrets of URLs are replaced by their digest. What was not given is absent.
        """
        given: dict[str, Any] = {"prompt": self.prompt} if self.prompt else {}
        settings = self.settings.with_sources(elide_source).model_dump(mode="json", exclude_none=True)
        if settings:
            given["settings"] = settings
        if self.provider_options:
            given["provider_options"] = self.provider_options
            given["on_unsupported"] = self.on_unsupported.value
        if self.provider_slugs:
            given["provider_slugs"] = self.provider_slugs
        elided: dict[str, Any] = elide(given)
        return elided


def parse_request(
    prompt: str | None,
    settings: VideoSettings | Mapping[str, Any] | None = None,
    provider_options: Any = None,
    on_unsupported: str | None = OnUnsupported.fallback,
    provider_slugs: Mapping[str, str] | None = None,
) -> VideoRequest:
    """Turn what a caller wrote into a request that is well-formed in itself, whatever the model.

    Raises:
        RequestRefused: with one problem per thing to mend.
    """
    problems: list[Problem] = []
    parsed = parse_settings(settings, problems)
    options = _parse_options(provider_options, problems)
    policy = _parse_policy(on_unsupported, problems)
    slugs = _parse_slugs(provider_slugs, problems)
    prompt = (prompt or "").strip()
    if not prompt and not parsed.sources() and not (problems and _names_a_source(settings)):
        message = "the prompt is empty; say what the video should show, or give an image or a video to work from"
        problems.append(Problem("prompt", message))
    if "\0" in prompt:
        # Some would read on and some would stop there, and Prefect on PostgreSQL cannot record it at all.
        problems.append(Problem("prompt", "the prompt contains a NUL character (U+0000); remove it"))
    problems += _unsendable({"prompt": prompt, **parsed.model_dump(exclude_none=True), "provider_slugs": slugs})
    if problems:
        raise RequestRefused(problems)
    return VideoRequest(
        prompt=prompt,
        settings=parsed,
        provider_options=options,
        on_unsupported=policy,
        provider_slugs=slugs,
    )


def _names_a_source(settings: object) -> bool:
    """Whether settings say what to work from that cannot be read, for whatever reason."""
    names = ("first_frame", "last_frame", "input_references", "previous_job_id")
    return isinstance(settings, Mapping) and any(settings.get(name) for name in names)


def _parse_options(given: object, problems: list[Problem]) -> ProviderOptions:
    """Unwrap ``parameters`` and drop what is null: the planner nests again where the provider wants it."""
    shape = 'an object of objects by provider slug, such as {"google-vertex": {"negativePrompt": "text"}}'
    if given is None:
        return {}
    if not isinstance(given, Mapping):
        problems.append(Problem("provider_options", f"provider options must be {shape}; got {_kind(given)}"))
        return {}
    options: ProviderOptions = {}
    for slug, keys in given.items():
        if keys is None:
            continue
        if not isinstance(keys, Mapping):
            message = f"the options for {shown(slug)} must be an object of option names and values; got {_kind(keys)}"
            problems.append(Problem("provider_options", message))
            continue
        plain = _unwrap(slug, keys, problems)
        bad = _unsendable({f"option {shown(key)} for {shown(slug)}": value for key, value in plain.items()})
        bad += _unsendable({f"the name of option {shown(key)} for {shown(slug)}": str(key) for key in plain})
        problems += [problem._replace(field="provider_options") for problem in bad]
        if plain and not bad:
            # By way of JSON: what is compared and recorded is what will be sent.
            options[str(slug)] = json.loads(json.dumps(plain))
    return options


def _unwrap(slug: str, keys: Mapping[str, Any], problems: list[Problem]) -> dict[str, Any]:
    """Return one provider's options without a ``parameters`` object around them, and without nulls."""
    inner = keys.get(WRAPPER)
    if not isinstance(inner, Mapping):
        return {key: value for key, value in keys.items() if value is not None}
    plain = {key: value for key, value in inner.items() if value is not None}
    for key, value in keys.items():
        if key != WRAPPER and value is not None and plain.setdefault(key, value) != value:
            message = f"option {shown(key)} for {shown(slug)} has one value inside {WRAPPER!r} and another beside it"
            problems.append(Problem("provider_options", f"{message}; give it once"))
    return plain


def _unsendable(values: Mapping[str, Any]) -> list[Problem]:
    """Find what cannot be written as JSON in UTF-8: it would break off the run when it is recorded or sent."""
    problems = []
    for field, value in values.items():
        try:
            json.dumps(value, allow_nan=False, ensure_ascii=False).encode()
            why = "" if _is_portable(value) else "lists and objects go 32 deep at most, and whole numbers have 64 bits"
        except (TypeError, ValueError):
            why = "text must be UTF-8 and numbers finite"
        except RecursionError:
            why = "lists and objects go 32 deep at most"
        if why:
            problems.append(Problem(field, f"{field} cannot be written as JSON: {shown(value)}; {why}"))
    return problems


def _is_portable(value: object, depth: int = DEEPEST) -> bool:
    """Whether other programs can read a value as it is written: Prefect's own server takes no more either."""
    if isinstance(value, Mapping | list | tuple):
        items = value.values() if isinstance(value, Mapping) else value
        return depth > 0 and all(_is_portable(item, depth - 1) for item in items)
    return not isinstance(value, int) or -(2**63) <= value < 2**63


def _parse_slugs(given: object, problems: list[Problem]) -> dict[str, str]:
    slugs = given or {}
    if isinstance(slugs, Mapping) and all(isinstance(part, str) and part for pair in slugs.items() for part in pair):
        return dict(slugs)
    message = 'provider_slugs must be an object of slugs by model id, such as {"alibaba/wan-3.*": "alibaba"}'
    problems.append(Problem("provider_slugs", f"{message}; got {shown(given)}"))
    return {}


def _parse_policy(given: str | None, problems: list[Problem]) -> OnUnsupported:
    try:
        return OnUnsupported(OnUnsupported.fallback if given is None else given)
    except ValueError:
        allowed = ", ".join(policy.value for policy in OnUnsupported)
        problems.append(Problem("on_unsupported", f"on_unsupported cannot be {shown(given)}; it is one of {allowed}"))
        return OnUnsupported.fallback


def _kind(value: object) -> str:
    if isinstance(value, str):
        return f"the text {shown(value)}"
    return "a list" if isinstance(value, Sequence) else shown(value)

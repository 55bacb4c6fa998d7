"""What the user wants: a prompt, settings, provider options, and the policy for options that a model lacks.

Pure: ``parse_request`` turns what a caller wrote into a value that is well-formed in itself, whatever the model.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Any

from pydantic import BaseModel, ConfigDict, JsonValue, ValidationError

from openrouter_video.errors import Problem, RequestRefused
from openrouter_video.settings import VideoSettings

__all__ = [
    "EVERY_PROVIDER",
    "OnUnsupported",
    "ProviderOptions",
    "VideoRequest",
    "elide_data_urls",
    "parse_request",
]

EVERY_PROVIDER = "*"
"""The slug under which options are meant for every model of a fan-out."""

ProviderOptions = dict[str, dict[str, JsonValue]]
"""Passthrough options by provider slug, as in OpenRouter's ``provider.options``; keys are plain, never nested."""

WRAPPER = "parameters"
MAX_PROMPT_IN_MESSAGE = 60


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

    def asked(self) -> dict[str, Any]:
        """Return the request as asked, in JSON, short: what is compared, recorded and reported.

        Inline images are replaced by their digest. What was not given is absent.
        """
        given: dict[str, Any] = {"prompt": self.prompt}
        settings = self.settings.model_dump(mode="json", exclude_none=True)
        if settings:
            given["settings"] = settings
        if self.provider_options:
            given["provider_options"] = self.provider_options
            given["on_unsupported"] = self.on_unsupported.value
        if self.provider_slugs:
            given["provider_slugs"] = self.provider_slugs
        elided: dict[str, Any] = elide_data_urls(given)
        return elided


def elide_data_urls(value: Any) -> Any:
    """Return JSON with every ``data:`` URL replaced by its media type, digest and length: records stay small."""
    if isinstance(value, str) and value[:5].lower() == "data:":
        media_type = value[5:].split(",", 1)[0].split(";", 1)[0][:40]
        digest = hashlib.sha256(value.encode()).hexdigest()
        return f"data:{media_type};sha256={digest};length={len(value)}"
    if isinstance(value, Mapping):
        return {key: elide_data_urls(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [elide_data_urls(item) for item in value]
    return value


def parse_request(
    prompt: str,
    settings: VideoSettings | Mapping[str, Any] | None = None,
    provider_options: Any = None,
    on_unsupported: str = OnUnsupported.fallback,
    provider_slugs: Mapping[str, str] | None = None,
) -> VideoRequest:
    """Turn what a caller wrote into a request that is well-formed in itself, whatever the model.

    Raises:
        RequestRefused: with one problem per thing to mend.
    """
    problems: list[Problem] = []
    parsed = _parse_settings(settings, problems)
    options = _parse_options(provider_options, problems)
    policy = _parse_policy(on_unsupported, problems)
    if not prompt.strip():
        problems.append(Problem("prompt", "the prompt is empty; say what the video should show"))
    problems += _contradictions(parsed)
    if problems:
        raise RequestRefused(problems)
    return VideoRequest(
        prompt=prompt.strip(),
        settings=parsed,
        provider_options=options,
        on_unsupported=policy,
        provider_slugs=dict(provider_slugs or {}),
    )


def _parse_settings(settings: VideoSettings | Mapping[str, Any] | None, problems: list[Problem]) -> VideoSettings:
    if isinstance(settings, VideoSettings):
        return settings
    try:
        return VideoSettings.model_validate(settings or {})
    except ValidationError as error:
        known = ", ".join(VideoSettings.model_fields)
        for detail in error.errors(include_url=False, include_context=False):
            field = ".".join(str(part) for part in detail["loc"]) or "settings"
            if detail["type"] == "extra_forbidden":
                message = f"settings has no field {field!r}; it has {known}"
            else:
                message = f"{field} cannot be {str(detail['input'])[:80]!r}: {detail['msg'].lower()}"
            problems.append(Problem(field, message))
        return VideoSettings()


def _parse_options(given: Any, problems: list[Problem]) -> ProviderOptions:
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
            message = f"the options for {slug!r} must be an object of option names and values; got {_kind(keys)}"
            problems.append(Problem("provider_options", message))
            continue
        inner = keys.get(WRAPPER)
        plain = {**{k: v for k, v in keys.items() if k != WRAPPER}, **inner} if isinstance(inner, Mapping) else keys
        options[str(slug)] = {str(key): value for key, value in plain.items() if value is not None}
    return {slug: keys for slug, keys in options.items() if keys}


def _parse_policy(given: str, problems: list[Problem]) -> OnUnsupported:
    try:
        return OnUnsupported(given)
    except ValueError:
        allowed = ", ".join(policy.value for policy in OnUnsupported)
        problems.append(Problem("on_unsupported", f"on_unsupported cannot be {given!r}; it is one of {allowed}"))
        return OnUnsupported.fallback


def _contradictions(settings: VideoSettings) -> list[Problem]:
    """Find what the API would reject, or take in part without a word, for any model."""
    problems = []
    if settings.size and (settings.resolution or settings.aspect_ratio):
        other = " and ".join(name for name in ("resolution", "aspect_ratio") if getattr(settings, name))
        problems.append(Problem("size", f"size {settings.size!r} says the same as {other}; give one or the other"))
    if settings.size and not _is_size(settings.size):
        message = f"size {settings.size!r} is not WIDTHxHEIGHT in pixels, such as 1280x720"
        problems.append(Problem("size", message))
    if settings.input_references and (settings.first_frame or settings.last_frame):
        message = "frames win over input_references, which would be ignored but are not free; give one or the other"
        problems.append(Problem("input_references", message))
    if settings.callback_url and not settings.callback_url.startswith("https://"):
        problems.append(Problem("callback_url", f"callback_url {settings.callback_url!r} must begin with https://"))
    for index, reference in enumerate(settings.input_references or ()):
        if reference.type != "image_url" and not reference.url.startswith("https://"):
            message = f"input_references[{index}] is {reference.type}, for which only https:// URLs are allowed"
            problems.append(Problem("input_references", f"{message}; got {reference.url[:80]!r}"))
    return problems


def _is_size(size: str) -> bool:
    width, separator, height = size.partition("x")
    return separator == "x" and width.isdecimal() and height.isdecimal()


def _kind(value: object) -> str:
    if isinstance(value, str):
        return f"the text {value[:MAX_PROMPT_IN_MESSAGE]!r}"
    return "a list" if isinstance(value, Sequence) else f"{value!r}"[:MAX_PROMPT_IN_MESSAGE]

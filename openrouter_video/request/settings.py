"""The normalized fields of a video request, as OpenRouter names them.

Pure values. The two frames have fields of their own, because a form and a command line ask for them by name.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Annotated, Any, Literal, Self, TypeVar

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    JsonValue,
    ValidationError,
    ValidationInfo,
    WithJsonSchema,
    field_validator,
)

from openrouter_video.api import https_problem, is_local_http
from openrouter_video.elision import redact
from openrouter_video.errors import Problem
from openrouter_video.form import Tabs
from openrouter_video.outcome import Outcome
from openrouter_video.stores import LONGEST_SIGNATURE_SECONDS
from openrouter_video.text import LONGEST_VALUE_IN_MESSAGE, nearest, shown

__all__ = [
    "JSON_EDITOR",
    "LONGEST_SIGNED_SECONDS",
    "MORE_SECONDS",
    "InputReference",
    "VideoSettings",
    "needs_signature",
    "parse_settings",
]

JSON_EDITOR = WithJsonSchema({})
"""Gives an optional object a JSON editor in Prefect's form, which otherwise has nothing to type it into.

The schema says nothing, since null must pass and "object or null" gets tabs without an editor.
"""

# What the models of the day list, for a form to offer; any other text is taken too.
ASPECT_RATIOS = ("16:9", "9:16", "1:1", "4:3", "3:4", "21:9", "9:21", "3:2", "2:3")
RESOLUTIONS = ("480p", "720p", "768p", "1080p", "2K", "4K")
UP_TO_THE_MODEL = "Up to each model"

MORE_SECONDS = 3 * 3600
"""For which a signed address holds beyond the deadline: a job may wait in OpenRouter's queue for two hours."""
LONGEST_SIGNED_SECONDS = LONGEST_SIGNATURE_SECONDS - MORE_SECONDS
"""The longest deadline that a signed address outlives by so much."""

_C = TypeVar("_C")


class InputReference(BaseModel):
    """A picture, sound or clip that guides the generation without being a frame of it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    type: Literal["image_url", "audio_url", "video_url"] = Field(
        default="image_url",
        description="What the reference is. Every model takes images; audio and video only some.",
        json_schema_extra={"position": 0},
    )
    url: str = Field(
        description="An https URL, or a path in a store, which must be able to sign one for a video or sound.",
        json_schema_extra={"position": 1},
    )

    @field_validator("url")
    @classmethod
    def _without_blanks(cls, value: str) -> str:
        """A form and a clipboard leave blanks around it."""
        return value.strip()


class VideoSettings(BaseModel):
    """The normalized fields of a video request; None means "not given" and is not sent."""

    # The title and the description are what Prefect's forms show.
    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        title="Set here",
        json_schema_extra={"description": "What is left open is up to each model."},
    )

    duration: Annotated[int | None, Tabs("Seconds", UP_TO_THE_MODEL)] = Field(
        default=None,
        ge=1,
        title="Duration (seconds)",
        description="Length of the video in whole seconds. Each model supports a list of its own.",
        json_schema_extra={"position": 0},
    )
    aspect_ratio: Annotated[str | None, Tabs("Other", UP_TO_THE_MODEL, ASPECT_RATIOS)] = Field(
        default=None,
        title="Aspect ratio",
        description="Such as 16:9, 9:16 or 1:1. Not together with size.",
        json_schema_extra={"position": 1},
    )
    resolution: Annotated[str | None, Tabs("Other", UP_TO_THE_MODEL, RESOLUTIONS)] = Field(
        default=None,
        title="Resolution",
        description="Such as 480p, 720p, 1080p or 4K. Not together with size.",
        json_schema_extra={"position": 2},
    )
    generate_audio: Annotated[bool | None, Tabs("Yes or no", UP_TO_THE_MODEL, (True, False))] = Field(
        default=None,
        title="Generate audio",
        description="Whether the video gets sound. Models differ in their default, so set it if it matters.",
        json_schema_extra={"position": 3},
    )
    seed: Annotated[int | None, Tabs("Number", "At random")] = Field(
        default=None,
        title="Seed",
        description="Starting point of the random numbers. The same seed does not guarantee the same video.",
        json_schema_extra={"position": 4},
    )
    first_frame: Annotated[str | None, Tabs("Image", "None")] = Field(
        default=None,
        title="First frame",
        description="The image that the video begins with: an https URL, a data: URL, or a path in any store.",
        json_schema_extra={"position": 5},
    )
    last_frame: Annotated[str | None, Tabs("Image", "None")] = Field(
        default=None,
        title="Last frame",
        description="The image that the video ends with: an https URL, a data: URL, or a path in any store.",
        json_schema_extra={"position": 6},
    )
    input_references: Annotated[tuple[InputReference, ...] | None, Tabs("List", "None")] = Field(
        default=None,
        title="Input references",
        description="Pictures, sounds or clips that guide the video. Not together with frames, which would win.",
        json_schema_extra={"position": 7},
    )
    previous_job_id: Annotated[str | None, Tabs("Job, key or file", "None")] = Field(
        default=None,
        title="Previous job",
        description="The finished video to continue or edit, of the same model: its job id, its ledger key, or its "
        "URL or path.",
        json_schema_extra={"position": 8},
    )
    upscale_factor: Annotated[float | None, Tabs("Number", UP_TO_THE_MODEL)] = Field(
        default=None,
        gt=0,
        allow_inf_nan=False,
        title="Upscale factor",
        description="How many times wider and higher the video becomes. Only of models that enlarge videos.",
        json_schema_extra={"position": 9},
    )
    creativity: Annotated[int | None, Tabs("Number", UP_TO_THE_MODEL)] = Field(
        default=None,
        title="Creativity",
        description="How freely details are added, from the model's list. Only of models that enlarge videos.",
        json_schema_extra={"position": 10},
    )
    size: Annotated[str | None, Tabs("Pixels", "By resolution and aspect ratio")] = Field(
        default=None,
        title="Exact size",
        description="Exact pixels as WIDTHxHEIGHT, such as 1280x720, instead of resolution and aspect ratio.",
        json_schema_extra={"position": 11},
    )
    callback_url: Annotated[str | None, Tabs("Address", "None")] = Field(
        default=None,
        title="Callback URL",
        description="An https address that OpenRouter calls when the job has ended.",
        json_schema_extra={"position": 12},
    )
    user: Annotated[str | None, Tabs("Name", "None")] = Field(
        default=None,
        title="User",
        description="Your own name for the end user, for OpenRouter's tracing.",
        json_schema_extra={"position": 13},
    )
    trace: Annotated[dict[str, JsonValue] | None, JSON_EDITOR] = Field(
        default=None,
        title="Trace",
        description="Your own tracing metadata as a JSON object, passed to OpenRouter as it is.",
        json_schema_extra={"position": 14},
    )

    @field_validator("previous_job_id", mode="before")
    @classmethod
    def _outcome_is_its_key(cls, value: object) -> object:
        """An outcome stands for its video, which the ledger knows by its key."""
        if not isinstance(value, Outcome):
            return value
        if value.job_id is None:
            raise ValueError(f"the outcome is {value.status}: it has no job to go on from")
        return value.key or value.job_id

    @field_validator(
        *("resolution", "aspect_ratio", "size", "first_frame", "last_frame", "previous_job_id", "callback_url", "user")
    )
    @classmethod
    def _blank_is_not_given(cls, value: str | None) -> str | None:
        """A form sends an emptied text box as an empty string."""
        return value.strip() or None if value is not None else None

    @field_validator("input_references", "trace")
    @classmethod
    def _empty_is_not_given(cls, value: _C | None) -> _C | None:
        """A form sends an emptied list as an empty list."""
        return value or None

    @field_validator("duration", "seed", "upscale_factor", "creativity", mode="before")
    @classmethod
    def _no_booleans(cls, value: object, info: ValidationInfo) -> object:
        if isinstance(value, bool):
            kind = "number" if info.field_name == "upscale_factor" else "whole number"
            raise ValueError(f"it must be a {kind}, not true or false")  # noqa: TRY004 (pydantic wants ValueError)
        return value

    def with_sources(self, change: Callable[[str], str]) -> Self:
        """Return the same settings with every URL and path changed."""
        named = ("first_frame", "last_frame", "previous_job_id")
        given = {name: change(one) for name in named if (one := getattr(self, name))}
        references = self.input_references and tuple(
            reference.model_copy(update={"url": change(reference.url)}) for reference in self.input_references
        )
        return self.model_copy(update={**given, "input_references": references})

    def sources(self) -> tuple[str, ...]:
        """Return all that there is to work from besides a prompt, as it was written."""
        references = (reference.url for reference in self.input_references or ())
        return tuple(filter(None, (self.first_frame, self.last_frame, *references, self.previous_job_id)))

    def image_sources(self) -> dict[str, str]:
        """Return every image that the request refers to, by the field that names it."""
        named = {"first_frame": self.first_frame, "last_frame": self.last_frame}
        references = {
            f"input_references[{index}]": reference.url
            for index, reference in enumerate(self.input_references or ())
            if reference.type == "image_url"
        }
        return {field: source for field, source in named.items() if source is not None} | references

    def clip_sources(self) -> dict[str, InputReference]:
        """Return every video and sound that the request refers to, by the field that names it."""
        return {
            f"input_references[{index}]": reference
            for index, reference in enumerate(self.input_references or ())
            if reference.type != "image_url"
        }


def needs_signature(source: str) -> bool:
    """Whether a video or sound is given by a place in a store, which has to sign an address for it."""
    return re.match("https?://", source, re.IGNORECASE) is None


def parse_settings(settings: VideoSettings | Mapping[str, Any] | None, problems: list[Problem]) -> VideoSettings:
    """Turn what a caller wrote into settings that make sense for some model; adds to ``problems`` what does not."""
    parsed = settings if isinstance(settings, VideoSettings) else _validated(settings, problems)
    problems += _contradictions(parsed)
    return parsed


def _validated(settings: object, problems: list[Problem]) -> VideoSettings:
    if settings is not None and not isinstance(settings, Mapping):
        message = 'settings must be an object, such as {"duration": 4}'
        problems.append(Problem("settings", f"{message}; got {shown(settings)}"))
        return VideoSettings()
    try:
        return VideoSettings.model_validate(settings or {})
    except ValidationError as error:
        details = error.errors(include_url=False, include_context=False)
        problems += [_settings_problem(one["type"], one["loc"], one["input"], one["msg"]) for one in details]
        return VideoSettings()


def _settings_problem(kind: str, place: tuple[int | str, ...], given: object, said: str) -> Problem:
    """Put one complaint of pydantic into words that name the field, the value and what is allowed."""
    # A field whose name is not text has no place either.
    parents, name = place[:-1], str(place[-1]) if place else "settings"
    inside = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in parents).lstrip(".")
    field = redact(f"{inside}.{name}" if inside else name)[:LONGEST_VALUE_IN_MESSAGE]
    if kind == "extra_forbidden":
        known = list((InputReference if inside else VideoSettings).model_fields)
        hint = "".join(f"did you mean {near}? " for near in nearest(name, known))
        return Problem(field, f"{inside or 'settings'} has no field {shown(name)}; {hint}it has {', '.join(known)}")
    if kind == "missing":
        return Problem(field, f"{field} is missing")
    why = said.removeprefix("Value error, ").replace("Input should", "it should", 1)
    return Problem(field, f"{field} cannot be {shown(given)}: {why}")


def _contradictions(settings: VideoSettings) -> list[Problem]:
    """Find what the API would reject, or take in part without a word, for any model."""
    problems = []
    if settings.size and (settings.resolution or settings.aspect_ratio):
        other = " and ".join(name for name in ("resolution", "aspect_ratio") if getattr(settings, name))
        problems.append(Problem("size", f"size {shown(settings.size)} says the same as {other}; give one or the other"))
    if settings.size and not _is_size(settings.size):
        message = f"size {shown(settings.size)} is not WIDTHxHEIGHT in pixels, such as 1280x720"
        problems.append(Problem("size", message))
    if settings.input_references and (settings.first_frame or settings.last_frame):
        message = "input_references are ignored beside frames, but they are paid for; give one or the other"
        problems.append(Problem("input_references", message))
    if settings.callback_url and (why := https_problem(settings.callback_url)):
        message = f"callback_url {shown(settings.callback_url)} {why}; give an https address that OpenRouter can call"
        problems.append(Problem("callback_url", message))
    for field, reference in settings.clip_sources().items():
        is_data = reference.url[:5].lower() == "data:"
        why = "is taken for images only" if is_data else https_problem(reference.url)
        # Whether an address on this machine can be reached hangs on the API, which is not known here.
        if why and (is_data or not needs_signature(reference.url)) and not is_local_http(reference.url):
            message = (
                f"{field} is {reference.type}: {shown(reference.url)} {why}; give an https URL, or a path in a store"
            )
            problems.append(Problem("input_references", message))
    return problems


def _is_size(size: str) -> bool:
    width, separator, height = size.partition("x")
    return separator == "x" and width.isdecimal() and height.isdecimal()

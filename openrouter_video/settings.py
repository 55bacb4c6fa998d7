"""The normalized fields of a video request, as OpenRouter names them.

Pure values. The two frames have fields of their own, because a form and a command line ask for them by name.
"""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue, field_validator

__all__ = ["InputReference", "VideoSettings"]


class InputReference(BaseModel):
    """A picture, sound or clip that guides the generation without being a frame of it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    type: Literal["image_url", "audio_url", "video_url"] = Field(
        default="image_url",
        description="What the reference is. Every model takes images; audio and video only some.",
        json_schema_extra={"position": 0},
    )
    url: str = Field(
        description="An https URL. An image may also be a data: URL or a path in any store.",
        json_schema_extra={"position": 1},
    )


class VideoSettings(BaseModel):
    """The normalized fields of a video request; None means "not given" and is not sent."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    duration: int | None = Field(
        default=None,
        ge=1,
        title="Duration (seconds)",
        description="Length of the video in whole seconds. Each model supports a list of its own.",
        json_schema_extra={"position": 0},
    )
    resolution: str | None = Field(
        default=None,
        description="Such as 480p, 720p, 1080p or 4K. Not together with size.",
        json_schema_extra={"position": 1},
    )
    aspect_ratio: str | None = Field(
        default=None,
        title="Aspect ratio",
        description="Such as 16:9, 9:16 or 1:1. Not together with size.",
        json_schema_extra={"position": 2},
    )
    size: str | None = Field(
        default=None,
        description="Exact pixels as WIDTHxHEIGHT, such as 1280x720, instead of resolution and aspect ratio.",
        json_schema_extra={"position": 3},
    )
    generate_audio: bool | None = Field(
        default=None,
        title="Generate audio",
        description="Whether the video gets sound. Models differ in their default, so say it if you care.",
        json_schema_extra={"position": 4},
    )
    seed: int | None = Field(
        default=None,
        description="Starting point of the random numbers. The same seed does not guarantee the same video.",
        json_schema_extra={"position": 5},
    )
    first_frame: str | None = Field(
        default=None,
        title="First frame",
        description="The image that the video begins with: an https URL, a data: URL, or a path in any store.",
        json_schema_extra={"position": 6},
    )
    last_frame: str | None = Field(
        default=None,
        title="Last frame",
        description="The image that the video ends with: an https URL, a data: URL, or a path in any store.",
        json_schema_extra={"position": 7},
    )
    input_references: tuple[InputReference, ...] | None = Field(
        default=None,
        title="Input references",
        description="Pictures, sounds or clips that guide the video. Not together with frames, which would win.",
        json_schema_extra={"position": 8},
    )
    callback_url: str | None = Field(
        default=None,
        title="Callback URL",
        description="An https address that OpenRouter calls when the job has ended.",
        json_schema_extra={"position": 9},
    )
    user: str | None = Field(
        default=None,
        description="Your own name for the end user, for OpenRouter's tracing.",
        json_schema_extra={"position": 10},
    )
    trace: dict[str, JsonValue] | None = Field(
        default=None,
        description="Your own tracing metadata, passed to OpenRouter as it is.",
        json_schema_extra={"position": 11},
    )

    @field_validator("resolution", "aspect_ratio", "size", "first_frame", "last_frame", "callback_url", "user")
    @classmethod
    def _blank_is_not_given(cls, value: str | None) -> str | None:
        """A form sends an emptied text box as an empty string."""
        return value.strip() or None if value is not None else None

    @field_validator("duration", "seed", mode="before")
    @classmethod
    def _no_booleans(cls, value: object) -> object:
        if isinstance(value, bool):
            raise ValueError("must be a whole number, not true or false")  # noqa: TRY004 (pydantic wants ValueError)
        return value

    def image_sources(self) -> dict[str, str]:
        """Return every image that the request refers to, by the field that names it."""
        named = {"first_frame": self.first_frame, "last_frame": self.last_frame}
        references = {
            f"input_references[{index}]": reference.url
            for index, reference in enumerate(self.input_references or ())
            if reference.type == "image_url"
        }
        return {field: source for field, source in named.items() if source is not None} | references

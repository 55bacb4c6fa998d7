"""The models that OpenRouter offers, and what each one supports.

The list drifts weekly (models vanish, capability lists change), so every list is an open set, unknown fields are
ignored, and only an answer that is no list of models at all is an error.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import Annotated, Any

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    ValidationError,
    ValidatorFunctionWrapHandler,
    field_validator,
)

from openrouter_video.errors import ConfigurationError

__all__ = ["Catalog", "VideoModel", "nearest", "parse_catalog"]


def _only(kind: type) -> BeforeValidator:
    """Keep the items of a list that are of this kind: an item of a new kind must not hide those that are known."""
    return BeforeValidator(
        lambda value: [item for item in value if type(item) is kind] if isinstance(value, list) else value
    )


Texts = Annotated[tuple[str, ...], _only(str)]
Seconds = Annotated[tuple[int, ...], _only(int)]


class VideoModel(BaseModel):
    """One entry of ``GET /videos/models``; None means that the entry does not say."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    id: str
    canonical_slug: str | None = None
    name: str | None = None
    created: int | None = None
    supported_resolutions: Texts | None = None
    supported_aspect_ratios: Texts | None = None
    supported_sizes: Texts | None = None
    supported_durations: Seconds | None = None
    supported_frame_images: Texts | None = None
    generate_audio: bool | None = None
    seed: bool | None = None
    allowed_passthrough_parameters: Texts | None = None
    pricing_skus: dict[str, str] | None = None

    @field_validator("canonical_slug", "name", "created", "generate_audio", "seed", "pricing_skus", mode="wrap")
    @classmethod
    def _unreadable_is_unsaid(cls, value: Any, read: ValidatorFunctionWrapHandler) -> Any:
        """A new way to write what no decision hangs on must not hide the model."""
        try:
            return read(value)
        except ValidationError:
            return None

    @field_validator("id")
    @classmethod
    def _printable(cls, value: str) -> str:
        """An id ends up in paths, logs and terminals; one with control characters is no model of ours."""
        if not value.isprintable() or not value.strip():
            raise ValueError("a model id must be printable")
        return value

    @property
    def durations(self) -> tuple[int, ...]:
        """Supported lengths in seconds, sorted; the API does not sort them."""
        return tuple(sorted(self.supported_durations or ()))

    @property
    def passthrough_options(self) -> tuple[str, ...]:
        """Names that may be sent in ``provider.options``; empty where the model allows none."""
        return self.allowed_passthrough_parameters or ()

    @property
    def takes_plain_prompt(self) -> bool:
        """Whether a prompt alone is enough.

        Editors, upscalers and avatars share the list and nothing in their entry says so; that they list no durations
        is the one hint (recorded for all four of them).
        """
        return self.supported_durations is not None


class Catalog(BaseModel):
    """The models offered at one moment, newest first, as the API lists them."""

    model_config = ConfigDict(frozen=True)

    models: tuple[VideoModel, ...]
    unreadable: tuple[str, ...] = ()

    def get(self, model_id: str) -> VideoModel | None:
        """Return the model of that id, or None."""
        return next((model for model in self.models if model.id == model_id), None)

    def nearest_ids(self, model_id: str, count: int = 3) -> list[str]:
        """Return up to ``count`` ids that look like the one given, or contain it.

        A dated canonical slug leads to its model.
        """
        dated = [model.id for model in self.models if model.canonical_slug == model_id]
        ids = [model.id for model in self.models]
        within = [one for one in ids if _plain(model_id) and _plain(model_id) in _plain(one)]
        return dated or nearest(model_id, ids, count) or within[:count]


def parse_catalog(payload: Any) -> Catalog:
    """Parse the body of ``GET /videos/models``.

    One entry that cannot be read does not hide the others: its id is kept in ``unreadable``.

    Raises:
        ConfigurationError: if this is no list of video models.
    """
    entries = payload.get("data") if isinstance(payload, dict) else None
    if not isinstance(entries, list):
        raise ConfigurationError(
            f"the list of video models should be an object with a list under 'data'; got {_shape(payload)}. "
            "Is the base URL that of OpenRouter's API, such as https://openrouter.ai/api/v1?"
        )
    models, unreadable = [], []
    for entry in entries:
        try:
            models.append(VideoModel.model_validate(entry))
        except ValidationError:
            unreadable.append(str(entry.get("id") if isinstance(entry, dict) else entry)[:100])
    if entries and not models:
        raise ConfigurationError(f"none of the {len(entries)} entries in the list of video models could be read")
    return Catalog(models=tuple(models), unreadable=tuple(unreadable))


def nearest(word: str, allowed: Iterable[str], count: int = 1) -> list[str]:
    """Return up to ``count`` of the allowed words that look most like the one given, best first.

    Case, dashes, dots and underscores do not count, so ``negative_prompt`` leads to ``negativePrompt``.
    """
    by_form: dict[str, str] = {}
    for candidate in allowed:
        by_form.setdefault(_plain(candidate), candidate)
    return [by_form[form] for form in difflib.get_close_matches(_plain(word), by_form, n=count, cutoff=0.6)]


def _plain(word: str) -> str:
    return "".join(character for character in word.casefold() if character not in "-_. ")


def _shape(payload: Any) -> str:
    if isinstance(payload, dict):
        return "an object with " + (", ".join(repr(key) for key in list(payload)[:5]) or "no keys")
    return {"list": "a bare list", "str": "text", "NoneType": "nothing"}.get(type(payload).__name__, "something else")

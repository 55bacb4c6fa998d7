"""The models that OpenRouter offers, and what each one supports.

The list drifts weekly (models vanish, capability lists change), so every list is an open set, unknown fields are
ignored, and only an answer that is not a list of models at all is an error.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from datetime import date
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, ValidationError, ValidatorFunctionWrapHandler, field_validator

from openrouter_video.errors import ApiUnavailable, ConfigurationError
from openrouter_video.text import letters_only, nearest

__all__ = ["Catalog", "Needs", "VideoModel", "parse_catalog", "with_plain_list"]


WHOLE_NUMBER = re.compile(r"\+?([0-9]{1,9})(\.0*)?")
LONGEST_VALUE_SHOWN = 40


def _text(item: object) -> str | None:
    return item if isinstance(item, str) else None


def _seconds(item: object) -> int | None:
    """Read a whole number above zero in any form: 4, 4.0 (an integer by JSON Schema), "4"."""
    written = re.fullmatch(WHOLE_NUMBER, str(item).strip()) if type(item) in {int, float, str} else None
    return int(written[1]) or None if written else None


def _level(item: object) -> int | None:
    """Read a whole number, zero too, in any form."""
    return 0 if str(item).strip() in {"0", "0.0"} and type(item) is not bool else _seconds(item)


READERS: Mapping[str, Callable[[object], str | int | None]] = {
    "supported_resolutions": _text,
    "supported_aspect_ratios": _text,
    "supported_sizes": _text,
    "supported_durations": _seconds,
    "supported_frame_images": _text,
    "allowed_passthrough_parameters": _text,
    "creativity": _level,
    "input_modalities": _text,
}


Needs = Literal["nothing", "image", "video", "audio", "input"]
"""What a model must be given besides a prompt; ``input``: something, and the API does not say what."""


class VideoModel(BaseModel):
    """One entry of ``GET /videos/models``; None means that the entry does not say.

    ``input_modalities`` and ``expiration_date``, the day after which it may be removed, stand in the plain list of
    models, ``GET /models``, and are None where that could not be read.
    ``upscale_factor``: the least and the most.
    ``unreadable`` holds by field what a list has besides, in a form that nobody here knows: it must not hide what is
    known, and it is not nothing either.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    id: str
    canonical_slug: str | None = None
    name: str | None = None
    created: int | None = None
    supported_resolutions: tuple[str, ...] | None = None
    supported_aspect_ratios: tuple[str, ...] | None = None
    supported_sizes: tuple[str, ...] | None = None
    supported_durations: tuple[int, ...] | None = None
    supported_frame_images: tuple[str, ...] | None = None
    generate_audio: bool | None = None
    seed: bool | None = None
    upscale_factor: tuple[float, float] | None = None
    creativity: tuple[int, ...] | None = None
    input_modalities: tuple[str, ...] | None = None
    allowed_passthrough_parameters: tuple[str, ...] | None = None
    pricing_skus: dict[str, str] | None = None
    expiration_date: date | None = None
    unreadable: dict[str, tuple[str, ...]] = {}

    @field_validator(
        "canonical_slug",
        "name",
        "created",
        "generate_audio",
        "seed",
        "upscale_factor",
        "pricing_skus",
        "expiration_date",
        mode="wrap",
    )
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
        """An id ends up in paths, logs and terminals; one with control characters is refused."""
        if not value.isprintable() or not value.strip():
            raise ValueError("a model id must be printable")
        return value

    @classmethod
    def read(cls, entry: Any) -> Self:
        """Read an entry as the API sends it.

        Raises:
            ValidationError: if it is none, or has no id.
        """
        if not isinstance(entry, dict):
            return cls.model_validate(entry)
        fields, unreadable = {key: value for key, value in entry.items() if key != "unreadable"}, {}
        for name, read in READERS.items():
            if isinstance(items := fields.get(name), list):
                read_items = [(item, read(item)) for item in items]
                fields[name] = list(dict.fromkeys(value for _, value in read_items if value is not None))
                if unread := [_written(item) for item, value in read_items if value is None]:
                    unreadable[name] = unread
        if isinstance(factor := fields.get("upscale_factor"), dict):
            fields["upscale_factor"] = _range(factor)
            if fields["upscale_factor"] is None:
                unreadable["upscale_factor"] = [_written(factor)]
        return cls.model_validate({**fields, "unreadable": unreadable})

    @property
    def durations(self) -> tuple[int, ...]:
        """Supported lengths in seconds, sorted; the API does not sort them."""
        return tuple(sorted(self.supported_durations or ()))

    @property
    def passthrough_options(self) -> tuple[str, ...]:
        """Names that may be sent in ``provider.options``; empty where the model allows none."""
        return self.allowed_passthrough_parameters or ()

    @property
    def continues(self) -> bool:
        """Whether its prices say that it continues earlier jobs; of one without such a price nobody knows."""
        return any("video_continuation" in name.lower() for name in self.pricing_skus or ())

    @property
    def needs(self) -> Needs:
        """What it must be given to work from; most need nothing but a prompt.

        Editors, upscalers and avatars share the list, and that they list no durations is what tells them apart
        (recorded for all four of them). What they work from is told by their modalities.
        """
        if self.supported_durations is not None:
            return "nothing"
        if self.upscale_factor is not None:
            return "video"
        kinds: tuple[Needs, ...] = ("video", "image", "audio")
        return next((kind for kind in kinds if kind in (self.input_modalities or ())), "input")


class Catalog(BaseModel):
    """The models offered at one moment, newest first, as the API lists them.

    ``sandbox``: whether a sandbox lists them, by its own word, so that nothing is billed.
    """

    model_config = ConfigDict(frozen=True)

    models: tuple[VideoModel, ...]
    unreadable: tuple[str, ...] = ()
    sandbox: bool = False

    def get(self, model_id: str) -> VideoModel | None:
        """Return the model of that id, or None."""
        return next((model for model in self.models if model.id == model_id), None)

    def lacks(self, model_ids: Iterable[str]) -> bool:
        """Whether one of these models is not in the list, or not readably: reason enough to fetch it afresh."""
        return any(self.get(model_id) is None for model_id in model_ids)

    def nearest_ids(self, model_id: str) -> list[str]:
        """Return up to three ids that look like the one given, or contain it.

        A dated canonical slug leads to its model.
        """
        dated = [model.id for model in self.models if model.canonical_slug == model_id]
        ids = [model.id for model in self.models]
        within = [one for one in ids if letters_only(model_id) and letters_only(model_id) in letters_only(one)]
        return dated or nearest(model_id, ids, 3) or within[:3]


def parse_catalog(payload: Any, *, sandbox: bool = False) -> Catalog:
    """Parse the body of ``GET /videos/models``; ``sandbox`` tells whether a sandbox sent it.

    One entry that cannot be read does not hide the others: its id is kept in ``unreadable``.

    Raises:
        ConfigurationError: if this is not a list of video models.
        ApiUnavailable: if it is one without any model that can be read, which is trouble of the API, not a catalog.
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
            models.append(VideoModel.read(entry))
        except ValidationError:
            unreadable.append(str(entry.get("id") if isinstance(entry, dict) else entry)[:100])
    if not models:
        what = f"none of its {len(entries)} entries can be read" if entries else "it is empty"
        raise ApiUnavailable(
            f"the API's list of video models cannot be used at this moment: {what}. Try again later; if it stays so, "
            "upgrade prefect-openrouter-video"
        )
    return Catalog(models=tuple(models), unreadable=tuple(unreadable), sandbox=sandbox)


def with_plain_list(catalog: Catalog, payload: Any) -> Catalog:
    """Return the catalog with what only ``GET /models`` tells, by its body: what models take, and how long they stay.

    What that does not tell is None.
    """
    entries = payload.get("data") if isinstance(payload, dict) else None
    told = {
        entry["id"]: _plainly(entry)
        for entry in (entries if isinstance(entries, list) else ())
        if isinstance(entry, dict) and isinstance(entry.get("id"), str)
    }
    models = [model.model_copy(update=told.get(model.id, {})) for model in catalog.models]
    return catalog.model_copy(update={"models": tuple(models)})


def _plainly(entry: Mapping[str, Any]) -> dict[str, Any]:
    """Return what can be read of an entry of the plain list."""
    told: dict[str, Any] = {}
    architecture, expires = entry.get("architecture"), entry.get("expiration_date")
    if isinstance(architecture, dict) and isinstance(modalities := architecture.get("input_modalities"), list):
        told["input_modalities"] = tuple(one for one in modalities if isinstance(one, str))
    if isinstance(expires, str):
        with suppress(ValueError):
            # A day; should it be a moment some time, its day.
            told["expiration_date"] = date.fromisoformat(expires[:10])
    return told


def _range(factor: Mapping[str, object]) -> tuple[float, float] | None:
    """Read the least and the most of something; None if they are not numbers, or the wrong way round."""
    try:
        least, most = (float(str(factor.get(end))) for end in ("min", "max"))
    except ValueError:
        return None
    return (least, most) if 0 < least <= most < math.inf else None


def _written(item: object) -> str:
    text = json.dumps(item)
    return text if len(text) <= LONGEST_VALUE_SHOWN else text[: LONGEST_VALUE_SHOWN - 1] + "…"


def _shape(payload: object) -> str:
    if isinstance(payload, dict):
        return "an object with " + (", ".join(repr(key) for key in list(payload)[:5]) or "no keys")
    return {"list": "a bare list", "str": "text", "NoneType": "nothing"}.get(type(payload).__name__, "something else")

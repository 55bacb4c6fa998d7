"""The body of a submit, read as the API reads it: what a valid one orders, or why it is refused. Pure.

Checks run in the API's order: the shape first (a ZodError, in its own envelope), then model, prompt, references and the
model's capabilities. Unknown fields and passthrough options are ignored without a word, as on OpenRouter.
"""

from __future__ import annotations

import json
from typing import Annotated, Literal, NamedTuple, get_args

from pydantic import BaseModel, ConfigDict, Field, JsonValue, ValidationError

from openrouter_video.sandbox.catalogue import Catalogue, Entry

__all__ = ["ODDITIES", "Oddity", "Order", "Refusal", "Scene", "read_order"]

Oddity = Literal["black", "frozen", "silent", "no_audio", "short", "small"]
"""What a whole video may be that nobody has asked for."""
ODDITIES: tuple[Oddity, ...] = get_args(Oddity)

_STEP: dict[str, JsonValue] = {"failed_routing_step": "Validate Video Parameters"}
_NULL = object()
_HERE = tuple(f"http://{host}{end}" for host in ("127.0.0.1", "localhost", "[::1]") for end in ":/")


class Refusal(NamedTuple):
    """A 400: its message, and the envelope's metadata; a ``schema`` refusal comes in the ZodError envelope."""

    message: str
    metadata: dict[str, JsonValue] | None = None
    schema: bool = False


class Scene(NamedTuple):
    """What decides every pixel and sample of a video; equal scenes give equal files.

    ``number`` tells apart several videos of one request; ``oddity``: what is wrong with it.
    """

    model: str
    prompt: str
    seconds: int
    width: int
    height: int
    audio: bool
    number: int = 1
    oddity: Oddity | None = None


class Order(BaseModel):
    """What a valid request makes the provider do, with the model's defaults filled in.

    ``seconds`` is the length of the clip, ``width`` and ``height`` are pixels of the rendered file. ``number``
    counts the orders of one request.
    """

    model_config = ConfigDict(frozen=True)

    model: str
    prompt: str
    seconds: int
    resolution: str
    width: int
    height: int
    audio: bool
    images: int = 0
    references: int = 0
    video_input: bool = False
    continues: bool = False
    creativity: int | None = None
    number: int = 1

    @property
    def scene(self) -> Scene:
        """What the video of this order shows."""
        return Scene(self.model, self.prompt, self.seconds, self.width, self.height, self.audio, self.number)


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, strict=True)


class _Url(_Strict):
    url: str


class _FrameImage(_Strict):
    type: Literal["image_url"]
    image_url: _Url
    frame_type: Literal["first_frame", "last_frame"]


class _ImageReference(_Strict):
    type: Literal["image_url"]
    image_url: _Url


class _AudioReference(_Strict):
    type: Literal["audio_url"]
    audio_url: _Url


class _VideoReference(_Strict):
    type: Literal["video_url"]
    video_url: _Url


_Reference = Annotated[_ImageReference | _AudioReference | _VideoReference, Field(discriminator="type")]


class _Provider(_Strict):
    options: dict[str, dict[str, JsonValue]] | None = None


class _Body(_Strict):
    model: str
    prompt: str | None = None
    duration: int | None = Field(default=None, ge=1)
    resolution: str | None = None
    aspect_ratio: str | None = None
    size: str | None = Field(default=None, pattern=r"^[1-9]\d{1,3}x[1-9]\d{1,3}$")
    generate_audio: bool | None = None
    seed: int | None = None
    frame_images: list[_FrameImage] = []
    input_references: list[_Reference] = []
    upscale_factor: float | None = None
    creativity: int | None = None
    previous_job_id: str | None = None
    callback_url: str | None = None
    provider: _Provider | None = None
    session_id: str | None = Field(default=None, max_length=256)
    user: str | None = None
    trace: dict[str, JsonValue] | None = None


def read_order(raw: dict[str, JsonValue], catalogue: Catalogue) -> Order | Refusal:
    """Turn a parsed JSON body into what it orders, or into the refusal that OpenRouter would send."""
    try:
        # The published schema makes fields optional but not nullable, so an explicit null is of the wrong type.
        body = _Body.model_validate({key: _NULL if value is None else value for key, value in raw.items()})
    except ValidationError as error:
        return Refusal(_zod_issues(error), schema=True)
    entry = catalogue.entries.get(body.model)
    if entry is None:
        return Refusal(f"{body.model} is not a valid model ID")
    return _missing_input(body, entry) or _bad_reference(body) or _unsupported(body, entry) or _order(body, entry)


def _zod_issues(error: ValidationError) -> str:
    issues = error.errors(include_url=False, include_context=False, include_input=False)
    return json.dumps([{"code": one["type"], "path": list(one["loc"]), "message": one["msg"]} for one in issues])


def _missing_input(body: _Body, entry: Entry) -> Refusal | None:
    # Not published word for word: editors, upscalers and avatars have no durations and work on a file; every other
    # model takes a prompt, which an image can replace.
    works_on_a_file = entry.supported_durations is None
    if works_on_a_file and not (body.input_references or body.frame_images or body.previous_job_id):
        return Refusal(f"{entry.id} requires an input reference", _STEP)
    if not body.prompt and not (works_on_a_file or body.frame_images or body.input_references):
        return Refusal("Prompt is required for this model", _STEP)
    return None


def _bad_reference(body: _Body) -> Refusal | None:
    places = [(f"frame_images[{n}].image_url.url", frame.image_url.url) for n, frame in enumerate(body.frame_images)]
    for n, reference in enumerate(body.input_references):
        target = getattr(reference, reference.type)
        places.append((f"input_references[{n}].{reference.type}.url", target.url))
    for place, url in places:
        image_data = ".image_url." in place and url.startswith("data:image/")
        if not image_data and not url.startswith("https://"):
            return Refusal(f"Invalid reference URL: {place}: Only HTTPS URLs are allowed")
    # Unlike OpenRouter's, this API can reach a receiver on this machine.
    if body.callback_url and not body.callback_url.startswith(("https://", *_HERE)):
        return Refusal("Invalid callback URL: Only HTTPS URLs are allowed")
    return None


def _unsupported(body: _Body, entry: Entry) -> Refusal | None:
    if body.size and (body.resolution or body.aspect_ratio):
        return Refusal("size cannot be combined with resolution or aspect_ratio", _STEP)
    frames = entry.supported_frame_images or ()
    frame = next((image.frame_type for image in body.frame_images if image.frame_type not in frames), None)
    asked = (
        ("Duration", "durations", body.duration and f"{body.duration}s", body.duration, entry.supported_durations),
        ("Resolution", "resolutions", body.resolution, body.resolution, entry.supported_resolutions),
        ("Aspect ratio", "aspect ratios", body.aspect_ratio, body.aspect_ratio, entry.supported_aspect_ratios),
        ("Size", "sizes", body.size, body.size, entry.supported_sizes),
        ("Frame type", "frame types", frame, frame, frames or ("none",)),
    )
    for label, plural, shown, value, allowed in asked:
        if value is not None and allowed is not None and value not in allowed:
            listed = ", ".join(str(one) for one in allowed)
            return Refusal(f"{label} {shown} is not supported for this model. Supported {plural}: {listed}", _STEP)
    return _unsupported_extra(body, entry)


def _unsupported_extra(body: _Body, entry: Entry) -> Refusal | None:
    allowed = {
        "upscale_factor": entry.upscale_factor is not None,
        "creativity": entry.creativity is not None,
        "previous_job_id": any("video_continuation" in sku for sku in entry.pricing_skus),
    }
    for field, supported in allowed.items():
        if getattr(body, field) is not None and not supported:
            return Refusal(f"{field} is not supported for this model", _STEP)
    return None


def _order(body: _Body, entry: Entry) -> Order:
    resolution = body.resolution or entry.default_resolution
    if body.size:
        width, height = (int(side) // 2 * 2 for side in body.size.split("x"))
        resolution = next((r for r in entry.supported_resolutions or () if r == f"{min(width, height)}p"), resolution)
        if min(width, height) == 2160:  # noqa: PLR2004 -- the one resolution that is not named by its lines
            resolution = "4K"
    else:
        width, height = entry.frame_size(resolution, body.aspect_ratio or entry.default_aspect_ratio)
    # "Defaults to the endpoint's generate_audio capability flag"; a model without sound stays silent whatever is asked.
    wants_audio = entry.generate_audio if body.generate_audio is None else body.generate_audio
    references = [reference.type for reference in body.input_references]
    return Order(
        model=entry.id,
        prompt=body.prompt or "",
        # The first of the list looks like the default: it is the only reason for Veo's [8, 4, 6].
        seconds=body.duration or (entry.supported_durations or (5,))[0],
        resolution=resolution,
        width=width,
        height=height,
        audio=bool(wants_audio) and entry.generate_audio is not False,
        images=len(body.frame_images) or references.count("image_url"),
        references=0 if body.frame_images else len(references),
        video_input="video_url" in references and not body.frame_images,
        continues=body.previous_job_id is not None,
        creativity=body.creativity,
    )

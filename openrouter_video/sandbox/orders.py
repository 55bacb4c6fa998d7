"""The body of a submit, read as the API reads it: what a valid one orders, or why it is refused. Pure.

Checks run in the API's order: the shape first (a ZodError, in its own envelope), then model, prompt, references and the
model's capabilities. Unknown fields and passthrough options are ignored without a word, as on OpenRouter.
"""

from __future__ import annotations

import json
import math
from typing import Annotated, Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, Field, JsonValue, ValidationError

from openrouter_video.sandbox.catalogue import Catalogue, Entry, Work
from openrouter_video.sandbox.inputs import Input
from openrouter_video.sandbox.scene import Scene
from openrouter_video.sandbox.this_machine import is_here

__all__ = ["Order", "Refusal", "previous_refusal", "read_order", "shaped"]

# What nobody has published: how fast an avatar speaks, and how large an unknown clip is.
_LETTERS_PER_SECOND = 15
_CLIP_SIZE = (1280, 720)
# 8 s of 2560x1440: an upscale by 2 of a common clip.
_MOST_PIXEL_SECONDS = 30_000_000
_MOST_SECONDS_SHOWN = 30
_STEP: dict[str, JsonValue] = {"failed_routing_step": "Validate Video Parameters"}
_NULL = object()


class Refusal(NamedTuple):
    """A 400: its message, and the envelope's metadata; a ``schema`` refusal comes in the ZodError envelope."""

    message: str
    metadata: dict[str, JsonValue] | None = None
    schema: bool = False


class Order(BaseModel):
    """What a valid request makes the provider do, with the model's defaults filled in.

    ``seconds`` is the length of the clip, ``width`` and ``height`` are its pixels. ``number`` counts the orders of one
    request. ``inputs`` are what it works from besides ``previous_job_id``. ``aspect_ratio`` is the one that an edit was
    asked to have.
    """

    model_config = ConfigDict(frozen=True)

    model: str
    prompt: str
    seconds: float
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
    work: Work = "generate"
    aspect_ratio: str | None = None
    upscale_factor: float = 1
    previous_job_id: str | None = None
    inputs: tuple[Input, ...] = ()

    @property
    def scene(self) -> Scene:
        """What its video shows, but for its inputs; one that is made of a clip is as large as is cheap to render."""
        width, height, seconds = self.width, self.height, self.seconds
        if self.work != "generate":
            seconds = min(seconds, _MOST_SECONDS_SHOWN)
            share = min(1.0, math.sqrt(_MOST_PIXEL_SECONDS / (width * height * seconds)))
            width, height = (max(16, round(side * share) // 2 * 2) for side in (width, height))
        return Scene(
            model=self.model,
            prompt=self.prompt,
            seconds=seconds,
            width=width,
            height=height,
            audio=self.audio,
            number=self.number,
            work=self.work,
            factor=self.upscale_factor,
        )


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
    order = _missing_input(body, entry) or _bad_reference(body) or _unsupported(body, entry) or _order(body, entry)
    return shaped(order, None) if isinstance(order, Order) else order


def _zod_issues(error: ValidationError) -> str:
    issues = error.errors(include_url=False, include_context=False, include_input=False)
    return json.dumps([{"code": one["type"], "path": list(one["loc"]), "message": one["msg"]} for one in issues])


def _missing_input(body: _Body, entry: Entry) -> Refusal | None:
    # Not published word for word, nor which editor can do without a prompt. Every other model takes a prompt, which
    # an input that it takes can replace.
    kinds = {reference.type.removesuffix("_url") for reference in body.input_references}
    video = "video" in kinds or body.previous_job_id is not None
    if entry.work in {"edit", "upscale"}:
        return None if video else Refusal(f"{entry.id} requires an input reference of type video_url", _STEP)
    if entry.work == "avatar":
        if "image" not in kinds and not body.frame_images:
            return Refusal(f"{entry.id} requires an input reference of type image_url", _STEP)
        spoken = body.prompt or "audio" in kinds
        return (
            None if spoken else Refusal(f"{entry.id} requires a prompt or an input reference of type audio_url", _STEP)
        )
    if not body.prompt and not (body.frame_images or kinds & {*entry.takes} or body.previous_job_id):
        return Refusal("Prompt is required for this model", _STEP)
    return None


def _bad_reference(body: _Body) -> Refusal | None:
    places = [(f"frame_images[{n}].image_url.url", frame.image_url.url) for n, frame in enumerate(body.frame_images)]
    for n, reference in enumerate(body.input_references):
        target = getattr(reference, reference.type)
        places.append((f"input_references[{n}].{reference.type}.url", target.url))
    for place, url in places:
        image_data = ".image_url." in place and url.startswith("data:image/")
        # Unlike OpenRouter's, this API can reach what is on this machine.
        if not image_data and not url.startswith("https://") and not is_here(url):
            return Refusal(f"Invalid reference URL: {place}: Only HTTPS URLs are allowed")
    if body.callback_url and not body.callback_url.startswith("https://") and not is_here(body.callback_url):
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
        "previous_job_id": entry.continues,
    }
    for field, supported in allowed.items():
        if getattr(body, field) is not None and not supported:
            return Refusal(f"{field} is not supported for this model", _STEP)
    # Neither is recorded: they are worded as those for durations are.
    factor, (least, most) = body.upscale_factor, entry.upscale_factors
    if factor is not None and not least <= factor <= most:
        return Refusal(
            f"Upscale factor {factor:g} is not supported for this model. Supported range: {least:g} to {most:g}", _STEP
        )
    if body.creativity is not None and body.creativity not in (entry.creativity or ()):
        listed = ", ".join(map(str, entry.creativity or ()))
        return Refusal(
            f"Creativity {body.creativity} is not supported for this model. Supported creativity levels: {listed}",
            _STEP,
        )
    return None


def _order(body: _Body, entry: Entry) -> Order:
    # What a model lists no choice of is no choice at all.
    resolution = (body.resolution if entry.supported_resolutions else None) or entry.default_resolution
    aspect_ratio = body.aspect_ratio if entry.supported_aspect_ratios else None
    if body.size:
        width, height = (int(side) // 2 * 2 for side in body.size.split("x"))
        resolution = next((r for r in entry.supported_resolutions or () if r == f"{min(width, height)}p"), resolution)
        if min(width, height) == 2160:  # noqa: PLR2004 -- the one resolution that is not named by its lines
            resolution = "4K"
    else:
        width, height = entry.frame_size(resolution, aspect_ratio or entry.default_aspect_ratio)
    # "Defaults to the endpoint's generate_audio capability flag"; a model without sound stays silent whatever is asked.
    wants_audio = entry.generate_audio if body.generate_audio is None else body.generate_audio
    inputs = _inputs(body, entry)
    references = [one.kind for one in inputs if one.role == "reference"]
    return Order(
        model=entry.id,
        prompt=body.prompt or "",
        # The first of the list looks like the default: it is the only reason for Veo's [8, 4, 6].
        seconds=body.duration or (entry.supported_durations or (5,))[0],
        resolution=resolution,
        width=width,
        height=height,
        audio=bool(wants_audio) and entry.generate_audio is not False,
        images=len(body.frame_images) or references.count("image"),
        references=len(references),
        video_input="video" in references,
        continues=body.previous_job_id is not None,
        creativity=body.creativity,
        work=entry.work,
        aspect_ratio=aspect_ratio if entry.work == "edit" else None,
        upscale_factor=body.upscale_factor or max(entry.upscale_factors[0], min(2, entry.upscale_factors[1])),
        previous_job_id=body.previous_job_id,
        inputs=inputs,
    )


def _inputs(body: _Body, entry: Entry) -> tuple[Input, ...]:
    """Frames win over references; of these, what the model does not take is ignored, as providers do."""
    if body.frame_images:
        return tuple(Input.at(frame.frame_type, "image", frame.image_url.url) for frame in body.frame_images)
    found = list[Input]()
    for reference in body.input_references:
        match reference:
            case _ImageReference():
                found.append(Input.at("reference", "image", reference.image_url.url))
            case _AudioReference() if "audio" in entry.takes:
                found.append(Input.at("reference", "audio", reference.audio_url.url))
            case _VideoReference() if "video" in entry.takes:
                found.append(Input.at("reference", "video", reference.video_url.url))
    return tuple(found)


def shaped(order: Order, previous: Order | None) -> Order:
    """The order of a model without durations, as long and as large as its input makes it.

    ``previous`` is the order of the job that it works on; of what is not known of an input, the default stands.
    """
    if order.work == "generate":
        return order
    if order.work == "avatar":
        voice = next((one.seconds for one in order.inputs if one.kind == "audio" and one.seconds), None)
        spoken = max(2.0, len(order.prompt) / _LETTERS_PER_SECOND)
        return order.model_copy(update={"seconds": round(voice or spoken, 3)})
    clip = previous or next((one for one in order.inputs if one.kind == "video"), None)
    if clip is None:
        return order
    seconds, width, height = clip.seconds or order.seconds, clip.width or _CLIP_SIZE[0], clip.height or _CLIP_SIZE[1]
    if order.aspect_ratio and order.work == "edit":
        across, down = (int(part) for part in order.aspect_ratio.split(":"))
        short = min(width, height)
        width, height = (short * across // down, short) if across > down else (short, short * down // across)
    if order.work == "upscale":
        width, height = (round(side * order.upscale_factor) for side in (width, height))
    return order.model_copy(
        update={"seconds": seconds, "width": max(2, width // 2 * 2), "height": max(2, height // 2 * 2)}
    )


def previous_refusal(order: Order, previous: Order | None, status: str, *, gone: bool) -> Refusal | None:
    """Why the job that ``previous_job_id`` names cannot be worked on; worded like a bad reference (a guess).

    A job of another account is not known to this one, so that its refusal is that of an unknown job.
    """
    if order.previous_job_id is None:
        return None
    why = None
    if previous is None:
        why = f"Job {order.previous_job_id} not found"
    elif previous.model != order.model:
        why = f"Job {order.previous_job_id} was generated by {previous.model}, not by {order.model}"
    elif status != "completed":
        why = f"Job {order.previous_job_id} is not completed (status: {status})"
    elif gone:
        why = f"The output of job {order.previous_job_id} is no longer available"
    return Refusal(f"Invalid previous_job_id: {why}") if why else None

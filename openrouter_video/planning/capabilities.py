"""Which normalized values a model can take, by its entry in the catalog.

Pure. A list that is null names no value to choose from, so a value for it is refused while another way to say the same
exists; a flag that is null says nothing, so the value is sent as asked, with a note.
"""

from __future__ import annotations

from collections.abc import Sequence

from openrouter_video.api import VideoModel
from openrouter_video.errors import Problem
from openrouter_video.request import VideoSettings
from openrouter_video.text import nearest, shown

__all__ = ["model_problems", "spans", "unchecked_notes"]

MOST_SHOWN = 5


def model_problems(settings: VideoSettings, model: VideoModel) -> list[Problem]:
    """Return one problem per value that the model cannot take, each with what is allowed and the nearest spelling."""
    found = [
        _duration(settings.duration, model),
        _choice("resolution", settings.resolution, model.supported_resolutions, model),
        _choice("aspect_ratio", settings.aspect_ratio, model.supported_aspect_ratios, model),
        _choice("size", settings.size, model.supported_sizes, model),
        _frame("first_frame", settings.first_frame, model),
        _frame("last_frame", settings.last_frame, model),
    ]
    found += [_upscale_factor(settings.upscale_factor, model), _creativity(settings.creativity, model)]
    if settings.generate_audio and model.generate_audio is False:
        found.append(Problem("generate_audio", "it makes silent videos only; leave audio off", model.id))
    if settings.seed is not None and model.seed is False:
        found.append(Problem("seed", "it does not take a seed; leave it out", model.id))
    return [problem for problem in found if problem is not None]


def unchecked_notes(settings: VideoSettings, model: VideoModel) -> tuple[str, ...]:
    """Name the values that are sent although the catalog does not say whether the model takes them."""
    silent = []
    if settings.generate_audio is not None and model.generate_audio is None:
        silent.append("generate_audio")
    if settings.seed is not None and model.seed is None:
        silent.append("seed")
    if settings.upscale_factor is not None and "upscale_factor" in model.unreadable:
        silent.append("upscale_factor")
    if settings.previous_job_id is not None and not model.continues:
        silent.append("previous_job_id")
    kinds = dict.fromkeys(reference.type for reference in settings.input_references or ())
    if not model.input_modalities:
        silent += [f"the {kind} reference" for kind in kinds if kind != "image_url" or model.needs == "input"]
    return tuple(f"{name} is sent as asked; the catalog does not say whether {model.id} follows it" for name in silent)


def _duration(asked: int | None, model: VideoModel) -> Problem | None:
    if asked is None or asked in model.durations:
        return None
    unread = _unread("supported_durations", model)
    if not model.durations:
        none = f"cannot be chosen: it {unread or 'lists none'}; leave it out"
        return Problem("duration", f"duration {asked} s {none}", model.id)
    closest = min(model.durations, key=lambda seconds: (abs(seconds - asked), seconds))
    listed = f"{spans(model.durations)} s{f' (and {unread})' if unread else ''}"
    message = f"duration {asked} s is not supported; it supports {listed}; the nearest is {closest}"
    return Problem("duration", message, model.id)


def _choice(field: str, asked: str | None, allowed: Sequence[str] | None, model: VideoModel) -> Problem | None:
    if asked is None or asked in (allowed or ()):
        return None
    unread = _unread(f"supported_{field}s", model)
    if not allowed:
        instead = "; use resolution and aspect_ratio instead" if field == "size" else "; leave it out"
        none = f"cannot be chosen: it {unread or 'lists none'}{instead}"
        return Problem(field, f"{field} {shown(asked)} {none}", model.id)
    near = nearest(asked, allowed)
    hint = f"; did you mean {near[0]}?" if near else ""
    listed = f"{', '.join(allowed)}{f' (and {unread})' if unread else ''}"
    return Problem(field, f"{field} {shown(asked)} is not supported; it supports {listed}{hint}", model.id)


def _frame(frame_type: str, asked: str | None, model: VideoModel) -> Problem | None:
    if asked is None or frame_type in (model.supported_frame_images or ()):
        return None
    listed = ", ".join(model.supported_frame_images or ()) or "none"
    instead = "; give the image as an input reference" if model.needs in {"image", "input"} else ""
    if unread := _unread("supported_frame_images", model):
        listed = f"{listed} (and it {unread})"
    return Problem(frame_type, f"{frame_type} is not supported; frames that it takes: {listed}{instead}", model.id)


def _upscale_factor(asked: float | None, model: VideoModel) -> Problem | None:
    if asked is None or "upscale_factor" in model.unreadable:
        return None
    if model.upscale_factor is None:
        return Problem("upscale_factor", "it does not enlarge videos; leave upscale_factor out", model.id)
    least, most = model.upscale_factor
    if least <= asked <= most:
        return None
    message = f"upscale_factor {asked:g} is not supported; it supports {least:g} to {most:g}"
    return Problem("upscale_factor", message, model.id)


def _creativity(asked: int | None, model: VideoModel) -> Problem | None:
    levels, unread = model.creativity or (), _unread("creativity", model)
    if asked is None or asked in levels:
        return None
    if not levels:
        return Problem(
            "creativity", f"creativity cannot be chosen: it {unread or 'lists none'}; leave it out", model.id
        )
    listed = f"{spans(sorted(levels))}{f' (and {unread})' if unread else ''}"
    return Problem("creativity", f"creativity {asked} is not supported; it supports {listed}", model.id)


def _unread(field: str, model: VideoModel) -> str:
    """Say what a list of the catalog holds that nobody can read; nothing if there is no such thing."""
    values = model.unreadable.get(field)
    return f"lists {', '.join(values[:MOST_SHOWN])}, which cannot be read" if values else ""


def spans(numbers: Sequence[int]) -> str:
    """Return sorted numbers as people read them: ``4, 6, 8`` or ``2-30``."""
    spans: list[list[int]] = []
    for number in numbers:
        if spans and number == spans[-1][-1] + 1:
            spans[-1].append(number)
        else:
            spans.append([number])
    return ", ".join(
        f"{span[0]}-{span[-1]}" if len(span) > 2 else ", ".join(map(str, span))  # noqa: PLR2004 (1, 2 reads as a list)
        for span in spans
    )

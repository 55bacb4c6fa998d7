"""Whether a request brings what a model works from: a video to edit or enlarge, an image, an earlier job.

Pure. Most models need nothing but a prompt. Of the others the list of models says what they take, if it could be read;
where it could not, whatever is given is sent, since a refusal of the API costs nothing.
"""

from __future__ import annotations

from collections.abc import Sequence

from openrouter_video.api import VideoModel
from openrouter_video.errors import Problem
from openrouter_video.request import Inputs, VideoRequest, VideoSettings
from openrouter_video.text import shown

__all__ = ["need_problems"]

MISSING = {
    "video": "it edits or enlarges a video, and none is given; give one as an input reference of type video_url "
    "(--input-reference video_url=URL, https or in a store)",
    "image": "it animates an image, and none is given; give one as an input reference (--input-reference FILE)",
    "audio": "it works from sound, and none is given; give it as an input reference of type audio_url "
    "(--input-reference audio_url=URL, https or in a store)",
    "input": "it edits, enlarges or animates what it is given, and nothing is given; give a video or an image as an "
    "input reference (--input-reference video_url=URL, https or in a store, or --input-reference FILE)",
}


def need_problems(request: VideoRequest, model: VideoModel, inputs: Inputs) -> list[Problem]:
    """Return what a request lacks for a model to work from, and what it gives that the model cannot work from."""
    settings = request.settings
    found = [*_missing(settings, model), *_unfit(settings, model), *_unsaid(request, model)]
    return [*found, *_made_by_another(settings, model, inputs)]


def _kinds(settings: VideoSettings) -> Sequence[str]:
    """Return the kinds of the references of a request."""
    return tuple(dict.fromkeys(one.type.removesuffix("_url") for one in settings.input_references or ()))


def _missing(settings: VideoSettings, model: VideoModel) -> list[Problem]:
    if model.needs == "nothing":
        return []
    kinds = _kinds(settings)
    # A frame is refused under its own name, with the way to give it.
    there = kinds or settings.first_frame or settings.last_frame if model.needs == "input" else model.needs in kinds
    framed = model.needs == "image" and (settings.first_frame or settings.last_frame)
    if there or framed or settings.previous_job_id:
        return []
    return [Problem("input_references", MISSING[model.needs], model.id)]


def _unfit(settings: VideoSettings, model: VideoModel) -> list[Problem]:
    """Find references of a kind that the model does not take: it would leave them out without a word."""
    taken = model.input_modalities
    unfit = [kind for kind in _kinds(settings) if taken and kind not in taken]
    if not taken or not unfit:
        return []
    message = f"it takes {_listed(taken)} as input, not {_listed(unfit)}; leave such references out"
    return [Problem("input_references", message, model.id)]


def _unsaid(request: VideoRequest, model: VideoModel) -> list[Problem]:
    """Find that an avatar has nothing to say."""
    speaks = model.needs == "image" and "audio" in (model.input_modalities or ())
    if not speaks or request.prompt or "audio" in _kinds(request.settings):
        return []
    message = "it needs something to say: give a prompt, or a sound as an input reference of type audio_url"
    return [Problem("prompt", message, model.id)]


def _made_by_another(settings: VideoSettings, model: VideoModel, inputs: Inputs) -> list[Problem]:
    """Find that another model has made the video that is to be continued."""
    previous = inputs.jobs.get(settings.previous_job_id or "")
    if previous is None or previous.model in {None, model.id}:
        return []
    message = f"the previous job was made by {shown(previous.model)}, and only the same model continues it"
    return [Problem("previous_job_id", f"{message}; choose that one, or leave previous_job_id out", model.id)]


def _listed(kinds: Sequence[str]) -> str:
    return " and ".join(filter(None, [", ".join(kinds[:-1]), kinds[-1]]))

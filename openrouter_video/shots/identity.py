"""What makes two shots the same one: their chain, all shots before them, and what they ask for. Pure.

A shot is known by the key of the one before it, and so by all of them: where the text of the third shot changes, the
first two are still the same and are not paid for again, and whatever followed the third is made anew. By which way a
shot continues is not part of it, for that hangs on the list of models of the day.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from openrouter_video.elision import elide_source
from openrouter_video.ledger import Scope, digest
from openrouter_video.request import Inputs, VideoRequest
from openrouter_video.videos import slug

__all__ = ["content_of", "folder_of_chain", "frame_of", "joined_path", "scope_of", "scope_of_chain", "shot_path"]


def content_of(request: VideoRequest, inputs: Inputs) -> dict[str, Any]:
    """Return what a shot asks for; of a picture in a file not only its name, for another may have taken that."""
    asked, sources = request.asked(), request.settings.image_sources()
    pictures = {
        field: elide_source(inputs.url(source)) for field, source in sources.items() if inputs.url(source) != source
    }
    return {**asked, "pictures": pictures} if pictures else asked


def scope_of_chain(run: Scope) -> Scope:
    """Return the scope of a chain by that of its run, apart from the videos of other requests of that run."""
    return Scope(digest(["chain", run.digest]), shared=run.shared)


def scope_of(chain: Scope, continue_by: str, content: Mapping[str, Any], before: str | None) -> Scope:
    """Return the scope of a shot, ``before`` which there is one of this ledger key."""
    following = {"after": before, "continue_by": continue_by} if before else {}
    return Scope(digest(["shot", chain.digest, {"shot": content, **following}]), shared=chain.shared)


def folder_of_chain(prompt: str, chain: Scope) -> str:
    """Return the folder of all videos of a chain, by what its first shot shows."""
    return f"{slug(prompt) or 'chain'}-{chain.short}"


def shot_path(folder: str, number: int, prompt: str, key: str) -> str:
    """Return where the video of a shot goes; its order is that of the names."""
    return f"{folder}/shot-{number:02d}-{slug(prompt) or 'video'}-{key[:8]}.mp4"


def joined_path(folder: str, last_key: str) -> str:
    """Return where the joined file of a chain goes, by the key of its last shot, in which all the others are."""
    return f"{folder}/chain-{last_key[:8]}.mp4"


def frame_of(key: str) -> str:
    """Return the words that stand, in plans and records, for the picture that a shot ends with."""
    return f"the last frame of {key}"

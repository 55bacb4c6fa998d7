"""What a video of the sandbox shows, as a value: equal scenes give equal files. Pure."""

from __future__ import annotations

from typing import Literal, NamedTuple, get_args

from openrouter_video.sandbox.catalogue import Work
from openrouter_video.sandbox.inputs import InputKind, Role

__all__ = ["ODDITIES", "Oddity", "Scene", "View"]

Oddity = Literal["black", "frozen", "silent", "no_audio", "short", "small"]
"""What a whole video may be that nobody has asked for."""
ODDITIES: tuple[Oddity, ...] = get_args(Oddity)


class View(NamedTuple):
    """One input; without ``content`` it could not be had, and only ``label`` tells of it."""

    role: Role
    kind: InputKind
    label: str
    content: bytes | None = None


class Scene(NamedTuple):
    """What decides every pixel and sample of a video.

    ``number`` tells apart several videos of one request; ``oddity``: what is wrong with it. ``earlier`` is the video
    that it continues, or works on.
    """

    model: str
    prompt: str
    seconds: float
    width: int
    height: int
    audio: bool
    number: int = 1
    oddity: Oddity | None = None
    work: Work = "generate"
    factor: float = 1
    views: tuple[View, ...] = ()
    earlier: Scene | None = None

    def seen(self, kind: InputKind, role: Role = "reference") -> list[bytes]:
        """The inputs of this kind and role that can be shown."""
        return [view.content for view in self.views if (view.kind, view.role) == (kind, role) and view.content]

    @property
    def clip(self) -> bytes | Scene | None:
        """The video that an editor or an upscaler works on, if it can be shown."""
        if self.work not in {"edit", "upscale"}:
            return None
        return self.earlier or next(iter(self.seen("video")), None)

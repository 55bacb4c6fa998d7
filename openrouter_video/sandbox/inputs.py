"""What a request works from: frames, references, an earlier video; as values. Pure."""

from __future__ import annotations

from typing import Literal, NamedTuple, Self
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field

__all__ = ["Input", "InputFacts", "InputKind", "Role"]

InputKind = Literal["image", "audio", "video"]
Role = Literal["first_frame", "last_frame", "reference"]


class InputFacts(NamedTuple):
    """What a file was found to be; ``digest`` None: it could not be had, or is not what it should be."""

    digest: str | None = None
    seconds: float | None = None
    width: int | None = None
    height: int | None = None


class Input(BaseModel):
    """One source that a request names. ``url`` is for the moment of the request, and kept with the request only."""

    model_config = ConfigDict(frozen=True)

    role: Role
    kind: InputKind
    label: str
    url: str = Field(default="", exclude=True, repr=False)
    digest: str | None = None
    seconds: float | None = None
    width: int | None = None
    height: int | None = None

    @classmethod
    def at(cls, role: Role, kind: InputKind, url: str) -> Self:
        """The source at this address, of which nothing is known yet but where it is."""
        try:
            place = "as data" if url.startswith("data:") else f"at {urlsplit(url).hostname}"
        except ValueError:
            place = "at a strange address"
        return cls(role=role, kind=kind, label=f"{kind} {place}", url=url)

    def known(self, facts: InputFacts) -> Self:
        """The same source, read."""
        return self.model_copy(update={**facts._asdict(), "url": ""})

    def unread(self, why: str) -> Self:
        """The same source, which could not be read."""
        return self.model_copy(update={"label": f"{self.label}, {why}", "url": ""})

"""What can go wrong on request: a fault says for which request, and what happens instead.

::

    Fault(on="submit", status=503, accepted=True)       accepted and charged, then answered 503
    Fault(on="submit", drop="after")                    accepted and charged, then the connection breaks
    Fault(on="poll", status=429, headers={"retry-after": "2"}, times=3)
    Fault(on="content", mangle="cut_clean")             the stream ends half-way, and looks finished
    Fault(on="content", mangle="silence")               headers and half of it, then nothing for as long as one waits
    Fault(on="poll", mangle="two_outputs", times=None)  the job names a second output, which is not there
"""

from __future__ import annotations

import threading
from typing import Literal, NamedTuple, Self

from pydantic import BaseModel, ConfigDict, Field, JsonValue, model_validator

__all__ = ["Fault", "FaultTable"]

Mangle = Literal[
    "cut_reset",
    "cut_clean",
    "short_by_one",
    "no_moov",
    "empty",
    "webm",
    "quicktime",
    "padded",
    "garbled",
    "picture",
    "gzip",
    "gzip_cut",
    "silence",
    "drip",
    "endless",
    "two_outputs",
    "html",
    "json",
    "not_json",
    "no_id",
    "no_polling_url",
    "relative_polling_url",
    "foreign_polling_url",
    "unknown_status",
    "status_200",
]
_OF_CONTENT = frozenset(
    {
        *("cut_reset", "cut_clean", "short_by_one", "no_moov", "empty", "webm", "html", "json", "quicktime", "padded"),
        *("garbled", "picture", "gzip", "gzip_cut", "silence", "drip", "endless"),
    }
)
_OF_DOCUMENTS = frozenset(
    {
        "html",
        "not_json",
        "no_id",
        "no_polling_url",
        "relative_polling_url",
        "foreign_polling_url",
        "unknown_status",
        "status_200",
        "two_outputs",
        "drip",
    }
)


class Fault(BaseModel):
    """One thing that goes wrong.

    **Which requests**: ``on`` is the kind ("content" covers signed URLs too), ``model`` and ``job_id`` narrow it down,
    ``after`` lets the first n of them pass, ``times`` is how many are hit (None: all).

    **What happens**, in any combination: another ``status``, ``body`` (a string is sent as it is, anything else as
    JSON) or ``headers``; ``redirect_to`` (307 unless a status is given); ``delay_seconds`` before the answer, in real
    time; ``drop`` breaks the connection without an answer, before or after the request took effect; ``mangle`` spoils
    the genuine answer. A status from 400 without a body comes in OpenRouter's error envelope.

    **Whether a submit took effect** (the job exists and is charged): as ``accepted`` says; without it, no for
    ``drop="before"``, an error status, a body or a redirect, and yes otherwise.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    on: Literal["models", "submit", "poll", "content"]
    times: int | None = Field(default=1, ge=1)
    after: int = Field(default=0, ge=0)
    model: str | None = None
    job_id: str | None = None
    status: int | None = Field(default=None, ge=200, le=599)
    body: JsonValue = None
    headers: dict[str, str] = {}
    accepted: bool | None = None
    drop: Literal["before", "after"] | None = None
    delay_seconds: float = Field(default=0, ge=0)
    mangle: Mangle | None = None
    origin: str = "https://evil-openrouter.ai"
    redirect_to: str | None = None

    @model_validator(mode="after")
    def _fits(self) -> Self:
        allowed = _OF_CONTENT if self.on == "content" else _OF_DOCUMENTS
        if self.mangle is not None and self.mangle not in allowed:
            raise ValueError(
                f"mangle={self.mangle!r} does not fit on={self.on!r}; it takes {', '.join(sorted(allowed))}"
            )
        return self

    @property
    def takes_effect(self) -> bool:
        """Whether the request is carried out before its answer goes wrong."""
        if self.accepted is not None:
            return self.accepted
        is_error = self.status is not None and self.status >= 400  # noqa: PLR2004 -- where HTTP's errors begin
        return not (self.drop == "before" or is_error or self.body is not None or self.redirect_to is not None)


class _Count(NamedTuple):
    fault: Fault
    seen: int = 0
    fired: int = 0


class FaultTable:
    """The faults that are switched on, and how often each was met; the first that applies is used."""

    def __init__(self, faults: tuple[Fault, ...] = ()) -> None:
        self._lock = threading.Lock()
        self._counts = [_Count(fault) for fault in faults]

    def add(self, fault: Fault) -> None:
        """Switch one more fault on."""
        with self._lock:
            self._counts.append(_Count(fault))

    def clear(self) -> None:
        """Switch every fault off."""
        with self._lock:
            self._counts.clear()

    def take(self, kind: str, model: str | None, job_id: str | None) -> Fault | None:
        """The fault that hits this request, if any; counts the request for every fault that it matches."""
        with self._lock:
            chosen = None
            for n, (fault, seen, fired) in enumerate(self._counts):
                if not _matches(fault, kind, model, job_id):
                    continue
                hits = chosen is None and seen >= fault.after and (fault.times is None or fired < fault.times)
                chosen = fault if hits else chosen
                self._counts[n] = _Count(fault, seen + 1, fired + hits)
            return chosen


def _matches(fault: Fault, kind: str, model: str | None, job_id: str | None) -> bool:
    same_kind = fault.on == ("content" if kind == "signed" else kind)
    return same_kind and fault.model in (None, model) and fault.job_id in (None, job_id)

"""What can go wrong on request: a fault says for which request, and what becomes of its answer.

::

    Fault(on="submit", status=503, accepted=True)       accepted and charged, then answered 503
    Fault(on="submit", drop="after")                    accepted and charged, then the connection breaks
    Fault(on="poll", status=429, headers={"retry-after": "2"}, times=3)
    Fault(on="content", mangle="cut_clean")             the stream ends half-way, and looks finished
    Fault(on="content", mangle="silence")               headers and half of it, then nothing for as long as one waits
    Fault(on="poll", mangle="two_outputs", times=None)  the job names a second output, which is not there
    Fault(on="content", mangle="black", times=None)     a whole video, of which each frame is black
    Fault(on="unsigned", status=410, times=None)        /content is gone, and the signed URL still works
    Fault(on="submit", refusal="moderation")            a 403 for the prompt, with what the moderation says of it
    Fault(on="submit", failure="output_moderation")     accepted and charged, and the job fails when it is ready
    Fault(on="endpoints", mangle="down", times=None)    no endpoint serves the model at the moment
    Fault(on="webhook", delay_seconds=2)                a webhook that is late, and so perhaps behind another one
    Fault(on="webhook", mangle="forged", times=None)    each webhook is signed by who does not know the secret
    Fault(on="analytics", mangle="no_rows", times=2)    the account has not learned of its generations yet
"""

from __future__ import annotations

import gzip
import io
import json
import threading
from collections.abc import Iterator
from typing import Literal, NamedTuple, Self, get_args
from urllib.parse import urlsplit

from PIL import Image
from pydantic import BaseModel, ConfigDict, Field, JsonValue, model_validator

from openrouter_video.sandbox.analytics import analytics_body
from openrouter_video.sandbox.answers import Answer, document, envelope
from openrouter_video.sandbox.model_listing import Health, with_health
from openrouter_video.sandbox.refusals import Failing, Refusing
from openrouter_video.sandbox.scene import ODDITIES, Oddity

__all__ = ["Fault", "FaultTable", "damaged", "without_box"]

_ContentMangle = Literal[
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
    "html",
    "json",
    "c2pa",
]
_DocumentMangle = Literal[
    "html",
    "not_json",
    "no_id",
    "no_polling_url",
    "relative_polling_url",
    "foreign_polling_url",
    "unknown_status",
    "status_200",
    "two_outputs",
    "no_rows",
    "drip",
]
_Request = Literal[
    "models",
    "listing",
    "endpoints",
    "submit",
    "poll",
    "content",
    "unsigned",
    "signed",
    "key",
    "analytics",
    "generation",
    "webhook",
]
_WebhookMangle = Literal["twice", "forged", "unsigned", "old"]
_HTML = b"<!doctype html><html><head><title>Just a moment...</title></head><body>Checking your browser</body></html>"
_WEBM = b"\x1a\x45\xdf\xa3\x9fB\x86\x81\x01B\xf7\x81\x01B\xf2\x81\x04B\xf3\x81\x08B\x82\x84webm" + b"\0" * 4096
# The box in which a C2PA manifest lies, without one that would prove anything.
_MANIFEST = bytes.fromhex("0000003575756964 d8fec3d61b0e483c92975828877ec481 00000000") + b"manifest\0" + bytes(16)
_INSTEAD = {"html": Answer(200, _HTML, {"content-type": "text/html"}), "no_rows": document(200, analytics_body([]))}
_ERRORS_BEGIN = 400
_VIDEOS = ("content", "unsigned", "signed")
_HEALTHS: tuple[Health, ...] = get_args(Health)
_ENDINGS: dict[str, Literal["reset", "silence", "drip", "endless"]] = {
    "cut_reset": "reset",
    "silence": "silence",
    "drip": "drip",
    "endless": "endless",
}


class Fault(BaseModel):
    """One thing that goes wrong.

    **Which requests**: ``on`` is the kind, ``model`` and ``job_id`` narrow it down, ``after`` lets the first n of them
    pass, ``times`` is how many are hit (None: all). "content" is each download, "unsigned" only that by
    ``/videos/{id}/content``, "signed" only that by a signed URL; "models" is ``/videos/models``, "listing" ``/models``.

    **What happens**, in any combination: another ``status``, ``body`` (a string is sent as it is, anything else as
    JSON) or ``headers``; ``redirect_to`` (307 unless a status is given); ``delay_seconds`` before the answer, in real
    time; ``drop`` breaks the connection without an answer, before or after the request took effect; ``mangle`` spoils
    the genuine answer. A status from 400 without a body comes in OpenRouter's error envelope.

    **Whether a submit took effect** (the job exists and is charged): as ``accepted`` says; without it, no for
    ``drop="before"``, an error status, a body, a redirect or a ``refusal``, and yes otherwise. A ``refusal`` is
    OpenRouter's own of that kind; with ``failure`` the job fails so when it is ready, in its provider's words.

    **Of webhooks** only ``delay_seconds``, ``drop`` (it is never sent), ``body`` and ``mangle`` can be chosen.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    on: _Request
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
    mangle: Literal[_ContentMangle, Oddity, _DocumentMangle, _WebhookMangle, Health] | None = None
    refusal: Refusing | None = None
    failure: Failing | None = None
    origin: str = "https://evil-openrouter.ai"
    redirect_to: str | None = None

    @model_validator(mode="after")
    def _fits(self) -> Self:
        mangles = {name: (*get_args(_ContentMangle), *ODDITIES) for name in _VIDEOS}
        mangles |= {"webhook": get_args(_WebhookMangle), "endpoints": (*get_args(_DocumentMangle), *_HEALTHS)}
        allowed = mangles.get(self.on, get_args(_DocumentMangle))
        if self.on != "submit" and (self.refusal or self.failure):
            raise ValueError(f"{'refusal' if self.refusal else 'failure'} fits on='submit' only, not on={self.on!r}")
        answers = [name for name in ("status", "accepted", "redirect_to") if getattr(self, name) is not None]
        if self.on == "webhook" and (answers or self.headers):
            raise ValueError(f"{', '.join(answers) or 'headers'} does not fit on='webhook', which is not answered here")
        if self.mangle is not None and self.mangle not in allowed:
            raise ValueError(
                f"mangle={self.mangle!r} does not fit on={self.on!r}; it takes {', '.join(sorted(allowed))}"
            )
        return self

    @property
    def oddity(self) -> Oddity | None:
        """What a whole video is made that nobody has asked for."""
        return next((one for one in ODDITIES if one == self.mangle), None)

    @property
    def takes_effect(self) -> bool:
        """Whether the request is carried out before its answer goes wrong."""
        if self.accepted is not None:
            return self.accepted
        is_error = self.status is not None and self.status >= 400  # noqa: PLR2004 -- where HTTP's errors begin
        is_other = self.body is not None or self.redirect_to is not None or self.refusal is not None
        return not (self.drop == "before" or is_error or is_other)

    @property
    def health(self) -> Health | None:
        """What becomes of a model's endpoints."""
        return next((one for one in _HEALTHS if one == self.mangle), None)


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
    same_kind = fault.on in {"content": ("content", "unsigned"), "signed": ("content", "signed")}.get(kind, (kind,))
    return same_kind and fault.model in (None, model) and fault.job_id in (None, job_id)


def damaged(fault: Fault, genuine: Answer | None) -> Answer:
    """The answer that goes out; ``genuine`` is None where the request was neither carried out nor refused."""
    if fault.drop is not None:
        return Answer(None, ending="reset")
    answer = _replaced(fault, genuine)
    if fault.mangle is not None:
        answer = _mangled(fault, answer)
    return answer._replace(headers={**answer.headers, **{k.lower(): v for k, v in fault.headers.items()}})


def _replaced(fault: Fault, genuine: Answer | None) -> Answer:
    if fault.redirect_to is not None:
        return Answer(fault.status or 307, headers={"location": fault.redirect_to})
    base = genuine if genuine is not None else Answer(200)
    status = fault.status or base.status or 200
    if isinstance(fault.body, str):
        kind = "text/html" if fault.body.lstrip().startswith("<") else "text/plain"
        return Answer(status, fault.body.encode(), {"content-type": kind})
    if fault.body is not None:
        return document(status, fault.body)
    if status >= _ERRORS_BEGIN and fault.status is not None:
        return envelope(status)
    return base._replace(status=status)


def _mangled(fault: Fault, answer: Answer) -> Answer:
    if (instead := _INSTEAD.get(fault.mangle or "")) is not None:
        return instead._replace(status=answer.status)
    if fault.on in _VIDEOS:
        return _mangled_video(fault, answer) if answer.streamed and fault.oddity is None else answer
    whole = {
        "drip": answer._replace(streamed=True, ending="drip"),
        "not_json": answer._replace(body=answer.body[: len(answer.body) // 2]),
        "status_200": answer._replace(status=200 if answer.status == 202 else answer.status),  # noqa: PLR2004 -- Accepted
    }
    if fault.mangle in whole:
        return whole[fault.mangle]
    body = json.loads(answer.body or b"null")
    if not isinstance(body, dict):
        return answer
    spoilt = with_health(body, fault.health) if fault.health else _mangled_body(fault, body)
    return answer._replace(body=json.dumps(spoilt).encode())


def _mangled_body(fault: Fault, body: dict[str, JsonValue]) -> dict[str, JsonValue]:
    if fault.mangle in {"no_id", "no_polling_url"}:
        return {key: value for key, value in body.items() if key != fault.mangle.removeprefix("no_")}
    if fault.mangle == "unknown_status" and "status" in body:
        kept = ("id", "generation_id", "polling_url")
        return {**{key: body[key] for key in kept if key in body}, "status": "reticulating"}
    if fault.mangle == "two_outputs":
        urls = body.get("unsigned_urls")
        return {**body, "unsigned_urls": [*urls, *urls]} if isinstance(urls, list) else body
    if fault.mangle == "relative_polling_url":
        return {key: _moved(value, "") if key == "polling_url" else value for key, value in body.items()}
    if fault.mangle == "foreign_polling_url":
        moved = ("polling_url", "unsigned_urls")
        return {key: _moved(value, fault.origin) if key in moved else value for key, value in body.items()}
    return body


def _moved(value: JsonValue, origin: str) -> JsonValue:
    if isinstance(value, list):
        return [_moved(one, origin) for one in value]
    parts = urlsplit(str(value))
    return origin + parts._replace(scheme="", netloc="").geturl()


def _mangled_video(fault: Fault, answer: Answer) -> Answer:
    whole = answer.body
    if fault.mangle == "json":
        return document(200, {"error": {"message": "The video is being prepared", "code": 200}})
    if fault.mangle == "webm":
        return answer._replace(body=_WEBM, headers={"content-type": "video/webm"})
    if fault.mangle in {"gzip", "gzip_cut"}:
        packed = gzip.compress(whole)
        body = packed if fault.mangle == "gzip" else packed[:-8]
        return answer._replace(body=body, headers={**answer.headers, "content-encoding": "gzip"})
    if fault.mangle == "picture":
        return answer._replace(body=_picture(), headers={"content-type": "image/png"})
    bodies = {
        "short_by_one": whole[:-1],
        "no_moov": without_box(whole, b"moov"),
        "empty": b"",
        "quicktime": whole.replace(b"isom", b"qt  ", 1),
        "padded": whole + bytes(16),
        "garbled": whole.replace(b"moov", b"\0oov", 1),
        "c2pa": whole + _MANIFEST,
        "drip": whole,
        "endless": whole,
    }
    return answer._replace(
        body=bodies.get(fault.mangle or "", whole[: len(whole) // 2]), ending=_ENDINGS.get(fault.mangle or "", "whole")
    )


def _picture() -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (32, 24), (200, 80, 0)).save(file, "PNG")
    return file.getvalue()


def without_box(mp4: bytes, name: bytes) -> bytes:
    """The file without its top-level boxes of this name."""
    return b"".join(box for box in _boxes(mp4) if box[4:8] != name)


def _boxes(mp4: bytes) -> Iterator[bytes]:
    start = 0
    while start < len(mp4):
        # Box sizes of 32 bits are enough: the sandbox's own files are far below 4 GiB.
        size = int.from_bytes(mp4[start : start + 4])
        yield mp4[start : start + size]
        start += size

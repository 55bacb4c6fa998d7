"""Turns an image that a request refers to into what the API takes: an https URL, or a ``data:`` URL with its bytes."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping
from typing import IO, Any

from openrouter_video.api import fetch_problem
from openrouter_video.elision import parse_data_url
from openrouter_video.errors import Problem, RequestRefused
from openrouter_video.media_types import sniff
from openrouter_video.request.input_file import InputRefused, mebibytes, open_input, shown_source, too_large

__all__ = ["LIMIT_BYTES", "load_image"]

LIMIT_BYTES = 20 * 2**20

_FORMATS = "PNG, JPEG, WebP or GIF"
_MIB = 2**20


def load_image(
    source: str,
    *,
    field: str = "image",
    storage_options: Mapping[str, Any] | None = None,
    base_url: str | None = None,
    limit_bytes: int = LIMIT_BYTES,
) -> str:
    """Return an image as a URL that the API takes; a file is read and becomes a base64 ``data:`` URL.

    ``source`` is an https URL, which is not looked at, a ``data:`` URL, or a path or fsspec URL of a PNG, JPEG, WebP or
    GIF. ``limit_bytes`` bounds the image itself, before base64. ``field`` names the request's field in an error.
    ``base_url`` is the API's; one on this machine can fetch an http URL of this machine too.

    Raises:
        RequestRefused: The image is absent, unreadable, too large, or something else.
    """
    try:
        if re.match(r"https?://", source, re.IGNORECASE):
            return _checked_web_url(source, base_url)
        if source[:5].lower() == "data:":
            return _checked_data_url(source, limit_bytes)
        content = _read(source, storage_options, limit_bytes)
        return f"data:{_media_type(content, shown_source(source))};base64,{base64.b64encode(content).decode('ascii')}"
    except InputRefused as refused:
        raise RequestRefused([Problem(field, f"{field}: {refused}")]) from None


def _checked_web_url(source: str, base_url: str | None) -> str:
    if why := fetch_problem(source, base_url):
        raise InputRefused(
            f"{shown_source(source)} {why}. Give an https URL, a data:image/png;base64,… URL, or a file's path."
        )
    return source


def _checked_data_url(source: str, limit_bytes: int) -> str:
    shown = shown_source(source)
    data = parse_data_url(source)
    if data is None or not data.media_type.lower().startswith("image/"):
        raise InputRefused(f"{shown} is not an image. Give data:image/png;base64,… or a file's path.")
    if not data.is_base64:
        raise InputRefused(f"{shown} is not in base64. Give data:{data.media_type[:40]};base64,… or a file's path.")
    encoded = source[data.start :]
    if len(encoded) // 4 * 3 > limit_bytes + 2:
        raise InputRefused(too_large(shown, len(encoded) // 4 * 3, limit_bytes, _SMALLER))
    try:
        content = base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError):
        raise InputRefused(
            f"{shown} contains characters or an ending that base64 does not allow. Encode it again."
        ) from None
    if not content:
        raise InputRefused(f"{shown} contains no bytes. Give an image.")
    if len(content) > limit_bytes:
        raise InputRefused(too_large(shown, len(content), limit_bytes, _SMALLER))
    return source


def _read(source: str, storage_options: Mapping[str, Any] | None, limit_bytes: int) -> bytes:
    with open_input(source, storage_options, noun="image", limit_bytes=limit_bytes, cure=_SMALLER) as (store, _):
        with store.reading() as file:
            content = _take(file, limit_bytes + 1)
        # The size that a store states may be old, or a guess; a pipe or a device has none.
        if len(content) > limit_bytes:
            raise InputRefused(f"{store.url} has more than the allowed {mebibytes(limit_bytes)}. {_SMALLER}")
        return content


def _take(file: IO[bytes], most: int) -> bytes:
    taken = bytearray()
    while len(taken) < most and (block := file.read(min(_MIB, most - len(taken)))):
        taken += block
    return bytes(taken)


def _media_type(content: bytes, shown: str) -> str:
    if content.startswith(b"\x89PNG\r\n\x1a\n"):
        return "image/png"
    if content.startswith(b"\xff\xd8\xff"):
        return "image/jpeg"
    if content[:4] == b"RIFF" and content[8:12] == b"WEBP":
        return "image/webp"
    if content.startswith((b"GIF87a", b"GIF89a")):
        return "image/gif"
    raise InputRefused(f"{shown} is {sniff(content[:64])}; allowed is {_FORMATS}. Convert it, or name another file.")


_SMALLER = "Scale it down or compress it more, or put it on an https URL and give that."

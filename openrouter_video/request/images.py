"""Turns an image that a request refers to into what the API takes: an https URL, or a ``data:`` URL with its bytes."""

from __future__ import annotations

import base64
import binascii
import difflib
import re
from collections.abc import Mapping
from contextlib import closing, suppress
from typing import IO, Any

from openrouter_video.api import https_problem
from openrouter_video.elision import parse_data_url, redact_source
from openrouter_video.errors import ConfigurationError, Problem, RequestRefused, StorageError
from openrouter_video.media_types import sniff
from openrouter_video.stores import Store, answered_in_time, open_store

__all__ = ["LIMIT_BYTES", "load_image"]

LIMIT_BYTES = 20 * 2**20

_FORMATS = "PNG, JPEG, WebP or GIF"
_SHOWN_CHARACTERS = 200
_MIB = 2**20


class _Refused(Exception):
    """Why an image cannot be sent; becomes a Problem."""


def load_image(
    source: str,
    *,
    field: str = "image",
    storage_options: Mapping[str, Any] | None = None,
    limit_bytes: int = LIMIT_BYTES,
) -> str:
    """Return an image as a URL that the API takes; a file is read and becomes a base64 ``data:`` URL.

    ``source`` is an https URL, which is not looked at, a ``data:`` URL, or a path or fsspec URL of a PNG, JPEG, WebP or
    GIF. ``limit_bytes`` bounds the image itself, before base64. ``field`` names the request's field in an error.

    Raises:
        RequestRefused: The image is absent, unreadable, too large, or something else.
    """
    try:
        if re.match(r"https?://", source, re.IGNORECASE):
            return _checked_web_url(source)
        if source[:5].lower() == "data:":
            return _checked_data_url(source, limit_bytes)
        content = _read(source, storage_options, limit_bytes)
        return f"data:{_media_type(content, _shown(source))};base64,{base64.b64encode(content).decode('ascii')}"
    except _Refused as refused:
        raise RequestRefused([Problem(field, f"{field}: {refused}")]) from None


def _checked_web_url(source: str) -> str:
    if why := https_problem(source):
        raise _Refused(f"{_shown(source)} {why}. Give an https URL, a data:image/png;base64,… URL, or a file's path.")
    return source


def _checked_data_url(source: str, limit_bytes: int) -> str:
    shown = _shown(source)
    data = parse_data_url(source)
    if data is None or not data.media_type.lower().startswith("image/"):
        raise _Refused(f"{shown} is not an image. Give data:image/png;base64,… or a file's path.")
    if not data.is_base64:
        raise _Refused(f"{shown} is not in base64. Give data:{data.media_type[:40]};base64,… or a file's path.")
    encoded = source[data.start :]
    if len(encoded) // 4 * 3 > limit_bytes + 2:
        raise _Refused(_too_large(shown, len(encoded) // 4 * 3, limit_bytes))
    try:
        content = base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError):
        raise _Refused(
            f"{shown} contains characters or an ending that base64 does not allow. Encode it again."
        ) from None
    if not content:
        raise _Refused(f"{shown} contains no bytes. Give an image.")
    if len(content) > limit_bytes:
        raise _Refused(_too_large(shown, len(content), limit_bytes))
    return source


def _read(source: str, storage_options: Mapping[str, Any] | None, limit_bytes: int) -> bytes:
    if not source.strip():
        raise _Refused("the image is empty text. Give a path or a URL, or leave the field out.")
    try:
        with closing(open_store(source, storage_options)) as store:
            content = _read_bounded(store, limit_bytes)
            if content is None:
                raise _Refused(f"there is no image at {_shown(source)}. {_nearest(store)}")
            return content
    except (ConfigurationError, StorageError) as error:
        raise _Refused(f"the image cannot be read. {error}") from None


def _read_bounded(store: Store, limit_bytes: int) -> bytes | None:
    with store.errors("read"):
        try:
            with store.session() as filesystem:
                info = answered_in_time(lambda: filesystem.info(store.root), store.url)
            if info["type"] != "file":
                raise _Refused(f"{store.url} is a {info['type']}, not a file. Name an image.")
            if (info.get("size") or 0) > limit_bytes:
                raise _Refused(_too_large(store.url, info["size"], limit_bytes))
            with store.reading() as file:
                content = _take(file, limit_bytes + 1)
        except FileNotFoundError:
            return None
    # The size that a store states may be old, or a guess; a pipe or a device has none.
    if len(content) > limit_bytes:
        raise _Refused(f"{store.url} has more than the allowed {_mib(limit_bytes)}. {_SMALLER}")
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
    raise _Refused(f"{shown} is {sniff(content[:64])}; allowed is {_FORMATS}. Convert it, or name another file.")


def _shown(source: str) -> str:
    """Return a source as a message shows it: short, without data and without the secrets of a URL."""
    text = redact_source(source)
    return text if len(text) <= _SHOWN_CHARACTERS else text[: _SHOWN_CHARACTERS - 1] + "…"


_SMALLER = "Scale it down or compress it more, or put it on an https URL and give that."


def _too_large(shown: str, size: int, limit_bytes: int) -> str:
    return f"{shown} has {_mib(size)}; allowed are {_mib(limit_bytes)}. {_SMALLER}"


def _mib(size: int) -> str:
    return f"{size} bytes" if size < _MIB else f"{size / _MIB:.1f} MiB"


def _nearest(store: Store) -> str:
    folder, _, name = store.root.rpartition("/")
    names: list[str] = []
    # The refusal stands whatever becomes of the hint.
    with suppress(StorageError), store.errors("list"), store.session() as filesystem:
        names = [entry.rstrip("/").rpartition("/")[2] for entry in filesystem.ls(folder or "/", detail=False)]
    near = difflib.get_close_matches(name, sorted(names), n=3, cutoff=0.5)
    if near:
        return f"Nearest in that folder: {', '.join(near)}."
    return "Check the path; a relative one starts at the working directory of the process that runs."

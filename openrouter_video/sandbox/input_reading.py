"""Reads the inputs of a request: what came along as data, and what lies on this machine; nothing else is fetched."""

from __future__ import annotations

import base64
import binascii
import time
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from functools import cache, partial

import httpx

from openrouter_video.sandbox.input_files import InputFiles
from openrouter_video.sandbox.inputs import Input, InputFacts
from openrouter_video.sandbox.this_machine import is_here

__all__ = ["begin_reading"]

_MOST_BYTES = 64 * 1024 * 1024
_MOST_SECONDS = 10.0


@cache
def _workers() -> ThreadPoolExecutor:
    # Apart from the threads that render: what is fetched may be another video that these are to render.
    return ThreadPoolExecutor(max_workers=4, thread_name_prefix="sandbox-reading")


def begin_reading(inputs: Sequence[Input], files: InputFiles) -> Future[tuple[Input, ...]]:
    """Read them in a worker thread: each with its facts, its bytes kept, and without its address."""
    return _workers().submit(lambda: tuple(map(partial(_read, files), inputs)))


def _read(files: InputFiles, source: Input) -> Input:
    content = _content(source.url)
    if content is None:
        return source.unread("not fetched")
    facts = _facts(source.kind, content)
    return source.unread("not readable") if facts is None else source.known(facts._replace(digest=files.keep(content)))


def _content(url: str) -> bytes | None:
    head, comma, data = url.partition(",")
    if head.startswith("data:"):
        try:
            return base64.b64decode(data) if comma and head.endswith(";base64") else None
        except binascii.Error:
            return None
    return _fetched(url) if is_here(url) else None


def _fetched(url: str) -> bytes | None:
    until, content = time.monotonic() + _MOST_SECONDS, bytearray()
    plain, timeout = {"accept-encoding": "identity"}, httpx.Timeout(_MOST_SECONDS)
    try:
        # A store of this machine has a certificate that nobody signed; there is nobody in between either. Not by a
        # client of httpx, which would log the URL: it may be a signed one.
        request = httpx.Request("GET", url, headers=plain, extensions={"timeout": timeout.as_dict()})
        with (
            httpx.HTTPTransport(verify=False, trust_env=False) as transport,
            closing(transport.handle_request(request)) as answer,
        ):
            if answer.status_code != httpx.codes.OK:
                return None
            for chunk in answer.iter_raw():
                content += chunk
                if len(content) > _MOST_BYTES or time.monotonic() > until:
                    return None
    except httpx.HTTPError:
        return None
    return bytes(content)


def _facts(kind: str, content: bytes) -> InputFacts | None:
    # Imported in the worker thread: a sandbox without inputs needs no codec for this.
    from openrouter_video.sandbox.input_frames import input_facts  # noqa: PLC0415

    try:
        return input_facts(kind, content)
    except Exception:  # noqa: BLE001 (a decoder over anybody's bytes raises anything)
        return None

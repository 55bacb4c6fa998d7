"""A file in any store that a request names as an input: opened, and refused in words where it is none, or too large."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from typing import Any

from openrouter_video.elision import redact_source
from openrouter_video.errors import ConfigurationError, StorageError
from openrouter_video.stores import Store, answered_in_time, open_store

__all__ = ["InputRefused", "mebibytes", "open_input", "shown_source", "too_large"]

_SHOWN_CHARACTERS = 200
_MIB = 2**20


class InputRefused(Exception):
    """Why an input cannot be sent; becomes a Problem."""


@contextmanager
def open_input(
    source: str, storage_options: Mapping[str, Any] | None, *, noun: str, limit_bytes: int, cure: str
) -> Iterator[tuple[Store, int | None]]:
    """Lend the store whose root is a file, and the file's size as far as it is stated; ``cure``: for a large one.

    Raises:
        InputRefused: There is no such file, it is something else, too large, or cannot be read.
    """
    if not source.strip():
        raise InputRefused(f"the {noun} is empty text. Give a path or a URL, or leave the field out.")
    try:
        with closing(open_store(source, storage_options)) as store, store.errors("read"):
            try:
                yield store, _size_of(store, noun, limit_bytes, cure)
            except FileNotFoundError:
                raise InputRefused(f"there is no {noun} at {shown_source(source)}. {_nearest(store)}") from None
    except (ConfigurationError, StorageError) as error:
        raise InputRefused(f"the {noun} cannot be read. {error}") from None


def _size_of(store: Store, noun: str, limit_bytes: int, cure: str) -> int | None:
    with store.session() as filesystem:
        info: Mapping[str, Any] = answered_in_time(lambda: filesystem.info(store.root), store.url)
    if info["type"] != "file":
        article = "an" if noun.startswith(tuple("aeiou")) else "a"
        raise InputRefused(f"{store.url} is a {info['type']}, not a file. Name {article} {noun}.")
    size: int | None = info.get("size")
    if size is not None and size > limit_bytes:
        raise InputRefused(too_large(store.url, size, limit_bytes, cure))
    return size


def too_large(shown: str, size: int, limit_bytes: int, cure: str) -> str:
    """Say that an input is too large."""
    return f"{shown} has {mebibytes(size)}; allowed are {mebibytes(limit_bytes)}. {cure}"


def shown_source(source: str) -> str:
    """Return a source as a message shows it: short, without data and without the secrets of a URL."""
    text = redact_source(source)
    return text if len(text) <= _SHOWN_CHARACTERS else text[: _SHOWN_CHARACTERS - 1] + "…"


def mebibytes(size: int) -> str:
    """Return a size in words."""
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

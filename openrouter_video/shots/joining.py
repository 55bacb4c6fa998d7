"""Joins the shots of a chain to one file beside them; that they cannot be is a note, since all are safe. Blocks."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack, closing, suppress
from typing import NamedTuple

from openrouter_video.errors import StorageError, VideoError
from openrouter_video.outcome import Outcome
from openrouter_video.stores import OptionsFor, Store, open_store
from openrouter_video.text import clip
from openrouter_video.videos import concat, last_frame

__all__ = ["JoinedChain", "frame_after", "join_shots"]


class JoinedChain(NamedTuple):
    """Where the joined file of a chain is, or why there is none."""

    url: str | None = None
    note: str | None = None


def join_shots(outcomes: Sequence[Outcome], store: Store, path: str, options_for: OptionsFor) -> JoinedChain:
    """Join completed shots in their order; a file that an earlier run has joined of the same shots stays."""
    try:
        if not store.size_of(path):
            _join(outcomes, store, path, options_for)
    except VideoError as error:
        # Another process may have joined the same shots meanwhile, and cleared away what this one had written.
        if not _is_there(store, path):
            return JoinedChain(note=f"the shots were not joined to one file: {clip(str(error))}")
    folder, _, name = path.rpartition("/")
    store.clear_leftovers(folder, {name})
    return JoinedChain(store.url_of(path))


def _join(outcomes: Sequence[Outcome], store: Store, path: str, options_for: OptionsFor) -> None:
    with ExitStack() as opened:
        urls = [outcome.url or "" for outcome in outcomes]
        concat([opened.enter_context(closing(open_store(url, options_for(url)))) for url in urls], store, path)


def _is_there(store: Store, path: str) -> bool:
    with suppress(StorageError):
        return bool(store.size_of(path))
    return False


def frame_after(outcome: Outcome, options_for: OptionsFor) -> str:
    """Return the last frame of a completed shot as a ``data:`` URL.

    Raises:
        ConfigurationError, StorageError: if it cannot be read.
    """
    url = outcome.url or ""
    with closing(open_store(url, options_for(url))) as video:
        return last_frame(video)

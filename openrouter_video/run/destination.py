"""Where videos and their ledger are when no block names a store: as given, else by the environment, else a folder."""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import closing
from typing import NamedTuple

from openrouter_video.errors import ConfigurationError
from openrouter_video.ledger import OWNER_ONLY, Ledger
from openrouter_video.stores import check_writable, open_store, parse_store_url, safe_url

__all__ = ["DEFAULT_OUTPUT", "LEDGER_FOLDER", "Place", "find_place", "ledger_mode"]

DEFAULT_OUTPUT = "./videos"
LEDGER_FOLDER = "_jobs"
LEDGER_MODES = ("600", "640", "660", "644", "664")


class Place(NamedTuple):
    """The URLs of the videos and of the ledger; ``ledger`` None means inside the output."""

    output: str
    ledger: str | None = None

    def open_ledger(self) -> Ledger:
        """Open the ledger and make sure that it answers; blocks.

        Raises:
            ConfigurationError: if its store cannot be opened, or does not answer.
        """
        ledger = self._ledger()
        ledger.check_reachable()
        return ledger

    def _ledger(self) -> Ledger:
        store = open_store(self.ledger) if self.ledger else open_store(self.output).child(LEDGER_FOLDER)
        return Ledger(store, ledger_mode(os.environ))

    def check(self) -> None:
        """Make sure that videos can be written and that the ledger can be kept; blocks.

        Raises:
            ConfigurationError: if not.
        """
        for url in filter(None, (self.output, self.ledger)):
            if parse_store_url(url).ends_with_the_process:
                raise ConfigurationError(
                    f"what is kept at {safe_url(url)!r} ends with this command, a video that is paid for too; give a "
                    "folder or a URL such as s3://bucket/videos"
                )
        with closing(open_store(self.output)) as store:
            check_writable(store)
        with closing(self._ledger()) as ledger:
            ledger.check()


def ledger_mode(environ: Mapping[str, str]) -> int:
    """Return the permissions of the ledger's records by OPENROUTER_VIDEO_LEDGER_MODE: the owner's alone without it.

    Raises:
        ConfigurationError: if it is none of the allowed ones.
    """
    text = environ.get("OPENROUTER_VIDEO_LEDGER_MODE", "").strip()
    if not text:
        return OWNER_ONLY
    if text.removeprefix("0o").lstrip("0") not in LEDGER_MODES:
        raise ConfigurationError(
            f"OPENROUTER_VIDEO_LEDGER_MODE is {text[:20]!r}; allowed are {', '.join(LEDGER_MODES)}, such as 660 for a "
            "ledger that a group shares"
        )
    return int(text.removeprefix("0o"), 8)


def find_place(output: str | None, ledger: str | None, environ: Mapping[str, str]) -> Place:
    """Return the place that was given, else that of the environment, else ``./videos``."""
    return Place(
        output or environ.get("OPENROUTER_VIDEO_OUTPUT") or DEFAULT_OUTPUT,
        ledger or environ.get("OPENROUTER_VIDEO_LEDGER") or None,
    )

"""Where videos and their ledger are when no block names a store: as given, else by the environment, else a folder."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from openrouter_video.ledger import Ledger
from openrouter_video.stores import check_writable, open_store

__all__ = ["DEFAULT_OUTPUT", "LEDGER_FOLDER", "Place", "find_place"]

DEFAULT_OUTPUT = "./videos"
LEDGER_FOLDER = "_jobs"


class Place(NamedTuple):
    """The URLs of the videos and of the ledger; ``ledger`` None means inside the output."""

    output: str
    ledger: str | None = None

    def open_ledger(self) -> Ledger:
        """Open the ledger; blocks.

        Raises:
            ConfigurationError: if its store cannot be opened.
        """
        return Ledger(open_store(self.ledger) if self.ledger else open_store(self.output).child(LEDGER_FOLDER))

    def check(self) -> None:
        """Make sure that videos can be written and that the ledger can be kept; blocks.

        Raises:
            ConfigurationError: if not.
        """
        check_writable(open_store(self.output))
        self.open_ledger().check()


def find_place(output: str | None, ledger: str | None, environ: Mapping[str, str]) -> Place:
    """Return the place that was given, else that of the environment, else ``./videos``."""
    return Place(
        output or environ.get("OPENROUTER_VIDEO_OUTPUT") or DEFAULT_OUTPUT,
        ledger or environ.get("OPENROUTER_VIDEO_LEDGER") or None,
    )

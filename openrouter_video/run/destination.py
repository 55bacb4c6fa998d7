"""Where the videos of a run and their ledger go: by a block, by the URLs that were given, or by the environment."""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import closing
from typing import Any, NamedTuple

from pydantic import Secret

from openrouter_video.errors import ConfigurationError, StorageError
from openrouter_video.ledger import OWNER_ONLY, Ledger
from openrouter_video.stores import (
    Store,
    check_writable,
    folder_identity,
    is_relative,
    open_store,
    parse_store_url,
    safe_url,
    share_options,
)

__all__ = ["DEFAULT_OUTPUT", "LEDGER_FOLDER", "Destination", "Folder", "find_destination", "folder_of", "ledger_mode"]

DEFAULT_OUTPUT = "./videos"
LEDGER_FOLDER = "_jobs"
LEDGER_MODES = ("600", "640", "660", "644", "664")

StorageOptions = Secret[dict[str, Any]]


class Folder(NamedTuple):
    """A folder of a store: its URL, and the options that its file system is opened with."""

    url: str
    storage_options: StorageOptions | None = None

    def open(self) -> Store:
        """Open it; blocks."""
        return open_store(self.url, revealed(self.storage_options))


class Destination(NamedTuple):
    """Where the videos of a run and their ledger go.

    ``home`` is the folder that was configured: it holds the ledger if that has no folder of its own, and its options
    are for what is in the same store only.
    """

    home: Folder
    output: Folder
    ledger: Folder | None = None

    def at(self, output: str | None = None, ledger: str | None = None) -> Destination:
        """Return this destination with another output or ledger.

        Secrets go with the stores they were given for: to another host they are not sent. Another output does not move
        the ledger, for a key is paid once per ledger.
        """
        return self._replace(
            output=Folder(output, self._options_for(output)) if output else self.output,
            ledger=Folder(ledger, self._ledger_options_for(ledger)) if ledger else self.ledger,
        )

    def _options_for(self, url: str) -> StorageOptions | None:
        return self.home.storage_options if share_options(url, self.home.url) else None

    def _ledger_options_for(self, url: str) -> StorageOptions | None:
        if self.ledger and share_options(url, self.ledger.url):
            return self.ledger.storage_options
        return self._options_for(url)

    def options_for(self, url: str) -> dict[str, Any] | None:
        """Return the options to read something else with, such as an image: those that were given for its store."""
        return revealed(self._options_for(url))

    def open_store(self) -> Store:
        """Open the folder of the videos; blocks."""
        return self.output.open()

    def open_ledger(self) -> Ledger:
        """Open the ledger in its own folder, or in the folder ``_jobs`` of the configured one; blocks."""
        store = self.ledger.open() if self.ledger else self.home.open().child(LEDGER_FOLDER)
        return Ledger(store, ledger_mode(os.environ))

    def reach_ledger(self) -> Ledger:
        """Open the ledger and make sure that it answers; blocks.

        Raises:
            ConfigurationError: if its store cannot be opened, or does not answer.
        """
        ledger = self.open_ledger()
        ledger.check_reachable()
        return ledger

    def check(self) -> None:
        """Make sure that videos can be written and that the ledger can be kept; blocks.

        Raises:
            ConfigurationError: if not.
        """
        for folder in filter(None, (self.output, self.ledger)):
            if parse_store_url(folder.url).ends_with_the_process:
                raise ConfigurationError(
                    f"what is kept at {safe_url(folder.url)!r} ends with this command, a video that is paid for too; "
                    "give a folder or a URL such as s3://bucket/videos"
                )
        with closing(self.open_store()) as store:
            check_writable(store)
        with closing(self.open_ledger()) as ledger:
            ledger.check()

    def check_lasting(self) -> None:
        """Refuse what ends with a worker's process, or depends on its current folder.

        Raises:
            ConfigurationError: The videos or the ledger would be there.
        """
        for folder in (self.output, self.ledger or self.home):
            if parse_store_url(folder.url).ends_with_the_process or is_relative(folder.url):
                raise ConfigurationError(
                    "a deployment needs a lasting place for its videos and ledger; "
                    f"{safe_url(folder.url)!r} ends with the worker: name a store block, give an absolute output or "
                    "URL, or set OPENROUTER_VIDEO_OUTPUT"
                )


def find_destination(output: str | None, ledger: str | None, environ: Mapping[str, str]) -> Destination:
    """Return the destination that was given, else that of the environment, else ``./videos``."""
    folder = Folder(output or environ.get("OPENROUTER_VIDEO_OUTPUT") or DEFAULT_OUTPUT)
    apart = ledger or environ.get("OPENROUTER_VIDEO_LEDGER")
    return Destination(folder, folder, Folder(apart) if apart else None)


def folder_of(store: Store, ledger: Ledger) -> str | None:
    """Return by what other machines know that an output on a local disk is not theirs; blocks.

    None where there is no need: the output has one URL for all, or the ledger is inside it.

    Raises:
        ConfigurationError: if it could not be recorded in the folder.
    """
    if ledger.url == store.url_of(LEDGER_FOLDER):
        return None
    try:
        return folder_identity(store)
    except StorageError as error:
        raise ConfigurationError(f"The output {store.url} cannot be used. {error}") from None


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


def revealed(options: StorageOptions | None) -> dict[str, Any] | None:
    """Return storage options as a file system takes them."""
    return options.get_secret_value() if options else None

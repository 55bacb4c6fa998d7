"""What one run holds open: the API's client, the store of the videos, the ledger and the threads.

Opened and checked once per flow run, before anything is spent, and handed to the tasks (see ``VideoStore.open``).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

from openrouter_video.api import Catalog, VideoClient
from openrouter_video.errors import ConfigurationError, KeyConflict, LedgerError, Problem, StorageError
from openrouter_video.ledger import Ledger
from openrouter_video.planning import Plan, dry_run, no_options
from openrouter_video.request import RunRequest
from openrouter_video.run.destination import LEDGER_FOLDER
from openrouter_video.run.download import Downloader
from openrouter_video.run.limits import current_limits
from openrouter_video.run.submission import Submitter, check_conflict
from openrouter_video.stores import Store, folder_identity
from openrouter_video.threads import Threads

__all__ = ["Resources"]


class Resources:
    """The open ends of one run, by the limits that hold where it is made.

    A plain class, so that Prefect hands it on without looking inside.
    """

    def __init__(
        self,
        client: VideoClient,
        store: Store,
        ledger: Ledger,
        threads: Threads,
        options_for: Callable[[str], Mapping[str, Any] | None] = no_options,
    ) -> None:
        self.client = client
        self.store = store
        self.ledger = ledger
        self.threads = threads
        self.options_for = options_for
        limits = current_limits()
        self.submitter = Submitter(client, ledger, threads, limits.submit, sleep=limits.sleep, clock=limits.clock)
        self.downloader = Downloader(
            client,
            store,
            ledger,
            threads,
            attempts=limits.download_attempts,
            limits=limits.download,
            sleep=limits.sleep,
        )

    async def dry_run(self, run: RunRequest, catalog: Catalog) -> Plan:
        """Plan a run; images in the place that the block's options were given for are read with them."""
        return await self.threads.run(dry_run, run, catalog, self.options_for)

    def identify_folder(self) -> str | None:
        """Return by what other machines know that an output on a local disk is not theirs; blocks.

        None where there is no need: the output has one URL for all, or the ledger is inside it.

        Raises:
            ConfigurationError: if it could not be recorded in the folder.
        """
        if self.ledger.url == self.store.url_of(LEDGER_FOLDER):
            return None
        try:
            return folder_identity(self.store)
        except StorageError as error:
            raise ConfigurationError(f"The output {self.store.url} cannot be used. {error}") from None

    async def find_conflicts(self, bodies: Mapping[str, Mapping[str, Any]], asked: Mapping[str, Any]) -> list[Problem]:
        """Return a problem if a key was used for a different request, or if the ledger does not say.

        ``bodies`` holds what would be sent under each key.
        """
        try:
            entries = await asyncio.gather(*(self.threads.run(self.ledger.entry, key) for key in bodies))
        except LedgerError as error:
            return [
                Problem("ledger", f"{error} It is not known what was submitted under this key; fix the ledger first")
            ]
        for entry in entries:
            try:
                check_conflict(entry, asked, bodies[entry.key])
            except KeyConflict as conflict:
                return [Problem("idempotency_key", str(conflict))]
        return []

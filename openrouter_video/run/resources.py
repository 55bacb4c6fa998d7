"""What one run holds open: the API's client, the store of the videos, the ledger, the threads, and the run's limits.

Opened and checked once per flow run, before anything is spent, and handed to the tasks.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import ExitStack, asynccontextmanager, closing
from typing import TypeVar

from openrouter_video.api import VideoClient
from openrouter_video.ledger import Journal, Ledger
from openrouter_video.run.destination import Destination
from openrouter_video.run.download import Downloader
from openrouter_video.run.limits import Limits
from openrouter_video.run.signing import SignBody, as_it_is, signing_body
from openrouter_video.run.submission import Submitter
from openrouter_video.stores import Store, check_writable
from openrouter_video.threads import Threads

__all__ = ["Resources", "open_resources"]

C = TypeVar("C", Store, Ledger)


class Resources:
    """The open ends of one run. A plain class, so that Prefect hands it on without looking inside."""

    def __init__(
        self,
        client: VideoClient,
        store: Store,
        ledger: Ledger,
        threads: Threads,
        limits: Limits,
        sign: SignBody = as_it_is,
    ) -> None:
        self.client = client
        self.store = store
        self.ledger = ledger
        self.threads = threads
        self.limits = limits
        self._journals: dict[bool, Journal] = {}
        self.submitter = Submitter(
            client, ledger, threads, limits.submit, sign=sign, sleep=limits.sleep, clock=limits.clock
        )
        self.downloader = Downloader(
            client,
            store,
            ledger,
            threads,
            attempts=limits.download_attempts,
            limits=limits.download,
            sleep=limits.sleep,
        )

    def journal(self, *, sandbox: bool) -> Journal:
        """Return the money journal beside the ledger, or that of a sandbox's money; one object for the whole run."""
        return self._journals.setdefault(sandbox, Journal(self.ledger.store, sandbox=sandbox))


@asynccontextmanager
async def open_resources(
    destination: Destination, client: VideoClient, limits: Limits, ledger: Ledger | None = None
) -> AsyncIterator[Resources]:
    """Open and check what one run needs; ``ledger`` stands in for the destination's own.

    Raises:
        ConfigurationError: if the store cannot be used, or cannot hold a ledger.
    """
    threads = Threads()
    async with client:
        with ExitStack() as opened:
            store = await threads.run(_opened, destination.open_store, opened)
            if ledger is None:
                ledger = await threads.run(_opened, destination.open_ledger, opened)
            await threads.run(check_writable, store)
            await threads.run(ledger.check)
            sign = signing_body(destination.options_for, client.base_url)
            yield Resources(client, store, ledger, threads, limits, sign)


def _opened(opening: Callable[[], C], opened: ExitStack) -> C:
    return opened.enter_context(closing(opening()))

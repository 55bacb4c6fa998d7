"""Prefect's concurrency limits around submissions, where somebody made them.

They are the global limit ``openrouter-video:<provider>``, and the limits of the tags ``<provider>`` and
``openrouter-video``. These are taken here and not by Prefect's task runs, so that they hold in lanes, too.

All hold across runs and machines, and are a courtesy: a limit that is missing, whose server is away or whose slot is
lost costs no result, and never touches a submission that has begun.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from contextlib import AbstractAsyncContextManager
from typing import TypeVar

import httpx
from prefect import get_client, get_run_logger
from prefect.client.schemas.responses import GlobalConcurrencyLimitResponse
from prefect.concurrency.asyncio import ConcurrencySlotAcquisitionError, concurrency
from prefect.exceptions import PrefectException

from openrouter_video.tasks import RUN_TAG

__all__ = ["NamedLimits", "find_named_limits"]

PREFIX = f"{RUN_TAG}:"
OF_TAG = "tag:"
"""So Prefect names the limit of a tag among the global ones."""
PAGE = 200
ANSWERS_WITHIN_SECONDS = 5.0
TROUBLE = (TimeoutError, ConcurrencySlotAcquisitionError, PrefectException, httpx.HTTPError)

T = TypeVar("T")


class NamedLimits:
    """Those of them that there are. One that fails is left alone for the rest of the run."""

    def __init__(self, names: Iterable[str] = ()) -> None:
        # Of those who wait for a limit only one asks Prefect, so that its failure is waited for once.
        self._turns = {name: asyncio.Lock() for name in names}

    async def around(self, provider: str, submit: Callable[[], Awaitable[T]], patience: float) -> T:
        """Submit while a slot of each of the limits is held, which is waited for so many seconds at most."""
        return await self._around(
            (f"{PREFIX}{provider}", f"{OF_TAG}{provider}", f"{OF_TAG}{RUN_TAG}"), submit, patience
        )

    async def _around(self, names: Sequence[str], submit: Callable[[], Awaitable[T]], patience: float) -> T:
        """Take the limits in this order, which is the same everywhere, so that nobody waits for whom waits for him."""
        if not names:
            return await submit()
        name, *more = names
        slot = await self._take(name, patience)
        try:
            return await self._around(more, submit, patience)
        finally:
            if slot is not None:
                await self._give_back(name, slot)

    async def _take(self, name: str, patience: float) -> AbstractAsyncContextManager[None] | None:
        turn = self._turns.get(name)
        if turn is None:
            return None
        async with turn:
            if name not in self._turns:
                return None
            # What is lost while it is held is only told: a submission is never broken off for it.
            slot = concurrency(name, timeout_seconds=patience, raise_on_lease_renewal_failure=False)
            try:
                await slot.__aenter__()
            except TROUBLE as error:
                self._leave_alone(name, error)
                return None
            return slot

    async def _give_back(self, name: str, slot: AbstractAsyncContextManager[None]) -> None:
        task = asyncio.current_task()
        before = task.cancelling() if task else 0
        try:
            async with asyncio.timeout(ANSWERS_WITHIN_SECONDS):
                await slot.__aexit__(None, None, None)
        except TROUBLE as error:
            self._leave_alone(name, error)
        if task and task.cancelling() > before:
            # Prefect swallows a cancellation that comes at this moment.
            raise asyncio.CancelledError

    def _leave_alone(self, name: str, error: BaseException) -> None:
        if self._turns.pop(name, None) is not None:
            words = "Prefect's concurrency limit %s is left alone from here on (%s); the run goes on without it"
            get_run_logger().warning(words, name, type(error).__name__)


async def find_named_limits() -> NamedLimits:
    """Look once which of these limits there are; where Prefect's server does not answer, there are none."""
    found: list[GlobalConcurrencyLimitResponse] = []
    try:
        async with asyncio.timeout(ANSWERS_WITHIN_SECONDS), get_client() as client:
            while page := await client.read_global_concurrency_limits(limit=PAGE, offset=len(found)):
                found += page
                if len(page) < PAGE:
                    break
    except TROUBLE as error:
        get_run_logger().warning("Prefect's concurrency limits could not be looked up: %s", type(error).__name__)
    return NamedLimits(one.name for one in found if one.active and one.name.startswith((PREFIX, OF_TAG)))

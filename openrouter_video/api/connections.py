"""A connection for each request that is under way, lent from a stack.

For each request httpx walks through all connections of its pool, for each idle one through all of them again, and
through all requests that wait for one: with a thousand jobs and its usual hundred connections that took nine tenths of
the event loop's time. A client with a single connection has nothing to walk through.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import httpx

__all__ = ["Connections"]

MOST = 64  # 200 requests a second where each takes a third of one, which a thousand young jobs ask for


class Connections:
    """At most ``most`` clients, each with one connection and made when it is first needed."""

    def __init__(self, make: Callable[[httpx.Limits], httpx.AsyncClient], most: int = MOST) -> None:
        self._make = make
        self._idle: list[httpx.AsyncClient] = []
        self._turns = asyncio.Semaphore(most)

    @asynccontextmanager
    async def lend(self) -> AsyncIterator[httpx.AsyncClient]:
        """Lend a client for one request; one that was used in vain is not lent again.

        The one that was used last comes first, so that few connections stay busy rather than many half idle.
        """
        async with self._turns:
            client = self._idle.pop() if self._idle else self._make(httpx.Limits(max_connections=1))
            try:
                yield client
            except BaseException:
                # One that was cancelled may be neither usable nor closed in the eyes of its pool, for good.
                await client.aclose()
                raise
            self._idle.append(client)

    async def aclose(self) -> None:
        """Close all connections, once no request is under way."""
        while self._idle:
            await self._idle.pop().aclose()

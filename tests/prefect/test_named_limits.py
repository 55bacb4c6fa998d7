"""Prefect's global concurrency limits around submissions: kept where there are any, never in the way of a result."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager, suppress
from typing import TypeVar

import httpx
import pytest
from prefect import flow, get_client
from prefect.client.base import PrefectHttpxAsyncClient
from prefect.client.schemas.actions import GlobalConcurrencyLimitCreate

from flows.named_limits import NamedLimits, find_named_limits
from openrouter_video.errors import LedgerError

pytestmark = pytest.mark.usefixtures("prefect_server")

NAME, PATIENCE = "openrouter-video:x-ai", 30.0
LEFT_ALONE = "limit openrouter-video:x-ai is left alone"

T = TypeVar("T")


@asynccontextmanager
async def a_limit(*, active: bool = True) -> AsyncIterator[Callable[[], Awaitable[int]]]:
    """A limit of one slot in Prefect, which is gone afterwards; lends a function that counts the slots in use."""

    async def used() -> int:
        return (await client.read_global_concurrency_limit_by_name(NAME)).active_slots

    async with get_client() as client:
        await client.create_global_concurrency_limit(GlobalConcurrencyLimitCreate(name=NAME, limit=1, active=active))
        try:
            yield used
        finally:
            await client.delete_global_concurrency_limit_by_name(NAME)


async def in_a_flow(work: Callable[[], Awaitable[T]]) -> T:
    """Do something in a flow run, which has a log."""

    @flow(name="limits", persist_result=False)
    async def run() -> T:
        return await work()

    return await run()


async def answer() -> str:
    """A submission."""
    return "sent"


async def refuse() -> str:
    """A submission that fails for a reason of its own."""
    raise LedgerError("full")


async def test_submissions_take_turns_where_somebody_made_a_limit() -> None:
    """Those of its provider, and nobody else's; in the end no slot is left taken."""
    now, most = 0, dict[str, int]()

    async def submit() -> None:
        nonlocal now
        now += 1
        most["x-ai"] = max(now, most.get("x-ai", 0))
        assert await used() == 1
        now -= 1

    async def both() -> None:
        limits = await find_named_limits()
        await asyncio.gather(*(limits.around("x-ai", submit, PATIENCE) for _ in range(2)))
        assert await limits.around("google-vertex", answer, PATIENCE) == "sent"

    async with a_limit() as used:
        await in_a_flow(both)
        assert (most, await used()) == ({"x-ai": 1}, 0)


@contextmanager
def server_away() -> Iterator[None]:
    """Prefect's server does not answer on its limits, after all the tries of Prefect's client."""
    with pytest.MonkeyPatch.context() as patch:
        real = PrefectHttpxAsyncClient.send

        async def send(self: PrefectHttpxAsyncClient, request: httpx.Request, **more: object) -> httpx.Response:
            if "/concurrency_limits/" in request.url.path:
                raise httpx.ConnectError("away", request=request)
            return await real(self, request, **more)

        patch.setattr(PrefectHttpxAsyncClient, "send", send)
        yield


async def test_without_a_limit_prefect_is_asked_once_a_run(caplog: pytest.LogCaptureFixture) -> None:
    """One that is switched off is none; and where the server is away, it is told."""

    async def run() -> str:
        limits = await find_named_limits()
        with server_away():
            await find_named_limits()
            return await limits.around("x-ai", answer, PATIENCE)

    async with a_limit(active=False):
        assert await in_a_flow(run) == "sent"
    assert caplog.text.count("could not be looked up: ConnectError") == 1
    assert LEFT_ALONE not in caplog.text


async def test_a_server_that_is_away_costs_no_result(caplog: pytest.LogCaptureFixture) -> None:
    """Not while a slot is waited for, nor while it is held; what the submission itself says comes through."""

    async def waiting() -> list[str]:
        limits = await find_named_limits()
        with server_away():
            return await asyncio.gather(*(limits.around("x-ai", answer, PATIENCE) for _ in range(3)))

    async def holding(submit: Callable[[], Awaitable[str]]) -> str:
        limits = await find_named_limits()
        with ExitStack() as stack:

            async def cut_off() -> str:
                stack.enter_context(server_away())
                return await submit()

            return await limits.around("x-ai", cut_off, PATIENCE)

    async with a_limit():
        assert await in_a_flow(waiting) == ["sent"] * 3
        assert caplog.text.count(LEFT_ALONE) == 1
        assert await in_a_flow(lambda: holding(answer)) == "sent"
        assert caplog.text.count(LEFT_ALONE) == 2
    async with a_limit():
        with pytest.raises(LedgerError, match="full"):
            await in_a_flow(lambda: holding(refuse))


async def test_nobody_waits_for_ever_for_a_slot(caplog: pytest.LogCaptureFixture) -> None:
    """Slots are lost when a server begins anew: then the limit is given up, once for all who wait."""

    async def run() -> list[str]:
        limits = await find_named_limits()
        return await asyncio.gather(*(limits.around("x-ai", answer, 0.2) for _ in range(3)))

    async with a_limit(), get_client() as client:
        await client.increment_concurrency_slots(names=[NAME], slots=1, mode="concurrency")
        assert await in_a_flow(run) == ["sent"] * 3
    assert caplog.text.count(f"{LEFT_ALONE} from here on (AcquireConcurrencySlotTimeoutError)") == 1


async def test_a_cancellation_is_not_lost_in_giving_back_a_slot() -> None:
    """Prefect takes one that comes while it gives back a slot for its own."""
    giving, gone_on = asyncio.Event(), False

    @asynccontextmanager
    async def slot() -> AsyncIterator[None]:
        yield
        giving.set()
        with suppress(asyncio.CancelledError):
            await asyncio.Event().wait()

    async def run() -> None:
        nonlocal gone_on
        lent = slot()
        await lent.__aenter__()
        await NamedLimits([NAME])._give_back(NAME, lent)
        gone_on = True

    task = asyncio.create_task(run())
    await giving.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert not gone_on

"""What a process sends to Prefect's server: requests by kind, events, and lines of its log."""

from __future__ import annotations

import re
from collections import Counter
from typing import Any

import httpx
from prefect import get_client
from prefect.events.clients import PrefectEventsClient
from prefect.logging.handlers import APILogWorker
from prefect.settings import PREFECT_API_URL

ID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f-]{22,}")


def start_server() -> None:
    """Start the embedded server where no running one is named, which is not what a fan-out is measured by."""
    if not PREFECT_API_URL.value():
        with get_client(sync_client=True) as client:
            client.api_healthcheck()


def count(calls: Counter[str], base_url: str) -> None:
    """Count from now on, into ``calls``, all that does not go to ``base_url``."""
    plain_send, blocking_send, emit, logs = (
        httpx.AsyncClient.send,
        httpx.Client.send,
        PrefectEventsClient._emit,
        APILogWorker._handle_batch,
    )

    def note(request: httpx.Request) -> None:
        if not str(request.url).startswith(base_url):
            calls[f"{request.method} {ID.sub('ID', request.url.path)}"] += 1

    async def send_and_count(self: httpx.AsyncClient, request: httpx.Request, **options: Any) -> httpx.Response:
        note(request)
        return await plain_send(self, request, **options)

    def blocking_send_and_count(self: httpx.Client, request: httpx.Request, **options: Any) -> httpx.Response:
        note(request)
        return blocking_send(self, request, **options)

    async def emit_and_count(self: PrefectEventsClient, event: Any) -> None:
        calls["event"] += 1
        await emit(self, event)

    async def handle_and_count(self: APILogWorker, items: list[bytes]) -> None:
        calls["log line"] += len(items)
        await logs(self, items)

    httpx.AsyncClient.send = send_and_count  # type: ignore[method-assign]
    httpx.Client.send = blocking_send_and_count  # type: ignore[method-assign]
    PrefectEventsClient._emit = emit_and_count  # type: ignore[method-assign]
    APILogWorker._handle_batch = handle_and_count  # type: ignore[method-assign]

"""Puts an answer on the wire, broken where it is meant to be: real resets, real early ends."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from collections.abc import Iterator, MutableMapping
from itertools import chain, repeat
from typing import Any

from starlette.responses import Response
from starlette.types import Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol

from openrouter_video.sandbox.answers import Answer

__all__ = ["BreakableProtocol", "Reply", "client_left"]

_TRANSPORT = "openrouter_video.sandbox.transport"
_CHUNK = 64 * 1024
# The client is to read what was sent before the reset: long enough for loopback, short enough for a test.
_SETTLE_SECONDS = 0.05
_FOR_EVER = 3600.0
_PAUSES = {"drip": 0.05, "endless": 0.0}


class BreakableProtocol(H11Protocol):
    """uvicorn's HTTP/1.1, which lets the application break the connection itself."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # as uvicorn has it
        """Hand the connection's transport on to the application."""
        super().connection_made(transport)
        application: Any = self.app

        async def with_transport(scope: Any, receive: Any, send: Any) -> None:
            # A sandbox that is stopped cancels what it was answering: no error, and nobody is left to tell.
            with contextlib.suppress(asyncio.CancelledError):
                await application({**scope, _TRANSPORT: transport}, receive, send)

        self.app = with_transport


class Reply(Response):
    """One answer as an ASGI application."""

    def __init__(self, answer: Answer) -> None:
        super().__init__()
        self._answer = answer

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send it, in the shape that the answer asks for."""
        answer = self._answer
        if answer.status is None:
            await _reset(scope, receive)
            return
        headers = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in answer.headers.items()]
        if not answer.streamed:
            headers.append((b"content-length", str(len(answer.body)).encode()))
        await send({"type": "http.response.start", "status": answer.status, "headers": headers})
        for chunk in _chunks(answer) if answer.streamed else ():
            await send({"type": "http.response.body", "body": chunk, "more_body": True})
            if answer.ending in {"drip", "endless"} and await client_left(receive, _PAUSES[answer.ending]):
                return
        if answer.ending == "silence":
            await client_left(receive, _FOR_EVER)
            return
        if answer.ending == "reset":
            await asyncio.sleep(_SETTLE_SECONDS)
            await _reset(scope, receive)
            return
        await send({"type": "http.response.body", "body": b"" if answer.streamed else answer.body})


def _chunks(answer: Answer) -> Iterator[bytes]:
    step = 1 if answer.ending == "drip" else _CHUNK
    whole = (answer.body[start : start + step] for start in range(0, len(answer.body), step))
    return chain(whole, repeat(bytes(_CHUNK))) if answer.ending == "endless" else whole


async def _reset(scope: MutableMapping[str, Any], receive: Receive) -> None:
    transport: asyncio.Transport = scope[_TRANSPORT]
    # A client that died first has closed the socket already.
    if not transport.is_closing():
        # Lingering for zero seconds turns the close into a reset (RST) instead of an orderly end (FIN).
        linger = struct.pack("ii", 1, 0)
        transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        transport.abort()
    await client_left(receive, 1)


async def client_left(receive: Receive, seconds: float) -> bool:
    """Wait so long, or until the client is gone; tell whether it is. The request's body must have been read."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            while True:
                message = await receive()
                if message["type"] == "http.disconnect":
                    return True
    return False

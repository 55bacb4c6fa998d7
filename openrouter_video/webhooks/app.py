"""The receiver as an ASGI application: it judges a webhook, answers at once, and lets the collection be woken after.

What is not read to its end is not believed, and nothing of a body, a signature or an address is logged.
"""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import NamedTuple

from starlette.applications import Starlette
from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from openrouter_video.webhooks.notice import key_of_query, parse_notice
from openrouter_video.webhooks.signature import parse_secret, signature_problem
from openrouter_video.webhooks.waking import Woken

__all__ = ["webhook_app"]

LARGEST_BODY = 64 * 1024
LONGEST_LENGTH = 20
BODY_SECONDS = 10.0
MOST_REMEMBERED = 10_000
REFUSALS_EVERY_SECONDS = 10.0

log = logging.getLogger(__name__)


class Answer(NamedTuple):
    """What the sender is told; ``woken`` is what follows from it."""

    status: int
    message: str
    woken: Woken | None = None


NOT_POST = Answer(405, "webhooks are sent by POST")
TOO_LARGE = Answer(413, f"a webhook has at most {LARGEST_BODY // 1024} kB")
TOO_SLOW = Answer(408, "the body did not come in time")
NO_NOTICE = Answer(400, "this is not a notice of a job's end")
OTHER_EVENT = Answer(200, "an event of another kind; nothing to do")
NOT_OURS = Answer(200, "not ours: there is no ledger key in the address")
SEEN = Answer(200, "seen already")


def webhook_app(
    wake: Callable[[Woken], None],
    secret: str | None,
    *,
    clock: Callable[[], float] = time.time,
    body_seconds: float = BODY_SECONDS,
) -> Starlette:
    """Return the application: any path takes webhooks, ``/health`` says that it is there.

    ``wake`` is called for each new notice with a ledger key, after which it is answered: it must not wait, as
    ``Waking.wake`` does not. Without a ``secret`` everybody is believed, which is for a machine of one's own.

    Raises:
        ConfigurationError: for a secret that can be guessed, or that was not copied well.
    """
    receiver = _Receiver(wake, parse_secret(secret), clock, body_seconds)
    return Starlette(routes=[Route("/health", _health, methods=["GET"]), Route("/{path:path}", receiver)])


async def _health(_: Request) -> JSONResponse:
    return JSONResponse({"status": "ok"})


class _Receiver:
    """Takes webhooks; a plain ASGI application, since Starlette would read a body without limits."""

    def __init__(
        self, wake: Callable[[Woken], None], secret: str | None, clock: Callable[[], float], body_seconds: float
    ) -> None:
        self._wake = wake
        self._secret = secret
        self._clock = clock
        self._body_seconds = body_seconds
        self._seen: OrderedDict[Woken, None] = OrderedDict()
        self._refusals = _Refusals()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        until = asyncio.get_running_loop().time() + self._body_seconds
        headers = Headers(scope=scope)
        body = NOT_POST if scope["method"] != "POST" else await _read(headers, receive, until)
        if body is None:
            return
        answer = body if isinstance(body, Answer) else self._judge(scope, headers, body)
        if answer.woken is not None:
            self._wake(answer.woken)
        elif answer.status >= NO_NOTICE.status:
            self._refusals.tell(answer)
        await _send(answer, receive, send, until if isinstance(body, Answer) else None)

    def _judge(self, scope: Scope, headers: Headers, body: bytes) -> Answer:
        if self._secret is not None:
            signatures = headers.getlist("x-openrouter-signature")
            problem = signature_problem(signatures, body, self._secret, self._clock())
            if problem is not None:
                return Answer(401, problem)
        notice = parse_notice(body)
        if notice is None:
            return NO_NOTICE
        key = key_of_query(scope["query_string"])
        if not notice.job or key is None:
            return NOT_OURS if notice.job else OTHER_EVENT
        woken = Woken(key, notice.identity)
        return SEEN if self._remembers(woken) else Answer(202, "the collection of this video begins", woken)

    def _remembers(self, woken: Woken) -> bool:
        """Whether this was told before; from now on it was. The oldest of many is forgotten, and would wake again."""
        if woken in self._seen:
            return True
        self._seen[woken] = None
        if len(self._seen) > MOST_REMEMBERED:
            self._seen.popitem(last=False)
        return False


async def _read(headers: Headers, receive: Receive, until: float) -> bytes | Answer | None:
    """Return the whole body, or the refusal of one that is too large or too slow; None if the sender is gone."""
    declared = headers.get("content-length", "0")
    if len(declared) > LONGEST_LENGTH or (declared.isdecimal() and int(declared) > LARGEST_BODY):
        return TOO_LARGE
    body, more = bytearray(), True
    try:
        async with asyncio.timeout_at(until):
            while more:
                message = await receive()
                if message["type"] == "http.disconnect":
                    return None
                body += message.get("body", b"")
                if len(body) > LARGEST_BODY:
                    return TOO_LARGE
                more = message.get("more_body", False)
    except TimeoutError:
        return TOO_SLOW
    return bytes(body)


async def _send(answer: Answer, receive: Receive, send: Send, until: float | None) -> None:
    """Answer, and end the connection; ``until``: how long what is still sent is taken, so that the answer is read.

    To a sender in the middle of a body, a connection that just ends has broken.
    """
    body = json.dumps({"message": answer.message}).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    headers += [(b"connection", b"close"), *([(b"allow", b"POST")] if answer is NOT_POST else [])]
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    await send({"type": "http.response.body", "body": body, "more_body": until is not None})
    if until is not None:
        await _drain(receive, until)
        await send({"type": "http.response.body", "body": b""})


async def _drain(receive: Receive, until: float) -> None:
    try:
        async with asyncio.timeout_at(until):
            while (await receive()).get("more_body", False):
                pass
    except TimeoutError:
        pass


class _Refusals:
    """Logs refusals, a line in ten seconds at most: whoever finds the address could fill a disk."""

    def __init__(self) -> None:
        self._untold = 0
        self._told_at = float("-inf")

    def tell(self, answer: Answer) -> None:
        """Log this one, or count it."""
        now = time.monotonic()
        if now - self._told_at < REFUSALS_EVERY_SECONDS:
            self._untold += 1
            return
        more = f", and {self._untold:,} more since the last such line" if self._untold else ""
        log.warning("refused with %d: %s%s", answer.status, answer.message, more)
        self._untold, self._told_at = 0, now

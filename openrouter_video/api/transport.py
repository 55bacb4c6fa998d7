"""How requests travel: by this machine's proxy and certificates, over few connections, with answers of bounded length.

What httpx leaves to its user: whose certificates are trusted, how long an answer may be, and errors without a request.
"""

from __future__ import annotations

import asyncio
import os
import ssl
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any
from urllib.request import getproxies

import certifi
import httpx
from pydantic import SecretStr

from openrouter_video.api.proxies import choose_proxy
from openrouter_video.api.web_urls import is_loopback
from openrouter_video.errors import ConfigurationError
from openrouter_video.text import clip

__all__ = [
    "LARGEST_ANSWER_BYTES",
    "Connections",
    "answer_within",
    "cause_of",
    "client_options",
    "read_bounded",
    "read_bounded_async",
    "tls_context",
    "without_key",
]

MOST_CONNECTIONS = 64  # 200 requests a second where each takes a third of one, which a thousand young jobs ask for
LARGEST_ANSWER_BYTES = 8 * 2**20
SHORTEST_KEY = 16  # a stand-in may have a shorter one, which could stand in the id of a paid job as well


def client_options(url: str) -> dict[str, Any]:
    """Return the options of an httpx client: who it is, and this machine's way to a URL; to itself without a proxy.

    Raises:
        ConfigurationError: if a variable names a proxy or certificates that cannot be used.
    """
    # A proxy from the environment would read the key that goes to this machine unencrypted.
    proxy = None if is_loopback(url) else choose_proxy(url, getproxies())
    # One context for all clients, since making one is slow. Plain http needs none, but httpx would make one for each
    # client: this one trusts nobody.
    verify = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT) if url.startswith("http://") else tls_context(os.environ)
    headers = {"User-Agent": f"prefect-openrouter-video/{_version()}", "X-OpenRouter-Title": "Prefect"}
    return {"headers": headers, "proxy": proxy.url if proxy else None, "trust_env": False, "verify": verify}


def _version() -> str:
    try:
        return version("prefect-openrouter-video")
    except PackageNotFoundError:
        return "checkout"


def without_key(answer: bytes, key: SecretStr) -> bytes:
    """Blot a key out of an answer: a proxy's error page may repeat the request's headers."""
    text = key.get_secret_value().encode()
    return answer.replace(text, b"***") if len(text) >= SHORTEST_KEY else answer


def tls_context(environ: Mapping[str, str]) -> ssl.SSLContext:
    """Return a context that trusts what SSL_CERT_FILE and SSL_CERT_DIR name, else what this machine trusts.

    Where a machine has no certificates, as in slim images and Python from python.org on macOS, certifi's are trusted.

    Raises:
        ConfigurationError: if a variable names what holds no certificates.
    """
    file, folders = environ.get("SSL_CERT_FILE") or None, environ.get("SSL_CERT_DIR") or None
    if folders and not file and not any(Path(folder).is_dir() for folder in folders.split(":")):
        message = f"SSL_CERT_DIR is {folders!r}, which is not a folder; name one with certificates, or unset it"
        raise ConfigurationError(message)
    try:
        context = ssl.create_default_context(cafile=file, capath=folders)
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or str(error)
        raise ConfigurationError(
            f"SSL_CERT_FILE is {file!r}, from which no certificates can be read ({why}); name a file with certificates "
            "in PEM, or unset it"
        ) from None
    if not file and not folders and not context.cert_store_stats()["x509_ca"]:
        context.load_verify_locations(certifi.where())
    return context


class Connections:
    """At most ``most`` clients, each with one connection and made when it is first needed.

    For each request httpx walks through all connections of its pool, for each idle one through all of them again, and
    through all requests that wait for one: with a thousand jobs and its usual hundred connections that took nine tenths
    of the event loop's time. A client with a single connection has nothing to walk through.
    """

    def __init__(self, make: Callable[[httpx.Limits], httpx.AsyncClient], most: int = MOST_CONNECTIONS) -> None:
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


def read_bounded(response: httpx.Response, until: float) -> bytes:
    """Read a body of bounded length in bounded time; a beginning is enough to see what it is.

    So it is of a success that breaks off: what had come may hold the id of a job that is paid for.
    """
    body = bytearray()
    try:
        for chunk in response.iter_bytes():
            body += chunk
            if len(body) > LARGEST_ANSWER_BYTES or time.monotonic() > until:
                break
    except httpx.HTTPError:
        if not (body and response.is_success):
            raise
    return bytes(body[:LARGEST_ANSWER_BYTES])


async def answer_within(
    seconds: float, opened: AbstractAsyncContextManager[httpx.Response]
) -> tuple[httpx.Response, bytes] | str:
    """Open an answer and read it whole; or return why there is none to be had in so many seconds."""
    try:
        async with asyncio.timeout(seconds), opened as response:
            body = await read_bounded_async(response)
    except TimeoutError:
        return f"no complete answer within {seconds:g} s"
    except httpx.HTTPError as error:
        return f"no answer: {cause_of(error)}"
    return (response, body) if body is not None else f"an answer of more than {LARGEST_ANSWER_BYTES} bytes"


async def read_bounded_async(response: httpx.Response) -> bytes | None:
    """Read a whole body, None if it is too long to be an answer; the time is for the caller to bound."""
    body = bytearray()
    async for chunk in response.aiter_bytes():
        body += chunk
        if len(body) > LARGEST_ANSWER_BYTES:
            return None
    return bytes(body)


def cause_of(error: httpx.HTTPError) -> str:
    """Return what went wrong, in words: httpx leaves the message of a time-out empty.

    The request goes, and the key in it: whoever keeps the error that is raised instead keeps this one as its context.
    """
    error._request = None  # noqa: SLF001 (its setter takes no None)
    return clip(str(error)) or type(error).__name__

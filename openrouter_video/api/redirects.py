"""Signed URLs on other origins, by a redirect or by an answer of the API: over https, no key, to public addresses.

The name is looked up once, and the connection goes to the address that was found and checked, so that no second look
can differ. A signed URL is a secret: httpx's client would log it, its transport does not, and no message here holds it.
"""

from __future__ import annotations

import ipaddress
import logging
import os
import re
import socket
import ssl
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import NamedTuple

import httpx

from openrouter_video.api.answers import GONE, NOT_FOUND, ContentAnswer, ContentUnavailable
from openrouter_video.api.content import Trace
from openrouter_video.api.endpoint import origin
from openrouter_video.api.transport import tls_context
from openrouter_video.api.web_urls import is_loopback
from openrouter_video.text import clip

__all__ = [
    "REDIRECTS",
    "Redirects",
    "Target",
    "answer_of_copy",
    "answer_of_target",
    "copy_target",
    "is_public",
    "redirect_target",
]

REDIRECTS = frozenset({301, 302, 303, 307, 308})
HTTPS_PORT = 443
TRY_AGAIN = "The job stays open: `openrouter-video collect` asks once more"
REFUSALS = {
    "the API's redirect": f"the API answered with a redirect, which was not followed: {{}}. {TRY_AGAIN}",
    "its signed URL": "its signed URL was not asked: {}",
}
REDIRECT, COPY = REFUSALS
NO_COPY = frozenset({401, 403, NOT_FOUND, GONE})
"""With what a store answers to a signed URL that does not hold any more, or of a file that is not there."""
MAPPED_PREFIXES = tuple(map(ipaddress.IPv6Network, ("64:ff9b::/96", "64:ff9b:1::/48", "::/96")))


# httpcore writes all headers of an answer into its log at DEBUG, as pairs of bytes.
_LOCATION = re.compile(
    r"""(b['"]location['"],\s*b)(?:'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*")""", re.IGNORECASE | re.DOTALL
)
_LOGGERS = ("httpcore.http11", "httpcore.http2")


class _WithoutLocation(logging.Filter):
    def filter(self, record: logging.LogRecord) -> bool:
        if isinstance(record.msg, str):
            record.msg = _LOCATION.sub(r"\1'…'", record.msg)
        return True


_without_location = _WithoutLocation()


class Target(NamedTuple):
    """Where a signed URL leads; ``path`` holds the query, and with it the signature.

    ``name``: what leads there. ``scheme`` is http, and ``near`` true, only on the origin of an API on this machine.
    """

    host: str
    port: int
    path: bytes
    name: str = REDIRECT
    scheme: str = "https"
    near: bool = False


def redirect_target(url: str, location: str | None) -> Target:
    """Take apart where an answer to ``url`` leads; pure.

    Raises:
        ContentUnavailable: if that is not a place to which one may go; the message names the redirect.
    """
    if not location:
        raise _refused("it names no address", REDIRECT)
    return _target(url, location, REDIRECT)


def copy_target(base_url: str, url: str) -> Target:
    """Take a signed URL in an answer apart; pure.

    Raises:
        ContentUnavailable: if that is not a place to which one may go.
    """
    return _target(base_url, url, COPY, api=base_url)


def _target(base: str, location: str, name: str, api: str | None = None) -> Target:
    try:
        url = httpx.URL(base).join(location)
        # A name in Punycode is decoded here, and may be none.
        host, of_url = url.host, origin(str(url))
    except (httpx.InvalidURL, ValueError, TypeError):
        raise _refused("its address is not a URL", name) from None
    near = api is not None and is_loopback(api) and of_url == origin(api)
    if url.scheme != "https" and not near:
        raise _refused(f"it leads to {clip(url.scheme)}://{clip(host)}, and only https is followed", name)
    if not host or url.userinfo:
        raise _refused("its address has no host, or has a user name", name)
    named = url.raw_host.decode("ascii").strip("[]")
    return Target(named, url.port or of_url[2] or HTTPS_PORT, url.raw_path, name, url.scheme, near)


def answer_of_target(target: Target, status: int, wait: float | None) -> ContentAnswer:
    """Say why a redirect to a signed URL gave no video; pure.

    Its answer is not quoted, for it may repeat the signature. Nor is it the API's word that the video is gone: the API
    may sign another URL the next time, so that only the end of the retention makes it final.
    """
    known = NOT_FOUND if status in {NOT_FOUND, GONE} else status
    reason = f"the redirect to {clip(target.host)} ends in HTTP {status}"
    return ContentAnswer(reason, again=True, retry_after=wait, status=known)


def answer_of_copy(target: Target, status: int) -> ContentAnswer:
    """Say why the signed URL of a stored copy gave no video, also without a quotation; pure."""
    return ContentAnswer(f"{clip(target.host)} answered HTTP {status}", again=False, final=status in NO_COPY)


def is_public(address: str) -> bool:
    """Whether an address is one of the open internet, and not one that stands for a private one; pure."""
    try:
        found = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return False
    if isinstance(found, ipaddress.IPv6Address):
        hidden = found.ipv4_mapped or found.sixtofour or (found.teredo and found.teredo[1])
        if hidden or any(found in prefix for prefix in MAPPED_PREFIXES) or found.is_site_local:
            return False
    return found.is_global and not (found.is_multicast or found.is_reserved or found.is_unspecified)


def _addresses(host: str, port: int) -> list[str]:
    return [str(info[4][0]) for info in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]


def _refused(reason: str, name: str) -> ContentUnavailable:
    return ContentUnavailable(ContentAnswer(REFUSALS[name].format(reason), again=False))


class Redirects:
    """Opens signed URLs. ``resolve`` and ``allowed`` are for tests, which have no public address to go to."""

    def __init__(
        self,
        verify: Callable[[], ssl.SSLContext] = lambda: tls_context(os.environ),
        resolve: Callable[[str, int], Sequence[str]] = _addresses,
        allowed: Callable[[str], bool] = is_public,
    ) -> None:
        for name in _LOGGERS:
            logging.getLogger(name).addFilter(_without_location)
        self._verify = verify
        self._resolve = resolve
        self._allowed = allowed

    @contextmanager
    def open(self, target: Target, timeout: httpx.Timeout, trace: Trace) -> Iterator[httpx.Response]:
        """Send one GET without a key, to the address that the name has at this moment; blocks.

        Raises:
            ContentUnavailable: if the name has no address, or one that is not public.
        """
        address = self._address_of(target)
        named = f"[{target.host}]" if ":" in target.host else target.host
        literal = f"[{address}]" if ":" in address else address
        request = httpx.Request(
            "GET",
            httpx.URL(scheme=target.scheme, host=literal, port=target.port, raw_path=target.path),
            headers={
                "Host": named if target.port == HTTPS_PORT else f"{named}:{target.port}",
                "Accept": "video/mp4, */*",
                "Accept-Encoding": "identity",
                "Connection": "close",
            },
            extensions={"sni_hostname": target.host, "timeout": timeout.as_dict(), "trace": trace},
        )
        # No proxy of the environment: it would look the name up once more.
        with httpx.HTTPTransport(verify=self._verify(), trust_env=False) as transport:
            response = transport.handle_request(request)
            try:
                yield response
            finally:
                response.close()

    def _address_of(self, target: Target) -> str:
        try:
            found = self._resolve(target.host, target.port)
        except (OSError, UnicodeError) as error:
            reason = f"{target.name} leads to {clip(target.host)}, which has no address: {clip(str(error))}"
            raise ContentUnavailable(ContentAnswer(reason, again=True)) from None
        if not found or not (target.near or all(map(self._allowed, found))):
            raise _refused(f"{clip(target.host)} is not an address of the public internet", target.name)
        return found[0]

"""Which texts are https URLs that somebody can be reached by, and which name this machine; pure."""

from __future__ import annotations

import ipaddress
import re
from urllib.parse import urlsplit

__all__ = ["fetch_problem", "https_problem", "is_host", "is_local_http", "is_loopback"]

LONGEST_HOST = 253
_LABEL = re.compile(r"[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?", re.IGNORECASE)


def is_host(host: str) -> bool:
    """Whether a text is a host name or an address: what a resolver takes without an exception of its own."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        pass
    else:
        return True
    try:
        plain = host.encode("idna").decode() if not host.isascii() else host
        labels = plain.removesuffix(".").split(".")
        for label in labels:
            if label.lower().startswith("xn--"):
                label.encode().decode("idna")
    except UnicodeError:
        return False
    numeric = labels[-1].isdecimal()  # which is an address for resolvers, but was none above
    return len(plain) <= LONGEST_HOST and not numeric and all(map(_LABEL.fullmatch, labels))


def https_problem(text: str) -> str | None:
    """Return why a text is not an https URL, to be put after its name; None if it is one."""
    if not re.match("https://", text, re.IGNORECASE):
        return "must begin with https://"
    try:
        parts = urlsplit(text)
        host, _ = parts.hostname or "", parts.port
    except ValueError:
        host = ""
    if not is_host(host):
        return "names a host that cannot exist"
    if not text.isprintable() or " " in text:
        return "contains a space or a character that URLs do not have"
    return None


def fetch_problem(url: str, base_url: str | None) -> str | None:
    """Return why the API at an URL cannot fetch what lies at another, to be put after that; None if it can.

    Only an API on this machine can reach a server that speaks without encryption on it. Of an API of which nothing is
    known, None, it is not assumed.
    """
    near = base_url is not None and is_loopback(base_url) and is_local_http(url)
    return https_problem(f"https{url[4:]}" if near else url)


def is_local_http(url: str) -> bool:
    """Whether an address is on this machine, and without encryption."""
    return url[:7].lower() == "http://" and is_loopback(url)


def is_loopback(url: str) -> bool:
    """Whether a URL names this machine, by name or by address."""
    try:
        host = urlsplit(url).hostname or ""
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False

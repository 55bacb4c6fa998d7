"""Which proxy a request takes, by what the proxy variables of this machine say.

httpx reads the same variables, but takes each of them, used or not, and raises what nobody expects of a client.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from importlib.util import find_spec
from typing import NamedTuple
from urllib.parse import urlsplit

import httpx

from openrouter_video.api.web_urls import is_host
from openrouter_video.elision import redact
from openrouter_video.errors import ConfigurationError

__all__ = ["Proxy", "changes_for_httpx", "choose_proxy"]

ALLOWED = "allowed are http://HOST:PORT, https://HOST:PORT and socks5://HOST:PORT"
# What desktops and VPN clients write. They mean SOCKS 5, as all such programs speak it.
SPELLINGS = {"socks": "socks5", "socks5": "socks5", "socks5h": "socks5h", "http": "http", "https": "https"}


class Proxy(NamedTuple):
    """A proxy, and the variable that names it."""

    url: str
    variable: str


def choose_proxy(url: str, proxies: Mapping[str, str]) -> Proxy | None:
    """Return the proxy for a URL, or None, from what ``urllib.request.getproxies`` returns.

    As with curl: the one of the URL's scheme wins over the one for all, and ``no`` lists hosts without any: names with
    their subdomains, addresses, networks such as fd00::/8, each with a port or without; ``*`` means every host. What
    stands in a variable that is not used does not matter.

    Raises:
        ConfigurationError: if the proxy is none that can be used.
    """
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return None  # nothing can go there
    named = {scheme: proxies[scheme].strip() for scheme in (parts.scheme, "all") if proxies.get(scheme, "").strip()}
    if not named or any(_covers(entry, parts.hostname or "", port) for entry in _entries(proxies.get("no", ""))):
        return None
    scheme, text = next(iter(named.items()))
    return Proxy(_checked(text, variable := f"{scheme.upper()}_PROXY"), variable)


def _entries(text: str) -> list[str]:
    return [entry.lower() for entry in text.replace(",", " ").split()]


def _covers(entry: str, host: str, port: int | None) -> bool:
    if entry == "*":
        return True
    rest = entry.rpartition("://")[2]
    try:
        return ipaddress.ip_address(host) in ipaddress.ip_network(rest.strip("[]"), strict=False)
    except ValueError:
        name, colon, number = rest.rpartition(":") if rest.count(":") == 1 or "]:" in rest else (rest, "", "")
    name = name.strip("[]").removeprefix("*").strip(".")
    same_port = not colon or number == str(port or 443)
    return bool(name) and same_port and (host == name or host.endswith(f".{name}"))


def _checked(text: str, variable: str) -> str:
    whole = text if "://" in text else f"http://{text}"
    scheme, _, rest = whole.partition("://")
    try:
        parts = urlsplit(whole)
        good = scheme.lower() in SPELLINGS and is_host(parts.hostname or "") and parts.port != 0
        good = good and whole.isprintable() and " " not in whole and bool(httpx.Proxy(f"http://{rest}").url.host)
    except (ValueError, httpx.InvalidURL):
        good = False
    if not good:
        raise ConfigurationError(
            f"{variable} is {redact(text)!r}, which cannot be used as a proxy; {ALLOWED}. Correct or unset it, or list "
            "the API's host in NO_PROXY"
        )
    usual = SPELLINGS[scheme.lower()]
    if usual.startswith("socks") and find_spec("socksio") is None:
        raise ConfigurationError(
            f"{variable} is {redact(text)!r}, and SOCKS needs one more package: pip install 'httpx[socks]'; or name an "
            "http:// proxy, or list the API's host in NO_PROXY"
        )
    return f"{usual}://{rest}"


def changes_for_httpx(environ: Mapping[str, str]) -> dict[str, str]:
    """Return the proxy variables that httpx would choke on, with values that it takes; an empty one is as none.

    For clients that others make in this process, as Prefect does: httpx looks at all of them, used or not. What goes to
    this machine goes there directly.
    """
    changes = {}
    variables = [name for name in environ if name.upper() in {"HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"}]
    for name in variables:
        try:
            usable = _checked(environ[name].strip(), name) if environ[name].strip() else ""
        except ConfigurationError:
            usable = ""
        changes[name] = usable
    if variables:
        entries = [entry for name in ("no_proxy", "NO_PROXY") for entry in _entries(environ.get(name, ""))]
        without = dict.fromkeys([*filter(_httpx_takes, entries), "localhost", "127.0.0.1", "::1"])
        changes |= dict.fromkeys(("no_proxy", "NO_PROXY"), ",".join(without))
    return changes


def _httpx_takes(entry: str) -> bool:
    plain = re.fullmatch(r"[^:]+(:\d+)?", entry)
    try:
        return bool(httpx.URL(f"all://*{entry}").host) if plain else bool(ipaddress.IPv6Address(entry))
    except (ValueError, httpx.InvalidURL):
        return False

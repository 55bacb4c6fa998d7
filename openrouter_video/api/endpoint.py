"""Where the API is and which key may go there: checked once, before anything is sent.

Pure. The key goes to one origin (scheme, host and port), over https, or over http to this machine only.
"""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import urlsplit

import httpx
from pydantic import SecretStr

from openrouter_video.api.web_urls import is_host, is_loopback
from openrouter_video.errors import ConfigurationError

__all__ = ["DEFAULT_BASE_URL", "base_url_of", "origin", "parse_api_key", "parse_base_url"]

DEFAULT_BASE_URL = "https://openrouter.ai/api/v1"
HOW_TO_GET_A_KEY = "set OPENROUTER_API_KEY, or use --sandbox to try everything without a key"
DEFAULT_PORTS = {"https": 443, "http": 80}
BYTE_ORDER_MARK = "\ufeff"


def base_url_of(environ: Mapping[str, str]) -> str:
    """Return the base URL that an environment names, unchecked and without a trailing slash, else OpenRouter's."""
    return (environ.get("OPENROUTER_BASE_URL") or DEFAULT_BASE_URL).strip().rstrip("/")


def parse_base_url(url: str) -> str:
    """Return the base URL of the API without a trailing slash.

    Raises:
        ConfigurationError: if it is not a URL, holds credentials, or would send the key in clear to another machine.
    """
    text = url.strip().rstrip("/")
    try:
        parts = urlsplit(text)
        host, _ = parts.hostname, parts.port
    except ValueError:
        parts, host = urlsplit(""), None
    if parts.scheme not in DEFAULT_PORTS or not host:
        raise ConfigurationError(
            f"the base URL {_shown(text)!r} is not an http(s) URL; the default is {DEFAULT_BASE_URL}"
        )
    if any(mark in text for mark in "@?#") or not text.isprintable() or " " in text:
        raise ConfigurationError(
            f"the base URL of {_shown(host)} must not contain a user name, password, query, fragment or space; "
            f"the default is {DEFAULT_BASE_URL}"
        )
    if not is_host(host) or not _httpx_takes(text):
        raise ConfigurationError(
            f"the base URL {_shown(text)!r} names a host that cannot exist; correct OPENROUTER_BASE_URL or the block's "
            f"base URL; the default is {DEFAULT_BASE_URL}"
        )
    if parts.scheme == "http" and not is_loopback(text):
        raise ConfigurationError(
            f"the base URL {text} would send the API key unencrypted to {host}; "
            "use https (http is for this machine only)"
        )
    return text


def _httpx_takes(url: str) -> bool:
    """Whether httpx, which has its own idea of international names, can send requests there."""
    try:
        return bool(httpx.URL(url).host)
    except (httpx.InvalidURL, UnicodeError):
        return False


def parse_api_key(key: SecretStr | str | None, name: str = "API key") -> SecretStr:
    """Return a key that can be sent in a header; the message of an error names it, and never shows it.

    Raises:
        ConfigurationError: if there is none, or if it holds a line break, a space or a character outside ASCII.
    """
    text = key.get_secret_value() if isinstance(key, SecretStr) else key or ""
    # What editors, secret stores and clipboards leave around a key is not part of it.
    stripped = text.strip().strip(BYTE_ORDER_MARK).strip()
    if not stripped:
        raise ConfigurationError(f"there is no {name}; {HOW_TO_GET_A_KEY}")
    if not stripped.isascii() or not stripped.isprintable() or " " in stripped:
        broken = len(stripped.splitlines()) > 1
        what = "a line break" if broken else "a space or a character that keys do not have"
        raise ConfigurationError(f"the {name} contains {what}; copy it again, without anything around it")
    return SecretStr(stripped)


def origin(url: str) -> tuple[str, str, int | None]:
    """Return scheme, host and port of a URL: what must be equal before a key is sent."""
    try:
        parts = urlsplit(url)
        return parts.scheme, parts.hostname or "", parts.port or DEFAULT_PORTS.get(parts.scheme)
    except ValueError:
        # A record that somebody edited: an origin that equals no other, so that no key goes there.
        return url, "", None


def _shown(url: str) -> str:
    """Return a URL fit for a message: a password in it stays out, and so does a key in its place."""
    if url.startswith("sk-"):
        return "sk-… (which looks like an API key)"
    before, at, after = url.rpartition("@")
    return f"…@{after}"[:100] if at and before else url[:100]

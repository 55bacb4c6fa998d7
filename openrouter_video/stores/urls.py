"""What a store's URL says, and how to show it without its secrets; pure."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping
from typing import Literal, NamedTuple
from urllib.parse import quote, unquote

from openrouter_video.errors import ConfigurationError

__all__ = [
    "LONGEST_SIGNATURE_SECONDS",
    "StoreKind",
    "StoreUrl",
    "file_url",
    "nearest_schemes",
    "parse_store_url",
    "path_of_file_url",
    "safe_url",
    "secret_values",
    "share_options",
]

LONGEST_SIGNATURE_SECONDS = 7 * 24 * 3600
"""For which an object store signs an address at most."""

StoreKind = Literal["local", "memory", "sftp", "s3", "gcs", "azure", "other"]

KINDS: Mapping[str, StoreKind] = {
    "": "local",
    "file": "local",
    "local": "local",
    "memory": "memory",
    "sftp": "sftp",
    "ssh": "sftp",
    "s3": "s3",
    "s3a": "s3",
    "gs": "gcs",
    "gcs": "gcs",
    "az": "azure",
    "abfs": "azure",
    "abfss": "azure",
}
EXAMPLES = "./videos, s3://bucket/videos, gs://bucket/videos, az://container/videos or sftp://user@host/videos"

_URL = re.compile(r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*)://(?P<authority>[^/]*)(?P<path>.*)", re.DOTALL)
# Of the other characters that no terminal shows some are good in names; half a surrogate pair is no text at all.
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")
_CONTROL_ONLY = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_USERINFO = re.compile(r"(://)[^/\s]*@")
_QUERY = re.compile(r"\?[^\s'\")]*")
_SECRET_NAME = re.compile(r"key|secret|token|pass|credential|sas|connection_string", re.IGNORECASE)
# What a file URL may hold without an escape (RFC 3986); what has anything else in it was written by an older version.
_UNESCAPED = "/!$&'()*+,;=:@"
_PROPER_PATH = re.compile(r"(?:[A-Za-z0-9._~!$&'()*+,;=:@/-]|%[0-9A-Fa-f]{2})*")
# Of fsspec's own drivers those that keep files in this process, in a worker's folder, or in a file of one.
_PASSING = frozenset(
    {"async_wrapper", "asynclocal", "asyncwrapper", "blockcache", "cached", "dask", "data", "dir", "filecache"}
    | {"generic", "libarchive", "pyscript", "reference", "simplecache", "tar", "zip"}
)
_SHORTEST_SECRET = 4  # shorter values would blot out half of a message


class StoreUrl(NamedTuple):
    """The parts of a store's URL; ``shown`` holds no secret and opens the same store, given the same options.

    ``path`` starts with a slash, or is empty; for a plain path ``scheme`` is empty and ``path`` is the text as given.
    ``other_path`` is what a file URL says if it is read the other way: literally, or with its escapes decoded. Where
    only that one exists it is meant, for older versions of this package escaped nothing.
    """

    scheme: str
    authority: str
    path: str
    kind: StoreKind
    shown: str
    other_path: str | None = None

    @property
    def is_shared(self) -> bool:
        """Whether all machines see the same there."""
        return self.kind not in {"local", "memory"}

    @property
    def ends_with_the_process(self) -> bool:
        """Whether it is gone when its process is, or is kept in a folder of its worker."""
        return self.kind == "memory" or (self.kind == "other" and self.scheme in _PASSING)


def safe_url(text: str) -> str:
    """Return a URL, or a message that holds some, without user names, passwords and queries."""
    return _QUERY.sub("?***", _USERINFO.sub(r"\1***@", text))


def secret_values(options: Mapping[str, object]) -> tuple[str, ...]:
    """Return the values in storage options, however deep, that no message may show; the longest first."""

    def walk(name: str, value: object) -> Iterable[str]:
        if isinstance(value, Mapping):
            for key, inner in value.items():
                yield from walk(str(key), inner)
        elif isinstance(value, str) and len(value) >= _SHORTEST_SECRET and _SECRET_NAME.search(name):
            yield value

    return tuple(sorted(set(walk("", options)), key=len, reverse=True))


def nearest_schemes(scheme: str, known: Iterable[str]) -> list[str]:
    """Return up to three schemes that look like the one that nobody knows."""
    return difflib.get_close_matches(scheme.lower(), sorted({*known, *KINDS} - {""}), n=3, cutoff=0.5)


def parse_store_url(url: str) -> StoreUrl:
    """Take a store's URL apart; a text without a scheme is a path on this machine.

    Raises:
        ConfigurationError: The URL is malformed, or carries what belongs into the storage options.
    """
    if not url.strip():
        raise ConfigurationError(f"The store's URL is empty. Give a folder or a URL, such as {EXAMPLES}.")
    if _CONTROL.search(url):
        raise ConfigurationError(f"The store's URL {safe_url(url)!r} contains a control character. Remove it.")
    match = _URL.fullmatch(url)
    chained = "::" in url and "://" in url
    if match is None and not chained:
        _refuse_lost_slashes(url)
        return StoreUrl("", "", url, "local", url)
    scheme, authority, path = (match["scheme"].lower(), match["authority"], match["path"]) if match else ("", "", "")
    kind = KINDS.get(scheme, "other")
    if match and kind in {"local", "memory"}:
        return _without_host(scheme, authority, path, kind)
    if chained or "?" in url:
        raise ConfigurationError(
            f"The store's URL {safe_url(url)!r} is chained or has a query. Name the store itself, and put everything "
            "else into the storage options of a block or into the driver's own environment variables."
        )
    if not authority.rpartition("@")[2]:
        raise ConfigurationError(f"The store's URL {safe_url(url)!r} names no host or bucket. Examples: {EXAMPLES}.")
    shown = f"{scheme}://{_shown_authority(url, authority, kind)}{path.rstrip('/')}"
    return StoreUrl(scheme, authority, path, kind, shown)


def _shown_authority(url: str, authority: str, kind: StoreKind) -> str:
    userinfo, at, host = authority.rpartition("@")
    user, colon, _ = userinfo.partition(":")
    # In abfss://container@account… the part before the @ is no user; buckets know neither users nor passwords.
    if colon or (at and kind in {"s3", "gcs"}):
        raise ConfigurationError(
            f"The store's URL {safe_url(url)!r} carries credentials. Put them into the storage options of a block or "
            "into the driver's own environment variables (FSSPEC_SFTP_PASSWORD for SFTP), and leave the rest."
        )
    port = host.rpartition(":")[2] if re.search(r":[^\]]*$", host) else "1"
    if kind == "sftp" and not (port.isascii() and port.isdigit() and 0 < int(port) < 2**16):
        raise ConfigurationError(f"The port in the store's URL {safe_url(url)!r} must be a number from 1 to 65535.")
    return f"{user}{at}{host}"


def _without_host(scheme: str, authority: str, path: str, kind: StoreKind) -> StoreUrl:
    if kind == "memory":
        whole = "/".join(part for part in f"{authority}{path}".split("/") if part)
        return StoreUrl(scheme, "", f"/{whole}" if whole else "", kind, f"memory://{whole}")
    if authority not in {"", "localhost"}:
        raise ConfigurationError(
            f"The URL {scheme}://{safe_url(authority)}{path} names a host. "
            "A file URL has three slashes, file:///folder; for a relative folder give the plain path."
        )
    return _parse_file_path(scheme, path or "/")


def _parse_file_path(scheme: str, path: str) -> StoreUrl:
    """Read a file URL as its standard says, unless it holds what the standard would have escaped."""
    decoded = unquote(path, errors="surrogateescape")
    if _CONTROL_ONLY.search(decoded):
        raise ConfigurationError(f"The URL {scheme}://{path} stands for a control character. Remove its escape.")
    first, second = (decoded, path) if _PROPER_PATH.fullmatch(path) else (path, decoded)
    return StoreUrl(scheme, "", first, "local", file_url(first), second if second != first else None)


def file_url(path: str) -> str:
    """Return the URL of an absolute path of this machine, percent-encoded as its standard says."""
    return f"file://{quote(path.encode('utf-8', 'surrogateescape'), safe=_UNESCAPED)}"


def path_of_file_url(url: str) -> str | None:
    """Return the path in a file URL that this package has written; None for any other text."""
    if not url.startswith("file://"):
        return None
    path = url.removeprefix("file://")
    return unquote(path, errors="surrogateescape") if _PROPER_PATH.fullmatch(path) else path


def _refuse_lost_slashes(url: str) -> None:
    scheme, colon, rest = url.partition(":")
    if colon and scheme and KINDS.get(scheme.lower(), "other") != "other":
        good = f"{scheme.lower()}://{rest.lstrip('/')}"
        raise ConfigurationError(
            f"{safe_url(good)!r} was written without its two slashes. Write scheme://, or ./ before a folder's name."
        )


def share_options(one: str, other: str) -> bool:
    """Whether the storage options of one URL may be used for another.

    The options of S3 and Google say themselves to whom they speak, so another bucket is fine. An SFTP password would go
    to whatever host, port and user the URL names, and an Azure URL may name an account of its own. What is not a
    store's URL shares options with none.
    """
    try:
        first, second = parse_store_url(one), parse_store_url(other)
    except ConfigurationError:
        return False
    return first.kind == second.kind and _listener(first) == _listener(second)


def _listener(url: StoreUrl) -> tuple[str, str]:
    """Return what in a URL decides who is spoken to."""
    if url.kind in {"local", "memory", "s3", "gcs"}:
        return "", ""
    if url.kind == "azure":
        # adlfs takes an account from the place of the container too, in whose name there is never a dot.
        _, at, host = url.authority.rpartition("@")
        return "", host.lower() if at or "." in host else ""
    if url.kind == "sftp":
        user, at, host = url.authority.rpartition("@")
        return "", f"{user}{at}{host.lower().removesuffix(':22')}"
    return url.scheme, url.authority

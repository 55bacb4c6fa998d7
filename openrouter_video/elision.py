"""What of a request may be recorded and shown: URLs without their secrets, inline data as its digest.

Pure. Whoever has a presigned URL has the object; so queries, fragments, user names and passwords of URLs are secrets,
wherever in a request they stand. A digest stands in their place, so that two requests can still be told apart.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from typing import Any, NamedTuple
from urllib.parse import parse_qsl

__all__ = ["DataUrl", "elide", "elide_source", "parse_data_url", "redact", "redact_source", "source_name"]

_SCHEME = r"[a-z][a-z0-9+.-]{0,30}:(?:\\?/){2}"
_BEGINS_AS_URL = re.compile(rf"\s*{_SCHEME}", re.IGNORECASE)
_WHOLE_URL = re.compile(rf"\s*{_SCHEME}\S+\s*", re.IGNORECASE)
# An apostrophe is good in a URL, and ends one that stands between two of them.
_URL_INSIDE = re.compile(rf"(?<![a-z0-9+.-]){_SCHEME}(?:[^\s\"'<>]|(?<!')'(?=[\w&%=+~-]))+", re.IGNORECASE)
_URL = re.compile(
    rf"\s*(?P<scheme>{_SCHEME})(?P<authority>[^/\\?#]*)(?P<path>[^?#]*)(?P<tail>.*)", re.IGNORECASE | re.DOTALL
)
_WEB = ("http", "ws", "ftp")  # and their encrypted kinds; elsewhere a user is not a secret, and # stands in names
_ELIDED_TAIL = re.compile(r"\?…(sha256=[0-9a-f]{16})?")
_NO_PORT = re.compile(r"(?!\[)[^:]*:(?!\d*$).*")
_DATA_HEADER = re.compile(r"\s*data:([^,]*),", re.IGNORECASE)
# A prompt may begin with the word; a blank after it makes it one, unless a media type follows.
_MEDIA_TYPE = re.compile(r"(?:\s+(?=[^\s;]*/))?([^\s;]*)\s*(;.*)?", re.DOTALL)
# Possessive and bounded, so that an answer of megabytes takes no more than seconds. A header without data is found too,
# so that what stands in it is not looked at again.
_DATA_INSIDE = re.compile(
    r"\bdata:([^\s/,;\"'<>]{1,127}+/[^\s,;\"'<>]*+|(?=;[^\s,\"'<>]{0,255}?base64,))[^\s,\"'<>]*+"
    r"(?P<data>,(?!…)[^\s\"'<>]*+)?",
    re.IGNORECASE,
)
# An answer may quote a signed URL without its beginning, or as a part of another one.
_NAKED_SIGNATURE = re.compile(
    r"((?:signature|security-token|(?:\b|(?<=%3f)|(?<=%26))sig)(?:=|%3d))[\w%+/.~-]{16,}=*", re.IGNORECASE
)
_DATA_KIND = re.compile(r"\s*data:\s*([a-z]{1,20})/", re.IGNORECASE)
_LONGEST_TYPE = 40

_AZURE = "sv ss srt sp se st spr sr si sip sdd skoid sktid skt ske sks skv saoid suoid scid ses sduoid skdutid"
_SIGNED_WITH = "signature expires policy key-pair-id awsaccesskeyid googleaccessid ossaccesskeyid security-token"
# The parameter that signs a URL, and those beside it that only say how: none of them chooses the object.
_SIGNATURES: Mapping[str, re.Pattern[str]] = {
    "x-amz-signature": re.compile(r"x-amz-.*"),
    "x-goog-signature": re.compile(r"x-goog-.*"),
    "x-oss-signature": re.compile(r"x-oss-(?!process).*"),
    "q-signature": re.compile(r"q-.*|x-cos-security-token"),
    "signature": re.compile("|".join(_SIGNED_WITH.split())),
    "sig": re.compile("|".join(["sig", *_AZURE.split()])),
    "hm": re.compile("ex|is|hm"),
}


class DataUrl(NamedTuple):
    """A ``data:`` URL, taken apart; ``start`` is where its data begins in the text."""

    media_type: str
    is_base64: bool
    start: int


def parse_data_url(text: str) -> DataUrl | None:
    """Take a ``data:`` URL apart as browsers do; None if the text is none.

    The one judge: what is a ``data:`` URL here is accepted or refused as one, and is never recorded as it stands.
    """
    match = _DATA_HEADER.match(text)
    header = _MEDIA_TYPE.fullmatch(match[1]) if match else None
    if match is None or header is None:
        return None
    parameters = [part.strip().lower() for part in (header[2] or "").split(";")]
    return DataUrl(header[1], parameters[-1] == "base64", match.end())


def elide(value: Any) -> Any:
    """Return JSON without the secrets of the URLs in it, and with every ``data:`` URL replaced by its digest.

    A URL that is signed anew stays the same: its object is the same, and a retry that signs it again must find its own
    video. Any other change of a query makes another request. Eliding twice is eliding once.
    """
    if isinstance(value, str):
        return _rewritten(value)
    if isinstance(value, Mapping):
        return {elide(key): elide(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [elide(item) for item in value]
    return value


def elide_source(source: str) -> str:
    """Return what a URL or path is recorded as; what only begins like a URL is one, blanks and all."""
    return _source_elided(source, digests=True)


def redact_source(source: str) -> str:
    """Return what a message says of a URL or path, without its secrets and data."""
    return _source_elided(source, digests=False)


def source_name(source: str) -> str:
    """Return what to call the file that a URL or path leads to, without its secrets: its own name, or its kind."""
    if source.lstrip()[:5].lower() == "data:":
        kind = _DATA_KIND.match(source)
        return kind[1].lower() if kind else "file"
    shown = redact_source(source.strip())
    return shown.partition("?")[0].replace("\\", "/").rstrip("/").rpartition("/")[2] or shown


def redact(text: str) -> str:
    """Return a message without the secrets of the URLs in it, whole or in part, and without inline data."""
    return _NAKED_SIGNATURE.sub(r"\1…", _rewritten_inside(text, digests=False))


def _source_elided(source: str, *, digests: bool) -> str:
    if source.lstrip()[:5].lower() == "data:":
        data = parse_data_url(source)
        return _data_elided(data.media_type if data else "", source, digests=digests)
    begins = _BEGINS_AS_URL.match(source)
    return _url_elided(source, digests=digests) if begins else _rewritten_inside(source, digests=digests)


def _rewritten(text: str) -> str:
    data = parse_data_url(text)
    if data is not None:
        return _data_elided(data.media_type, text, digests=True)
    return _url_elided(text, digests=True) if _WHOLE_URL.fullmatch(text) else _rewritten_inside(text, digests=True)


def _rewritten_inside(text: str, *, digests: bool) -> str:
    if ":" not in text:
        return text
    text = _DATA_INSIDE.sub(
        lambda found: _data_elided(found[1], found[0], digests=digests) if found["data"] else found[0], text
    )
    return _URL_INSIDE.sub(lambda found: _url_elided(found[0], digests=digests), text)


def _data_elided(media_type: str, whole: str, *, digests: bool) -> str:
    shown = f"data:{media_type[:_LONGEST_TYPE]}"
    if not digests:
        return f"{shown},…"
    digest = hashlib.sha256(whole.encode("utf-8", "surrogatepass")).hexdigest()
    return f"{shown};sha256={digest};length={len(whole)}"


def _url_elided(url: str, *, digests: bool) -> str:
    match = _URL.fullmatch(url)
    if match is None:  # pragma: no cover (each caller has seen a scheme)
        return url
    scheme, path, tail = match["scheme"], match["path"], match["tail"]
    is_web = scheme.lower().startswith(_WEB)
    userinfo, at, host = match["authority"].rpartition("@")
    if _NO_PORT.fullmatch(host):
        # What stands before the @ of a password with a slash in it, most likely.
        at, host, path, tail = "@", "…", "", f"?{match['authority']}{path}{tail}"
    if not is_web and not tail.startswith("?"):
        path, mark, query = (path + tail).partition("?")
        tail = mark + query
    if tail.strip("?#") and not _ELIDED_TAIL.fullmatch(tail):
        tail = f"?…{_tail_digest(tail) if digests else ''}"
    user = "***@" if at and (is_web or host == "…" or ":" in userinfo) else f"{userinfo}{at}"
    return f"{scheme}{user}{host}{path}{tail}"


def _tail_digest(tail: str) -> str:
    """Return the digest of what in a query and fragment may choose another object; nothing if none of it does."""
    query, _, fragment = tail.partition("#")
    pairs = parse_qsl(query.removeprefix("?"), keep_blank_values=True)
    names = {name.lower() for name, _ in pairs}
    signing = [how for signature, how in _SIGNATURES.items() if signature in names]
    chosen = [pair for pair in pairs if not any(how.fullmatch(pair[0].lower()) for how in signing)]
    if not chosen and not fragment and pairs:
        return ""
    canonical = json.dumps([chosen or query, fragment])
    return f"sha256={hashlib.sha256(canonical.encode()).hexdigest()[:16]}"

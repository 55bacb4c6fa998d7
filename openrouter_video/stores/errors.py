"""What the drivers of the stores raise, turned into this package's errors, in words that hold no secret."""

from __future__ import annotations

import errno
import html
import re
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager

from openrouter_video.errors import StorageError
from openrouter_video.stores.urls import safe_url

__all__ = ["driver_errors", "explain", "storage_errors"]

# fsspec's drivers mostly raise OSError, but gcsfs and adlfs also bare ValueError and RuntimeError.
_BUILTIN: tuple[type[Exception], ...] = (OSError, EOFError, ValueError, RuntimeError)
_BY_MODULE: Sequence[tuple[str, str]] = (
    ("botocore.exceptions", "BotoCoreError"),
    ("botocore.exceptions", "ClientError"),
    ("aiohttp", "ClientError"),
    ("paramiko.ssh_exception", "SSHException"),
    ("google.auth.exceptions", "GoogleAuthError"),
    ("gcsfs.retry", "HttpError"),
    ("azure.core.exceptions", "AzureError"),
)
_SPACE = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
_RIGHTS = frozenset({errno.EACCES, errno.EPERM, errno.EROFS})
_LONGEST = 300
# Azure's sentence is followed by the request's number, its time, and the same once more in XML.
_AZURE_DETAILS = re.compile(r"\s*RequestId:.*", re.DOTALL)
# What S3 and Azure say to a key that is not theirs, with the status of a right that is missing.
_WRONG_KEY = re.compile("access key id|signature|failed to authenticate", re.IGNORECASE)
# The status of an answer over HTTP, as Azure's library, aiohttp and gcsfs carry it.
_STATUSES: Mapping[object, str] = {
    401: "credentials",
    403: "rights",
    404: "absent",
    **dict.fromkeys((429, 500, 502, 503, 504), "connection"),
}
_DOCUMENT = re.compile(r"<\?xml|<!doctype|<html\b|<head\b|<body\b|<error\b|<\w+:error\b", re.IGNORECASE)
_REASON = re.compile(r"<(?:\w+:)?(?:code|message|title|h1)\b[^>]*>([^<]*)", re.IGNORECASE)
_TAG = re.compile(r"<[^>]*>")
_BEFORE_DOCUMENT = re.compile(r"(?:\bContent:|\bb?['\"]|[\s(\[])+$")
_ADVICE: Mapping[str, str] = {
    "space": "Free some space or choose another place.",
    "rights": "Grant access there, or choose another place.",
    "absent": "Check that the bucket or folder exists and that its name is spelled right.",
    "credentials": "Check the credentials in the block or in the driver's environment variables.",
    "connection": "Check that the store can be reached, and try again.",
}


def driver_errors(*more: type[Exception]) -> tuple[type[Exception], ...]:
    """Return the exceptions by which the drivers in use report trouble, and ``more``; no driver is imported for it."""
    found = (getattr(sys.modules.get(module), name, None) for module, name in _BY_MODULE)
    return (*_BUILTIN, *more, *(kind for kind in found if kind is not None))


def explain(error: BaseException, secrets: Sequence[str] = ()) -> str:
    """Return the reason in a driver's exception and what to do about it, without ``secrets``."""
    # The text of an OSError repeats the path, which the sentence around it already names.
    text = (error.strerror if isinstance(error, OSError) else None) or str(error)
    text = _AZURE_DETAILS.sub("", text)
    for secret in secrets:
        text = text.replace(secret, "***")
    text = safe_url(" ".join(_words(text).split()))[:_LONGEST].rstrip(" .") or "no reason given"
    name = type(error).__name__
    reason = text if isinstance(error, OSError) and error.errno else f"{text} ({name})"
    advice = _ADVICE.get(_sort(error), "")
    return f"{reason}. {advice}".rstrip()


def _sort(error: BaseException) -> str:
    # adlfs wraps what went wrong with a part of a large file.
    chain = [one for one in (error, error.__cause__) if one is not None]
    names = " ".join(type(one).__name__ for one in chain)
    number = error.errno if isinstance(error, OSError) else None
    signs = {
        "space": number in _SPACE,
        "credentials": re.search("Credential|Auth", names) or _WRONG_KEY.search(str(error)),
        "rights": number in _RIGHTS or isinstance(error, PermissionError),
        "absent": isinstance(error, FileNotFoundError),
        "connection": isinstance(error, ConnectionError | TimeoutError | EOFError)
        or re.search("Connect|SSH|gaierror|Timeout|ServiceRe(quest|sponse)", names),
    }
    by_status = next((_STATUSES[status] for status in map(_status, chain) if status in _STATUSES), "")
    return next((sort for sort, holds in signs.items() if holds), by_status)


def _status(error: BaseException) -> object:
    """Return the status of an answer over HTTP, by whatever name an exception carries it; aiohttp warns of ``code``."""
    name = next((name for name in ("status_code", "status", "code") if name in dir(error)), "")
    return getattr(error, name, None)


def _words(text: str) -> str:
    """Return what a driver says, with the reason in the document that a server has answered instead of all of it."""
    beginning = _DOCUMENT.search(text)
    if beginning is None:
        return text
    before, document = _BEFORE_DOCUMENT.sub("", text[: beginning.start()]), text[beginning.start() :]
    # Markup goes by a pattern and not by a parser: it may be cut short, or meant to do harm.
    reasons = [html.unescape(_TAG.sub(" ", reason)).strip() for reason in _REASON.findall(document)]
    told = ": ".join(reason for reason in dict.fromkeys(reasons) if reason not in before)
    parts = [part.strip().rstrip(".") for part in (before, told)]
    return ". ".join(filter(None, parts)) or html.unescape(_TAG.sub(" ", document))


@contextmanager
def storage_errors(
    doing: str,
    url: Callable[[], str],
    secrets: Sequence[str] = (),
    then: str = "",
    more: tuple[type[Exception], ...] = (),
) -> Iterator[None]:
    """Raise StorageError, without the driver's exception attached, for what a driver raises inside, and for ``more``.

    ``doing`` completes "Could not …", such as "write"; ``then`` is a last sentence, for what becomes of the work.
    """
    try:
        yield
    except driver_errors(*more) as error:
        message = f"Could not {doing} {url()}: {explain(error, secrets)}"
        raise StorageError(f"{message} {then}".rstrip()) from None

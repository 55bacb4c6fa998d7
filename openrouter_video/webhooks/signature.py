"""Whether a webhook was signed by who knows the secret, and lately; pure.

``X-OpenRouter-Signature: t=<unix>,v1=<hex>``: an HMAC-SHA256 of ``<t>,<raw body>``. The address is not signed, so what
stands in its query proves nothing.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Sequence
from typing import NamedTuple

from openrouter_video.errors import ConfigurationError

__all__ = ["SECRET_VARIABLE", "parse_secret", "signature_problem"]

SECRET_VARIABLE = "OPENROUTER_VIDEO_WEBHOOK_SECRET"  # noqa: S105 (its name)
OLDEST_SECONDS = 300
SHORTEST_SECRET = 16
LONGEST_HEADER = 1024
_MOMENT = re.compile(r"[0-9]{1,12}")
_DIGEST = re.compile(r"[0-9a-f]{64}", re.IGNORECASE)


def parse_secret(text: str | None) -> str | None:
    """Return a secret by which signatures are checked; None if there is none.

    Raises:
        ConfigurationError: for one that can be guessed, or that was not copied well; it is not shown.
    """
    if text is None:
        return None
    if any(character.isspace() or not character.isprintable() for character in text):
        raise ConfigurationError(
            f"{SECRET_VARIABLE} contains a space, a line break or a character that cannot be seen; copy it again, "
            "without anything around it"
        )
    if len(text) < SHORTEST_SECRET:
        raise ConfigurationError(
            f"{SECRET_VARIABLE} has {len(text)} characters; a secret needs at least {SHORTEST_SECRET}. Copy the whole "
            "signing secret of your workspace"
        )
    return text


def signature_problem(headers: Sequence[str], body: bytes, secret: str, now: float) -> str | None:
    """Return why a body is not to be trusted; None if one of its signatures is right and at most five minutes old.

    ``headers``: each ``X-OpenRouter-Signature`` of the request. Several ``v1`` are allowed, as while a secret is
    changed, and parts of other names are left alone.
    """
    if len(headers) != 1:
        return "there are several signatures" if headers else "there is no signature"
    signature = _parse(headers[0])
    if isinstance(signature, str):
        return signature
    signed = f"{signature.moment},".encode() + body
    right = hmac.new(secret.encode(), signed, hashlib.sha256).digest()
    if not any(hmac.compare_digest(digest, right) for digest in signature.digests):
        return "the signature is wrong"
    return _age_problem(now - int(signature.moment))


class _Signature(NamedTuple):
    moment: str
    digests: tuple[bytes, ...]


def _parse(header: str) -> _Signature | str:
    if len(header) > LONGEST_HEADER:
        return "the signature is too long"
    parts = [(name.strip(), value.strip()) for name, _, value in (part.partition("=") for part in header.split(","))]
    moments = [value for name, value in parts if name == "t"]
    if len(moments) != 1 or not _MOMENT.fullmatch(moments[0]):
        return "the signature does not say when it was made"
    digests = tuple(bytes.fromhex(value) for name, value in parts if name == "v1" and _DIGEST.fullmatch(value))
    return _Signature(moments[0], digests) if digests else "the signature has no v1 of 64 hexadecimal digits"


def _age_problem(age: float) -> str | None:
    if abs(age) <= OLDEST_SECONDS:
        return None
    when = f"{age:.0f} s old" if age > 0 else f"{-age:.0f} s ahead of this machine's clock"
    return f"the signature is {when}; at most {OLDEST_SECONDS} s are allowed"

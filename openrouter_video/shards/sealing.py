"""JSON for a store without the secrets in it: they lie there encrypted, for whoever has the key to OpenRouter anyway.

A record of the ledger has digests in the place of inline images and of the secrets of URLs. A shard has to send them,
and they may be nowhere else any more: in a table that has changed, or in an image that is gone.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Mapping, Sequence
from typing import Any

from cryptography.fernet import Fernet, InvalidToken
from pydantic import SecretStr

from openrouter_video.elision import elide
from openrouter_video.errors import ConfigurationError

__all__ = ["seal", "unseal"]

STAND_IN = "\0sealed "
"""Begins what stands for a sealed text; no request has such a character."""

OTHER_KEY = (
    "what this shard is to send cannot be read with this API key: its batch was begun with another one, or the file "
    "was changed. Let batch-shard run with the key of its batch, and start the batch again"
)


def seal(value: Any, key: SecretStr) -> bytes:
    """Return JSON in which texts with a secret in them are encrypted, each of them once.

    Also without any, so that whoever has another key, with another budget, reads none of it.
    """
    secrets = dict[str, int]()
    plain = _without_secrets(value, secrets)
    sealed = _fernet(key).encrypt(json.dumps([*secrets]).encode()).decode()
    return json.dumps({"content": plain, "sealed": sealed}, ensure_ascii=False).encode("utf-8", "surrogatepass")


def unseal(data: bytes, key: SecretStr) -> Any:
    """Return the value that was sealed.

    Raises:
        ConfigurationError: if it was sealed with another key.
        ValueError: if it is not what ``seal`` writes.
    """
    document = json.loads(data)
    if not isinstance(document, dict) or "content" not in document:
        raise ValueError("it is not a sealed document")
    if document.get("sealed") is None:
        return document["content"]
    try:
        secrets = json.loads(_fernet(key).decrypt(document["sealed"]))
    except InvalidToken:
        raise ConfigurationError(OTHER_KEY) from None
    return _with_secrets(document["content"], secrets)


def _fernet(key: SecretStr) -> Fernet:
    derived = hmac.new(key.get_secret_value().encode(), b"openrouter-video shards", hashlib.sha256).digest()
    return Fernet(base64.urlsafe_b64encode(derived))


def _without_secrets(value: Any, secrets: dict[str, int]) -> Any:
    if isinstance(value, str):
        return value if elide(value) == value else f"{STAND_IN}{secrets.setdefault(value, len(secrets))}"
    if isinstance(value, Mapping):
        return {_without_secrets(name, secrets): _without_secrets(item, secrets) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_without_secrets(item, secrets) for item in value]
    return value


def _with_secrets(value: Any, secrets: Sequence[str]) -> Any:
    if isinstance(value, str):
        return secrets[int(value.removeprefix(STAND_IN))] if value.startswith(STAND_IN) else value
    if isinstance(value, dict):
        return {_with_secrets(name, secrets): _with_secrets(item, secrets) for name, item in value.items()}
    if isinstance(value, list):
        return [_with_secrets(item, secrets) for item in value]
    return value

"""Claims as the ledger keeps them, for tests that need one and do not mind most of what it says."""

from __future__ import annotations

from typing import Any

from openrouter_video.ledger import Claim

__all__ = ["claim_on"]

USUAL = {
    "at": "2026-11-23T00:00:00+00:00",
    "model": "a/b",
    "take": 1,
    "asked": {},
    "sent": {},
    "base_url": "https://openrouter.ai/api/v1",
    "output": "/videos",
    "path": "x/a--b.mp4",
}


def claim_on(key: str, **fields: Any) -> Claim:
    """A claim on a key; what is not given is as usual."""
    return Claim(key=key, **(USUAL | fields))

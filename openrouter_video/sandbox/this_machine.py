"""Whether an address is on this machine: the sandbox asks nobody else."""

from __future__ import annotations

import httpx

__all__ = ["HERE", "is_here"]

HERE = frozenset({"127.0.0.1", "localhost", "::1"})
"""Exact names: what only begins or ends like one may be anywhere."""


def is_here(url: str) -> bool:
    """Whether this is an http or https address of this machine, as the client that would ask it reads it."""
    try:
        parsed = httpx.URL(url)
    except httpx.InvalidURL:
        return False
    return parsed.scheme in {"http", "https"} and parsed.host in HERE

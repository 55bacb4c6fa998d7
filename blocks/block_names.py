"""Names of blocks, before Prefect sees them."""

from __future__ import annotations

import re

__all__ = ["block_name"]

POSSIBLE = re.compile(r"[A-Za-z0-9][A-Za-z0-9 ._-]{0,254}")


def block_name(name: str) -> str:
    """Return a name that a block may have: Prefect puts it into a URL, where another one would lead elsewhere.

    Raises:
        ValueError: if no block can have it.
    """
    if not POSSIBLE.fullmatch(name):
        raise ValueError("a block's name has letters, digits and dashes")
    return name

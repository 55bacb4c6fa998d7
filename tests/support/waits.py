"""Waits that a test has no time for."""

from __future__ import annotations

import asyncio

__all__ = ["doze"]


async def doze(seconds: float) -> None:
    """Sleep as long as asked, and at most a twentieth of a second."""
    await asyncio.sleep(min(seconds, 0.05))

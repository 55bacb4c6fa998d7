"""A film of several shots, each of which continues the one before it; run again, it goes on where it stopped.

    python examples/orchid_film.py "A white orchid opens" "A bee lands on it" "The bee flies away"

Needs OPENROUTER_API_KEY, or the sandbox: see docs/sandbox.md.
"""

from __future__ import annotations

import asyncio
import sys

from prefect import flow

from openrouter_video import VideoSettings
from openrouter_video.flows import chain_video

MODEL = "x-ai/grok-imagine-video"


@flow
async def orchid_film(shots: list[str]) -> str | None:
    """Make the shots, and return the URL of the file of all of them."""
    film = await chain_video(
        shots,
        MODEL,
        settings=VideoSettings(duration=2, resolution="480p", aspect_ratio="16:9"),
        idempotency_key="orchid-film",
        max_usd=2,
    )
    return film.chain_url


if __name__ == "__main__":
    print(asyncio.run(orchid_film(sys.argv[1:] or ["A white orchid opens", "A bee lands on it"])))

"""A pipeline of your own: two models make a clip of each product, and a retry of the flow pays for nothing twice.

    python examples/product_clips.py "A white orchid" "A brass telescope"

Needs OPENROUTER_API_KEY, or the sandbox: see docs/sandbox.md.
"""

from __future__ import annotations

import asyncio
import sys

from prefect import flow

from openrouter_video import VideoSettings
from openrouter_video.flows import fan_out_video

MODELS = ["google/veo-3.1-lite", "bytedance/seedance-2.0-mini"]


@flow(retries=2)
async def product_clips(products: list[str]) -> list[str]:
    """Make the clips, one product after the other, and return their URLs."""
    urls: list[str] = []
    for product in products:
        made = await fan_out_video(
            f"{product} turning slowly on a dark tabletop, studio light",
            MODELS,
            settings=VideoSettings(duration=4, resolution="720p", aspect_ratio="16:9", generate_audio=False),
            min_success=1,
        )
        urls += [outcome.url for outcome in made.outcomes if outcome.url]
    return urls


if __name__ == "__main__":
    print("\n".join(asyncio.run(product_clips(sys.argv[1:] or ["A white orchid"]))))

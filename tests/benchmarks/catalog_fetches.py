"""How often the list of models is fetched in twenty fan-outs, in a fresh process with an empty result storage.

python -m tests.benchmarks.catalog_fetches RESULT
"""

from __future__ import annotations

import asyncio
import os
import sys
import tempfile
from collections import Counter

from flows import fan_out_video
from openrouter_video.request.settings import VideoSettings
from openrouter_video.run.limits import Limits, using_limits
from openrouter_video.sandbox import Sandbox
from tests.benchmarks.measuring import write_figures

FAN_OUTS = 20


async def main(result: str) -> None:
    """Run the fan-outs one after the other, each for one video that is ready at once."""
    with Sandbox(job_seconds=0) as sandbox, tempfile.TemporaryDirectory() as folder:
        os.environ.update(OPENROUTER_BASE_URL=sandbox.base_url, OPENROUTER_API_KEY=sandbox.api_key)
        # Only the list counts here, so nobody waits for the polls.
        with using_limits(Limits(sleep=lambda _: asyncio.sleep(0.02))):
            for number in range(FAN_OUTS):
                await fan_out_video(
                    f"bench {number}",
                    ["x-ai/grok-imagine-video"],
                    settings=VideoSettings(duration=1, resolution="480p"),
                    output=folder,
                )
        seen = Counter(request.kind for request in sandbox.requests)
    write_figures(result, {"fan_outs": FAN_OUTS, "requests": seen})


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))

"""A deployment of your own flow: served from this process, every day at seven, and on demand from Prefect's UI.

    prefect server start                      # in another terminal
    export PREFECT_API_URL=http://127.0.0.1:4200/api
    export OPENROUTER_VIDEO_OUTPUT=/srv/videos
    python examples/daily_deployment.py

Needs OPENROUTER_API_KEY, or the sandbox: see docs/sandbox.md. However often a day's run is started, its key is paid for
once. The ledger has to outlive the process, so the output is an absolute folder or a store.
"""

from __future__ import annotations

from prefect import flow
from prefect.schedules import Cron

from openrouter_video import VideoSettings
from openrouter_video.flows import generate_video


@flow(log_prints=True)
async def clip_of_the_day(prompt: str, day: str = "{date}") -> str | None:
    """Make one short video, under a key of the day."""
    (outcome,) = await generate_video(
        prompt,
        "google/veo-3.1-lite",
        settings=VideoSettings(duration=4, resolution="720p", generate_audio=False),
        idempotency_key=f"clip-of-the-day-{day}",
    )
    print(f"{outcome.url}, {'found' if outcome.reused else 'made'}")
    return outcome.url


if __name__ == "__main__":
    clip_of_the_day.serve(
        name="daily",
        parameters={"prompt": "A white orchid blooming on a dark tabletop"},
        # Switched off until you switch it on in the UI: it spends money.
        schedule=Cron("0 7 * * *", timezone="Europe/Berlin", active=False),
    )

"""Downloads of a large file, in a fresh process: how fast, in how much memory, and what the event loop notices.

python -m tests.benchmarks.downloads PORT TIMES FOLDER RESULT
"""

from __future__ import annotations

import asyncio
import shutil
import sys
import threading
import time
from pathlib import Path
from typing import Any

from openrouter_video.api.client import VideoClient
from openrouter_video.outcome import SavedFile
from openrouter_video.stores import Store, open_store
from openrouter_video.threads import Threads
from openrouter_video.videos.saving import save_video
from tests.benchmarks.measuring import forget_peak, peak_mib, resident_mib, write_figures

TICK_SECONDS = 0.01


async def main(port: str, times: str, folder: str, result: str) -> None:
    """Download ``times`` files side by side, as finished jobs are, while the loop counts how late it is called."""
    store, threads = open_store(folder), Threads()
    async with VideoClient("bench-key", f"http://127.0.0.1:{port}/api/v1") as client:
        idle, processor = resident_mib(), time.process_time()
        forget_peak()
        late: list[float] = []
        watch = asyncio.create_task(_watch(late))
        began = time.perf_counter()
        fetched = (_fetch(client, store, threads, number) for number in range(int(times)))
        saved = await asyncio.gather(*fetched)
        took = time.perf_counter() - began
        watch.cancel()
        figures: dict[str, Any] = {
            "seconds": took,
            "bytes": sum(file.bytes for file in saved),
            "probed": all(file.width for file in saved),
            "cpu": time.process_time() - processor,
            "over_idle_mib": peak_mib() - idle,
            "latest_ms": 1000 * max(late),
            "late_ms_99": 1000 * sorted(late)[int(0.99 * len(late))],
        }
        if len(saved) == 1:
            figures["httpx_alone_seconds"] = await threads.run(_throw_away, client)
    shutil.rmtree(folder)
    write_figures(result, figures)


async def _fetch(client: VideoClient, store: Store, threads: Threads, number: int) -> SavedFile:
    def fetch(stop: threading.Event) -> SavedFile:
        with client.content(f"job-{number}") as chunks:
            return save_video(chunks, store, f"{number}.mp4", stop=stop)

    return await threads.run_stoppable(fetch)


def _throw_away(client: VideoClient) -> float:
    """Return how long the same bytes take by the same client when nobody wants them."""
    began = time.perf_counter()
    with client.content("job-0") as chunks:
        for _ in chunks:
            pass
    return time.perf_counter() - began


async def _watch(late: list[float]) -> None:
    while True:
        due = time.perf_counter() + TICK_SECONDS
        await asyncio.sleep(TICK_SECONDS)
        late.append(time.perf_counter() - due)


if __name__ == "__main__":
    Path(sys.argv[3]).mkdir(parents=True, exist_ok=True)
    asyncio.run(main(*sys.argv[1:]))

"""One contender, one fan-out, one fresh process: what it took.

    python -m tests.benchmarks.runner CONTENDER JOBS FOLDER RESULT

The time is that from the call to its return, with everything imported. The processor time is that from the call to the
end of the process: what Prefect sends after the flow has returned counts. A server is another process.
"""

from __future__ import annotations

import asyncio
import atexit
import os
import sys
import time
from collections import Counter
from collections.abc import Callable, Coroutine
from functools import partial
from pathlib import Path
from typing import Any

from tests.benchmarks.measuring import peak_mib, write_figures

# ruff: noqa: PLC0415 (a script is not charged for what another one imports)

Contender = Callable[[int, str, str, Path], Coroutine[Any, Any, None]]


def main(name: str, jobs: str, folder: str, result: str) -> None:
    """Run once and write the figures when all else has ended."""
    base_url, key = os.environ["OPENROUTER_BASE_URL"], os.environ["OPENROUTER_API_KEY"]
    figures: dict[str, Any] = {"contender": name, "jobs": int(jobs)}
    calls: Counter[str] = Counter()
    # Registered before Prefect is imported, so that it is called after Prefect's own.
    atexit.register(lambda: _finish(figures, calls, result))
    if name == "ours-idle":
        from tests.benchmarks import ours

        figures["idle_mib"] = ours.idle_mib()
        return
    make = _contender(name, calls, base_url)
    figures["cpu_before"] = time.process_time()
    Path(folder).mkdir(parents=True)
    began = time.perf_counter()
    asyncio.run(make(int(jobs), base_url, key, Path(folder)))
    figures["wall"] = time.perf_counter() - began
    figures["videos"] = sum(path.stat().st_size > 0 for path in Path(folder).rglob("*.mp4"))


def _contender(name: str, calls: Counter[str], base_url: str) -> Contender:
    """Import a contender, ready to begin; those with Prefect count into ``calls`` what they send to its server."""
    if name == "official-sdk":
        from tests.benchmarks import official_sdk

        return official_sdk.make_videos
    if name.startswith("bare"):
        from tests.benchmarks import bare

        return bare.make_videos if name == "bare" else partial(bare.make_videos, connections=None)
    from tests.benchmarks import ours, prefect_alone, prefect_calls

    prefect_calls.start_server()
    prefect_calls.count(calls, base_url)
    made = {"prefect-alone": prefect_alone.make_videos, "ours-chains": ours.make_videos_in_chains}
    return made.get(name, ours.make_videos)


def _finish(figures: dict[str, Any], calls: Counter[str], result: str) -> None:
    figures["cpu"] = time.process_time() - figures.get("cpu_before", 0.0)
    figures["peak_mib"] = peak_mib()
    figures["calls"] = calls
    write_figures(result, figures)


if __name__ == "__main__":
    main(*sys.argv[1:])

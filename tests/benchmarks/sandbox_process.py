"""The API on localhost in a process of its own; for each line of its input it says what was asked since the last one.

python -m tests.benchmarks.sandbox_process
"""

from __future__ import annotations

import json
import sys
from collections import Counter

from openrouter_video.sandbox import Sandbox

JOB_SECONDS = 3.0


def main() -> None:
    """Serve until the input ends."""
    with Sandbox(job_seconds=JOB_SECONDS) as sandbox:
        _say(f"{sandbox.base_url} {sandbox.api_key}")
        told = 0
        for _ in sys.stdin:
            seen = sandbox.requests
            _say(json.dumps(Counter(request.kind for request in seen[told:])))
            told = len(seen)


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()

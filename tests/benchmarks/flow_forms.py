"""How long Prefect takes to make three flows out of our functions, which is to describe their parameters for its forms.

python -m tests.benchmarks.flow_forms
"""

from __future__ import annotations

import sys
import time
from typing import Any

from prefect import Flow

make = Flow.__init__
took = 0.0


def make_and_time(self: Flow[..., Any], *args: Any, **kwargs: Any) -> None:
    """Do what Prefect does, and add the time that it takes."""
    global took  # noqa: PLW0603
    began = time.perf_counter()
    make(self, *args, **kwargs)
    took += time.perf_counter() - began


Flow.__init__ = make_and_time  # type: ignore[method-assign]

import openrouter_video.flows  # noqa: E402, F401

sys.stdout.write(f"{took}\n")

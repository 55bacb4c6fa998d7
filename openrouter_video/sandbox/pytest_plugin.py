"""A pytest fixture for every project that installs this package: OpenRouter's video API on localhost."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from openrouter_video.sandbox.server import Sandbox

__all__ = ["openrouter_sandbox"]


@pytest.fixture
def openrouter_sandbox() -> Iterator[Sandbox]:
    """A fresh sandbox whose jobs complete as soon as their videos are rendered."""
    # Every pytest run of such a project imports this module: the server comes with the first test that asks for it.
    from openrouter_video.sandbox.server import Sandbox  # noqa: PLC0415

    with Sandbox(job_seconds=0) as sandbox:
        yield sandbox

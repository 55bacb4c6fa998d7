"""A pytest fixture for every project that installs this package: OpenRouter's video API on localhost."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from openrouter_video.sandbox.server import Sandbox

__all__ = ["openrouter_sandbox"]


@pytest.fixture
def openrouter_sandbox(tmp_path: Path) -> Iterator[Sandbox]:
    """A fresh sandbox whose jobs complete as soon as their videos are rendered, and which the flows find by themselves.

    As long as the test lasts, the environment that they read holds its base URL and key, and an output of the test's
    own; every other variable of this package is away, so that no ledger, key or limit of this machine counts.
    """
    # Every pytest run of such a project imports this module: the server comes with the first test that asks for it.
    from openrouter_video.sandbox.server import Sandbox  # noqa: PLC0415

    # An environment of its own, which is there until the sandbox ends, whatever the test does with monkeypatch.
    with Sandbox(job_seconds=0) as sandbox, pytest.MonkeyPatch.context() as environment:
        for name in [name for name in os.environ if name.startswith("OPENROUTER_")]:
            environment.delenv(name)
        environment.setenv("OPENROUTER_BASE_URL", sandbox.base_url)
        environment.setenv("OPENROUTER_API_KEY", sandbox.api_key)
        environment.setenv("OPENROUTER_VIDEO_OUTPUT", str(tmp_path / "videos"))
        yield sandbox

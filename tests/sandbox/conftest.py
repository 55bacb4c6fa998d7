"""A sandbox by the fixture that the package offers to every project, and a client with its key."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest

from openrouter_video.sandbox import Sandbox


@pytest.fixture
def sandbox(openrouter_sandbox: Sandbox) -> Sandbox:
    """A sandbox whose jobs are ready at once."""
    return openrouter_sandbox


@pytest.fixture
def client(sandbox: Sandbox) -> Iterator[httpx.Client]:
    """A client with the right key."""
    headers = {"authorization": f"Bearer {sandbox.api_key}"}
    with httpx.Client(base_url=sandbox.base_url, headers=headers) as client:
        yield client

"""What several files of these tests share."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from openrouter_video.run.limits import Limits, using_limits
from tests.support.waits import doze


@pytest.fixture
async def short_waits() -> AsyncIterator[None]:
    """Polls follow each other at once."""
    with using_limits(Limits(sleep=doze)):
        yield

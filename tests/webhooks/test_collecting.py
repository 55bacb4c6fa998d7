"""A collection in a process of its own, as it is started where there is no Prefect server."""

from __future__ import annotations

from pathlib import Path

import pytest

from openrouter_video.webhooks import Woken, collect_in_process

WOKEN = [Woken(f"{number:032x}", f"gen-vid-{number}-completed") for number in (1, 2)]


def test_a_collection_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It looks at these keys, of which there is nothing here, and ends; what it refuses is on stderr."""
    monkeypatch.setenv("OPENROUTER_API_KEY", "sandbox-key")
    monkeypatch.setenv("OPENROUTER_VIDEO_OUTPUT", str(tmp_path))
    monkeypatch.delenv("PREFECT_API_URL", raising=False)
    assert collect_in_process(WOKEN) == "collected"
    monkeypatch.setenv("OPENROUTER_VIDEO_LEDGER", "nothing://like/this")
    assert collect_in_process(WOKEN) == "not collected; see above"

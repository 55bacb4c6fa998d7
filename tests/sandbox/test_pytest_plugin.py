"""The pytest fixture of every project that installs this package: the flows find its sandbox by themselves."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from openrouter_video.sandbox import Sandbox

OF_THIS_MACHINE = {"OPENROUTER_API_KEY": "mine", "OPENROUTER_VIDEO_LEDGER": "s3://real", "OPENROUTER_VIDEO_OUTPUT": "x"}


def ours() -> dict[str, str]:
    """The variables of this package."""
    return {name: value for name, value in os.environ.items() if name.startswith("OPENROUTER_")}


@pytest.fixture
def of_this_machine() -> Iterator[None]:
    """What a developer has set, and has again after the test."""
    with pytest.MonkeyPatch.context() as patch:
        for name in ours():
            patch.delenv(name)
        for name, value in OF_THIS_MACHINE.items():
            patch.setenv(name, value)
        yield
        assert ours() == OF_THIS_MACHINE


def test_the_environment_is_the_sandboxs(
    of_this_machine: None, openrouter_sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Base URL, key and an output of the test's own, and no ledger of this machine; what a test sets itself wins."""
    expected = {
        "OPENROUTER_BASE_URL": openrouter_sandbox.base_url,
        "OPENROUTER_API_KEY": openrouter_sandbox.api_key,
        "OPENROUTER_VIDEO_OUTPUT": str(tmp_path / "videos"),
    }
    assert ours() == expected
    monkeypatch.setenv("OPENROUTER_VIDEO_OUTPUT", "elsewhere")
    assert ours()["OPENROUTER_VIDEO_OUTPUT"] == "elsewhere"
    monkeypatch.undo()
    assert ours() == expected

"""The command ``openrouter-video``: its options, what it shows, and how it runs a flow."""

from __future__ import annotations

from collections.abc import Sequence

__all__ = ["main"]


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command with these arguments, or those of the process, and return its exit code."""
    from openrouter_video.cli.app import main as run  # noqa: PLC0415 (a part of it may be asked for alone)

    return run(argv)

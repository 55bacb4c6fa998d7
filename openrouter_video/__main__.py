"""The process of the command: ``openrouter-video``, or ``python -m openrouter_video``.

A request to end it is heard from its first line to its last, and once interrupted it ends in time.
"""

from __future__ import annotations

import sys

from openrouter_video.cli.signals import EXIT_INTERRUPTED, end_at_once

__all__ = ["main"]

INTERRUPTED_ENDS_WITHIN_SECONDS = 3.0


def main() -> int:
    """Run the command with the arguments of this process, and return its exit code."""
    end_at_once()
    from openrouter_video.cli.app import main as run  # noqa: PLC0415 (the imports take a while)

    code = run()
    if code == EXIT_INTERRUPTED:
        from openrouter_video.run import exit_within  # noqa: PLC0415

        exit_within(code, INTERRUPTED_ENDS_WITHIN_SECONDS)
    return code


if __name__ == "__main__":
    sys.exit(main())

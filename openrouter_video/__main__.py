"""The process of the command: ``openrouter-video``, or ``python -m openrouter_video``.

Ctrl-C ends it without a traceback from its first line to its last, and once interrupted it ends in time.
"""

from __future__ import annotations

import signal
import sys

__all__ = ["main"]

INTERRUPTED_ENDS_WITHIN_SECONDS = 3.0


def main() -> int:
    """Run the command with the words of this process, and return its exit code."""
    if signal.getsignal(signal.SIGINT) == signal.default_int_handler:
        # Where the command does not listen yet, or any more, Ctrl-C is no exception but the end.
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    from openrouter_video import cli  # noqa: PLC0415

    code = cli.main()
    if code == cli.EXIT_INTERRUPTED:
        from openrouter_video.last_resort import end_in_time  # noqa: PLC0415

        end_in_time(code, INTERRUPTED_ENDS_WITHIN_SECONDS)
    return code


if __name__ == "__main__":
    sys.exit(main())

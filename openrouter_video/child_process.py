"""``python -m openrouter_video.child_process MODULE ARGUMENTS``: runs a module for as long as its parent lives.

The parent holds the other end of the pipe that is this process's standard input. The system closes it when the parent
is gone, however that died: a SIGKILL, which nobody can catch, would leave a server behind for ever.
"""

from __future__ import annotations

import os
import runpy
import signal
import sys
import threading
import time
from collections.abc import Sequence

__all__ = ["child_command", "main"]

ENDS_WITHIN_SECONDS = 10.0


def child_command(module: str, *arguments: str) -> list[str]:
    """Return the command that runs a module as such a child; start it with a pipe as its standard input."""
    return [sys.executable, "-m", "openrouter_video.child_process", module, *arguments]


def main(words: Sequence[str]) -> None:
    """Run a module as a program of its own."""
    threading.Thread(target=_end_with_the_parent, name="parent-watch", daemon=True).start()
    module, *arguments = words
    sys.argv = [module, *arguments]
    runpy.run_module(module, run_name="__main__", alter_sys=True)


def _end_with_the_parent() -> None:
    while os.read(0, 1024):
        pass
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(ENDS_WITHIN_SECONDS)
    if hasattr(os, "killpg") and os.getpgrp() == os.getpid():
        os.killpg(os.getpid(), signal.SIGKILL)
    os._exit(1)


if __name__ == "__main__":
    main(sys.argv[1:])

"""``python -m openrouter_video`` is the command ``openrouter-video``."""

from __future__ import annotations

import sys

from openrouter_video.cli import main

if __name__ == "__main__":
    sys.exit(main())

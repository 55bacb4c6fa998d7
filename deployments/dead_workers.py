# ruff: noqa: INP001 (a folder of things to run, not a package)
"""Let Prefect's server notice runs whose worker has died: it sets them to Crashed, and has their jobs collected.

Run it once after ``prefect deploy``, against the server of PREFECT_API_URL, and again after an upgrade of this package:
what is there is brought up to date.
"""

from __future__ import annotations

import sys

from openrouter_video.errors import VideoError
from openrouter_video.flows import watch_for_dead_workers


def main() -> None:
    """Make the automation."""
    try:
        name = watch_for_dead_workers()
    except VideoError as error:
        sys.exit(str(error))
    sys.stdout.write(f"The automation is on Prefect's server: {name}\n")


if __name__ == "__main__":
    main()

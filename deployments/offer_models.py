# ruff: noqa: INP001 (a folder of things to run, not a package)
"""Let the forms of the deployments offer the models that OpenRouter lists today, beside a field for any other id.

Run it after each ``prefect deploy``, which forgets them, and whenever the day in the form is too long ago. It needs no
key, and asks OPENROUTER_BASE_URL where that is set.
"""

from __future__ import annotations

import sys
from pathlib import Path

import yaml

from openrouter_video.errors import VideoError
from openrouter_video.flows import offer_models

DEFINITIONS = Path(__file__).with_name("prefect.yaml")


def main() -> None:
    """Offer them."""
    names = [definition["name"] for definition in yaml.safe_load(DEFINITIONS.read_text("utf-8"))["deployments"]]
    try:
        offering = offer_models(names)
    except VideoError as error:
        sys.exit(f"The models could not be listed; the forms are as they were. {error}")
    if not offering:
        sys.exit("No deployment of these names is on Prefect's server; deploy first.")
    sys.stdout.write(f"The models of today are offered by: {', '.join(offering)}\n")


if __name__ == "__main__":
    main()

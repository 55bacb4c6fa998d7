"""A picture of a gallery, as a person sees it first.

    python -m tests.support.gallery_picture VIDEOS/index.html docs/images/gallery.jpg

`make pictures` runs it over the page of some videos of the sandbox.
"""

from __future__ import annotations

import sys
from pathlib import Path

from tests.support.browsers import chromium

WIDTH, HEIGHT = 1200, 1060


def main(page: str, picture: str) -> None:
    """Take it, with all posters in sight."""
    with chromium() as browser:
        shown = browser.new_page(viewport={"width": WIDTH, "height": HEIGHT})
        shown.goto(Path(page).resolve().as_uri())
        shown.locator(".frame img").first.wait_for()
        shown.wait_for_timeout(1000)
        shown.screenshot(path=picture, type="jpeg", quality=70)


if __name__ == "__main__":
    main(*sys.argv[1:])

"""A real browser, or the sentence with which a test without one is skipped."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, NoReturn

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Browser

# Without most of these Chromium looks up its maker's hosts at every start.
FLAGS = (
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
)
# Prefect draws the timeline of a run by these, without a graphics card at a third of a processor all the time.
WITHOUT_TIMELINES = ("--disable-3d-apis",)


def absent(sentence: str) -> NoReturn:
    """Skip for want of a browser; where all real parts are promised, fail."""
    if os.environ.get("REQUIRE_REAL_PARTS") == "1":
        pytest.fail(sentence)
    pytest.skip(sentence)


@contextmanager
def chromium() -> Iterator[Browser]:
    """Start Chromium, and end it."""
    try:
        from playwright.sync_api import sync_playwright  # noqa: PLC0415 (it may be absent)
    except ImportError as error:
        absent(f"The browser test needs Playwright ({error}): pip install playwright.")
    program = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if program is None:
        absent("The browser test needs Chromium. On Debian: apt-get install chromium.")
    flags = [*FLAGS, *(() if os.environ.get("PICTURES") else WITHOUT_TIMELINES)]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=flags)
        yield browser
        browser.close()

"""A person's way: ``make serve``, the form in a real browser, the run's page, its table, the switch of the schedule.

With PICTURES set to a folder, as by ``make pictures``, the pages are kept there for the documentation.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.support.browsers import chromium
from tests.support.flow_processes import wait_until
from tests.support.prefect_servers import make_serve

if TYPE_CHECKING:
    from playwright.sync_api import FloatRect, Page

ROOT = Path(__file__).resolve().parents[2]
PATIENCE_SECONDS = 60
WIDTH, HEIGHT = 1200, 1000


@pytest.fixture
def page() -> Iterator[Page]:
    """An empty page of a real browser."""
    with chromium() as browser:
        page = browser.new_page(viewport={"width": WIDTH, "height": HEIGHT})
        page.set_default_timeout(PATIENCE_SECONDS * 1000)
        yield page


@pytest.fixture
def form(tmp_path: Path) -> Iterator[str]:
    """The address that ``make serve`` prints, with its sandbox, and all its files in a folder of this test."""
    with make_serve(tmp_path) as address:
        yield address


def keep(page: Page, name: str, height: int = HEIGHT) -> None:
    """Take a picture of the upper part of a page for the documentation, if they are asked for."""
    if folder := os.environ.get("PICTURES"):
        # What fades in or out does not belong in it.
        page.wait_for_timeout(1500)
        part: FloatRect = {"x": 0, "y": 0, "width": WIDTH, "height": height}
        page.screenshot(path=Path(folder) / f"{name}.png", clip=part)


def test_a_run_from_the_form_ends_with_a_table(page: Page, form: str, tmp_path: Path) -> None:
    """Type a prompt, change the models, give options, submit; the run completes and its table says what was got."""
    origin = form.split("/v2/", maxsplit=1)[0]
    page.goto(form)
    page.get_by_label("Prompt").fill("A white orchid")
    page.get_by_role("tab", name=re.compile(r"^Models of \d+ \w+ \d{4}$")).wait_for()
    page.get_by_label(re.compile("^Select Models of")).click()
    for model in ("bytedance/seedance-2.0-mini", "kwaivgi/kling-v3.0-std"):
        page.get_by_role("option", name=model, exact=True).click()
    page.keyboard.press("Escape")
    page.get_by_label("Select Choose").nth(1).click()
    assert page.get_by_role("option").all_inner_texts() == ["480p", "720p", "768p", "1080p", "2K", "4K"]
    page.keyboard.press("Escape")
    page.get_by_text("fallback", exact=True).click()
    assert page.get_by_role("option").all_inner_texts() == ["fallback", "drop", "skip", "fail"]
    page.get_by_role("option", name="drop").click()
    # The first editor is that of the settings' trace.
    page.locator(".cm-content").nth(1).click()
    page.keyboard.insert_text('{"google-vertex": {"negativePrompt": "text"}}')
    page.get_by_label("Prompt").scroll_into_view_if_needed()
    keep(page, "form")
    # The button that leads to the run is gone after some seconds, before a busy machine has pressed it.
    with page.expect_response(lambda answer: answer.url.endswith("/create_flow_run") and answer.ok) as made:
        page.get_by_role("button", name="Submit").click()
    page.goto(f"{origin}/v2/runs/flow-run/{made.value.json()['id']}")

    page.get_by_text("A white orchid").first.wait_for()
    # The page falls back to its first tab when the run's state changes.
    page.get_by_text("Completed").first.wait_for()
    page.get_by_role("tab", name="Details").click()
    page.get_by_text(re.compile(r"^3 of 3 videos, sandbox \$\d+\.\d\d")).first.wait_for()
    keep(page, "run", 560)

    page.goto(f"{origin}/v2/artifacts/key/openrouter-videos")
    page.locator("a[href*='/artifacts/artifact/']").first.click()
    page.get_by_role("cell", name="kwaivgi/kling-v3.0-std").wait_for()
    columns = [header.inner_text() for header in page.get_by_role("columnheader").all()]
    assert columns[:6] == ["model", "take", "status", "cost", "estimate", "why"]
    assert page.get_by_role("cell", name="completed", exact=True).count() == 3
    keep(page, "table", 520)
    videos = sorted(path.name for path in (tmp_path / "videos").glob("a-white-orchid-*/*.mp4"))
    assert videos == ["alibaba--wan-3.0.mp4", "google--veo-3.1-lite.mp4", "kwaivgi--kling-v3.0-std.mp4"]

    page.goto(f"{origin}/v2/deployments")
    page.get_by_role("link", name="daily-fan-out-video").first.click()
    page.get_by_text("At 07:00 AM").first.wait_for()
    assert page.get_by_role("switch").first.get_attribute("aria-checked") == "false"
    keep(page, "schedule", 450)


def test_a_run_that_needs_a_yes_shows_what_it_may_cost_and_goes_on_after_it(
    page: Page, form: str, tmp_path: Path
) -> None:
    """Prompt and prices stand in Prefect's dialog, as text and as a table, above the question."""
    origin = form.split("/v2/", maxsplit=1)[0]
    parameters = {"prompt": "A white orchid | *macro* <b>lens</b>", "takes": 2, "approve_above_usd": 1}
    made = page.request.post(
        f"{origin}/api/deployments/{form.split('/')[-2]}/create_flow_run", data={"parameters": parameters}
    )
    run_id = made.json()["id"]
    page.goto(f"{origin}/v2/runs/flow-run/{run_id}")
    page.get_by_text("Suspended", exact=True).first.wait_for()
    page.get_by_role("button", name="Open menu").first.click()
    page.get_by_role("menuitem", name="Resume").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_text("it needs somebody's yes.").wait_for()
    dialog.get_by_text("Prompt: A white orchid | *macro* <b>lens</b>").wait_for()
    assert [header.inner_text() for header in dialog.get_by_role("columnheader").all()] == ["model", "may cost"]
    cells = [cell.inner_text() for cell in dialog.get_by_role("cell").all()]
    assert cells[4:7] == ["google/veo-3.1-lite × 2", "$0.24", "6 videos"]  # noqa: RUF001
    keep(page, "approval")
    dialog.get_by_label("May it spend this?").first.click()
    assert page.get_by_role("option").all_inner_texts() == ["yes", "no"]
    page.get_by_role("option", name="yes").click()
    dialog.get_by_label("Who says so, and why").first.fill("Ada")
    dialog.get_by_role("button", name="Resume").click()
    # The log has the word before the run has ended.
    run = f"{origin}/api/flow_runs/{run_id}"
    wait_until(lambda: page.request.get(run).json()["state"]["name"] == "Completed", PATIENCE_SECONDS * 2)
    assert len(list((tmp_path / "videos").glob("*/*.mp4"))) == 6

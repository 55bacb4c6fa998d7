"""A person's way: ``make serve``, the form in a real browser, the run, its page and table, the schedule's switch.

All tests share one server, which the last one starts again.

With PICTURES set to a folder, as by ``make pictures``, the pages are kept there for the documentation.
"""

from __future__ import annotations

import json
import os
import re
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import pytest
import yaml

from openrouter_video.ledger.records import scope_of_key
from tests.support.browsers import chromium
from tests.support.flow_processes import wait_until
from tests.support.prefect_servers import make_serve

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, FloatRect, Locator, Page, Response

ROOT = Path(__file__).resolve().parents[2]
FILE = ROOT / "deployments" / "prefect.yaml"
DEFINITIONS: dict[str, dict[str, Any]] = {d["name"]: d for d in yaml.safe_load(FILE.read_text())["deployments"]}
PATIENCE_SECONDS = 60
WIDTH, HEIGHT = 1200, 1000
# Without a graphics card each frame of what pulses or fades is computed, which took more than all else here.
STILL = """addEventListener("DOMContentLoaded", () => {
  const still = document.createElement("style");
  still.textContent = "*, *::before, *::after { animation: none !important; transition: none !important }";
  document.head.append(still);
})"""
HOSTILE = (
    "A white orchid | *macro* <b>lens</b> <img src=x> [x](javascript:1) http://e.example www.e.example a@e.example"
)

PLAYED_AND_HOSTILE = """all => [
  all.filter(one => one.innerText === "Play").length,
  all.filter(one => one.matches("a[href*='e.example'], img[src='x']")).length,
]"""
"""Of links and images: how many play a video, and how many the hostile prompt has made."""


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """A real browser, for all of these tests."""
    with chromium() as browser:
        yield browser


@pytest.fixture(scope="module")
def context(browser: Browser) -> BrowserContext:
    """What its pages have in common: what they have fetched and compiled."""
    return browser.new_context(viewport={"width": WIDTH, "height": HEIGHT})


@pytest.fixture
def page(context: BrowserContext) -> Iterator[Page]:
    """An empty page."""
    page = context.new_page()
    page.set_default_timeout(PATIENCE_SECONDS * 1000)
    page.add_init_script(STILL)
    yield page
    page.close()


def keep(page: Page, name: str, height: int = HEIGHT) -> None:
    """Take a picture of the upper part of a page for the documentation, if they are asked for."""
    if folder := os.environ.get("PICTURES"):
        # What fades in or out does not belong in it.
        page.wait_for_timeout(1500)
        part: FloatRect = {"x": 0, "y": 0, "width": WIDTH, "height": height}
        page.screenshot(path=Path(folder) / f"{name}.png", clip=part)


def answer(url: str, data: Any = None, method: str | None = None) -> Any:
    """What a server on this machine answers; with 503, while its database is busy, it asks to be asked again."""
    body = None if data is None else json.dumps(data).encode()
    request = urllib.request.Request(url, body, {"Content-Type": "application/json"}, method=method)  # noqa: S310
    deadline = time.monotonic() + 60
    while True:
        try:
            with urllib.request.urlopen(request, timeout=20) as response:  # noqa: S310
                return json.loads(response.read() or "null")
        except urllib.error.HTTPError as error:
            with error:
                if error.code != HTTPStatus.SERVICE_UNAVAILABLE or time.monotonic() > deadline:
                    raise
            time.sleep(0.5)


class Served:
    """``make serve`` in a folder of its own, which can be ended and started again."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._running = ExitStack()
        self.start()

    @property
    def videos(self) -> Path:
        """The folder of its videos."""
        return self.folder / "videos"

    def start(self) -> None:
        """Start it; the form's address tells where its server is."""
        self.form = self._running.enter_context(make_serve(self.folder))
        self.origin = self.form.split("/v2/")[0]
        self.api = f"{self.origin}/api"

    def stop(self) -> None:
        """End all of it by Ctrl-C."""
        self._running.close()
        with pytest.raises(OSError, match="refused"):
            answer(f"{self.api}/health")


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """One ``make serve`` for all, just started for the first time, with its sandbox."""
    served = Served(tmp_path_factory.mktemp("served"))
    yield served
    served.stop()


def named(api: str, name: str) -> dict[str, Any]:
    """A deployment on a server."""
    found: dict[str, Any] = answer(f"{api}/deployments/name/{name.removeprefix('daily-')}/{name}")
    return found


def switch(api: str, name: str, *, active: bool) -> str:
    """Switch a deployment's schedule as Prefect's UI does; the address of the deployment."""
    deployment = named(api, name)
    (schedule,) = deployment["schedules"]
    address = f"{api}/deployments/{deployment['id']}"
    answer(f"{address}/schedules/{schedule['id']}", {"active": active}, "PATCH")
    return address


def runs_of(api: str, deployment_id: str, *states: str) -> list[dict[str, Any]]:
    """The runs of a deployment that are in one of these states."""
    wanted = {"deployments": {"id": {"any_": [deployment_id]}}, "flow_runs": {"state": {"type": {"any_": states}}}}
    found: list[dict[str, Any]] = answer(f"{api}/flow_runs/filter", wanted)
    return found


def test_make_serve_starts_answers_and_stops(served: Served) -> None:
    """A real process: it prints the form's address, serves what the file says, and Ctrl-C ends it all."""
    assert answer(f"{served.origin}/ui-settings")["api_url"] == served.api
    deployment = answer(f"{served.api}/deployments/{served.form.split('/')[-2]}")
    assert deployment["name"] == "fan-out-video"
    assert deployment["parameters"]["settings"] == DEFINITIONS["fan-out-video"]["parameters"]["settings"]
    assert not {"store", "credentials"} & set(deployment["parameters"])
    switches = {name: [s["active"] for s in named(served.api, name)["schedules"]] for name in DEFINITIONS}
    off, on = [False], [True]
    none: dict[str, list[bool]] = {name: [] for name in DEFINITIONS}
    assert switches == {**none, "daily-fan-out-video": off, "collect-videos": on, "check-recipes": on}
    assert (served.folder / ".prefect" / "server.log").exists()


def ends(served: Served, run_id: str, name: str) -> dict[str, Any]:
    """Wait for the state in which a run ends, or waits for a person; the run."""
    run = f"{served.api}/flow_runs/{run_id}"

    def state() -> str:
        return str((answer(run)["state"] or {}).get("name"))

    wait_until(lambda: state() == name, PATIENCE_SECONDS * 3, what=state, every=1)
    found: dict[str, Any] = answer(run)
    return found


def press(button: Locator, path: str) -> Response:
    """Press a button as a person does: again, when the page says that the server was too busy; its answer."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        # It asks whether the form is right first, at another address, which may find the database busy too.
        with button.page.expect_response(
            lambda answer: answer.status == HTTPStatus.SERVICE_UNAVAILABLE or answer.url.endswith(path)
        ) as answered:
            button.click()
        found = answered.value
        if found.status != HTTPStatus.SERVICE_UNAVAILABLE or time.monotonic() > deadline:
            assert found.ok, f"{found.status}: {found.text()}"
            return found


def becomes(look: Callable[[], Any], wanted: Any) -> None:
    """Look until a page shows what it should: one that loads draws itself anew, and is empty for a moment."""
    wait_until(lambda: look() == wanted, PATIENCE_SECONDS, what=lambda: repr(look()), every=0.2)


def videos_of(page: Page, number: int) -> list[str]:
    """The addresses of the videos that a page shows, once there are so many."""
    found = list[str]()

    def look() -> int:
        found[:] = page.get_by_role("link", name="Play").evaluate_all("links => links.map(one => one.href)")
        return len(found)

    becomes(look, number)
    return found


def close_list(page: Page) -> None:
    """Close an open select; one that is still closing takes the one that is opened next along."""
    page.keyboard.press("Escape")
    page.get_by_role("option").first.wait_for(state="hidden")


def submit(page: Page, served: Served) -> str:
    """Fill in the form: a prompt, other models, options; press Submit; the run's id."""
    page.goto(served.form)
    # It has a tab beside it for a video without a prompt, which works from an input.
    prompt = page.get_by_role("tabpanel", name="Text").get_by_role("textbox").first
    prompt.fill("A white orchid")
    page.get_by_role("tab", name=re.compile(r"^Models of \d+ \w+ \d{4}$")).wait_for()
    page.get_by_label(re.compile("^Select Models of")).click()
    for model in ("bytedance/seedance-2.0-mini", "kwaivgi/kling-v3.0-std"):
        page.get_by_role("option", name=model, exact=True).click()
    close_list(page)
    page.get_by_label("Select Choose").nth(1).click()
    becomes(page.get_by_role("option").all_inner_texts, ["480p", "720p", "768p", "1080p", "2K", "4K"])
    close_list(page)
    page.get_by_text("fallback", exact=True).click()
    becomes(page.get_by_role("option").all_inner_texts, ["fallback", "drop", "skip", "fail"])
    page.get_by_role("option", name="drop").click()
    # The first editor is that of the settings' trace.
    page.locator(".cm-content").nth(1).click()
    page.keyboard.insert_text('{"google-vertex": {"negativePrompt": "text"}}')
    prompt.scroll_into_view_if_needed()
    keep(page, "form")
    # The button that leads to the run is gone after some seconds, before a busy machine has pressed it.
    return str(press(page.get_by_role("button", name="Submit"), "/create_flow_run").json()["id"])


def test_a_run_from_the_form_ends_with_a_page_and_a_table(page: Page, served: Served) -> None:
    """Type a prompt, change the models, give options, submit; the run completes and shows what was got."""
    origin = served.origin
    run_id = submit(page, served)
    # A page that follows a run draws all of it anew every few seconds, and falls back to its first tab at the end.
    page.goto("about:blank")
    ends(served, run_id, "Completed")
    page.goto(f"{origin}/v2/runs/flow-run/{run_id}")
    page.get_by_text("A white orchid").first.wait_for()
    page.get_by_text("Completed").first.wait_for()
    page.get_by_role("tab", name="Details").click()
    page.get_by_text(re.compile(r"^3 of 3 videos, sandbox \$\d+\.\d\d")).first.wait_for()
    keep(page, "run", 560)

    page.get_by_role("tab", name="Artifacts").click()
    page.get_by_text("The videos of this run: 3 of 3 videos").first.click()
    page.get_by_role("link", name="Play").first.wait_for()
    page.wait_for_function("[...document.querySelectorAll('main img, table img')].every(i => i.naturalWidth > 99)")
    becomes(page.locator("table img").count, 3)
    keep(page, "page", 760)
    parts = [page.request.get(link, headers={"Range": "bytes=0-9"}) for link in videos_of(page, 3)]
    assert [(part.status, len(part.body())) for part in parts] == [(206, 10)] * 3
    side_by_side = page.get_by_role("link", name="All of them, side by side").get_attribute("href") or ""
    assert page.request.get(side_by_side).ok
    assert page.request.get(f"{side_by_side.rpartition('/')[0]}/../_jobs/").status == 404

    page.goto(f"{origin}/v2/artifacts/key/openrouter-videos")
    page.locator("a[href*='/artifacts/artifact/']").first.click()
    page.get_by_role("cell", name="kwaivgi/kling-v3.0-std").wait_for()
    columns = page.get_by_role("columnheader")
    becomes(lambda: columns.all_inner_texts()[:6], ["model", "take", "status", "cost", "estimate", "why"])
    becomes(page.get_by_role("cell", name="completed", exact=True).count, 3)
    keep(page, "table", 520)
    videos = sorted(path.name for path in served.videos.glob("a-white-orchid-*/*.mp4"))
    assert videos == ["alibaba--wan-3.0.mp4", "google--veo-3.1-lite.mp4", "kwaivgi--kling-v3.0-std.mp4"]

    page.goto(f"{origin}/v2/deployments")
    page.get_by_role("link", name="daily-fan-out-video").first.click()
    page.get_by_text("At 07:00 AM").first.wait_for()
    becomes(lambda: page.get_by_role("switch").first.get_attribute("aria-checked"), "false")
    keep(page, "schedule", 450)


def test_a_run_that_needs_a_yes_shows_what_it_may_cost_and_goes_on_after_it(page: Page, served: Served) -> None:
    """Prompt and prices stand in Prefect's dialog, as text and as a table, above the question; no word of them acts."""
    origin = served.origin
    models = ["google/veo-3.1-lite", "bytedance/seedance-2.0-mini", "alibaba/wan-2.6"]
    # A picture for the documentation shows what people ask for.
    prompt = "A white orchid turns slowly on a dark table" if os.environ.get("PICTURES") else HOSTILE
    parameters = {"prompt": prompt, "models": models, "takes": 2, "approve_above_usd": 0.5, "min_success": 4}
    deployment = f"{served.api}/deployments/{served.form.split('/')[-2]}"
    run_id = answer(f"{deployment}/create_flow_run", {"parameters": parameters})["id"]
    ends(served, run_id, "Suspended")
    page.goto(f"{origin}/v2/runs/flow-run/{run_id}")
    page.get_by_text("Suspended", exact=True).first.wait_for()
    page.get_by_role("button", name="Open menu").first.click()
    page.get_by_role("menuitem", name="Resume").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_text("it needs somebody's yes.").wait_for()
    dialog.get_by_text(f"Prompt: {prompt}").wait_for()
    assert dialog.get_by_role("link").count() == 0
    becomes(dialog.get_by_role("columnheader").all_inner_texts, ["model", "may cost"])
    row = ["google/veo-3.1-lite × 2", "$0.24", "4 videos"]  # noqa: RUF001
    becomes(lambda: dialog.get_by_role("cell").all_inner_texts()[2:5], row)
    keep(page, "approval")
    dialog.get_by_label("May it spend this?").first.click()
    becomes(page.get_by_role("option").all_inner_texts, ["yes", "no"])
    page.get_by_role("option", name="yes").click()
    dialog.get_by_label("Who says so, and why").first.fill("Ada")
    # A busy database, which happens with SQLite: the dialog stays, with what was typed, to be sent again.
    busy = {"status": HTTPStatus.SERVICE_UNAVAILABLE.value, "json": {"detail": "database is locked"}}
    page.route("**/resume", lambda route: route.fulfill(**busy), times=1)
    press(dialog.get_by_role("button", name="Resume"), "/resume")
    # The page takes the dialog away once the server has the answer.
    dialog.wait_for(state="hidden")
    page.goto("about:blank")
    # The log has the word before the run has ended; a process of its own begins it anew.
    ended = ends(served, run_id, "Partial")
    assert "wan-2.6 refused: duration" in ended["state"]["message"]
    found = answer(f"{served.api}/artifacts/filter", {"artifacts": {"flow_run_id": {"any_": [run_id]}}})
    (report,) = [artifact for artifact in found if artifact["type"] == "markdown"]
    assert (report["key"], len(report["data"]) < 100_000) == (None, True)
    for ui in ("v2/", ""):
        page.goto(f"{origin}/{ui}artifacts/artifact/{report['id']}")
        page.get_by_text(prompt, exact=True).first.wait_for()
        # The page draws what it shows piece by piece; the last model stands at its end.
        page.get_by_text("alibaba/wan-2.6").first.wait_for()
        # At one look, for in a page that is being drawn anew there is nothing bad either.
        becomes(lambda: page.locator("a, img").evaluate_all(PLAYED_AND_HOSTILE), [4, 0])


def test_the_daily_schedule_works_and_stays_switched_on(served: Served) -> None:
    """Switched on as Prefect's UI does it, it plans runs with prompt and key; the next start keeps it on.

    What does not wait for seven o'clock is a second schedule of the same deployment, without parameters, too.
    """
    wanted = DEFINITIONS["daily-fan-out-video"]["parameters"]
    switch(served.api, "collect-videos", active=False)
    daily = switch(served.api, "daily-fan-out-video", active=True)

    def runs(*states: str) -> list[dict[str, Any]]:
        return runs_of(served.api, daily.rsplit("/", 1)[-1], *states)

    wait_until(lambda: runs("SCHEDULED"), 150, every=1)
    planned = runs("SCHEDULED")
    assert {run["auto_scheduled"] for run in planned} == {True}
    for name in ("prompt", "idempotency_key"):
        assert {run["parameters"][name] for run in planned} == {wanted[name]}
    # One run is enough: Prefect begins those of the next ten seconds, so that the second is not among them.
    interval = {"interval": 30, "anchor_date": (datetime.now(UTC) + timedelta(seconds=15)).isoformat()}
    soon = {"schedule": {**interval, "timezone": "Europe/Berlin"}, "active": True, "slug": "soon"}
    (extra,) = answer(f"{daily}/schedules", [soon])
    wait_until(lambda: runs("PENDING", "RUNNING", "PAUSED"), 150, every=1)
    answer(f"{daily}/schedules/{extra['id']}", method="DELETE")
    # It waits suspended, and a collection lets it report.
    wait_until(lambda: runs("PAUSED") and not runs("PENDING", "RUNNING"), 150, every=1)
    collect = named(served.api, "collect-videos")["id"]
    answer(f"{served.api}/deployments/{collect}/create_flow_run", {"parameters": {"wait_minutes": 2}})
    wait_until(lambda: runs("COMPLETED"), 150, every=1)
    fired = runs("COMPLETED")[0]
    assert fired["auto_scheduled"]
    assert fired["created_by"]["display_value"] == "soon"
    assert " videos, sandbox $" in fired["state"]["message"]
    assert not runs("FAILED", "CRASHED")
    (folder,) = (served.folder / "videos").glob("a-time-lapse-of-*")
    day = datetime.fromisoformat(fired["expected_start_time"]).astimezone(ZoneInfo("Europe/Berlin")).date()
    assert folder.name.endswith(f"-{scope_of_key(f'orchid-{day}', 'loopback').short}")
    assert len(list(folder.glob("*.mp4"))) == len(wanted["models"])
    served.stop()
    served.start()
    assert [s["active"] for s in named(served.api, "daily-fan-out-video")["schedules"]] == [True]
    assert [s["active"] for s in named(served.api, "collect-videos")["schedules"]] == [False]

"""The gallery in a real browser: from the disk and from a server, small and large, light and dark, by keyboard alone.

With PICTURES set to a folder, each state is kept there as a picture to look at.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from PIL import Image

from openrouter_video.gallery.matrix import Entry
from openrouter_video.gallery.writing import write_page
from openrouter_video.outcome import LeftOut, Outcome
from openrouter_video.stores import Store, open_store
from openrouter_video.text import clip
from tests.support.browsers import chromium
from tests.support.flow_processes import wait_until
from tests.support.small_videos import small_mp4

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

EVIL = "</script><script>window.pwned = 1</script><img src=x onerror='window.pwned = 1'>\u202e\" onclick=\"pwned=1"
PROMPTS, MODELS = 100, ("google/veo-3.1-lite", "kwaivgi/kling-v3.0-std", EVIL)
# Names that would lead elsewhere if they stood in a link as they are.
NAMES = ("plain", "a b#?%41&é", "javascript:alert(1)", "'\"<x>")


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """One browser for all of it."""
    with chromium() as browser:
        yield browser


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """300 videos of a batch, with a page; some were not made, and hostile words stand wherever words may."""
    root = tmp_path_factory.mktemp("videos") / "a batch #1"
    store = open_store(str(root))
    entries = [
        Entry(made(store, row, model, MODELS[model])) for row in range(1, PROMPTS + 1) for model in range(len(MODELS))
    ]
    write_page(store, "", entries)
    return root


def made(store: Store, row: int, number: int, model: str) -> Outcome:
    """One video, whose file and poster are there; each tenth was not made."""
    stem = f"{NAMES[row % len(NAMES)]}{row}/{number}"
    words: dict[str, Any] = {"prompt": EVIL if row % 3 == 0 else f"Prompt {row}", "labels": {"team": EVIL}}
    words |= {
        "sandbox": True,
        "model": model,
        "row": row,
        "batch": "autumn",
        "row_id": EVIL,
        "key": f"{row}-{number}",
        "notes": (EVIL,),
    }
    if (row + number) % 10 == 0:
        return Outcome(status="failed", error=EVIL, **words)
    store.write_bytes(f"{stem}.mp4", small_mp4(160, 90))
    Image.new("RGB", (160, 90), (row * 2, 90, number * 80)).save(path := poster_of(store, stem))
    assert path.exists()
    return Outcome(
        status="completed",
        url=store.url_of(f"{stem}.mp4"),
        poster_url=store.url_of(f"{stem}.jpg"),
        sidecar_url=store.url_of(f"{stem}.json"),
        cost_usd=0.1 * (number + 1),
        elapsed_seconds=30.0 - number,
        width=160,
        height=90,
        duration_seconds=1.0,
        checks=("frozen",) if row % 7 == 0 else (),
        left_out=(LeftOut(key=EVIL, reason=EVIL),) if number == 1 else (),
        **words,
    )


def poster_of(store: Store, stem: str) -> Path:
    """The file of a poster; its folder is there."""
    return Path(store.path(f"{stem}.jpg"))


class Quiet(SimpleHTTPRequestHandler):
    """Serves files and says nothing."""

    def log_message(self, *_: Any) -> None:
        """Keep quiet."""


@pytest.fixture(scope="module")
def served(folder: Path) -> Iterator[str]:
    """The same page from a web server."""
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder.parent))) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/a%20batch%20%231/index.html"
        server.shutdown()
        thread.join()


class Visit:
    """A page that is looked at, with all that it asked for and complained of."""

    def __init__(self, browser: Browser, url: str, width: int = 1600, **options: Any) -> None:
        self.url = url
        self.page: Page = browser.new_page(viewport={"width": width, "height": 900}, **options)
        self.page.set_default_timeout(60_000)
        self.requests: list[str] = []
        self.complaints: list[str] = []
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.on("console", lambda message: self.complaints.append(message.text))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.goto(url)
        self.page.locator(".frame").first.wait_for()

    def evaluate(self, script: str) -> Any:
        """What a script says on the page."""
        return self.page.evaluate(script)

    def until(self, script: str) -> None:
        """Wait until a script says yes; Playwright's own way is one that the page's policy forbids."""
        wait_until(lambda: self.evaluate(script), 60)

    def keep(self, name: str) -> None:
        """Keep a picture, if they are asked for."""
        if pictures := os.environ.get("PICTURES"):
            self.page.wait_for_timeout(500)
            self.page.screenshot(path=Path(pictures) / f"gallery-{name}.png")

    def close(self) -> None:
        """Hold it to what holds for every visit: no stranger's word ran, nothing came from elsewhere."""
        assert self.evaluate("window.pwned") is None
        home = self.url.rpartition("/")[0]
        assert [url for url in self.requests if not url.startswith(home)] == []
        assert self.complaints == []
        self.page.close()


@pytest.mark.parametrize("from_disk", [True, False], ids=["from the disk", "from a server"])
def test_300_videos_open_at_once_and_play_where_they_lie(
    browser: Browser, folder: Path, served: str, from_disk: bool
) -> None:
    """All are there, few posters are loaded and no video is; a video plays under the mouse, a row in step."""
    visit = Visit(browser, (folder / "index.html").as_uri() if from_disk else served)
    page = visit.page
    visit.until(f"document.querySelectorAll('.row').length === {PROMPTS}")
    assert page.get_by_role("status").inner_text() == "300 videos, 100 prompts"
    assert visit.evaluate("document.querySelectorAll('video').length") == 0
    assert len([url for url in visit.requests if url.endswith(".jpg")]) < 100
    assert page.title() == "autumn"

    page.locator("button.frame").first.hover()
    visit.until("document.querySelector('video')?.currentTime > 0")
    page.locator("h1").hover()
    visit.until("!document.querySelector('video')")
    row = page.locator(".row").nth(1)
    row.get_by_role("button", name="Play in step").click()
    visit.until("[...document.querySelectorAll('video')].filter((one) => one.currentTime > 0).length === 3")
    row.get_by_role("button", name="Stop").click()
    # Each kind of name, however odd, leads to its file.
    for number in range(len(NAMES)):
        page.locator(".row").nth(number).scroll_into_view_if_needed()
        page.locator(".row").nth(number).locator("button.frame").first.click()
        visit.until("document.querySelector('video')?.currentTime > 0")
        page.locator(".row").nth(number).locator("button.frame").first.click()
    visit.close()


def test_hostile_words_are_words(browser: Browser, folder: Path) -> None:
    """They stand there to be read, and nothing on the page is made of them."""
    visit = Visit(browser, (folder / "index.html").as_uri())
    page = visit.page
    assert page.locator(".heads .said").nth(2).inner_text() == clip(EVIL)
    page.locator(".row").nth(2).locator("summary").first.click()
    page.locator(".row").nth(2).locator("dd", has_text="pwned").first.wait_for()
    # The page's own elements, and the posters that it has itself.
    assert visit.evaluate("document.querySelectorAll('script').length") == 2
    assert (
        visit.evaluate("document.querySelectorAll('img:not(.frame img), iframe, object, embed, base, form').length")
        == 0
    )
    assert (
        visit.evaluate("[...document.querySelectorAll('*')].filter((one) => one.getAttribute('onclick')).length") == 0
    )
    links = visit.evaluate("[...document.links].map((one) => one.protocol)")
    assert set(links) == {"file:"}
    visit.close()


@pytest.mark.parametrize(("width", "scheme"), [(400, "light"), (400, "dark"), (1600, "light"), (1600, "dark")])
def test_it_can_be_read_at_any_width_by_day_and_by_night(
    browser: Browser, folder: Path, width: int, scheme: Any
) -> None:
    """The page never scrolls sideways, and no text is smaller or paler than one can read."""
    visit = Visit(browser, (folder / "index.html").as_uri(), width, color_scheme=scheme, has_touch=width == 400)
    assert visit.evaluate("document.documentElement.scrollWidth") <= width
    assert visit.evaluate("document.querySelector('.summary label').offsetHeight") < 60
    assert visit.evaluate(CONTRAST) == []
    if width == 400:
        visit.page.locator("button.frame").first.tap()
        visit.until("document.querySelector('video')?.currentTime > 0")
    visit.keep(f"{width}-{scheme}")
    visit.page.locator(".row").first.locator("summary").first.click()
    assert visit.evaluate("document.documentElement.scrollWidth") <= width
    visit.page.locator(".row").nth(1).scroll_into_view_if_needed()
    visit.keep(f"{width}-{scheme}-details")
    visit.close()


CONTRAST = """() => {
  const parse = (text) => (text.match(/[\\d.]+/g) || []).map(Number);
  const light = (rgb) => {
    const linear = (one) => (one <= 0.03928 ? one / 12.92 : ((one + 0.055) / 1.055) ** 2.4);
    const [r, g, b] = rgb.map((one) => linear(one / 255));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const behind = (node) => {
    for (let one = node; one; one = one.parentElement) {
      const rgb = parse(getComputedStyle(one).backgroundColor);
      if (rgb.length === 3 || rgb[3] > 0.99) return rgb.slice(0, 3);
    }
    return [255, 255, 255];
  };
  return [...document.querySelectorAll("body *")]
    .filter((node) => [...node.childNodes].some((child) => child.nodeType === 3 && child.data.trim()))
    .filter((node) => node.checkVisibility() && !node.matches("script, style, noscript *, option"))
    .map((node) => {
      const style = getComputedStyle(node);
      const [one, other] = [parse(style.color).slice(0, 3), behind(node)].map(light).sort((a, b) => b - a);
      return [node.className || node.tagName, (one + 0.05) / (other + 0.05), parseFloat(style.fontSize)];
    })
    .filter(([, contrast, size]) => contrast < 4.5 || size < 12);
}"""


def test_everything_can_be_done_with_the_keyboard(browser: Browser, folder: Path) -> None:
    """The matrix is one stop; arrows lead through it, the space bar plays, Tab leads to the details of one video."""
    visit = Visit(browser, (folder / "index.html").as_uri(), reduced_motion="reduce")
    page = visit.page

    def focused() -> str:
        label: str = visit.evaluate("document.activeElement.ariaLabel || document.activeElement.innerText")
        return label

    page.get_by_label("Find in prompts").focus()
    for _ in range(30):
        page.keyboard.press("Tab")
        if visit.evaluate("document.activeElement.matches('.frame')"):
            break
    assert focused() == "Play: google/veo-3.1-lite: Prompt 1"
    assert visit.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    page.keyboard.press("ArrowRight")
    assert focused() == "Play: kwaivgi/kling-v3.0-std: Prompt 1"
    page.keyboard.press("ArrowDown")
    assert focused() == "Play: kwaivgi/kling-v3.0-std: Prompt 2"
    page.keyboard.press("Space")
    visit.until("document.querySelector('video')?.currentTime > 0")
    assert visit.evaluate("document.activeElement.getAttribute('aria-pressed')") == "true"
    page.keyboard.press("Space")
    visit.until("!document.querySelector('video')")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    assert focused() == "1.mp4"
    page.keyboard.press("Shift+Tab")
    page.keyboard.press("Shift+Tab")
    page.keyboard.press("Home")
    assert focused() == "Play in step"
    page.keyboard.press("Enter")
    visit.until("document.querySelectorAll('video').length === 3")
    assert focused() == "Stop"
    page.keyboard.press("Enter")
    # A video that was not made can be read too.
    page.keyboard.press("End")
    for _ in range(6):
        page.keyboard.press("ArrowDown")
    assert focused().startswith("failed: ")
    # Nobody who wants calm sees anything move by itself.
    page.locator("button.frame").first.hover()
    page.wait_for_timeout(300)
    assert visit.evaluate("document.querySelectorAll('video').length") == 0
    visit.close()


def test_filters_find_and_order_what_there_is(browser: Browser, folder: Path) -> None:
    """By text, status and check; a model can be hidden, and the dearest prompt comes first."""
    visit = Visit(browser, (folder / "index.html").as_uri())
    page = visit.page
    said = page.get_by_role("status")
    page.get_by_label("Find in prompts").fill("prompt 17")
    visit.until("document.querySelectorAll('.row').length === 1")
    assert said.inner_text() == "3 of 300 videos, 1 of 100 prompts"
    page.get_by_label("Find in prompts").fill("")
    page.get_by_label("Status").select_option("failed")
    visit.until("document.querySelectorAll('.row').length === 30")
    assert said.inner_text() == "30 of 300 videos, 30 of 100 prompts"
    assert page.locator(".tile:visible").count() == 30
    page.get_by_label("Status").select_option("")
    page.get_by_label("Check").select_option("frozen")
    visit.until("document.querySelectorAll('.row').length === 14")
    page.get_by_label("Check").select_option("")
    page.get_by_label("Order").select_option("-price")
    visit.until("document.querySelectorAll('.row').length === 100")
    assert page.locator(".row .number").first.inner_text().startswith("1 ")
    page.get_by_role("checkbox", name="kwaivgi/kling-v3.0-std").uncheck()
    visit.until("!document.querySelector('.heads').innerText.includes('kling')")
    assert said.inner_text() == "200 of 300 videos, 100 prompts"
    page.get_by_label("Find in prompts").fill("nothing is like this")
    page.get_by_text("Nothing here is like that.").wait_for()
    visit.close()

"""What a notebook shows of videos: posters, prices and reasons; nothing that somebody else has written is markup."""

from __future__ import annotations

import base64
from html.parser import HTMLParser
from pathlib import Path

import pytest

from openrouter_video import notebook
from openrouter_video.outcome import FanOut, Outcome

JPEG = b"\xff\xd8\xff\xe0" + b"\0" * 100
DONE = Outcome(model="a/b", status="completed", url="file:///videos/a.mp4", cost_usd=0.12, duration_seconds=4.0)


class Page(HTMLParser):
    """What a browser would make of it: the tags with their attributes, and the text."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.images: list[str] = []
        self.links: list[str] = []
        self.text = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note the tag."""
        self.tags.append(tag)
        self.images += [value or "" for name, value in attrs if name == "src"]
        self.links += [value or "" for name, value in attrs if name == "href"]

    def handle_data(self, data: str) -> None:
        """Note the text."""
        self.text += data + "|"


def page(shown: FanOut | Outcome) -> Page:
    """What a notebook shows."""
    return Page(shown._repr_html_())


def run_of(*outcomes: Outcome) -> FanOut:
    """A run with these videos."""
    return FanOut(status="partial", asked={}, outcomes=outcomes)


@pytest.fixture
def poster(tmp_path: Path) -> Outcome:
    """A video with a poster on this machine."""
    (tmp_path / "a b.jpg").write_bytes(JPEG)
    return DONE.model_copy(update={"poster_url": (tmp_path / "a b.jpg").as_uri()})


def test_a_run_is_a_table_with_posters(poster: Outcome) -> None:
    """What it adds up to, then a row per video; columns without anything in them are left out."""
    refused = Outcome(model="c/d", status="refused", error="duration 4 s is not supported")
    seen = page(run_of(poster, refused).model_copy(update={"gallery_url": "file:///videos/index.html"}))
    assert seen.images == [f"data:image/jpeg;base64,{base64.b64encode(JPEG).decode()}"]
    assert seen.text.startswith(
        "1 of 2 videos, $0.12, 1 refused|gallery: file:///videos/index.html|poster|model|status|"
    )
    for words in ("a/b|completed|4 s|$0.12|/videos/a.mp4|", "c/d|refused|duration 4 s is not supported|"):
        assert words in seen.text
    assert "take" not in seen.text
    assert page(poster).images == seen.images


def test_what_only_some_videos_have_is_shown() -> None:
    """Row, take, checks, and a link where the video is on the web."""
    more = {"row": 17, "row_id": "rose", "take": 2, "reused": True, "checks": ("other_aspect_ratio",), "width": 1280}
    seen = page(DONE.model_copy(update={**more, "height": 720, "url": "https://example.com/a.mp4"}))
    assert seen.links == ["https://example.com/a.mp4"]
    assert "17 rose|a/b|2|completed (reused)|4 s 1280x720|$0.12 paid before|" in seen.text
    assert "other aspect ratio" in seen.text


@pytest.mark.parametrize("evil", ["<script>alert(1)</script>", '"><img src=x onerror=alert(1)>', "</td></table>&lt;"])
def test_nothing_from_outside_is_markup(evil: str) -> None:
    """Ids, errors, notes, rows, URLs and warnings are text, and a link leads to the web only."""
    hostile = Outcome(model=evil, status="failed", error=evil, notes=(evil,), row_id=evil, url=f"file:///{evil}")
    script = DONE.model_copy(update={"url": "javascript:alert(1)"})
    web = DONE.model_copy(update={"url": f"https://example.com/{evil}"})
    run = run_of(hostile, script, web).model_copy(update={"problems": (evil,), "gallery_url": evil})
    seen = page(run)
    assert set(seen.tags) == {"div", "table", "tr", "th", "td", "code", "a"}
    assert seen.links == [web.url]
    assert seen.images == []
    assert seen.tags.count("tr") == 4


@pytest.mark.parametrize(
    "content", [b"root:x:0:0", b"<svg onload=alert(1)>", b"", JPEG * 2000], ids=["text", "svg", "empty", "large"]
)
def test_only_a_small_picture_is_shown(tmp_path: Path, content: bytes) -> None:
    """A record may name any file of this machine; what is no picture stays where it is."""
    (tmp_path / "a").write_bytes(content)
    assert page(DONE.model_copy(update={"poster_url": (tmp_path / "a").as_uri()})).images == []


@pytest.mark.parametrize("url", ["file:///gone.jpg", "file:///", "s3://bucket/a.jpg", "https://example.com/a.jpg"])
def test_a_poster_that_is_not_here_is_left_out(url: str) -> None:
    """Nothing is fetched to show it."""
    assert page(DONE.model_copy(update={"poster_url": url})).images == []


def test_what_a_notebook_keeps_is_bounded(poster: Outcome, monkeypatch: pytest.MonkeyPatch) -> None:
    """So many rows and posters, and it says what it leaves out."""
    monkeypatch.setattr(notebook, "MOST_ROWS", 30)
    seen = page(run_of(*[poster] * 1200))
    assert len(seen.images) == notebook.MOST_POSTERS
    assert seen.tags.count("tr") == 31
    assert "and 1,170 more; all of them: |result.rows()|" in seen.text
    monkeypatch.setattr(notebook, "ALL_POSTERS", 3 * len(JPEG))
    assert len(page(run_of(*[poster] * 30)).images) == 3


def test_a_run_without_a_video_is_shown() -> None:
    """As what it is."""
    assert page(FanOut(status="refused", asked={}, problems=("no such model",))).text.startswith(
        "0 of 0 videos|no such"
    )

"""The page as HTML: whatever anybody has written into a prompt, an id or an error, it stays text."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from importlib.resources import files
from typing import Any

from openrouter_video.gallery.links import Place
from openrouter_video.gallery.matrix import Entry, page_data
from openrouter_video.gallery.page import Parts, page_of
from openrouter_video.outcome import LeftOut, Outcome

PARTS = Parts("body { color: red; }", '"use strict";')
HOSTILE = (
    "</script><script>window.pwned = 1</script>",
    '"><img src=x onerror="window.pwned = 1">',
    "<!--<script>",
    "]]>&lt;b&gt;{title}{data}%s",
    "javascript:window.pwned=1//",
    "\u202eright to left\u2066",
    "\ud800 half a character",
    "\u2028\u2029\x00\x1b[31m",
)


class Elements(HTMLParser):
    """The elements of a page with their attributes, and the text of its data."""

    def __init__(self, page: bytes) -> None:
        super().__init__()
        self.found: list[tuple[str, list[tuple[str, str | None]]]] = []
        self.texts: dict[str, str] = {}
        self._in = ""
        self.feed(page.decode())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Take note of an element."""
        self.found.append((tag, attrs))
        self._in = f"{tag} {dict(attrs).get('type', '')}".strip()

    def handle_data(self, data: str) -> None:
        """Take note of a text."""
        self.texts[self._in] = self.texts.get(self._in, "") + data


def hostile_entries(evil: str) -> list[Entry]:
    """Videos with the same text in every field that takes one."""
    return [
        Entry(
            Outcome(
                model=f"a/{evil}",
                take=number,
                key=evil,
                batch=evil,
                row=1,
                row_id=evil,
                status="completed" if number == 1 else "failed",
                url=f"file:///videos/{evil}/{evil}.mp4",
                poster_url=evil,
                sidecar_url=evil,
                extra_urls=(evil, f"https://example.org/{evil}"),
                job_id=evil,
                job_status=evil,
                error=evil,
                notes=(evil,),
                sent={"resolution": evil, evil: evil},
                left_out=(LeftOut(key=evil, reason=evil, suggestion=evil),),
                labels={evil: evil},
                prompt=evil,
                made_at=evil,
            ),
            evil,
        )
        for number in (1, 2)
    ]


def page(entries: list[Entry], parts: Parts = PARTS, **pages: str) -> bytes:
    """The page of these."""
    return page_of(page_data(entries, Place("file:///videos"), pages), parts)


def test_no_element_and_no_attribute_comes_from_data() -> None:
    """The page has the same elements whatever is in it, and its data holds each text as it was."""
    plain = Elements(page(hostile_entries("plain")))
    for evil in HOSTILE:
        data: dict[str, Any] = page_data(hostile_entries(evil), Place("file:///videos"), {evil: evil})
        made = page_of(data, PARTS)
        elements = Elements(made)
        assert elements.found == plain.found
        document = made.decode()
        inside = re.search(r'id="data">(.*?)</script>', document, re.DOTALL)
        assert inside is not None
        assert inside[1].isascii()
        assert not set("<>&") & set(inside[1])
        assert json.loads(inside[1]) == json.loads(json.dumps(data))
        assert json.loads(inside[1])["rows"][0]["prompt"] == evil


def test_its_links_are_relative_or_of_the_web() -> None:
    """Whatever a record holds: no link has a scheme of its own."""
    for evil in HOSTILE:
        data = page_data(hostile_entries(evil), Place("file:///videos"), {evil: f"{evil}/index.html"})
        row = data["rows"][0]
        tiles = [tile for cell in row["cells"] for tile in cell]
        links = [row["href"], *(tile.get(name) for tile in tiles for name in ("src", "poster"))]
        links += [href for tile in tiles for _, _, href in tile["details"]]
        for href in filter(None, links):
            assert re.match(r"https://example\.org/|(?![A-Za-z][A-Za-z0-9+.-]*:)(?!/)", href)
            assert not re.search(r"[\s\"'<>\\]", href)


def test_its_policy_allows_its_own_script_and_style_and_the_files_beside_it() -> None:
    """By their digests; nothing is loaded from elsewhere, and nothing is sent."""
    elements = Elements(page(hostile_entries("x")))
    policy = next(dict(attrs)["content"] for tag, attrs in elements.found if tag == "meta" and len(attrs) == 2)
    assert policy is not None
    rules = dict(rule.strip().split(" ", 1) for rule in policy.split(";"))
    assert rules["default-src"] == rules["base-uri"] == rules["form-action"] == "'none'"
    assert (rules["img-src"], rules["media-src"]) == ("'self' file: data:", "'self' file:")
    assert re.fullmatch(r"'sha256-[A-Za-z0-9+/]{43}='", rules["script-src"])
    assert re.fullmatch(r"'sha256-[A-Za-z0-9+/]{43}='", rules["style-src"])


def test_its_script_makes_no_markup_of_texts() -> None:
    """It knows none of the ways by which a text becomes an element or a program."""
    script = (files("openrouter_video.gallery") / "page.js").read_text(encoding="utf-8")
    style = (files("openrouter_video.gallery") / "page.css").read_text(encoding="utf-8")
    ways = "innerHTML outerHTML insertAdjacentHTML document.write eval( Function( srcdoc fetch( XMLHttp import("
    assert [way for way in ways.split() if way in script] == []
    assert "</" not in script + style
    assert not re.search(r"https?://|url\(", style)
    assert "http" not in script.replace("/^https?:/i", "")

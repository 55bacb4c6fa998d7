"""What the project's Markdown files hold: links, headings, names of files, and examples with the marks before them."""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
OUTSIDE = ("README.md", "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md")
PAGES = sorted([*DOCS.rglob("*.md"), *(ROOT / name for name in OUTSIDE)])

FENCED = re.compile(
    r"(?:^(?P<indent>[ ]*)<!-- (?P<mark>file|not run): (?P<said>[^>]+?) -->\n+)?"
    r"^(?P<space>[ ]*)```(?P<language>\w*)[^\n]*\n(?P<code>.*?)^(?P=space)```$",
    re.DOTALL | re.MULTILINE,
)
INLINE_CODE = re.compile(r"`([^`\n]+)`")
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
HEADING = re.compile(r"^#+ (.+?)(?: \{[^}]*\})?$", re.MULTILINE)
INCLUDED = re.compile(r'^--8<-- "(.+)"$', re.MULTILINE)


class Example(NamedTuple):
    """A fenced block: what is said before it is the name of the file that it is, or why it cannot run."""

    language: str
    code: str
    mark: str | None
    said: str


def text_of(page: Path) -> str:
    """A page as it is shown."""
    return INCLUDED.sub(lambda found: (ROOT / found[1]).read_text("utf-8"), page.read_text("utf-8"))


def examples(page: Path) -> list[Example]:
    """All fenced blocks of a page, in order."""
    blocks = FENCED.finditer(text_of(page))
    return [Example(b["language"], b["code"], b["mark"], b["said"] or "") for b in blocks]


def prose(page: Path) -> str:
    """A page without its fenced blocks."""
    return FENCED.sub("", text_of(page))


def links(page: Path) -> list[str]:
    """The targets of its links and pictures."""
    return LINK.findall(INLINE_CODE.sub("", prose(page)))


def names_of_files(page: Path) -> set[str]:
    """What stands in code and looks like a path of this repository."""
    rooms = r"(?:tests|flows|tasks|blocks|openrouter_video|deployments|docs|examples)"
    return {code for code in INLINE_CODE.findall(prose(page)) if re.fullmatch(rooms + r"/[\w./-]*\w/?", code)}


def anchors(page: Path) -> set[str]:
    """What its headings are called in a link, by GitHub's rule."""
    plain = [re.sub(r"[`*]|\]\([^)]*\)|\[", "", heading) for heading in HEADING.findall(prose(page))]
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in plain}

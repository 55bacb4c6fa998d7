"""The page: one HTML file that holds its style, its script and its data, and loads nothing but the videos. Pure.

Prompts, ids, labels, errors and URLs are other people's words. They are in the page as JSON only, in which no character
has a meaning for HTML; the script makes text nodes of them. The page's policy lets no other script run, whatever gets
into it, and lets it load from nowhere else.
"""

from __future__ import annotations

import base64
import hashlib
import html
import json
from collections.abc import Mapping
from typing import Any, NamedTuple

__all__ = ["MARK", "Parts", "page_of"]

MARK = '<meta name="generator" content="openrouter-video gallery">'
"""By which a page is known as one of these, and may be written over by a newer one."""

_NO_MARKUP = {ord(character): f"\\u{ord(character):04x}" for character in "<>&"}

_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="referrer" content="no-referrer">
<meta name="robots" content="noindex">
{mark}
<link rel="icon" href="data:,">
<title>{title}</title>
<style>{style}</style>
</head>
<body>
<header class="top" id="top"></header>
<div class="tools" id="tools" role="search" aria-label="Filters"></div>
<main>
<h2 class="unseen">Videos</h2>
<div class="heads" id="heads" aria-hidden="true"></div>
<div class="matrix" id="matrix" role="region" aria-label="Videos: prompts down, models across"></div>
</main>
<footer class="foot">Arrow keys move between videos, <kbd>Space</kbd> plays, <kbd>Tab</kbd> leads to the details of \
one. Made anew at any time by <kbd>openrouter-video gallery</kbd>.</footer>
<noscript><p>This page shows its videos by a script that it carries in itself. The files lie beside it.</p></noscript>
<script type="application/json" id="data">{data}</script>
<script>{script}</script>
</body>
</html>
"""


class Parts(NamedTuple):
    """Style and script of every page."""

    style: str
    script: str


def page_of(data: Mapping[str, Any], parts: Parts) -> bytes:
    """Return the page that shows this data."""
    policy = (
        f"default-src 'none'; script-src {_digest(parts.script)}; style-src {_digest(parts.style)}; "
        # A page that was opened as a file has no origin that would be 'self' in every browser.
        "img-src 'self' file: data:; media-src 'self' file:; base-uri 'none'; form-action 'none'"
    )
    text = _PAGE.format(
        policy=html.escape(policy),
        mark=MARK,
        title=html.escape(str(data["title"])),
        style=parts.style,
        script=parts.script,
        data=_as_text(data),
    )
    return text.encode("utf-8", "replace")


def _digest(text: str) -> str:
    digest = hashlib.sha256(text.encode()).digest()
    return f"'sha256-{base64.b64encode(digest).decode()}'"


def _as_text(data: Mapping[str, Any]) -> str:
    """Return JSON in ASCII that no parser of HTML can take for anything else, wherever it stands."""
    return json.dumps(data, ensure_ascii=True, allow_nan=False, separators=(",", ":")).translate(_NO_MARKUP)

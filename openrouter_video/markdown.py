"""Other people's words in Markdown: shown as they are, whatever they are. Pure.

Prompts, ids, labels and messages stand on Prefect's pages, which take Markdown and some of HTML for what it is.
"""

from __future__ import annotations

import re

__all__ = ["as_text"]

# What Markdown or HTML would take for more than text, wherever in a line it stands.
_MARKUP = re.compile(r"([\\`*_{}\[\]()<>#~|&!$])")
# Prefect's newer page makes links of whole addresses, escaped or not; a comment keeps their parts apart.
_ADDRESS = re.compile(r"(?=://)|(?=@)|(?<=www)(?=\.)", re.IGNORECASE)
_APART = "<!-- -->"


def as_text(text: str) -> str:
    """Return what Markdown shows as this text within a line: no markup, no HTML and no link comes of it."""
    return _ADDRESS.sub(_APART, _MARKUP.sub(r"\\\1", " ".join(text.split())))

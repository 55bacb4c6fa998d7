"""Other people's words in Markdown: shown as they are, whatever they are. Pure.

Prompts, ids, labels and messages stand on Prefect's pages, which take Markdown and some of HTML for what it is.
"""

from __future__ import annotations

import re
import string

__all__ = ["as_text"]

_PUNCTUATION = re.compile(f"([{re.escape(string.punctuation)}])")
# Prefect's newer page makes links of addresses after it has dropped the backslashes; a comment keeps them apart.
_ADDRESS = re.compile(r"\\[:@]|(?<=www)(?=\\\.)", re.IGNORECASE)
_APART = "<!-- -->"


def as_text(text: str) -> str:
    """Return what Markdown shows as this text: no markup, no HTML and no link comes of it, in a table's cell either."""
    escaped = _PUNCTUATION.sub(r"\\\1", " ".join(text.split()))
    return _ADDRESS.sub(lambda found: _APART + found.group(), escaped)

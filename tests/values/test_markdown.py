"""Other people's words in Markdown."""

from __future__ import annotations

import pytest

from openrouter_video.markdown import as_text


@pytest.mark.parametrize(
    ("words", "written"),
    [
        ("A white orchid, 16:9, $1", r"A white orchid, 16:9, \$1"),
        ("*a* | <b>\n\n# x", r"\*a\* \| \<b\> \# x"),
        (r"\[x](javascript:1)", r"\\\[x\]\(javascript:1\)"),
        ("http://e.example www.e.example", "http<!-- -->://e.example www<!-- -->.e.example"),
        ("WWW.e.example me@e.example", "WWW<!-- -->.e.example me<!-- -->@e.example"),
        ("Zürich ☃ 日本", "Zürich ☃ 日本"),
    ],
)
def test_no_word_acts(words: str, written: str) -> None:
    """Markup is escaped, lines are one, and no address is left whole; tests/prefect/test_ui.py looks at it."""
    assert as_text(words) == written

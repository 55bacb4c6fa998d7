"""Text that is shown to people: short, on one line, and near spellings."""

from __future__ import annotations

import pytest

from openrouter_video.text import LONGEST_MESSAGE, LONGEST_WORD, clip, nearest


@pytest.mark.parametrize(
    ("word", "found"),
    [
        ("negativeprompt", ["negativePrompt"]),
        ("negative-prompt", ["negativePrompt"]),
        ("cfg", []),
        ("n" * (LONGEST_WORD + 1), []),
    ],
)
def test_the_nearest_spelling(word: str, found: list[str]) -> None:
    """However it is joined; a word that is too long to compare has none."""
    assert nearest(word, ["negativePrompt", "enhancePrompt"]) == found


def test_a_long_message_is_cut() -> None:
    """And says so."""
    assert len(clip("long " * LONGEST_MESSAGE)) == LONGEST_MESSAGE
    assert clip("long " * LONGEST_MESSAGE).endswith("…")
    assert clip("two\nlines\x1b[0m") == "two lines [0m"

"""Text that is shown to people: short, on one line, and near spellings."""

from __future__ import annotations

import csv
from typing import Any

import pytest

from openrouter_video.text import LONGEST_MESSAGE, LONGEST_WORD, clip, csv_line, nearest, video_title


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


@pytest.mark.parametrize(
    ("cells", "line"),
    [
        (("a", 1, None, 0.5), "a,1,,0.5"),
        (('say "x", please', "two\nlines"), '"say ""x"", please","two\nlines"'),
        ((), ""),
    ],
)
def test_a_record_of_a_csv_file(cells: tuple[object, ...], line: str) -> None:
    """What a cell holds is what comes out of it again."""
    assert csv_line(cells) == line
    if cells:
        assert next(csv.reader([*line.splitlines(keepends=True)])) == ["" if one is None else str(one) for one in cells]


@pytest.mark.parametrize(
    ("video", "title"),
    [
        (("x-ai/grok",), "x-ai/grok"),
        (("x-ai/grok", 2), "x-ai/grok take 2"),
        (("x-ai/grok", 1, 7), "row 7, x-ai/grok"),
        (("x-ai/grok", 2, 1007, "orchid\n7"), "row 1,007 (orchid 7), x-ai/grok take 2"),
    ],
)
def test_what_a_video_is_called(video: tuple[Any, ...], title: str) -> None:
    """One printable line, by which a person finds it in a log, on a page and in the table that it came from."""
    assert video_title(*video) == title

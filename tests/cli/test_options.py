"""How the text of an option becomes a value."""

from __future__ import annotations

from pathlib import Path

import pytest

from openrouter_video.cli.batch_options import parse_per_provider
from openrouter_video.cli.option_values import (
    parse_assumptions,
    parse_label_pairs,
    parse_provider_options,
    parse_reference,
    parse_seconds,
    parse_slugs,
    parse_usd,
)
from openrouter_video.cli.options import RequestOptions
from openrouter_video.errors import RequestRefused


@pytest.mark.parametrize(
    ("text", "seconds"), [("90s", 90), ("30m", 1800), ("2h", 7200), ("1d", 86400), ("30", 1800), (" 1.5 H ", 5400)]
)
def test_lengths_of_time(text: str, seconds: float) -> None:
    """Seconds, minutes, hours and days; a plain number counts minutes."""
    assert parse_seconds("deadline", text) == seconds


@pytest.mark.parametrize(
    ("text", "why"),
    [
        *((text, "is not above zero") for text in ("-1m", "-0", "0", "0s")),
        *((text, "is not a length of time") for text in ("", "soon", "1w", "nan", "inf", "1 2", "1e9h")),
        *((text, "is longer than the 7 days that are allowed") for text in ("8d", "9" * 400)),
    ],
)
def test_what_is_not_a_length_of_time(text: str, why: str) -> None:
    """The sentence names the option, says why, and shows what to write; it stays short."""
    with pytest.raises(RequestRefused, match=rf"--deadline .* {why}; write 90s, 30m or 2h") as refused:
        parse_seconds("deadline", text)
    assert len(str(refused.value)) < 250


def test_a_longer_time_may_be_allowed() -> None:
    """Submissions may be older than any run may take."""
    assert parse_seconds("older-than", "30d", 36_500) == 30 * 86400


def test_provider_options_come_as_text_or_file(tmp_path: Path) -> None:
    """JSON as it is, or in a file behind an @."""
    file = tmp_path / "options.json"
    file.write_text('\ufeff{"seed": {"a": 1}}', encoding="utf-8")
    assert parse_provider_options('{"seed": {"a": 1}}') == {"seed": {"a": 1}}
    assert parse_provider_options(f"@{file}") == {"seed": {"a": 1}}
    assert parse_provider_options(None) is None


def test_a_file_that_is_no_text_is_refused(tmp_path: Path) -> None:
    """A picture is not JSON."""
    file = tmp_path / "options.json"
    file.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(RequestRefused, match="not text in UTF-8"):
        parse_provider_options(f"@{file}")
    with pytest.raises(RequestRefused, match="cannot be read"):
        parse_provider_options(f"@{tmp_path}")


def test_references_are_images_unless_they_say_otherwise() -> None:
    """A URL with an equals sign in it is a URL."""
    assert parse_reference("orchid.png") == {"type": "image_url", "url": "orchid.png"}
    assert parse_reference("video_url=https://a/b.mp4") == {"type": "video_url", "url": "https://a/b.mp4"}
    assert parse_reference("https://a/b?c=d") == {"type": "image_url", "url": "https://a/b?c=d"}


def test_slugs_by_model() -> None:
    """Each pair overrides the built-in table."""
    assert parse_slugs(["a/one=acme", "b/*= other"]) == {"a/one": "acme", "b/*": "other"}


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        ([], None),
        (["4"], 4),
        (["google-vertex=2", "x-ai = 1"], {"google-vertex": 2, "x-ai": 1}),
        (["many"], "'many' is not N or SLUG=N"),
        (["x-ai=-1"], "'x-ai=-1' is not N or SLUG=N"),
        (["x-ai=1", "x-ai=2"], "'x-ai=2' is given twice"),
        (["4", "x-ai=1"], "not both"),
    ],
)
def test_how_many_of_a_provider(texts: list[str], expected: object) -> None:
    """One number for each, or one by slug; whether it makes sense is the batch's affair."""
    if isinstance(expected, str):
        with pytest.raises(RequestRefused, match=expected):
            parse_per_provider(texts)
    else:
        assert parse_per_provider(texts) == expected


def test_amounts_of_money() -> None:
    """Plain numbers; whether an amount makes sense is the run's affair."""
    assert parse_usd("max-usd", "0.50") == 0.5
    assert parse_assumptions(["acme/film=1.5", "b/*= 2"]) == {"acme/film": 1.5, "b/*": 2}


@pytest.mark.parametrize(
    ("pairs", "words"),
    [
        (["acme/film"], "--assume-usd 'acme/film' is not MODEL=DOLLARS, such as acme/film=1.50"),
        (["acme/film=5$"], "--assume-usd '5$' is not an amount of US dollars; write a plain number, such as 5 or 0.50"),
    ],
)
def test_what_is_not_an_amount_of_money(pairs: list[str], words: str) -> None:
    """The option is named, with what was given and what is meant."""
    with pytest.raises(RequestRefused) as refused:
        parse_assumptions(pairs)
    assert words in str(refused.value)


def test_labels() -> None:
    """A text may have an equals sign in it; a name is given once."""
    assert parse_label_pairs(["team=film", " brief = a=b ", "team=film"]) == {"team": "film", "brief": "a=b"}


@pytest.mark.parametrize(
    ("pairs", "words"),
    [
        (["team"], "--label 'team' is not NAME=TEXT, such as team=film"),
        (["team="], "--label 'team=' is not NAME=TEXT"),
        (["=film"], "--label '=film' is not NAME=TEXT"),
        (["team=film", "team=ads"], "--label 'team' is given twice: 'film' and 'ads'"),
    ],
)
def test_what_is_not_a_label(pairs: list[str], words: str) -> None:
    """An unset variable would be a label of nothing."""
    with pytest.raises(RequestRefused) as refused:
        parse_label_pairs(pairs)
    assert words in str(refused.value)


def test_only_what_was_given_becomes_a_setting() -> None:
    """None means not given, false means no."""
    assert RequestOptions().settings() == {}
    assert RequestOptions(duration=4, audio=False).settings() == {"duration": 4, "generate_audio": False}

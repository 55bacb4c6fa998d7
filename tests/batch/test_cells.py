"""What a cell says: texts of a spreadsheet become numbers, switches, lists and objects, or are refused in words."""

from __future__ import annotations

from typing import Any

import pytest

from openrouter_video.batch.cells import as_text, is_empty, read_id, read_labels, read_models, read_setting, read_whole


@pytest.mark.parametrize(
    ("name", "given", "read"),
    [
        ("duration", "4", 4),
        ("duration", " 4.0 ", 4),
        ("duration", 4.0, 4),
        ("duration", 4, 4),
        ("upscale_factor", "1.5", 1.5),
        ("upscale_factor", 2, 2.0),
        *(("upscale_factor", wrong, None) for wrong in ("twice", True, [2])),
        ("seed", "-7", -7),
        ("seed", "+7.", 7),
        ("generate_audio", "TRUE", True),
        ("generate_audio", "no", False),
        ("generate_audio", "1.0", None),
        ("generate_audio", 0.0, False),
        ("generate_audio", 1, True),
        ("generate_audio", False, False),
        ("resolution", " 720p", " 720p"),
        ("aspect_ratio", 4, 4),
        ("trace", '{"a": 1}', {"a": 1}),
        ("trace", {"a": 1}, {"a": 1}),
        ("trace", "{a: 1}", None),
        ("input_references", "https://x.test/a.png", [{"type": "image_url", "url": "https://x.test/a.png"}]),
        ("input_references", '["a.png", {"url": "b.png"}]', [{"type": "image_url", "url": "a.png"}, {"url": "b.png"}]),
        ("input_references", [{"url": "b.png"}], [{"url": "b.png"}]),
        ("input_references", '{"url": "b.png"}', [{"url": "b.png"}]),
        ("input_references", "[a.png]", None),
        *(("duration", wrong, None) for wrong in ("4.5", "four", "4,0", "4s", "1e1", True, 4.5, [4], "9" * 40, "٤")),
        *(("generate_audio", wrong, None) for wrong in ("maybe", 2, [True], "on")),
    ],
)
def test_a_setting_is_read_as_the_command_line_reads_it(name: str, given: Any, read: Any) -> None:
    """None stands for what is refused."""
    if read is not None:
        assert read_setting(name, given) == read
        assert type(read_setting(name, given)) is type(read)
        return
    with pytest.raises(ValueError, match=r"is not|is neither"):
        read_setting(name, given)


@pytest.mark.parametrize(
    ("given", "read"),
    [
        ("google/veo-3.1", ["google/veo-3.1"]),
        ("a/b, c/d;e/f\ng/h i/j,", ["a/b", "c/d", "e/f", "g/h", "i/j"]),
        ('["a/b", " c/d "]', ["a/b", "c/d"]),
        (["a/b"], ["a/b"]),
    ],
)
def test_models_are_a_list_however_it_is_written(given: Any, read: list[str]) -> None:
    """With commas, semicolons, blanks or lines between them, or in JSON."""
    assert read_models(given) == read


@pytest.mark.parametrize("given", ['["a/b"', "[1]", [1], 7, {"a": 1}, [""], ";"])
def test_what_is_no_list_of_models_is_refused(given: Any) -> None:
    """With what would be one."""
    with pytest.raises(ValueError, match=r"is not a list of models|is not JSON"):
        read_models(given)


@pytest.mark.parametrize(
    ("given", "read"),
    [
        ("team=film, season=3", {"team": "film", "season": "3"}),
        ("team = film;season=a=b;", {"team": "film", "season": "a=b"}),
        ('{"team": "film"}', {"team": "film"}),
        ({"team": "film"}, {"team": "film"}),
        ("team=film,team=film", {"team": "film"}),
    ],
)
def test_labels_are_pairs_or_an_object(given: Any, read: dict[str, str]) -> None:
    """As on the command line, or in JSON."""
    assert read_labels(given) == read


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ("film", "'film' is not NAME=TEXT"),
        ("=film", "is not NAME=TEXT"),
        ("team=", "is not NAME=TEXT"),
        ("team=film,team=art", "the label 'team' is given twice: 'film' and 'art'"),
        ('{"team": ', "is not JSON"),
        ('{"team": "film", "team": "art"}', "'team' is given twice"),
    ],
)
def test_labels_that_say_two_things_or_nothing_are_refused(given: str, words: str) -> None:
    """Whose money it is must be plain."""
    with pytest.raises(ValueError, match=words):
        read_labels(given)


@pytest.mark.parametrize(
    ("given", "read"),
    [(" orchid ", "orchid"), (7, "7"), (7.0, "7"), ("7.0", "7"), ("7.00", "7.00"), ("v7.0", "v7.0"), ("07", "07")],
)
def test_an_id_is_a_text(given: Any, read: str) -> None:
    """A number of a database becomes one, also where pandas made a float of it: the same in Parquet and in CSV."""
    assert read_id(given) == read


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ("a\x1bb", "one line without control characters"),
        ("a\nb", "one line without control characters"),
        ("x" * 129, "it has 129 characters, and at most 128 are allowed"),
        ("https://x.test/?sig=secret", "a URL with a secret in it"),
        ({"a": 1}, "it must be a text"),
    ],
)
def test_an_id_that_cannot_be_shown_is_refused(given: Any, words: str) -> None:
    """It stands in logs, pages and paths."""
    with pytest.raises(ValueError, match=words) as refused:
        read_id(given)
    assert "secret'" not in str(refused.value).replace("a secret in it", "")


def test_texts_of_other_values() -> None:
    """As people write them; a list is none."""
    assert [as_text(one) for one in ("a", 4, 4.0, 0.5, True)] == ["a", "4", "4", "0.5", "true"]
    assert all(map(is_empty, (None, "", " \t")))
    assert not any(map(is_empty, (0, False, [])))
    assert read_whole("4") == 4
    with pytest.raises(ValueError, match="it must be a text"):
        as_text([1])

"""Texts with fields in braces: taken apart once, filled for every row, refused in words."""

from __future__ import annotations

import pytest

from openrouter_video.batch.template import Template


@pytest.mark.parametrize(
    ("text", "filled", "fields"),
    [
        ("A {product} in {place}", "A <product> in <place>", ("product", "place")),
        ("{a}{ a }{b c}", "<a><a><b c>", ("a", "b c")),
        ("{{literal}} {a}", "{literal} <a>", ("a",)),
        ("no field", "no field", ()),
        ("", "", ()),
    ],
)
def test_a_template_is_filled(text: str, filled: str, fields: tuple[str, ...]) -> None:
    """Doubled braces stand for themselves."""
    template = Template.parse(text)
    assert template.fill(lambda name: f"<{name}>") == filled
    assert template.fields == fields


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("A {product", "a { stands alone at character 3; write {{ for one"),
        ("A product}", "a } stands alone at character 10; write }} for one"),
        ("A {} here", "the field at character 3 has no name"),
        ("A { } here", "the field at character 3 has no name"),
        ("{a{b}}", "a { stands alone at character 1"),
    ],
)
def test_a_broken_template_says_where(text: str, words: str) -> None:
    """With what to write instead."""
    with pytest.raises(ValueError, match="character") as refused:
        Template.parse(text)
    assert str(refused.value).startswith(words)


def test_an_unknown_field_is_told_with_the_nearest() -> None:
    """And with all that there are."""
    template = Template.parse("{product} {prodcut} {xyz}")
    assert template.unknown(["product", "id"], "a column") == [
        "{prodcut} is not a column; did you mean product? there are 'product', 'id'",
        "{xyz} is not a column; there are 'product', 'id'",
    ]
    assert Template.parse("{x}").unknown([], "a column") == ["{x} is not a column; there are none"]

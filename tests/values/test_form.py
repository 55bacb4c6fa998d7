"""How fields look in Prefect's forms."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import TypeAdapter

from openrouter_video.form import Tabs, labelled, offers_models, with_models


def schema(kind: Any) -> dict[str, Any]:
    """The JSON schema of a type."""
    return TypeAdapter(kind).json_schema()


def test_each_tab_has_a_name() -> None:
    """And values to choose from have one of their own, before that for any other."""
    assert schema(Annotated[int | None, Tabs("Number", "None")])["anyOf"] == [
        {"type": "integer", "title": "Number"},
        {"type": "null", "title": "None"},
    ]
    assert schema(Annotated[str | None, Tabs("Other", "Open", ("a", "b"))])["anyOf"] == [
        {"type": "string", "enum": ["a", "b"], "title": "Choose"},
        {"type": "string", "title": "Other"},
        {"type": "null", "title": "Open"},
    ]
    assert schema(Annotated[bool | None, Tabs("Yes or no", "Open", (True, False))])["anyOf"] == [
        {"type": "boolean", "enum": [True, False], "title": "Yes or no"},
        {"type": "null", "title": "Open"},
    ]


def test_a_label_stands_in_the_schema() -> None:
    """Under what Prefect does not write over."""
    assert labelled("Prompt").json_schema_extra == {"title": "Prompt"}


def test_models_are_offered_beside_any_other() -> None:
    """Of one model and of several; a new list takes the place of the old one."""
    several = {"properties": {"models": {"type": "array", "items": {"type": "string"}, "title": "Models"}}}
    first = with_models(several, ["b", "a"], "1 May 2026")
    assert first["properties"]["models"] == {
        "title": "Models",
        "anyOf": [
            {"type": "array", "items": {"type": "string", "enum": ["a", "b"]}, "title": "Models of 1 May 2026"},
            {"type": "array", "items": {"type": "string"}, "title": "Any id"},
        ],
    }
    assert with_models(first, ["b", "a"], "1 May 2026") == first
    single = with_models({"properties": {"model": {"type": "string"}}}, ["a"], "2 May 2026")
    assert single["properties"]["model"]["anyOf"] == [
        {"type": "string", "enum": ["a"], "title": "Models of 2 May 2026"},
        {"type": "string", "title": "Any id"},
    ]
    assert with_models({"properties": {}}, ["a"], "1 May 2026") == {"properties": {}}
    optional = schema(Annotated[list[str] | None, Tabs("List", "By row")])
    offered = with_models({"properties": {"models": optional}}, ["a"], "2 May 2026")["properties"]["models"]
    assert [tab["title"] for tab in offered["anyOf"]] == ["Models of 2 May 2026", "Any id", "By row"]
    assert offers_models(several)
    assert not offers_models({"properties": {"store": {}}})
    assert not offers_models({})

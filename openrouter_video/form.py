"""How a parameter looks in Prefect's forms: its label, its tabs, and what it offers to choose from. Pure.

Both forms of Prefect show a choice between types as tabs, each by its title, and an enumeration as a list to choose
from; of examples the newer one shows nothing. An enumeration alone would refuse whatever came later, so it has a tab of
its own beside the one that takes any text.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import deepcopy
from typing import Any

from pydantic import Field, GetJsonSchemaHandler

__all__ = ["Tabs", "labelled", "offers_models", "with_models"]

NULL = {"type": "null"}
MODEL_FIELDS = ("model", "models")


def labelled(title: str) -> Any:
    """Return the label of a flow's parameter; Prefect writes the parameter's own name over any other title."""
    return Field(json_schema_extra={"title": title})


class Tabs:
    """Names the tabs of an optional field: that of a value, that of none, and before them that of some good values."""

    def __init__(self, given: str, absent: str, choices: Sequence[str | bool] = ()) -> None:
        self._given = given
        self._absent = absent
        self._choices = list(choices)

    def __get_pydantic_json_schema__(self, core: Any, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        """Return the schema of the field, with titles for what a form shows as tabs."""
        schema = handler(core)
        branches = [self._titled(branch) for branch in schema["anyOf"]]
        if self._choices and isinstance(self._choices[0], str):
            branches.insert(0, {"type": "string", "enum": self._choices, "title": "Choose"})
        return {**schema, "anyOf": branches}

    def _titled(self, branch: Mapping[str, Any]) -> dict[str, Any]:
        if branch == NULL:
            return {**branch, "title": self._absent}
        if self._choices and branch.get("type") == "boolean":
            return {**branch, "enum": self._choices, "title": self._given}
        return {**branch, "title": self._given}


def offers_models(schema: Mapping[str, Any]) -> bool:
    """Whether a flow with this schema of parameters asks for models."""
    return any(name in schema.get("properties", {}) for name in MODEL_FIELDS)


def with_models(schema: Mapping[str, Any], ids: Sequence[str], day: str) -> dict[str, Any]:
    """Return the schema of a flow's parameters with a list of models to choose from, beside a field for any other id.

    The day stands in the form, so that everybody sees how old the list is. Whatever was offered before is replaced.
    """
    offering = deepcopy(dict(schema))
    for field in (offering["properties"][name] for name in MODEL_FIELDS if name in offering["properties"]):
        alone = {key: field.pop(key) for key in ("type", "items") if key in field}
        branches = [alone] if alone else [branch for branch in field["anyOf"] if not _is_list_of_the_day(branch)]
        chosen = {"type": "string", "enum": sorted(ids)}
        listed = {"type": "array", "items": chosen} if branches[0]["type"] == "array" else chosen
        others = [{**branches[0], "title": "Any id"}, *branches[1:]]
        field["anyOf"] = [{**listed, "title": f"Models of {day}"}, *others]
    return offering


def _is_list_of_the_day(branch: Mapping[str, Any]) -> bool:
    return "enum" in branch or "enum" in branch.get("items", {})

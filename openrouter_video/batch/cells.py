"""What the cells of one row say: a text of a CSV becomes the number, the switch or the object that its column wants.

Pure. Spreadsheets write 4 as ``4.0``, and true as ``TRUE``; an empty cell says nothing.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from openrouter_video.batch.batch_request import name_problem
from openrouter_video.batch.columns import SETTINGS, CellKind
from openrouter_video.batch.table import parse_json
from openrouter_video.text import shown

__all__ = ["as_text", "is_empty", "read_id", "read_json", "read_labels", "read_models", "read_setting", "read_whole"]

WHOLE = re.compile(r"[+-]?[0-9]{1,18}(\.0*)?")
WRITTEN_AS_FLOAT = re.compile(r"[0-9]{1,18}\.0")
SWITCHES = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}


def is_empty(value: object) -> bool:
    """Whether a cell says nothing."""
    return value is None or (isinstance(value, str) and not value.strip())


def read_setting(name: str, value: Any) -> Any:
    """Return what a cell says of a setting, in the form that a request takes.

    Raises:
        ValueError: if it is not of the kind that the setting is; in words.
    """
    kind: CellKind = SETTINGS[name]
    if kind == "whole number":
        return read_whole(value)
    if kind == "number":
        return _number(value)
    if kind == "yes or no":
        return _switch(value)
    if kind == "text":
        return value
    return _references(value) if name == "input_references" else read_json(value)


def read_whole(value: Any) -> int:
    """Return a whole number, also of a text or of a number that spreadsheets write with a point.

    Raises:
        ValueError: if it is none.
    """
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, str) and WHOLE.fullmatch(value.strip()):
        return int(value.strip().partition(".")[0])
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    raise ValueError(f"{shown(value)} is not a whole number, such as 4")


def _number(value: Any) -> float:
    with suppress(TypeError, ValueError):
        if not isinstance(value, bool):
            return float(value)
    raise ValueError(f"{shown(value)} is not a number, such as 1.5")


def _switch(value: Any) -> bool:
    text = str(int(value)) if isinstance(value, float) and value.is_integer() else str(value).strip().lower()
    if text in SWITCHES:
        return SWITCHES[text]
    raise ValueError(f"{shown(value)} is neither true nor false; write true, false, yes or no")


def read_json(value: Any) -> Any:
    """Return what a text says in JSON; what is not a text says it already.

    Raises:
        ValueError: if it is not JSON; in words.
    """
    return parse_json(value) if isinstance(value, str) else value


def _references(value: Any) -> Any:
    """Return input references: a JSON list of objects or of URLs, or one URL."""
    text = value.strip() if isinstance(value, str) else ""
    given = parse_json(text) if text.startswith(("[", "{")) else value
    items = given if isinstance(given, list) else [given]
    return [{"type": "image_url", "url": item} if isinstance(item, str) else item for item in items]


def read_models(value: Any) -> list[str]:
    """Return the ids of models: a list, a JSON list, or a text with commas, semicolons or blanks between them.

    Raises:
        ValueError: if it is neither.
    """
    given = value
    if isinstance(value, str):
        given = parse_json(value) if value.strip().startswith("[") else re.split(r"[,;\s]+", value.strip(" \t\r\n,;"))
    if not isinstance(given, list) or not all(isinstance(item, str) and item.strip() for item in given):
        raise ValueError(f"{shown(value)} is not a list of models; write their ids with commas between them")
    return [item.strip() for item in given]


def read_labels(value: Any) -> Any:
    """Return labels: an object, one in JSON, or ``team=film, season=3``.

    Raises:
        ValueError: if it is none of these, or a name has two texts.
    """
    if not isinstance(value, str) or value.strip().startswith("{"):
        return read_json(value)
    labels: dict[str, str] = {}
    for pair in filter(None, (pair.strip() for pair in re.split(r"[,;\n]", value))):
        name, separator, text = (part.strip() for part in pair.partition("="))
        if not (separator and name and text):
            raise ValueError(f"{shown(pair)} is not NAME=TEXT, such as team=film")
        if labels.setdefault(name, text) != text:
            raise ValueError(f"the label {shown(name)} is given twice: {shown(labels[name])} and {shown(text)}")
    return labels


def read_id(value: Any) -> str:
    """Return the id of a row as text; a whole number is the same id in every format, also where a table has it as 4.0.

    Raises:
        ValueError: if it cannot be one.
    """
    text = as_text(value).strip()
    if WRITTEN_AS_FLOAT.fullmatch(text):
        text = text.removesuffix(".0")
    if why := name_problem(text):
        raise ValueError(f"the id cannot be {shown(text)}: {why}")
    return text


def as_text(value: Any) -> str:
    """Return what a cell says where a text is wanted.

    Raises:
        ValueError: if it is a list or an object.
    """
    if isinstance(value, str):
        return value
    if isinstance(value, list | Mapping):
        raise ValueError(f"it must be a text, not {shown(value)}")  # noqa: TRY004 (the cell is wrong, not a type)
    if isinstance(value, bool):
        return str(value).lower()
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)

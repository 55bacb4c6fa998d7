"""Labels: whose money a run spends, such as a team or a campaign; names and values are short texts. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from openrouter_video.elision import redact
from openrouter_video.errors import Problem
from openrouter_video.text import shown

__all__ = ["parse_labels"]

MOST_LABELS = 20
LONGEST_NAME = 64
LONGEST_VALUE = 256
SHAPE = 'labels must be an object of texts by name, such as {"team": "film"}'


def parse_labels(given: object, trace: Mapping[str, Any] | None, problems: list[Problem]) -> dict[str, str]:
    """Return labels without blanks around them; adds to ``problems`` what is not one.

    ``trace``: the caller's own tracing metadata, if the labels are to be sent along with it.
    """
    if given is None:
        return {}
    if not isinstance(given, Mapping):
        problems.append(Problem("labels", f"{SHAPE}; got {shown(given)}"))
        return {}
    if len(given) > MOST_LABELS:
        problems.append(Problem("labels", f"{len(given):,} labels are more than the {MOST_LABELS} that a run may have"))
        return {}
    labels = {}
    for name, value in given.items():
        why = _why_not("its name", name, LONGEST_NAME) or _why_not("its value", value, LONGEST_VALUE)
        if why is None and "=" in name:
            why = "its name must not contain ="
        if why is None and redact(name) != name:
            why = "its name is a URL with a secret in it"
        if why is None and trace and trace.get(name.strip(), value) != value:
            why = f"it would be sent beside {shown(trace[name.strip()])}, which trace says under this name; rename one"
        if why is not None:
            problems.append(Problem("labels", f"label {shown(name)} cannot be {shown(value)}: {why}"))
            continue
        labels[name.strip()] = redact(value.strip())
    return labels


def _why_not(what: str, text: object, longest: int) -> str | None:
    if not isinstance(text, str):
        return f"{what} must be text"
    if not text.strip():
        return f"{what} is empty; leave the label out"
    if len(text) > longest:
        return f"{what} has {len(text):,} characters, and at most {longest} are allowed"
    return None if text.isprintable() else f"{what} must be one line without control characters"

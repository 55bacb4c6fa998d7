"""Text that is safe to show: nothing in it steers a terminal, forges a line of a log, or turns the reading around.

Pure. Prompts, ids, names of options and the API's messages end up in errors, logs, artifacts and terminals.
"""

from __future__ import annotations

import json

__all__ = ["printable", "printable_json"]


def printable(text: str) -> str:
    """Return a text on one line, with a question mark for what could steer a terminal or turn the reading around."""
    if text.isprintable():
        return text
    return "".join(character if character.isprintable() else "?" for character in text)


def printable_json(document: str) -> str:
    """Return the same JSON with escapes for what ``printable`` would replace; its lines stay lines."""
    return "".join(one if one.isprintable() or one == "\n" else _escape(one) for one in document)


def _escape(character: str) -> str:
    return f"\\u{ord(character):04x}" if ord(character) < 0x10000 else json.dumps(character)[1:-1]  # noqa: PLR2004

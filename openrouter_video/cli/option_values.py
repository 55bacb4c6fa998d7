"""How the text of an option becomes a value.

Reading a value decides nothing about models; what is wrong with a text is a problem with the option's own name.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from cyclopts import Token

from openrouter_video.errors import Problem, RequestRefused
from openrouter_video.text import shown

__all__ = [
    "parse_assumptions",
    "parse_label_pairs",
    "parse_provider_options",
    "parse_reference",
    "parse_seconds",
    "parse_slugs",
    "parse_usd",
    "whole",
]

LONGEST_WAIT_DAYS = 7
SECONDS = {"": 60.0, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
REFERENCE_TYPES = ("image_url", "audio_url", "video_url")


def whole(_: Any, tokens: Sequence[Token]) -> int:
    """Read a whole number; cyclopts itself would round 5.5 to 6, and a longer video be paid for."""
    try:
        return int(tokens[0].value)
    except ValueError:
        raise ValueError(f"{shown(tokens[0].value)} is not a whole number") from None


def parse_reference(text: str) -> dict[str, str]:
    """Return an input reference: ``TYPE=URL``, or an image where no type is said."""
    kind, separator, url = text.partition("=")
    if separator and kind in REFERENCE_TYPES:
        return {"type": kind, "url": url}
    return {"type": "image_url", "url": text}


def parse_provider_options(text: str | None) -> Any:
    """Return the JSON in a text, or in the file that ``@FILE`` names; its shape is the request's affair.

    Raises:
        RequestRefused: if the file cannot be read, or if it is not JSON.
    """
    if text is None:
        return None
    source = text
    if text.startswith("@"):
        source = text[1:]
        try:
            text = Path(source).expanduser().read_text(encoding="utf-8-sig")
        except (OSError, UnicodeDecodeError, ValueError) as error:
            why = getattr(error, "strerror", None) or "it is not text in UTF-8"
            raise _refused("provider_options", f"--provider-options: {shown(source)} cannot be read: {why}") from None
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        hint = """write it like '{"google-vertex": {"negativePrompt": "text"}}', or give @FILE"""
        message = f"--provider-options: {shown(source)} is not JSON: {error}; {hint}"
        raise _refused("provider_options", message) from None


def parse_slugs(pairs: Sequence[str]) -> dict[str, str]:
    """Return provider slugs by model from ``MODEL=SLUG``.

    Raises:
        RequestRefused: if one is not of that form.
    """
    slugs = {}
    for pair in pairs:
        model, _, slug = (part.strip() for part in pair.partition("="))
        if not (model and slug):
            message = f"--provider-slug {shown(pair)} is not MODEL=SLUG, such as alibaba/wan-3.0=alibaba"
            raise _refused("provider_slugs", message)
        slugs[model] = slug
    return slugs


def parse_assumptions(pairs: Sequence[str]) -> dict[str, float]:
    """Return dollars per video by model from ``MODEL=DOLLARS``.

    Raises:
        RequestRefused: if one is not of that form.
    """
    amounts = {}
    for pair in pairs:
        model, _, amount = (part.strip() for part in pair.rpartition("="))
        if not model:
            message = f"--assume-usd {shown(pair)} is not MODEL=DOLLARS, such as acme/film=1.50"
            raise _refused("assumed_usd", message)
        amounts[model] = parse_usd("assume-usd", amount) or 0.0
    return amounts


def parse_label_pairs(pairs: Sequence[str]) -> dict[str, str]:
    """Return labels from ``NAME=TEXT``.

    Raises:
        RequestRefused: if one is not of that form, or a name has two texts.
    """
    labels: dict[str, str] = {}
    for pair in pairs:
        name, separator, text = (part.strip() for part in pair.partition("="))
        if not (separator and name and text):
            raise _refused("labels", f"--label {shown(pair)} is not NAME=TEXT, such as team=film")
        if labels.setdefault(name, text) != text:
            raise _refused("labels", f"--label {shown(name)} is given twice: {shown(labels[name])} and {shown(text)}")
    return labels


def parse_usd(option: str, text: str | None) -> float | None:
    """Return an amount of US dollars such as ``5`` or ``0.50``; whether it makes sense is left to the run.

    Raises:
        RequestRefused: if it is not a number; ``option`` names it in the message.
    """
    try:
        return None if text is None else float(text)
    except ValueError:
        message = f"--{option} {shown(text)} is not an amount of US dollars; write a plain number, such as 5 or 0.50"
        raise _refused(option.replace("-", "_"), message) from None


def parse_seconds(option: str, text: str, longest_days: int = LONGEST_WAIT_DAYS) -> float:
    """Return the seconds of a length of time such as ``90s``, ``30m``, ``2h``; a plain number counts minutes.

    Raises:
        RequestRefused: if it is none, not above zero or too long; ``option`` names it in the message.
    """
    match = re.fullmatch(r"([+-]?\d+(?:\.\d+)?)\s*([smhd]?)", text.strip().lower(), re.ASCII)
    seconds = float(match[1]) * SECONDS[match[2]] if match else 0.0
    if match is None:
        why = "is not a length of time"
    elif seconds <= 0:
        why = "is not above zero"
    elif seconds > longest_days * SECONDS["d"]:
        why = f"is longer than the {longest_days} days that are allowed"
    else:
        return seconds
    raise _refused(option, f"--{option} {shown(text)} {why}; write 90s, 30m or 2h (a number alone counts minutes)")


def _refused(field: str, message: str) -> RequestRefused:
    return RequestRefused([Problem(field, message)])

"""The name of a flow run: the one that a person has typed, else its prompt's, or its input's."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from typing import Any

from coolname.data import config
from prefect.runtime import flow_run
from pydantic import ValidationError

from openrouter_video.elision import source_name
from openrouter_video.request import VideoSettings
from openrouter_video.text import clip

__all__ = ["is_made_up", "name_of_run", "run_name"]

LONGEST_NAME = 60

# Prefect marks nowhere whether a name was typed: the server makes one up of two words of this package, and its forms
# of words of their own, which they send as if they had been typed.
SLUG = re.compile(r"([a-z]+)-([a-z]+)")
OF_THE_FORM = re.compile(
    "(?:Awesome|Ergonomic|Fantastic|Generic|Gorgeous|Handcrafted|Handmade|Incredible|Intelligent|Licensed|Practical"
    "|Refined|Rustic|Small|Sleek|Tasty|Unbranded)-[A-Z].{1,5}"
)
OF_THE_CLASSIC_FORM = re.compile(
    "(?:alpha|beta|gamma|delta|epsilon|zeta|eta|theta|iota|kappa|lambda|mu|nu|xi|omicron|pi|rho|sigma|tau|upsilon|phi"
    "|chi|psi|omega)[0-9]*-[a-z-]+"
)


def run_name() -> str:
    """Name a flow run after its prompt, else after what it works from, unless somebody has named it."""
    given = flow_run.parameters
    try:
        settings = VideoSettings.model_validate(given.get("settings") or {})
    except ValidationError:
        settings = VideoSettings()
    return name_of_run(str(given.get("prompt") or "") or next(map(source_name, settings.sources()), ""))


def name_of_run(wish: str) -> str:
    """Return the name that somebody gave to the current flow run; if nobody did, this one, shortened."""
    name = str(flow_run.name or "")
    if name and not is_made_up(name):
        return name
    wish = clip(wish)
    return wish if len(wish) <= LONGEST_NAME else wish[: LONGEST_NAME - 1] + "…"


def is_made_up(name: str) -> bool:
    """Whether Prefect made up a name, as ``icy-nyala``, ``Refined-Pomsky`` and ``tau4-trill``."""
    if slug := SLUG.fullmatch(name):
        return set(slug.groups()) <= _words() or OF_THE_CLASSIC_FORM.fullmatch(name) is not None
    return any(form.fullmatch(name) for form in (OF_THE_FORM, OF_THE_CLASSIC_FORM))


@cache
def _words() -> frozenset[str]:
    parts: Mapping[str, Any] = config
    return frozenset(word for part in parts.values() for word in part.get("words", ()))

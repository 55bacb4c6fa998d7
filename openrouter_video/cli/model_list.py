"""``models``: the list of models for people and machines, with what each one can be asked for."""

from __future__ import annotations

import asyncio
import math
import os
from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any

from rich.padding import Padding
from rich.text import Text

from openrouter_video.api import DEFAULT_BASE_URL, Catalog, VideoClient, VideoModel
from openrouter_video.cli.sandbox import embedded_sandbox
from openrouter_video.cli.terminal import Terminal, print_json
from openrouter_video.errors import Problem, RequestRefused
from openrouter_video.money import Estimate, dollars
from openrouter_video.planning import price_per_second, spans
from openrouter_video.text import clip

__all__ = ["list_models", "model_cells", "price_words", "read_catalog", "select_models"]

NOTHING, NO_PROMPTS = "-", "no prompts"
HEADER = ("model", "seconds", "resolutions", "ratios", "audio", "options", "price")


def read_catalog(environ: Mapping[str, str]) -> Catalog:
    """Fetch the models that the environment's API offers; needs no key and sends none.

    Raises:
        ApiUnavailable: if it could not be reached.
        ConfigurationError: if the base URL is not that of the API.
    """

    async def fetch() -> Catalog:
        async with VideoClient(None, environ.get("OPENROUTER_BASE_URL") or DEFAULT_BASE_URL) as client:
            return await client.list_models()

    return asyncio.run(fetch())


def select_models(catalog: Catalog, pattern: str | None) -> list[VideoModel]:
    """Return the models whose id holds a text, or matches a pattern with ``*``; case does not count."""
    if not pattern:
        return list(catalog.models)
    wanted = pattern.casefold()
    glob = wanted if any(character in wanted for character in "*?[") else f"*{wanted}*"
    return [model for model in catalog.models if fnmatchcase(model.id.casefold(), glob)]


def model_cells(model: VideoModel) -> tuple[str, ...]:
    """Return a model's row; a dash stands for what the list does not say or the model does not have."""
    audio = {True: "yes", False: "no", None: NOTHING}[model.generate_audio]
    lists = (model.supported_resolutions, model.supported_aspect_ratios)
    resolutions, ratios = (" ".join(values or ()) or NOTHING for values in lists)
    options = " ".join(model.passthrough_options) or NOTHING
    # An editor or upscaler cannot serve a plain prompt.
    seconds = spans(model.durations) if model.takes_plain_prompt else NO_PROMPTS
    cells = (model.id, seconds or NOTHING, resolutions, ratios, audio, options, price_words(price_per_second(model)))
    return tuple(clip(cell) for cell in cells)


def price_words(price: Estimate) -> str:
    """Return the price of a second, from the cheapest to the dearest choice: ``$0.03-0.08/s``."""
    if price.low_usd is None or price.high_usd is None:
        return str(price)
    low, high = price.low_usd, price.high_usd
    most = dollars(high if high < 1 else math.ceil(high * 100) / 100)
    return f"{dollars(low)}/s" if low == high else f"{dollars(low)}-{most.removeprefix('$')}/s"


def list_models(pattern: str | None, *, sandbox: bool, as_json: bool) -> int:
    """Print the models that the API offers; needs no key.

    Raises:
        ApiUnavailable, ConfigurationError: if the list could not be read.
        RequestRefused: if no model fits the pattern.
    """
    terminal = Terminal(stderr=as_json)
    with embedded_sandbox(sandbox, Terminal(stderr=True)):
        catalog = read_catalog(os.environ)
    models = select_models(catalog, pattern)
    if pattern and not models:
        near = " or ".join(catalog.nearest_ids(pattern))
        hint = f"did you mean {near}?" if near else "`openrouter-video models` lists them all"
        message = f"none of the {len(catalog.models)} video models matches {pattern!r}; {hint}"
        raise RequestRefused([Problem("model", message)])
    if as_json:
        print_json({"models": [_document(model) for model in models], "sandbox": catalog.sandbox})
    else:
        _print_models(terminal, models)
    notes = [f"these entries could not be read: {', '.join(catalog.unreadable)}"] if catalog.unreadable else []
    if catalog.sandbox and not sandbox:
        notes.append("the prices are a sandbox's, which bills nothing")
    for model in models:
        notes += [
            f"{model.id}: {field} has {', '.join(items)}: unreadable" for field, items in model.unreadable.items()
        ]
    for note in notes:
        Terminal(stderr=True).print(Text(f"note: {clip(note)}", "yellow"))
    return 0


def _document(model: VideoModel) -> dict[str, Any]:
    return {**model.model_dump(mode="json"), "price_per_second": price_per_second(model).model_dump(mode="json")}


def _print_models(terminal: Terminal, models: Sequence[VideoModel]) -> None:
    """Print two lines per model on a terminal, else tab-separated lines with a header."""
    rows = [model_cells(model) for model in models]
    if not terminal.is_terminal:
        for cells in (HEADER, *rows):
            terminal.print_row(cells)
        return
    widths = [max(len(row[column]) for row in rows) for column in (0, 1, 6)]
    for model, seconds, resolutions, ratios, audio, options, price in rows:
        length = seconds if seconds in {NO_PROMPTS, NOTHING} else f"{seconds} s"
        head = Text.assemble((model.ljust(widths[0]), "bold"), f"  {length.ljust(widths[1] + 2)}  ")
        sound = {"yes": "audio", "no": "silent"}.get(audio, "")
        terminal.print(head.append(f"{price.ljust(widths[2])}  {sound}".rstrip()))
        known = [resolutions, ratios, f"options: {options}" if options != NOTHING else NOTHING]
        below = "  ".join(cell for cell in known if cell != NOTHING)
        terminal.print(Padding(Text(below or NOTHING, "dim"), (0, 0, 0, 4)))

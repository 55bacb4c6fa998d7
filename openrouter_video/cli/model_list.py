"""``models``: the list of models for people and machines, with what each one can be asked for."""

from __future__ import annotations

import asyncio
import math
import os
import re
from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any

from rich.padding import Padding
from rich.text import Text

from openrouter_video.api import Catalog, ModelEndpoints, VideoClient, VideoModel, base_url_of
from openrouter_video.cli.model_health import health_document, health_notes, print_health, read_health
from openrouter_video.cli.sandbox import embedded_sandbox
from openrouter_video.cli.terminal import Terminal, print_json
from openrouter_video.errors import Problem, RequestRefused
from openrouter_video.money import Estimate, dollars
from openrouter_video.planning import price_per_second, provider_slug, spans
from openrouter_video.text import clip

__all__ = ["list_models", "model_cells", "price_words", "read_catalog", "select_models"]

NOTHING = "-"
NEEDS = {"image": "an image", "video": "a video", "audio": "sound", "input": "an input"}
"""What a model without durations needs, in the place of its seconds."""
HEADER = ("model", "seconds", "resolutions", "ratios", "audio", "options", "price", "provider")
TABLE_HEADER = ("model", "provider", "seconds", "resolution", "audio", "price a second")
GAP = "  "
FEW = 4
"""Of so many models a terminal shows all that is listed."""


def read_catalog(environ: Mapping[str, str]) -> Catalog:
    """Fetch the models that the environment's API offers; needs no key and sends none.

    Raises:
        ApiUnavailable: if it could not be reached.
        ConfigurationError: if the base URL is not that of the API.
    """

    async def fetch() -> Catalog:
        async with VideoClient(None, base_url_of(environ)) as client:
            return await client.list_models()

    return asyncio.run(fetch())


def select_models(catalog: Catalog, pattern: str | None) -> list[VideoModel]:
    """Return the models whose id holds a text, or matches a pattern with ``*``, by id; case does not count."""
    by_id = sorted(catalog.models, key=lambda model: model.id)
    if not pattern:
        return by_id
    wanted = pattern.casefold()
    glob = wanted if any(character in wanted for character in "*?[") else f"*{wanted}*"
    return [model for model in by_id if fnmatchcase(model.id.casefold(), glob)]


def model_cells(model: VideoModel) -> tuple[str, ...]:
    """Return a model's row; a dash stands for what the list does not say or the model does not have."""
    audio = {True: "yes", False: "no", None: NOTHING}[model.generate_audio]
    lists = (model.supported_resolutions, model.supported_aspect_ratios, model.passthrough_options)
    resolutions, ratios, options = (" ".join(values or ()) or NOTHING for values in lists)
    seconds = NEEDS.get(model.needs) or spans(model.durations)
    price, slug = price_words(price_per_second(model)), provider_slug(model.id)
    cells = (model.id, seconds or NOTHING, resolutions, ratios, audio, options, price, slug or NOTHING)
    return tuple(clip(cell) for cell in cells)


def price_words(price: Estimate) -> str:
    """Return the price of a second, from the cheapest to the dearest choice: ``$0.03-0.08/s``."""
    if price.low_usd is None or price.high_usd is None:
        return str(price)
    low, high = price.low_usd, price.high_usd
    most = dollars(high if high < 1 else math.ceil(high * 100) / 100)
    return f"{dollars(low)}/s" if low == high else f"{dollars(low)}-{most.removeprefix('$')}/s"


def list_models(pattern: str | None, *, sandbox: bool, as_json: bool, health: bool = False) -> int:
    """Print the models that the API offers, or who serves them and how well; needs no key.

    Raises:
        ApiUnavailable, ConfigurationError: if the list could not be read.
        RequestRefused: if no model fits the pattern.
    """
    terminal = Terminal(stderr=as_json)
    with embedded_sandbox(sandbox, Terminal(stderr=True)):
        catalog = read_catalog(os.environ)
        models = select_models(catalog, pattern)
        served = read_health([model.id for model in models], os.environ) if health else []
        notes = health_notes(served, os.environ)
    if pattern and not models:
        near = " or ".join(catalog.nearest_ids(pattern))
        hint = f"did you mean {near}?" if near else "`openrouter-video models` lists them all"
        message = f"none of the {len(catalog.models)} video models matches {pattern!r}; {hint}"
        raise RequestRefused([Problem("model", message)])
    if as_json:
        endpoints = {one.model: one for one in served}
        documents = [_document(model, endpoints.get(model.id)) for model in models]
        print_json({"models": documents, "sandbox": catalog.sandbox})
    elif health:
        print_health(terminal, served)
    else:
        _print_models(terminal, models)
    notes += [f"these entries could not be read: {', '.join(catalog.unreadable)}"] if catalog.unreadable else []
    if catalog.sandbox and not sandbox:
        notes.append("the prices are a sandbox's, which bills nothing")
    for model in models:
        notes += [
            f"{model.id}: {field} has {', '.join(items)}: unreadable" for field, items in model.unreadable.items()
        ]
    for note in notes:
        Terminal(stderr=True).print(Text(f"note: {clip(note)}", "yellow"))
    return 0


def _document(model: VideoModel, served: ModelEndpoints | None) -> dict[str, Any]:
    price = price_per_second(model).model_dump(mode="json")
    slug = provider_slug(model.id, listed=served.slugs if served else ())
    told = health_document(served) if served else {}
    return {**model.model_dump(mode="json"), "needs": model.needs, "provider": slug, "price_per_second": price, **told}


def _print_models(terminal: Terminal, models: Sequence[VideoModel]) -> None:
    """Print tab-separated lines with a header, or on a terminal a table: a line per model, two where that is too long.

    Of a few models it says all that is listed.
    """
    rows = [model_cells(model) for model in models]
    if not terminal.is_terminal:
        for cells in (HEADER, *rows):
            terminal.print_row(cells)
        return
    shown = [TABLE_HEADER, *(_table_cells(model, row) for model, row in zip(models, rows, strict=True))]
    widths = [max(map(len, column)) for column in zip(*shown, strict=True)]
    tall = sum(widths) + len(GAP) * (len(widths) - 1) > terminal.width
    for number, cells in enumerate(shown):
        _print_model(terminal, cells, widths, tall=tall, style="dim" if number == 0 else "")
        if number > 0 and len(models) <= FEW:
            _, _, resolutions, ratios, _, options, _, slug = rows[number - 1]
            told = {"resolutions": resolutions, "ratios": ratios, f"options for the provider {slug}": options}
            for label, words in told.items():
                terminal.print(Padding(Text(f"{label}: {words}", "dim"), (0, 0, 0, 4), expand=False))
    if any(model.needs != "nothing" for model in models):
        terminal.announce("a video, an image: what a model needs that edits, enlarges or animates something")
    if len(models) > FEW:
        terminal.announce("all of one model, its options too: openrouter-video models NAME")


def _table_cells(model: VideoModel, row: Sequence[str]) -> tuple[str, ...]:
    """Return what a table shows of a model's row: the id, the provider's slug, and the rest in short."""
    by_size = sorted(model.supported_resolutions or (), key=_lines_of)
    span = clip("-".join(dict.fromkeys((by_size[0], by_size[-1])))) if by_size else NOTHING
    return row[0], row[7], row[1], span, row[4], row[6].removesuffix("/s")


def _lines_of(resolution: str) -> int:
    """Return about how many lines a picture of this resolution has; 0 if its name does not tell."""
    number = int(resolution[:-1]) if re.fullmatch("[0-9]{1,5}[pk]", resolution, re.IGNORECASE) else 0
    return number if resolution[-1:] in "pP" else number * 540


def _print_model(terminal: Terminal, cells: Sequence[str], widths: Sequence[int], *, tall: bool, style: str) -> None:
    model, provider, *rest = (cell.ljust(width) for cell, width in zip(cells, widths, strict=True))
    head = Text.assemble((model, style or "bold"), GAP, (provider, style))
    facts = Text(GAP.join(rest).rstrip(), style)
    if tall:
        head.rstrip()
        terminal.print(head)
        terminal.print(Padding(facts, (0, 0, 0, 2), expand=False))
    else:
        terminal.print(Text.assemble(head, GAP, facts))

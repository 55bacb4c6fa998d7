"""``models --health``: who serves each model and how well, for people and machines; and the same look for plans."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from typing import Any

from rich.text import Text

from openrouter_video.api import Endpoint, ModelEndpoints, VideoClient, base_url_of
from openrouter_video.cli.terminal import Terminal
from openrouter_video.errors import ConfigurationError

__all__ = ["health_document", "health_notes", "print_health", "read_health", "served_for_plan"]

NOTHING = "-"
HEADER = ("model", "provider", "health", "uptime", "p50", "p99")
STYLES = {"up": "", "degraded": "yellow", "down": "red", "unknown": "dim"}
GAP = "  "
MINUTES_FROM = 120
ONLY_WITH_KEY = "how long videos take (p50, p99) is told only to who has a key: set OPENROUTER_API_KEY"


def read_health(models: Iterable[str], environ: Mapping[str, str]) -> list[ModelEndpoints]:
    """Ask the environment's API who serves these models; with its key, if there is one.

    Raises:
        ConfigurationError: if the key cannot be one; what the API does is a reason in the answers.
    """

    async def ask() -> list[ModelEndpoints]:
        async with VideoClient(environ.get("OPENROUTER_API_KEY") or None, base_url_of(environ)) as client:
            return await client.list_endpoints(models)

    return asyncio.run(ask())


def served_for_plan(models: Iterable[str], environ: Mapping[str, str]) -> dict[str, ModelEndpoints]:
    """Return what is known of who serves these models; a plan can do without it, and without a key."""
    with suppress(ConfigurationError):
        return {one.model: one for one in read_health(models, environ) if not one.unknown}
    return {}


def print_health(terminal: Terminal, found: Sequence[ModelEndpoints]) -> None:
    """Print a line for each endpoint: with tabs between its cells and a header, or on a terminal as a table."""
    rows = [(row, kind) for one in found for row, kind in _rows(one)]
    if not terminal.is_terminal:
        for cells in (HEADER, *(row for row, _ in rows)):
            terminal.print_row(cells)
        return
    shown = [(HEADER, "dim"), *((row, STYLES[kind]) for row, kind in rows)]
    widths = [max(map(len, column)) for column in zip(*(row for row, _ in shown), strict=True)]
    for row, style in shown:
        line = GAP.join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        terminal.print(Text(line.rstrip(), style), soft_wrap=True)


def _rows(one: ModelEndpoints) -> list[tuple[tuple[str, ...], str]]:
    """Return the cells and the kind of health of each endpoint; of a model without any, a line that says so."""
    return [(_cells(one.model, endpoint), endpoint.health) for endpoint in one.endpoints] or [
        ((one.model, NOTHING, "unknown", NOTHING, NOTHING, NOTHING), "unknown")
    ]


def _cells(model: str, endpoint: Endpoint) -> tuple[str, ...]:
    health = f"{endpoint.health} ({endpoint.status})" if endpoint.health == "down" else endpoint.health
    uptime = NOTHING if endpoint.uptime is None else f"{endpoint.uptime:.4g} %"
    latency = endpoint.latency
    times = (_duration(latency.p50), _duration(latency.p99)) if latency else (NOTHING, NOTHING)
    return (model, endpoint.slug or endpoint.provider_name or NOTHING, health, uptime, *times)


def _duration(seconds: float | None) -> str:
    if seconds is None:
        return NOTHING
    return f"{seconds:.3g} s" if seconds < MINUTES_FROM else f"{seconds / 60:.3g} min"


def health_document(one: ModelEndpoints) -> dict[str, Any]:
    """Return the same for machines."""
    endpoints = [{**endpoint.model_dump(mode="json"), "health": endpoint.health} for endpoint in one.endpoints]
    return {"health": one.health, "health_unknown": one.unknown, "endpoints": endpoints}


def health_notes(found: Sequence[ModelEndpoints], environ: Mapping[str, str]) -> list[str]:
    """Say why something is not known."""
    notes = [f"{one.model}: who serves it is not known now: {one.unknown}" for one in found if one.unknown]
    notes += [f"{one.model}: no endpoint is listed" for one in found if not one.unknown and not one.endpoints]
    if any(one.endpoints for one in found) and not environ.get("OPENROUTER_API_KEY"):
        notes.append(ONLY_WITH_KEY)
    return notes

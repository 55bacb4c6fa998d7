"""The dry run: images are read and checked, then the request is planned; nothing is sent to the API."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from openrouter_video.api import Catalog
from openrouter_video.errors import Problem, RequestRefused
from openrouter_video.money import Bills
from openrouter_video.planning.plan import Plan, plan_run
from openrouter_video.request import RunRequest, VideoRequest, load_image

__all__ = ["dry_run", "read_images"]

OptionsFor = Callable[[str], Mapping[str, Any] | None]
"""Tells the storage options that an image's URL may be opened with."""


def no_options(_url: str) -> None:
    """Say that nothing is to be opened with options."""


def dry_run(
    run: RunRequest,
    catalog: Catalog,
    options_for: OptionsFor = no_options,
    bills: Mapping[str, Bills] | None = None,
) -> Plan:
    """Read the images of a run and plan it; what is wrong with an image is a problem of the plan, beside all others.

    ``bills`` as for ``plan_run``.
    """
    images, problems = read_images(run.request, options_for)
    return plan_run(run, catalog, images=images, problems=problems, bills=bills)


def read_images(request: VideoRequest, options_for: OptionsFor = no_options) -> tuple[dict[str, str], list[Problem]]:
    """Return the URL to send for each image of a request, and what is wrong with those that cannot be sent."""
    images: dict[str, str] = {}
    problems: list[Problem] = []
    for field, source in request.settings.image_sources().items():
        try:
            images[source] = load_image(source, field=field, storage_options=options_for(source))
        except RequestRefused as refused:
            problems += refused.problems
    return images, problems

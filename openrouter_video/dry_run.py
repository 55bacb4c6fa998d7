"""The dry run: images are read and checked, then the request is planned; nothing is sent to the API."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from openrouter_video.catalog import Catalog
from openrouter_video.errors import Problem, RequestRefused
from openrouter_video.images import load_image
from openrouter_video.plan import Plan, plan_videos
from openrouter_video.request import VideoRequest
from openrouter_video.store_urls import same_place

__all__ = ["dry_run", "read_images"]


def dry_run(
    request: VideoRequest,
    models: Sequence[str],
    catalog: Catalog,
    *,
    takes: int = 1,
    min_success: int | None = None,
    output: str | None = None,
    storage_options: Mapping[str, Any] | None = None,
) -> Plan:
    """Read the images of a request and plan it for several models.

    An image in the same place as ``output`` is read with the same storage options. What is wrong with an image
    is a problem of the plan, beside all others.
    """
    images, problems = read_images(request, output, storage_options)
    return plan_videos(request, models, catalog, takes=takes, min_success=min_success, images=images, problems=problems)


def read_images(
    request: VideoRequest, output: str | None = None, storage_options: Mapping[str, Any] | None = None
) -> tuple[dict[str, str], list[Problem]]:
    """Return the URL to send for each image of a request, and what is wrong with those that cannot be sent."""
    images: dict[str, str] = {}
    problems: list[Problem] = []
    for field, source in request.settings.image_sources().items():
        same_store = output is not None and same_place(source, output)
        try:
            images[source] = load_image(source, field=field, storage_options=storage_options if same_store else None)
        except RequestRefused as refused:
            problems += refused.problems
    return images, problems

"""What of a body its price hangs on, so that a batch computes the price of ten thousand like bodies once. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from openrouter_video.request import Given

__all__ = ["PriceKey", "price_key"]

FIELDS = ("duration", "resolution", "aspect_ratio", "size", "generate_audio", "upscale_factor", "creativity")

PriceKey = tuple[object, ...]


def price_key(model_id: str, body: Mapping[str, Any], given: Given) -> PriceKey:
    """Return what two bodies of a model have in common that cost the same: all of their fields that ``pricing`` reads.

    Of frames it is how many there are, of references their kinds, of an earlier job that there is one; and ``given`` is
    what is known of them.
    """
    kinds = tuple(reference.get("type") for reference in body.get("input_references") or ())
    follows = bool(body.get("previous_job_id"))
    return model_id, *map(body.get, FIELDS), len(body.get("frame_images") or ()), kinds, follows, given

"""What of a body its price hangs on, so that a batch computes the price of ten thousand like bodies once. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

__all__ = ["PriceKey", "price_key"]

FIELDS = ("duration", "resolution", "aspect_ratio", "size", "generate_audio", "previous_job_id")

PriceKey = tuple[object, ...]


def price_key(model_id: str, body: Mapping[str, Any]) -> PriceKey:
    """Return what two bodies of a model have in common that cost the same: all of their fields that ``pricing`` reads.

    Of frames it is how many there are, of references their kinds.
    """
    kinds = tuple(reference.get("type") for reference in body.get("input_references") or ())
    return model_id, *map(body.get, FIELDS), len(body.get("frame_images") or ()), kinds

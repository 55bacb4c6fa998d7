"""What a job costs by its model's ``pricing_skus``; the most specific key wins. Pure.

``duration_seconds*``, ``video_tokens*`` and ``reference_*`` are US dollars, ``cents_*`` and ``minimum_cents_*`` cents.
Five of the six publicly recorded bills follow these rules. The sixth does not: alibaba/wan-3.0, 2 s at 480p, was billed
0.2125 although its SKU says 2 x 0.05; the sandbox charges 0.10, since nobody knows the rule behind the rest.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal

from openrouter_video.sandbox.orders import Order

__all__ = ["cost_usd"]

_CENT = Decimal("0.01")
_BILLED_FRAMES_PER_SECOND = 24


def cost_usd(skus: Mapping[str, str], order: Order) -> float | None:
    """The price of one job in US dollars, or None where the SKUs speak a vocabulary that is not known."""
    bases = (rule(skus, order) for rule in (_by_seconds, _by_tokens, _by_cents))
    dollars = next((base for base in bases if base is not None), None)
    if dollars is None:
        return None
    extras = order.images * (
        Decimal(skus.get("reference_images", "0")) + Decimal(skus.get("cents_per_image_input", "0")) * _CENT
    )
    minimum = Decimal(skus.get("minimum_cents_per_generation", "0")) * _CENT
    return float(round(max(dollars + extras, minimum), 6))


def _first(skus: Mapping[str, str], keys: Iterable[str]) -> Decimal | None:
    return next((Decimal(skus[key]) for key in keys if key in skus), None)


def _by_seconds(skus: Mapping[str, str], order: Order) -> Decimal | None:
    resolution = order.resolution.lower()
    sound = "with_audio" if order.audio else "without_audio"
    mode = "image_to_video" if order.images else "text_to_video"
    keys = [
        f"duration_seconds_{sound}_{resolution}",
        f"duration_seconds_{sound}",
        f"{mode}_duration_seconds_{resolution}",
        f"duration_seconds_{resolution}",
        "duration_seconds",
    ]
    if order.references:
        keys.insert(0, f"reference_duration_seconds_{resolution}")
    price = _first(skus, keys)
    return None if price is None else price * Decimal(str(order.seconds))


def _by_tokens(skus: Mapping[str, str], order: Order) -> Decimal | None:
    resolution = order.resolution.lower()
    variants = ["_with_video_input"] if order.video_input else [] if order.audio else ["_without_audio"]
    keys = [f"video_tokens_{resolution}{variant}" for variant in [*variants, ""]]
    keys += [f"video_tokens{variant}" for variant in [*variants, ""]]
    price = _first(skus, keys)
    if price is None:
        return None
    frames = _BILLED_FRAMES_PER_SECOND * Decimal(str(order.seconds)) + 1
    return price * order.width * order.height * frames / 1024


def _by_cents(skus: Mapping[str, str], order: Order) -> Decimal | None:
    resolution = order.resolution.lower()
    keys = [
        f"cents_per_second_output_{resolution}",
        f"cents_per_video_output_second_{resolution}",
        "cents_per_second_output",
    ]
    if order.continues:
        keys.insert(0, f"cents_per_second_video_continuation_{resolution}")
    price = _first(skus, keys)
    if price is not None:
        return price * _CENT * Decimal(str(order.seconds))
    upscaling = _first(skus, [f"cents_per_megapixel_second_{'creative' if order.creativity else 'precise'}"])
    if upscaling is None:
        return None
    return upscaling * _CENT * order.width * order.height * Decimal(str(order.seconds)) / 1_000_000

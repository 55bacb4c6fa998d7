"""What has changed in a model's entry in the list of models, in words. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from decimal import Decimal, InvalidOperation
from typing import Any

from openrouter_video.api import VideoModel
from openrouter_video.text import clip

__all__ = ["entry_changes", "facts_of"]

NAMES = frozenset({"id", "name", "created", "unreadable"})
"""What no request and no price hangs on."""
LISTS = {
    "supported_resolutions": "resolution",
    "supported_aspect_ratios": "aspect_ratio",
    "supported_sizes": "size",
    "supported_durations": "duration",
    "supported_frame_images": "frame",
    "allowed_passthrough_parameters": "provider option",
}
PRICES = "pricing_skus"
ELSEWHERE = frozenset({"input_modalities", "expiration_date"})
"""From another list, which cannot always be had: what is not told there has not changed."""
MOST_TOLD = 6


def facts_of(model: VideoModel) -> dict[str, Any]:
    """Return what of an entry a recipe may hang on, as JSON."""
    return model.model_dump(mode="json", exclude=set(NAMES))


def entry_changes(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[str]:
    """Return what has changed between two lists of facts; what only one of them tells of has not changed."""
    words: list[str] = []
    for field in (field for field in after if field in before and before[field] != after[field]):
        old, new = before[field], after[field]
        if field in ELSEWHERE and (new is None or (old is None and field == "input_modalities")):
            continue
        if field == PRICES:
            words += _prices(old or {}, new or {})
        elif field in LISTS or isinstance(old, list) or isinstance(new, list):
            words += _items(LISTS.get(field, field), old or (), new or ())
        else:
            words.append(f"{field} was {_said(old)} and is {_said(new)}")
    return [clip(one) for one in words]


def _items(name: str, old: Iterable[Any], new: Iterable[Any]) -> Iterator[str]:
    before, after = [str(one) for one in old], [str(one) for one in new]
    if gained := [one for one in after if one not in before]:
        yield f"{name} gained {_few(gained)}"
    if lost := [one for one in before if one not in after]:
        yield f"{name} lost {_few(lost)}"


def _prices(old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[str]:
    for name in [*old, *(name for name in new if name not in old)]:
        if name not in new:
            yield f"price {name} ({old[name]}) is gone"
        elif name not in old:
            yield f"price {name} is new ({new[name]})"
        elif went := _went(str(old[name]), str(new[name])):
            yield f"price {name} {went} from {old[name]} to {new[name]}"


def _went(old: str, new: str) -> str:
    try:
        before, after = Decimal(old), Decimal(new)
        return "rose" if after > before else "fell" if after < before else ""
    except InvalidOperation:
        return "changed" if old != new else ""


def _few(values: list[str]) -> str:
    more = len(values) - MOST_TOLD
    return ", ".join(values[:MOST_TOLD]) + (f" and {more} more" if more > 0 else "")


def _said(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "not said" if value is None else str(value)

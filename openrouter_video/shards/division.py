"""How a batch is divided among shards: its videos, and the numbers of videos at the same time. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

__all__ = ["LimitShare", "SharedLimits", "deal_videos", "share_limits"]


class LimitShare(NamedTuple):
    """How many videos one shard makes at the same time: in all, and of each provider, or by its slug."""

    concurrency: int
    per_provider: int | Mapping[str, int] | None = None


class SharedLimits(NamedTuple):
    """What each shard may make at the same time, so that together they never pass the limits of their batch.

    ``note``: why there are fewer shards than were asked for, where there is something to send.
    """

    shares: tuple[LimitShare, ...]
    note: str | None = None


def share_limits(
    asked: int,
    concurrency: int,
    per_provider: int | Mapping[str, int] | None,
    providers: Iterable[str],
    unpaid: int | None = None,
) -> SharedLimits:
    """Divide the limits of a batch among as many shards as were ``asked`` for, or as can each make one video.

    ``providers``: the provider of each video; a limit of another one does not count. ``unpaid``: how many of them are
    not paid for yet; None means all. Of the others a limit counts too, for an extra take may follow them.
    """
    sent = list(providers)
    unpaid = len(sent) if unpaid is None else unpaid
    of_each = per_provider if isinstance(per_provider, Mapping) else dict.fromkeys(sent, per_provider)
    limits = {f"{slug} has {number} at the same time": number for slug, number in of_each.items() if slug in sent}
    to_send = "1 video is to be sent" if unpaid == 1 else f"{unpaid} videos are to be sent"
    limits |= {f"concurrency is {concurrency}": concurrency, to_send: unpaid}
    why, least = min(((why, number) for why, number in limits.items() if number is not None), key=lambda one: one[1])
    number = max(1, min(asked, least))
    note = f"{number} shard{'s' * (number != 1)} in place of {asked}: {why}" if unpaid and number < asked else None
    shares = [LimitShare(part, _part_of(per_provider, i, number)) for i, part in enumerate(_parts(concurrency, number))]
    return SharedLimits(tuple(shares), note)


def _parts(total: int, number: int) -> list[int]:
    return [_part(total, index, number) for index in range(number)]


def _part(total: int, index: int, number: int) -> int:
    return total // number + (index < total % number)


def _part_of(per_provider: int | Mapping[str, int] | None, index: int, number: int) -> int | dict[str, int] | None:
    if isinstance(per_provider, Mapping):
        # At least one for what a batch has none of, since no shard could be opened with nothing.
        return {slug: max(1, _part(total, index, number)) for slug, total in per_provider.items()}
    return None if per_provider is None else _part(per_provider, index, number)


def deal_videos(providers: Sequence[str], shards: int) -> list[list[int]]:
    """Deal videos out, given the provider of each: to each shard as many of each provider as can be, in their order.

    So a limit of a provider, of which each shard has its part, keeps no shard busy longer than the others.
    """
    by_provider = defaultdict[str, list[int]](list)
    for index, provider in enumerate(providers):
        by_provider[provider].append(index)
    dealt = [index for of_one in by_provider.values() for index in of_one]
    return [sorted(dealt[shard::shards]) for shard in range(shards)]

"""A batch in shards: how it is divided, what each of them is to do, what it did, and what its parent does next."""

from __future__ import annotations

from openrouter_video.shards.division import SharedLimits, deal_videos, share_limits
from openrouter_video.shards.files import ShardFiles, UnreadableShard, batches_in_shards, drop_shards
from openrouter_video.shards.next_step import MOST_ATTEMPTS, Shard, next_step
from openrouter_video.shards.records import MOST_CHARACTERS, BegunBatch, ShardReport, ShardWork, characters_of

__all__ = [
    "MOST_ATTEMPTS",
    "MOST_CHARACTERS",
    "BegunBatch",
    "Shard",
    "ShardFiles",
    "ShardReport",
    "ShardWork",
    "SharedLimits",
    "UnreadableShard",
    "batches_in_shards",
    "characters_of",
    "deal_videos",
    "drop_shards",
    "next_step",
    "share_limits",
]

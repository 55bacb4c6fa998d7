"""A chain of shots: each continues the one before it, all are planned and priced before the first is sent."""

from __future__ import annotations

from openrouter_video.shots.chain_request import ChainRequest, ContinueBy, Shot, parse_chain_request
from openrouter_video.shots.dry_run import dry_chain
from openrouter_video.shots.identity import joined_path, scope_of_chain
from openrouter_video.shots.joining import JoinedChain, frame_after, join_shots
from openrouter_video.shots.next_shot import following, not_sent, why_not_sent
from openrouter_video.shots.plan import ChainPlan
from openrouter_video.shots.plan_lines import chain_plan_lines

__all__ = [
    "ChainPlan",
    "ChainRequest",
    "ContinueBy",
    "JoinedChain",
    "Shot",
    "chain_plan_lines",
    "dry_chain",
    "following",
    "frame_after",
    "join_shots",
    "joined_path",
    "not_sent",
    "parse_chain_request",
    "scope_of_chain",
    "why_not_sent",
]

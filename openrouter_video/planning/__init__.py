"""Request and catalog become a plan: the exact bodies to send, and what is left out and why; nothing is sent."""

from __future__ import annotations

from openrouter_video.planning.approval import Question, asked_words, form_text, needs_approval, priced_rows
from openrouter_video.planning.budget import cap_problem, hold_to_caps, hold_to_ceiling
from openrouter_video.planning.capabilities import spans
from openrouter_video.planning.dry_run import dry_run, read_inputs
from openrouter_video.planning.find_jobs import find_jobs
from openrouter_video.planning.gated_plan import GatedPlan, ModelShare, extra_words, known_problems
from openrouter_video.planning.key_gate import hold_to_key
from openrouter_video.planning.passthrough import named_options, provider_slug
from openrouter_video.planning.plan import ModelPlan, Plan, dearer_now, plan_run, plan_videos, replan_options
from openrouter_video.planning.previous_jobs import Look, continued_jobs, looked_at
from openrouter_video.planning.price_key import PriceKey
from openrouter_video.planning.pricing import mode_of, price_per_second

__all__ = [
    "GatedPlan",
    "Look",
    "ModelPlan",
    "ModelShare",
    "Plan",
    "PriceKey",
    "Question",
    "asked_words",
    "cap_problem",
    "continued_jobs",
    "dearer_now",
    "dry_run",
    "extra_words",
    "find_jobs",
    "form_text",
    "hold_to_caps",
    "hold_to_ceiling",
    "hold_to_key",
    "known_problems",
    "looked_at",
    "mode_of",
    "named_options",
    "needs_approval",
    "plan_run",
    "plan_videos",
    "price_per_second",
    "priced_rows",
    "provider_slug",
    "read_inputs",
    "replan_options",
    "spans",
]

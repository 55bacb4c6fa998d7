"""The steps of one run: submission, polling, download, and what is concluded from them."""

from __future__ import annotations

from openrouter_video.run.collecting import Turns, not_here
from openrouter_video.run.conclusions import (
    STILL_AWAITED,
    elapsed_since,
    failed,
    given_up,
    gone,
    left_open,
    not_sent,
    of_entry,
    of_plan,
    of_submission,
    started,
    uncertain,
    unreadable,
    why_unreadable,
    with_unrecorded,
)
from openrouter_video.run.destination import LEDGER_FOLDER, find_place, ledger_mode
from openrouter_video.run.forced_exit import exit_within
from openrouter_video.run.limits import Limits, current_limits, using_limits
from openrouter_video.run.polling import Step, is_news, next_step, poll_interval
from openrouter_video.run.progress import Progress, tell, watching
from openrouter_video.run.resources import Resources

__all__ = [
    "LEDGER_FOLDER",
    "STILL_AWAITED",
    "Limits",
    "Progress",
    "Resources",
    "Step",
    "Turns",
    "current_limits",
    "elapsed_since",
    "exit_within",
    "failed",
    "find_place",
    "given_up",
    "gone",
    "is_news",
    "ledger_mode",
    "left_open",
    "next_step",
    "not_here",
    "not_sent",
    "of_entry",
    "of_plan",
    "of_submission",
    "poll_interval",
    "started",
    "tell",
    "uncertain",
    "unreadable",
    "using_limits",
    "watching",
    "why_unreadable",
    "with_unrecorded",
]

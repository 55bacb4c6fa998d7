"""The steps of one run: submission, polling, download, and what is concluded from them."""

from __future__ import annotations

from openrouter_video.run.account_search import AccountSearch
from openrouter_video.run.approver import Answer, approving, current_approver
from openrouter_video.run.bills import RunReservation, to_reserve
from openrouter_video.run.caps import approval_threshold, caps_of
from openrouter_video.run.collecting import Turns, checked_keys, not_here
from openrouter_video.run.conclusions import STILL_AWAITED, outcome_of, unreadable, why_unreadable
from openrouter_video.run.concurrency import Concurrency, provider_of, provider_of_claim
from openrouter_video.run.conflicts import find_known
from openrouter_video.run.destination import LEDGER_FOLDER, Destination, Folder, find_destination, folder_of
from openrouter_video.run.ended_elsewhere import ended_elsewhere, is_own, recorded_since
from openrouter_video.run.extra_takes import needless_takes, next_take
from openrouter_video.run.facts import Facts, Trouble
from openrouter_video.run.forced_exit import exit_within
from openrouter_video.run.lanes import Lane, divide
from openrouter_video.run.limits import Limits, current_limits, using_limits
from openrouter_video.run.manifest import MANIFEST, PARQUET, read_manifest, write_manifest
from openrouter_video.run.parquet import parquet_encoder
from openrouter_video.run.planned_video import PlannedVideo, extra_numbers, videos_of_request
from openrouter_video.run.polling import Step
from openrouter_video.run.progress import Progress, Published, tell, tell_published, tell_result, watching
from openrouter_video.run.resources import Resources, open_resources
from openrouter_video.run.settling import settle
from openrouter_video.run.spending import (
    give_up,
    reserve_batch_money,
    reserve_money,
    reserve_portion,
    settle_left,
    settle_money,
)
from openrouter_video.run.steps import Log, download, poll, submit
from openrouter_video.run.taken_paths import taken_paths
from openrouter_video.run.video_event import video_event
from openrouter_video.run.video_files import look_again
from openrouter_video.run.waking import ENDED, MOST_RESTARTS, is_over, left_words, may_go_on, shards_call, wake

__all__ = [
    "ENDED",
    "LEDGER_FOLDER",
    "MANIFEST",
    "MOST_RESTARTS",
    "PARQUET",
    "STILL_AWAITED",
    "AccountSearch",
    "Answer",
    "Concurrency",
    "Destination",
    "Facts",
    "Folder",
    "Lane",
    "Limits",
    "Log",
    "PlannedVideo",
    "Progress",
    "Published",
    "Resources",
    "RunReservation",
    "Step",
    "Trouble",
    "Turns",
    "approval_threshold",
    "approving",
    "caps_of",
    "checked_keys",
    "current_approver",
    "current_limits",
    "divide",
    "download",
    "ended_elsewhere",
    "exit_within",
    "extra_numbers",
    "find_destination",
    "find_known",
    "folder_of",
    "give_up",
    "is_over",
    "is_own",
    "left_words",
    "look_again",
    "may_go_on",
    "needless_takes",
    "next_take",
    "not_here",
    "open_resources",
    "outcome_of",
    "parquet_encoder",
    "poll",
    "provider_of",
    "provider_of_claim",
    "read_manifest",
    "recorded_since",
    "reserve_batch_money",
    "reserve_money",
    "reserve_portion",
    "settle",
    "settle_left",
    "settle_money",
    "shards_call",
    "submit",
    "taken_paths",
    "tell",
    "tell_published",
    "tell_result",
    "to_reserve",
    "unreadable",
    "using_limits",
    "video_event",
    "videos_of_request",
    "wake",
    "watching",
    "why_unreadable",
    "write_manifest",
]

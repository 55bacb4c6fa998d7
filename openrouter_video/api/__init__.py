"""OpenRouter's video API over HTTP, and what its answers prove."""

from __future__ import annotations

from openrouter_video.api.account import Account
from openrouter_video.api.answers import (
    IN_FLIGHT_SECONDS,
    LOST_STATUSES,
    NOT_FOUND,
    ContentAnswer,
    ContentUnavailable,
    PollAnswer,
    SubmitAnswer,
    is_gone,
)
from openrouter_video.api.callback import callback_url, shown_callback_url, webhook_url
from openrouter_video.api.catalog import Catalog, VideoModel, parse_catalog
from openrouter_video.api.client import Timeouts, VideoClient
from openrouter_video.api.content import DownloadLimits, download_limits
from openrouter_video.api.endpoint import DEFAULT_BASE_URL, base_url_of, origin, parse_api_key
from openrouter_video.api.endpoints import Endpoint, ModelEndpoints
from openrouter_video.api.failures import failure_of_job
from openrouter_video.api.generations import Listing, Window, nearest_first, query, window
from openrouter_video.api.job import JobStatus, Usage, VideoJob
from openrouter_video.api.key_budget import KeyBudget
from openrouter_video.api.proxies import changes_for_httpx, choose_proxy
from openrouter_video.api.refusals import advice
from openrouter_video.api.web_urls import fetch_problem, https_problem, is_local_http, is_loopback

__all__ = [
    "DEFAULT_BASE_URL",
    "IN_FLIGHT_SECONDS",
    "LOST_STATUSES",
    "NOT_FOUND",
    "Account",
    "Catalog",
    "ContentAnswer",
    "ContentUnavailable",
    "DownloadLimits",
    "Endpoint",
    "JobStatus",
    "KeyBudget",
    "Listing",
    "ModelEndpoints",
    "PollAnswer",
    "SubmitAnswer",
    "Timeouts",
    "Usage",
    "VideoClient",
    "VideoJob",
    "VideoModel",
    "Window",
    "advice",
    "base_url_of",
    "callback_url",
    "changes_for_httpx",
    "choose_proxy",
    "download_limits",
    "failure_of_job",
    "fetch_problem",
    "https_problem",
    "is_gone",
    "is_local_http",
    "is_loopback",
    "nearest_first",
    "origin",
    "parse_api_key",
    "parse_catalog",
    "query",
    "shown_callback_url",
    "webhook_url",
    "window",
]

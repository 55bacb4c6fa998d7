"""Any fsspec store: opened by its URL, checked before anything is paid, and used by the methods of ``Store``."""

from __future__ import annotations

from openrouter_video.stores.checks import check_ledger, check_reachable, check_writable, clear_probes
from openrouter_video.stores.folder_identity import folder_identity, is_same_folder
from openrouter_video.stores.folder_store import part_of
from openrouter_video.stores.opening import OptionsFor, is_relative, no_options, open_store
from openrouter_video.stores.store import Store, Writer
from openrouter_video.stores.time_limit import answered_in_time
from openrouter_video.stores.urls import (
    LONGEST_SIGNATURE_SECONDS,
    parse_store_url,
    path_of_file_url,
    safe_url,
    share_options,
)

__all__ = [
    "LONGEST_SIGNATURE_SECONDS",
    "OptionsFor",
    "Store",
    "Writer",
    "answered_in_time",
    "check_ledger",
    "check_reachable",
    "check_writable",
    "clear_probes",
    "folder_identity",
    "is_relative",
    "is_same_folder",
    "no_options",
    "open_store",
    "parse_store_url",
    "part_of",
    "path_of_file_url",
    "safe_url",
    "share_options",
]

"""Any fsspec store: opening it, small files, exclusive creation, large files, and what dead writers leave behind."""

from __future__ import annotations

from openrouter_video.stores.checks import check_ledger, check_reachable, check_writable, clear_probes
from openrouter_video.stores.exclusive import create_exclusive
from openrouter_video.stores.folder_identity import folder_identity, is_same_folder
from openrouter_video.stores.leftovers import clear_leftovers
from openrouter_video.stores.listing import list_tree
from openrouter_video.stores.opening import Store, open_store, passing_place
from openrouter_video.stores.path_files import is_part, part_of
from openrouter_video.stores.patience import answered_in_time
from openrouter_video.stores.small_files import list_names, read_bytes, remove, size_of, write_bytes
from openrouter_video.stores.urls import ends_with_the_process, parse_store_url, path_of_file_url, safe_url, same_place
from openrouter_video.stores.writers import Writer, writing

__all__ = [
    "Store",
    "Writer",
    "answered_in_time",
    "check_ledger",
    "check_reachable",
    "check_writable",
    "clear_leftovers",
    "clear_probes",
    "create_exclusive",
    "ends_with_the_process",
    "folder_identity",
    "is_part",
    "is_same_folder",
    "list_names",
    "list_tree",
    "open_store",
    "parse_store_url",
    "part_of",
    "passing_place",
    "path_of_file_url",
    "read_bytes",
    "remove",
    "safe_url",
    "same_place",
    "size_of",
    "write_bytes",
    "writing",
]

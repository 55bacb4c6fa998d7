"""A table of prompts becomes the videos of a batch: read, checked row by row, planned and priced; nothing is sent."""

from __future__ import annotations

from openrouter_video.batch.batch_request import BatchRequest, parse_batch_request
from openrouter_video.batch.dry_run import compare_with_stores, dry_batch
from openrouter_video.batch.plan import BatchPlan
from openrouter_video.batch.plan_lines import batch_plan_lines
from openrouter_video.batch.rows import models_of
from openrouter_video.batch.source import name_of_source, read_table
from openrouter_video.batch.table import Table, table_of_rows
from openrouter_video.batch.versions import Versions

__all__ = [
    "BatchPlan",
    "BatchRequest",
    "Table",
    "Versions",
    "batch_plan_lines",
    "compare_with_stores",
    "dry_batch",
    "models_of",
    "name_of_source",
    "parse_batch_request",
    "read_table",
    "table_of_rows",
]

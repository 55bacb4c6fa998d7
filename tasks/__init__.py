"""Prefect tasks: one side effect each."""

from openrouter_video.checkout import share_modules as _share_modules

_share_modules(__name__)

from .catalog import CATALOG_RETRY_DELAYS, fetch_catalog
from .download import download_video
from .endpoints import fetch_endpoints
from .gallery import publish_gallery, refresh_galleries
from .lane import make_lane
from .plan import make_batch_plan, make_chain_plan, make_plan
from .poll import poll_job
from .report import ProgressBar, publish_page, publish_report, publish_table
from .result_format import RESULT_FORMAT
from .shots import join_shots, read_last_frame
from .submit import submit_video
from .task_tags import RUN_TAG, of_provider
from .unsearched import unsearched

__all__ = [
    "CATALOG_RETRY_DELAYS",
    "RESULT_FORMAT",
    "RUN_TAG",
    "ProgressBar",
    "download_video",
    "fetch_catalog",
    "fetch_endpoints",
    "join_shots",
    "make_batch_plan",
    "make_chain_plan",
    "make_lane",
    "make_plan",
    "of_provider",
    "poll_job",
    "publish_gallery",
    "publish_page",
    "publish_report",
    "publish_table",
    "read_last_frame",
    "refresh_galleries",
    "submit_video",
    "unsearched",
]

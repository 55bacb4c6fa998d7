"""The cache of what is asked of an API: one record per base URL, and per set of models where a task asks about some."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from prefect.cache_policies import CachePolicy
from prefect.context import TaskRunContext
from prefect.utilities.hashing import hash_objects

from .task_tags import add_tags

__all__ = ["ByBaseUrl"]


@dataclass
class ByBaseUrl(CachePolicy):
    """By the task's ``base_url``, and its ``models`` if it has some: neither the key nor the client is part of it.

    ``kind``: what is kept, since Prefect does not keep the keys of tasks apart.
    """

    kind: str = ""

    def compute_key(
        self,
        task_ctx: TaskRunContext,
        inputs: dict[str, Any],
        flow_parameters: dict[str, Any],  # noqa: ARG002 (Prefect's signature)
        **_: Any,
    ) -> str | None:
        """Return a key that is named for what is kept."""
        add_tags(task_ctx.task_run)  # here, since a list that is kept runs no body
        models = [sorted(inputs["models"])] if "models" in inputs else []
        return f"openrouter-video-{self.kind}-{hash_objects(inputs['base_url'], *models, raise_on_failure=True)}"

"""OpenRouter's video API on localhost: the same answers, real videos, faults on demand, and a record of every charge.

::

    with Sandbox(job_seconds=0) as sandbox:
        client = YourClient(base_url=sandbox.base_url, api_key=sandbox.api_key)
        ...
        assert len(sandbox.charges) == 1

It shares no code with the client side of this package on purpose: what both got wrong would look right.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from openrouter_video.sandbox.billing import Charge, Seen
    from openrouter_video.sandbox.budgets import Budget
    from openrouter_video.sandbox.faults import Fault
    from openrouter_video.sandbox.server import SANDBOX_KEY, Sandbox, serve
    from openrouter_video.sandbox.webhooks import Delivery

__all__ = ["SANDBOX_KEY", "Budget", "Charge", "Delivery", "Fault", "Sandbox", "Seen", "serve"]

_HOMES = {
    "Budget": "budgets",
    "Charge": "billing",
    "Delivery": "webhooks",
    "Fault": "faults",
    "SANDBOX_KEY": "server",
    "Sandbox": "server",
    "Seen": "billing",
    "serve": "server",
}


def __getattr__(name: str) -> object:
    # The pytest plugin is imported by every pytest run of every project that installs this package,
    # so the package itself may not bring the server along.
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)

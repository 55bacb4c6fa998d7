"""``sandbox``, and ``--sandbox``: a stand-in for OpenRouter's API, served to others or inside this process."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich.text import Text

from openrouter_video.cli.signals import ended_like_ctrl_c
from openrouter_video.cli.terminal import Terminal
from openrouter_video.text import printable

if TYPE_CHECKING:
    from openrouter_video.sandbox import Sandbox

__all__ = ["SANDBOX_SPEED", "embedded_sandbox", "serve_sandbox"]

SANDBOX_SPEED = 8.0
"""A clip of 4 s, which really takes 41-62 s, is there after 5-8 s."""

SENTENCE = "SANDBOX: a stand-in for OpenRouter on this machine. Nothing is billed; the costs shown are only simulated."


@contextmanager
def embedded_sandbox(wanted: bool, terminal: Terminal) -> Iterator[None]:
    """Be OpenRouter for as long as the ``with`` statement lasts: this process's environment leads to the sandbox."""
    if not wanted:
        yield
        return
    from openrouter_video.sandbox import Sandbox  # noqa: PLC0415 (its server is imported only where it is used)

    with Sandbox(speed=SANDBOX_SPEED, webhook_secret=_webhook_secret()) as sandbox:
        ours = {"OPENROUTER_API_KEY": sandbox.api_key, "OPENROUTER_BASE_URL": sandbox.base_url}
        before = {name: os.environ.get(name) for name in ours}
        os.environ.update(ours)
        terminal.print(Text(SENTENCE, "bold cyan"), soft_wrap=not terminal.is_terminal)
        try:
            yield
        finally:
            for name, value in before.items():
                if value is None:
                    del os.environ[name]
                else:
                    os.environ[name] = value


def serve_sandbox(port: int, speed: float, state: str | None, budget_usd: float | None = None) -> int:
    """Serve a sandbox until Ctrl-C, and say how to use it.

    Raises:
        ConfigurationError: if it cannot listen, if the state file is not one, or for a budget below 0.
    """
    from openrouter_video.sandbox import serve  # noqa: PLC0415

    terminal = Terminal()

    def ready(sandbox: Sandbox) -> None:
        kept = f"Its jobs are kept in {printable(state)}." if state else "Its jobs end with it (see --state)."
        lines = [
            f"OpenRouter's video API, as a sandbox: nothing is billed. {kept} Ctrl-C ends it. In another terminal:",
            f"  export OPENROUTER_BASE_URL={sandbox.base_url} OPENROUTER_API_KEY={sandbox.api_key}",
        ]
        terminal.print(Text("\n".join(lines)), soft_wrap=True)

    with ended_like_ctrl_c(in_good_order=True):
        serve(
            port=port,
            speed=speed,
            state=state,
            on_ready=ready,
            budget_usd=budget_usd,
            webhook_secret=_webhook_secret(),
        )
    return 0


def _webhook_secret() -> str | None:
    """Return what the receiver checks signatures by, where both have one environment."""
    return os.environ.get("OPENROUTER_VIDEO_WEBHOOK_SECRET") or None

"""``webhooks``: the receiver of OpenRouter's webhooks, until Ctrl-C."""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import sys
from collections.abc import Callable, Sequence
from contextlib import closing, suppress
from functools import partial
from typing import Any

import uvicorn
from rich.text import Text
from uvicorn.protocols.http.h11_impl import H11Protocol

from openrouter_video.api import is_loopback
from openrouter_video.cli.signals import ended_like_ctrl_c
from openrouter_video.cli.terminal import Terminal
from openrouter_video.errors import ConfigurationError
from openrouter_video.text import shown
from openrouter_video.webhooks import (
    SECRET_VARIABLE,
    Waking,
    Woken,
    collect_by_deployment,
    collect_in_process,
    parse_secret,
    webhook_app,
)

__all__ = ["serve_webhooks"]

MOST_CONNECTIONS = 1000
CONNECTION_SECONDS = 30.0
"""Each has one request, whose body is given less time; what is slower than this sends headers letter by letter."""
ENDS_WITHIN_SECONDS = 5
WHERE = "it is the signing secret in the settings of your OpenRouter workspace"

Start = Callable[[Sequence[Woken]], str]


def serve_webhooks(host: str, port: int, deployment: str) -> int:
    """Receive webhooks until Ctrl-C.

    Raises:
        ConfigurationError: if it cannot listen, or must not: anybody could wake it without a secret.
    """
    secret = _secret(host)
    start, what = _collection(deployment)
    with closing(_listen(host, port)) as listening:
        _log_to_stderr()
        lines = [f"Receiving webhooks on {_address(host, listening)}; {what}. Ctrl-C ends it."]
        if secret is None:
            lines.append(f"{SECRET_VARIABLE} is not set, so that every webhook is believed; {WHERE}.")
        Terminal(stderr=True).print(Text("\n".join(lines)), soft_wrap=True)
        with closing(Waking(start)) as waking, ended_like_ctrl_c(in_good_order=True), suppress(KeyboardInterrupt):
            _server(waking, secret).run(sockets=[listening])
    return 0


def _secret(host: str) -> str | None:
    secret = parse_secret(os.environ.get(SECRET_VARIABLE) or None)
    if secret is None and not is_loopback(f"http://[{host}]" if ":" in host else f"http://{host}"):
        raise ConfigurationError(
            f"{SECRET_VARIABLE} is not set, and others can reach {shown(host)}: anybody could have videos collected. "
            f"Set it ({WHERE}), or listen on 127.0.0.1"
        )
    return secret


def _collection(deployment: str) -> tuple[Start, str]:
    """Return how a collection is started, and what a person is told of it."""
    from prefect.client import orchestration  # noqa: F401, PLC0415 (not when the first webhook is there)
    from prefect.settings import PREFECT_API_URL  # noqa: PLC0415 (Prefect takes a second to import)

    if not all(deployment.partition("/")[::2]) or deployment.count("/") != 1:
        raise ConfigurationError(
            f"--deployment is {shown(deployment)}; it is the name of a flow and of its deployment, such as "
            "collect-videos/collect-videos"
        )
    url = PREFECT_API_URL.value()
    if url:
        return partial(collect_by_deployment, deployment), f"each starts a run of {deployment} at {shown(url)}"
    return collect_in_process, "without PREFECT_API_URL the videos are collected here, by `openrouter-video collect`"


def _listen(host: str, port: int) -> socket.socket:
    try:
        return socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
    except (OSError, OverflowError, UnicodeError) as error:
        raise ConfigurationError(
            f"the receiver cannot listen on {shown(host)}, port {port}: {error}; choose another --port, or 0 for any "
            "that is free"
        ) from error


def _address(host: str, listening: socket.socket) -> str:
    return f"http://{f'[{host}]' if ':' in host else host}:{listening.getsockname()[1]}"


def _log_to_stderr() -> None:
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("%(asctime)s %(message)s", "%Y-%m-%d %H:%M:%S"))
    log = logging.getLogger("openrouter_video.webhooks")
    log.addHandler(handler)
    log.setLevel(logging.INFO)
    log.propagate = False


def _server(waking: Waking, secret: str | None) -> uvicorn.Server:
    config = uvicorn.Config(
        webhook_app(waking.wake, secret),
        http=_BoundedProtocol,
        ws="none",
        lifespan="off",
        log_config=None,
        log_level="warning",
        access_log=False,
        server_header=False,
        proxy_headers=False,
        limit_concurrency=MOST_CONNECTIONS,
        timeout_graceful_shutdown=ENDS_WITHIN_SECONDS,
    )
    return uvicorn.Server(config)


class _BoundedProtocol(H11Protocol):
    """uvicorn's HTTP/1.1, of which a connection lives so long and no longer."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # as uvicorn has it
        """Set its end."""
        super().connection_made(transport)
        self._end: Any = self.loop.call_later(CONNECTION_SECONDS, transport.abort)

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget it."""
        self._end.cancel()
        super().connection_lost(exc)

"""How a collection is started: as a run of its deployment, or without a Prefect server as a process of its own."""

from __future__ import annotations

import hashlib
import subprocess
from collections.abc import Sequence

import httpx

from openrouter_video.child_process import child_command
from openrouter_video.text import clip
from openrouter_video.webhooks.waking import NotWoken, Woken

__all__ = ["collect_by_deployment", "collect_in_process"]


def collect_by_deployment(deployment: str, woken: Sequence[Woken]) -> str:
    """Start a run of a deployment of ``collect_videos`` for these; the same ones again are the same run.

    Raises:
        NotWoken: if Prefect's server is away, or does not know it.
    """
    from prefect.client.orchestration import get_client  # noqa: PLC0415 (Prefect takes a second to import)
    from prefect.exceptions import ObjectNotFound, PrefectException  # noqa: PLC0415

    keys = list(dict.fromkeys(one.key for one in woken))
    told = "\n".join(sorted(f"{one.identity} {one.key}" for one in woken))
    once = f"openrouter-video-webhooks-{hashlib.sha256(told.encode()).hexdigest()}"
    try:
        with get_client(sync_client=True) as client:
            found = client.read_deployment_by_name(deployment)
            run = client.create_flow_run_from_deployment(found.id, parameters={"keys": keys}, idempotency_key=once)
    except ObjectNotFound:
        raise NotWoken(f"Prefect's server has no deployment {deployment}") from None
    except (httpx.HTTPError, httpx.InvalidURL, PrefectException, OSError, RuntimeError, ValueError) as error:
        raise NotWoken(f"Prefect's server: {type(error).__name__}: {clip(str(error))}") from None
    return f"run {run.name} of {deployment}"


def collect_in_process(woken: Sequence[Woken]) -> str:
    """Collect these by a command of its own, and return once it has ended, which it does with this process.

    Raises:
        NotWoken: if it could not begin.
    """
    keys = [word for key in dict.fromkeys(one.key for one in woken) for word in ("--key", key)]
    command = child_command("openrouter_video", "collect", *keys)
    try:
        # Its input is a pipe that is closed at its end, or at that of this process, with which it ends as well.
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL) as child:  # noqa: S603 (ours)
            code = child.wait()
    except OSError as error:
        raise NotWoken(f"no process could be started: {error}") from None
    return {0: "collected", 1: "collected, and something is still open"}.get(code, "not collected; see above")

"""A notification: when the run has ended, however it ended, one line goes to a chat.

    export CHAT_WEBHOOK_URL=https://chat.example.com/hooks/...
    python examples/tell_a_person.py

Slack, Mattermost and Rocket.Chat take {"text": ...} by POST. Needs OPENROUTER_API_KEY, or the sandbox: see
docs/sandbox.md.
"""

from __future__ import annotations

import asyncio
import os
from typing import Any

import httpx
from prefect import Flow, flow
from prefect.client.schemas.objects import FlowRun, State

from openrouter_video.flows import fan_out_video


def tell(flow: Flow[..., Any], flow_run: FlowRun, state: State[Any]) -> None:
    """Say how a run has ended; Prefect calls this after the last attempt, and logs what it raises."""
    text = f"{flow.name}, {flow_run.name}: {state.name}. {state.message or ''}"
    httpx.post(os.environ["CHAT_WEBHOOK_URL"], json={"text": text}, timeout=10).raise_for_status()


@flow(on_completion=[tell], on_failure=[tell], on_crashed=[tell], on_cancellation=[tell])
async def orchids(models: list[str]) -> str:
    """Make the videos and say what became of each; with fewer than two of them the run fails."""
    result = await fan_out_video("A white orchid", models, min_success=2)
    return ", ".join(f"{outcome.model}: {outcome.status}" for outcome in result.outcomes)


if __name__ == "__main__":
    print(asyncio.run(orchids(["google/veo-3.1-lite", "alibaba/wan-3.0"])))

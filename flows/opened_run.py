"""What a run holds open: who it is, with which key, where its videos go, and the yes that its plan may need."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from typing import NamedTuple, Protocol, TypeVar

from openrouter_video.api import webhook_url
from openrouter_video.blocks import OpenRouterCredentials, load_credentials, load_store
from openrouter_video.ledger import Caps
from openrouter_video.planning import GatedPlan
from openrouter_video.report import collect_command
from openrouter_video.request import RunRequest
from openrouter_video.run import (
    Concurrency,
    Destination,
    Resources,
    RunReservation,
    caps_of,
    current_limits,
    folder_of,
    open_resources,
)

from .approval import open_approval
from .named_limits import find_named_limits
from .run_identity import RunIdentity
from .termination import log_if_interrupted
from .video_chain import VideoRun
from .video_steps import AsTasks

__all__ = ["OpenedRun", "collect_command_of", "open_run"]

P_co = TypeVar("P_co", bound=GatedPlan, covariant=True)
P = TypeVar("P", bound=GatedPlan)


class Prepare(Protocol[P_co]):
    """Plans a run, ``afresh`` by the prices of this moment."""

    async def __call__(self, *, afresh: bool) -> P_co:
        """Plan it."""


class OpenedRun(NamedTuple):
    """A run that is open, and has sent nothing yet; ``webhook``: where OpenRouter tells of the ends of its jobs."""

    asked: RunRequest
    identity: RunIdentity
    credentials: OpenRouterCredentials
    destination: Destination
    resources: Resources
    webhook: str | None = None

    @property
    def caps(self) -> Caps:
        """What may be spent in a day and in a month.

        Raises:
            ConfigurationError: if a variable is not an amount.
        """
        return caps_of(self.credentials.max_usd_per_day, self.credentials.max_usd_per_month, os.environ)

    async def approved(self, prepare: Prepare[P]) -> P:
        """Plan the run until a plan may be carried out; after somebody's yes prices are looked up again.

        Raises:
            RequestRefused: if the plan is refused, or the answer was no.
            ConfigurationError: if the environment's limit is not an amount.
        """
        base_url = self.resources.client.base_url
        approval = await open_approval(self.asked.approve_above_usd, self.credentials.approve_above_usd, base_url)
        plan = await prepare(afresh=approval.answered)
        while not await approval.covers(plan):
            plan = await prepare(afresh=True)
        return plan

    async def begin(
        self, reserved: RunReservation, *, sandbox: bool, per_provider: int | Mapping[str, int] | None = None
    ) -> VideoRun:
        """Return what all videos of the run share; ``per_provider``: how many of each are made at the same time."""
        asked, identity, resources = self.asked, self.identity, self.resources
        return VideoRun(
            resources=resources,
            steps=AsTasks(resources),
            concurrency=Concurrency(asked.concurrency, per_provider),
            run_id=identity.run_id,
            reserved=reserved,
            collect=collect_command_of(asked, resources),
            deployment=identity.deployment,
            folder=await resources.threads.run(folder_of, resources.store, resources.ledger),
            sandbox=sandbox,
            limits=await find_named_limits(),
            webhook=self.webhook,
        )


@asynccontextmanager
async def open_run(asked: RunRequest, identity: RunIdentity, *, shared: bool = False) -> AsyncIterator[OpenedRun]:
    """Open and check what a run needs; ``shared``: others make its videos, and must find the same places.

    Raises:
        ConfigurationError: if a key, block, store or ledger cannot be used.
    """
    async with AsyncExitStack() as stack:
        with log_if_interrupted("Interrupted while it began, before it sent anything."):
            credentials = await load_credentials(asked.credentials)
            destination = await load_store(
                asked.store, asked.output, asked.ledger, deployed=shared or identity.deployed
            )
            opening = open_resources(destination, credentials.get_client(), current_limits())
            resources = await stack.enter_async_context(opening)
            webhook = webhook_url(os.environ, resources.client.base_url)
        yield OpenedRun(asked, identity, credentials, destination, resources, webhook)


def collect_command_of(asked: RunRequest, resources: Resources) -> str:
    """Return the command by which anybody, anywhere, finishes what this run leaves open."""
    # A block says where its ledger is, and each claim where its video goes.
    return collect_command(
        output=None if asked.store else resources.store.url,
        ledger=resources.ledger.url if asked.ledger or not asked.store else None,
        store=asked.store,
        credentials=asked.credentials,
    )

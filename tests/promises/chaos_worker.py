"""What runs in the processes of chaos: workers that take turns until none is left, and the collector at the end.

Most workers run the flow's own chain of submit, poll and download (``flows.video_chain.make_video``) as plain calls, as
a lane does, without Prefect's engine, which takes seconds to start; the others run the whole flows against a real
Prefect server.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import secrets
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
from prefect.exceptions import PrefectException
from prefect.logging import disable_run_logger
from prefect.settings import PREFECT_API_URL, PREFECT_RESULTS_LOCAL_STORAGE_PATH, temporary_settings

from flows import collect_videos, fan_out_video, video_chain
from flows.gates import pass_gates
from flows.opened_run import OpenedRun
from flows.run_identity import RunIdentity
from flows.video_steps import AsCalls
from openrouter_video.api.catalog import Catalog
from openrouter_video.api.client import Timeouts
from openrouter_video.blocks import OpenRouterCredentials, VideoStore
from openrouter_video.errors import ApiUnavailable, TooFewVideos, VideoError
from openrouter_video.ledger.journal import Journal
from openrouter_video.ledger.ledger import Ledger
from openrouter_video.ledger.records import Claim, scope_of_key
from openrouter_video.outcome import FanOut, Outcome
from openrouter_video.request.run_request import parse_run_request
from openrouter_video.request.settings import VideoSettings
from openrouter_video.run import Concurrency, open_resources, settle_left, settle_money, to_reserve, videos_of_request
from openrouter_video.run.limits import Limits, current_limits, using_limits
from openrouter_video.run.submission import SubmitPolicy
from openrouter_video.sandbox import SANDBOX_KEY
from openrouter_video.tasks import make_plan
from openrouter_video.videos.mp4 import Mp4Walk, Whole
from tests.promises.chaos_field import Field, write_to
from tests.promises.chaos_schedule import POLL_SECONDS, SPEED, SUBMIT_SECONDS, Turn

__all__ = ["SABOTAGES", "collect_once", "run_worker"]

CONNECT_SECONDS = 1.0
DEADLINE_MINUTES = 2.0
AT_ONCE = {"chain": 6, "flow": 4}
TRIES = 5
LATER = timedelta(days=3)
SMALL = VideoSettings(duration=2, resolution="480p")


def run_worker(field: Field, name: str, kind: str, turns: Sequence[Turn]) -> None:
    """Take turns of a kind until none is left; a worker of the same name goes on where a killed one was."""
    _begin(field, name)
    mine = _take_turns(field, name, kind, turns)
    if kind == "flow":
        asyncio.run(_hands(field, name, mine, _by_flow, AT_ONCE[kind]))
        return
    with disable_run_logger():
        asyncio.run(_hands(field, name, mine, _Chain(field).run, AT_ONCE[kind]))


def collect_once(field: Field, reports: Path, known: Turn) -> None:
    """Run a finished submission once more, then collect, and report what was collected in a folder of its own."""
    _begin(field, "collector")

    async def run() -> Sequence[Outcome]:
        with using_limits(_limits()):
            # Collecting opens the store only where something is open; what is left there is the next run's to clear.
            await _by_flow(known, field)
            outcomes = await _collect()
        # Some days later runs count as dead that were killed between their reservation and their claim.
        ledger = VideoStore(base_url=str(field.output)).destination.open_ledger()
        settle_left(ledger, datetime.now(UTC) + LATER)
        return outcomes

    with _environment(field):
        _report(reports, "collector", asyncio.run(run()))


def _begin(field: Field, name: str) -> None:
    write_to(field.logs / name)
    os.environ["OPENROUTER_API_KEY"] = SANDBOX_KEY
    os.environ["OPENROUTER_BASE_URL"] = field.api
    os.environ["OPENROUTER_VIDEO_OUTPUT"] = str(field.output)
    os.environ.pop("OPENROUTER_VIDEO_LEDGER", None)
    for bug in field.sabotage:
        SABOTAGES[bug]()


def _environment(field: Field) -> Any:
    results = field.folder / "results"
    return temporary_settings({PREFECT_API_URL: field.prefect_api, PREFECT_RESULTS_LOCAL_STORAGE_PATH: results})


def _take_turns(field: Field, name: str, kind: str, turns: Sequence[Turn]) -> Iterator[tuple[int, Turn]]:
    kinds = {"chain"} if kind == "chain" else {"flow", "collect"}
    for number, turn in enumerate(turns):
        if turn.by not in kinds or (field.done / str(number)).exists():
            continue
        link = field.taken / str(number)
        try:
            link.symlink_to(name)
        except FileExistsError:
            if str(link.readlink()) != name:
                continue
        yield number, turn


async def _hands(
    field: Field,
    name: str,
    turns: Iterator[tuple[int, Turn]],
    run: Callable[[Turn, Field], Awaitable[Sequence[Outcome]]],
    at_once: int,
) -> None:
    """Do several turns side by side, and note what came of each."""

    async def hand() -> None:
        for number, turn in turns:
            for again in reversed(range(TRIES)):
                try:
                    _report(field.reports, name, await run(turn, field))
                    break
                except VideoError as error:
                    _report(field.reports, name, [], trouble=f"turn {number}: {type(error).__name__}: {error}")
                    break
                except (PrefectException, httpx.HTTPError):
                    # A server under this load answers 503 now and then; whoever asked for the run asks again.
                    if not again:
                        raise
            (field.done / str(number)).touch()

    with _environment(field), using_limits(_limits()):
        await asyncio.gather(*(hand() for _ in range(at_once)))


def _limits() -> Limits:
    # Others wait for a claim in fast time, while its owner's POST takes real time.
    patience = SPEED * (CONNECT_SECONDS + SUBMIT_SECONDS + 0.5)
    return Limits(
        timeouts=Timeouts(connect=CONNECT_SECONDS, submit=SUBMIT_SECONDS, poll=POLL_SECONDS, content=2.0),
        submit=SubmitPolicy(margin=patience),
        sleep=lambda seconds: asyncio.sleep(seconds / SPEED),
        clock=lambda: time.monotonic() * SPEED,
    )


def _report(folder: Path, name: str, outcomes: Sequence[Outcome], trouble: str | None = None) -> None:
    kept = {"key", "status", "job_id", "sha256", "reused", "error"}
    lines = [outcome.model_dump(mode="json", include=kept) for outcome in outcomes]
    lines += [{"trouble": trouble}] if trouble else []
    with (folder / f"{name}-{os.getpid()}").open("a", encoding="utf-8") as file:
        file.writelines(f"{json.dumps(line)}\n" for line in lines)


# ---- The whole flows -------------------------------------------------------------------------------------------------


async def _by_flow(turn: Turn, _: Field) -> Sequence[Outcome]:
    if turn.submission is None:
        return await _collect()
    submission = turn.submission
    state = await fan_out_video(
        submission.prompt,
        list(submission.models),
        settings=SMALL,
        takes=submission.takes,
        idempotency_key=submission.key,
        deadline_minutes=DEADLINE_MINUTES,
        return_state=True,
    )
    result = await state.aresult(raise_on_failure=False)
    if isinstance(result, FanOut | TooFewVideos):
        return result.outcomes
    raise result


async def _collect() -> Sequence[Outcome]:
    outcomes: list[Outcome] = await collect_videos()
    return outcomes


# ---- The chain without the engine ------------------------------------------------------------------------------------


class _Chain:
    """Runs submissions as the parent flow does, by the same code."""

    def __init__(self, field: Field) -> None:
        self._credentials = OpenRouterCredentials(api_key=SANDBOX_KEY, base_url=field.api)
        self._destination = VideoStore(base_url=str(field.output)).destination
        self._catalog: Catalog | None = None

    async def run(self, turn: Turn, _: Field) -> Sequence[Outcome]:
        submission = turn.submission
        assert submission is not None
        asked = parse_run_request(
            prompt=submission.prompt,
            models=submission.models,
            settings=SMALL,
            takes=submission.takes,
            deadline_minutes=DEADLINE_MINUTES,
        )
        limits = current_limits()
        client = self._credentials.get_client(limits.timeouts)
        async with open_resources(self._destination, client, limits) as resources:
            self._catalog = self._catalog or await _patient_catalog(resources.client.list_models)
            scope = scope_of_key(submission.key, "loopback")
            plan = await make_plan.fn(asked, self._catalog, scope, self._destination, resources)
            assert not plan.refused, plan.problems
            videos = videos_of_request(asked, scope, plan.models)
            keys = {(video.plan.model, video.take): video.key for video in videos}
            run_id = f"chain-{secrets.token_hex(8)}"
            identity = RunIdentity(run_id, run_id, "", deployed=False)
            opened = OpenedRun(asked, identity, self._credentials, self._destination, resources)
            run = video_chain.VideoRun(
                resources=resources,
                steps=AsCalls(resources, logging.getLogger("chaos")),
                concurrency=Concurrency(8),
                run_id=run_id,
                reserved=await pass_gates(plan, to_reserve(plan, keys), len(videos), opened),
                collect="",
                sandbox=plan.sandbox,
            )
            outcomes = await asyncio.gather(*(video_chain.make_video(video, run) for video in videos))
            journal = resources.journal(sandbox=plan.sandbox)
            settled = (journal, resources.ledger, run.reserved, outcomes, run_id, None)
            await resources.threads.run(settle_money, *settled)
            return outcomes


async def _patient_catalog(list_models: Callable[[], Awaitable[Catalog]]) -> Catalog:
    while True:
        try:
            return await list_models()
        except ApiUnavailable:
            await asyncio.sleep(0.1)


# ---- Deliberate bugs, which the invariants must show -----------------------------------------------------------------


def _ignore_claims() -> None:
    """Send although somebody else has claimed it."""
    real = Ledger.claim

    def claim_anyway(self: Ledger, attempt: int, claim: Claim) -> bool:
        real(self, attempt, claim)
        return True

    Ledger.claim = claim_anyway  # type: ignore[method-assign]


def _publish_anything() -> None:
    """Take whatever arrives for a whole video."""
    for check, verdict in {"feed": None, "finish": Whole((), b"")}.items():
        setattr(Mp4Walk, check, lambda *_, verdict=verdict: verdict)


def _lose_bills() -> None:
    """Give up what was reserved, whatever was billed."""
    real = Journal.settle

    def forgetful(self: Journal, month: str, bills: Any, released: Any = (), run_id: str | None = None) -> None:
        real(self, month, {}, [*bills, *released], run_id)

    Journal.settle = forgetful  # type: ignore[method-assign]


SABOTAGES: dict[str, Callable[[], None]] = {
    "ignore-claims": _ignore_claims,
    "publish-anything": _publish_anything,
    "lose-bills": _lose_bills,
}

"""Who is running, and on which day: what keeps its identity across retries, and {date} in a schedule's time zone."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any, cast
from uuid import UUID, uuid4

import pytest
from prefect import flow, get_client, task
from prefect.client.schemas.actions import DeploymentScheduleCreate
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterDeploymentId
from prefect.client.schemas.objects import DeploymentSchedule, FlowRun
from prefect.client.schemas.schedules import CronSchedule, IntervalSchedule, NoSchedule, RRuleSchedule
from prefect.context import FlowRunContext
from prefect.deployments import arun_deployment
from prefect.flow_engine import run_flow
from prefect.server.schemas.schedules import CronSchedule as ServersCronSchedule
from prefect.task_worker import TaskWorker

from flows.run_identity import RunIdentity, identify_run, local_day, zone_of
from openrouter_video.errors import ConfigurationError

LIVE = "https://openrouter.ai/api/v1"

# Prefect warns that the log of a task without a flow goes nowhere.
pytestmark = pytest.mark.filterwarnings("ignore:Logger 'prefect.task_runs' attempted to send logs")


# ---- The day ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("cron", "zone", "start"),
    [
        ("30 1 * * *", "Europe/Berlin", datetime(2027, 3, 26, tzinfo=UTC)),
        ("30 1 * * *", "Europe/Berlin", datetime(2027, 10, 29, tzinfo=UTC)),
        ("30 23 * * *", "America/New_York", datetime(2027, 3, 12, tzinfo=UTC)),
        ("0 7 * * *", "Pacific/Auckland", datetime(2027, 9, 24, tzinfo=UTC)),
        ("15 0 * * *", "Asia/Kathmandu", datetime(2027, 1, 1, tzinfo=UTC)),
    ],
)
async def test_each_local_day_has_a_key_of_its_own(cron: str, zone: str, start: datetime) -> None:
    """Also where clocks change, and two local days share one day of UTC; the API tells every moment in UTC."""
    moments = await ServersCronSchedule(cron=cron, timezone=zone).get_dates(n=6, start=start)
    days = [local_day(moment.astimezone(UTC), zone) for moment in moments]
    assert days == [moment.strftime("%Y-%m-%d") for moment in moments]
    keys = {RunIdentity("run", "run", day, True).scope("orchid-{date}", {}, LIVE).digest for day in days}
    assert len(keys) == len(moments)


@pytest.mark.parametrize("zone", ["Mars/Olympus", "../etc/passwd", ""])
def test_an_unknown_time_zone_is_a_clear_error(zone: str) -> None:
    """A guess would be another day's key."""
    with pytest.raises(ConfigurationError, match="install the package tzdata"):
        local_day(datetime(2027, 1, 1, tzinfo=UTC), zone)


BERLIN = DeploymentSchedule(schedule=CronSchedule(cron="0 7 * * *", timezone="Europe/Berlin"), active=False)
TOKYO = DeploymentSchedule(schedule=RRuleSchedule(rrule="FREQ=DAILY", timezone="Asia/Tokyo"), active=True)
HOURLY = DeploymentSchedule(schedule=IntervalSchedule(interval=timedelta(hours=1), timezone="Europe/Rome"), active=True)
ONCE = DeploymentSchedule(schedule=NoSchedule(), active=True)


@pytest.mark.parametrize(
    ("schedules", "made_by", "zone"),
    [
        ([], None, "UTC"),
        ([BERLIN], BERLIN.id, "Europe/Berlin"),
        ([BERLIN, TOKYO, HOURLY], HOURLY.id, "Europe/Rome"),
        ([BERLIN, TOKYO, HOURLY], BERLIN.id, "Europe/Berlin"),
        ([BERLIN, TOKYO, HOURLY], None, "Asia/Tokyo"),
        ([BERLIN, TOKYO, HOURLY], uuid4(), "Asia/Tokyo"),
        ([BERLIN], None, "Europe/Berlin"),
        ([ONCE, BERLIN], None, "UTC"),
    ],
)
def test_the_zone_is_that_of_the_schedule(schedules: list[DeploymentSchedule], made_by: UUID | None, zone: str) -> None:
    """Of the one that made the run; by hand of the first active one, else of the first, else UTC."""
    assert zone_of(schedules, made_by) == zone


@flow
async def who(idempotency_key: str | None = None) -> dict[str, Any]:
    """Tell who is running."""
    return (await identify_run(idempotency_key))._asdict()


async def _deploy(name: str, *zones: tuple[str, bool]) -> UUID:
    async with get_client() as client:
        flow_id = await client.create_flow(who)
        schedules = [
            DeploymentScheduleCreate(schedule=CronSchedule(cron="30 1 * * *", timezone=zone), active=active, slug=zone)
            for zone, active in zones
        ]
        return await client.create_deployment(flow_id, name, schedules=schedules)


async def _schedule(deployment_id: UUID, start: datetime, end: datetime) -> list[FlowRun]:
    """Let the server make the runs of a deployment's schedules, as its scheduler does."""
    async with get_client() as client:
        body = {"start_time": start.isoformat(), "end_time": end.isoformat(), "min_runs": 9}
        await client._client.post(f"/deployments/{deployment_id}/schedule", json=body)
        runs = await client.read_flow_runs(
            flow_run_filter=FlowRunFilter(deployment_id=FlowRunFilterDeploymentId(any_=[deployment_id]))
        )
    return sorted(runs, key=lambda run: run.expected_start_time or run.created or start)


async def _run(run: FlowRun, **parameters: Any) -> dict[str, Any]:
    """Run a flow run that the server knows, as a worker does."""
    answer: Any = run_flow(cast(Any, who), flow_run=run, parameters=parameters)
    return dict(await answer)


@pytest.mark.usefixtures("prefect_server")
async def test_a_scheduled_run_knows_its_day() -> None:
    """Two runs of one day of UTC, and two schedules: each has the local day of the schedule that made it."""
    deployment = await _deploy("zones", ("Europe/Berlin", True), ("America/New_York", True))
    start = datetime(2025, 3, 29, 23, tzinfo=UTC)
    runs = await _schedule(deployment, start, start + timedelta(days=2))
    answers = [await _run(run, idempotency_key="orchid-{date}") for run in runs]
    times = [run.expected_start_time and run.expected_start_time.astimezone(UTC).strftime("%d. %H:%M") for run in runs]
    assert list(zip(times, [answer["date"] for answer in answers], strict=True)) == [
        ("30. 00:30", "2025-03-30"),
        ("30. 05:30", "2025-03-30"),
        ("30. 23:30", "2025-03-31"),
        ("31. 05:30", "2025-03-31"),
    ]
    assert [answer["deployed"] for answer in answers] == [True] * 4


@pytest.mark.usefixtures("prefect_server")
async def test_a_run_by_hand_shares_the_days_key() -> None:
    """Its day is told in the zone of the deployment's schedule, switched off or not; without one in UTC."""
    late = datetime(2025, 3, 30, 23, 45, tzinfo=UTC)
    for name, zones, day in [("off", [("Europe/Berlin", False)], "2025-03-31"), ("none", [], "2025-03-30")]:
        deployment = await _deploy(name, *zones)
        run = await arun_deployment(deployment, scheduled_time=late, timeout=0)
        assert (await _run(run, idempotency_key="orchid-{date}"))["date"] == day


@flow
async def forgotten(deployment_id: UUID) -> None:
    """Tell who is running, after the deployment that the run came from was deleted."""
    context = FlowRunContext.get()
    assert context is not None
    assert context.flow_run is not None
    context.flow_run.deployment_id = deployment_id
    assert (await identify_run("plain")).deployed
    with pytest.raises(ConfigurationError, match="the deployment of this run is gone"):
        await identify_run("orchid-{date}")


@pytest.mark.usefixtures("prefect_server")
async def test_a_deployment_that_is_gone_is_a_clear_error() -> None:
    """Its time zone went with it; a run without {date} in its key does not need it."""
    await forgotten(uuid4())


# ---- The outermost run -----------------------------------------------------------------------------------------------


async def _twice(attempt: Callable[[], Any], **options: Any) -> list[dict[str, Any]]:
    """Run a task without a flow around it, which fails the first time; who ran in each attempt."""
    seen: list[dict[str, Any]] = []

    @task(retries=1, **options)
    async def outer() -> None:
        seen.append(await attempt())
        if len(seen) == 1:
            raise RuntimeError("something later went wrong")

    await outer()
    return seen


@task
async def inner() -> dict[str, Any]:
    """Call the flow from a task."""
    answer: dict[str, Any] = await who()
    return answer


@task
def blocking() -> dict[str, Any]:
    """Call the flow from a task that is no coroutine, in a loop of its own."""
    return asyncio.run(who())


@flow
async def around() -> dict[str, Any]:
    """Call the flow in a task in a flow."""
    answer: dict[str, Any] = await inner()
    return answer


@flow
async def submitting() -> dict[str, Any]:
    """Call the flow in a task on another thread."""
    answer: dict[str, Any] = blocking.submit().result()
    return answer


async def _waited() -> dict[str, Any]:
    return await asyncio.to_thread(blocking)


@pytest.mark.usefixtures("prefect_server")
@pytest.mark.parametrize("attempt", [who, inner, _waited, around, submitting], ids=lambda made: made.__name__)
async def test_a_retried_task_without_a_flow_is_one_run(attempt: Callable[[], Any]) -> None:
    """Whatever stands between the task and the flow: its attempts have flow runs of their own, and one identity."""
    first, second = await _twice(attempt)
    assert first["run_id"] != second["run_id"]
    assert first["root_id"] == second["root_id"]
    assert first["root_id"] not in {first["run_id"], second["run_id"]}
    (other, _) = await _twice(attempt)
    assert other["root_id"] != first["root_id"]


@pytest.mark.usefixtures("prefect_server")
async def test_a_flow_around_the_task_is_the_outermost_run() -> None:
    """The task's own id is new at each retry of the flow, whose id stays."""
    seen: list[dict[str, Any]] = []

    @flow(retries=1)
    async def nightly() -> None:
        seen.append(await inner())
        if len(seen) == 1:
            raise RuntimeError("something later went wrong")

    state = await nightly(return_state=True)
    assert {answer["root_id"] for answer in seen} == {str(state.state_details.flow_run_id)}


@pytest.mark.usefixtures("prefect_server")
async def test_a_deployment_started_by_a_retried_task_is_one_run() -> None:
    """The runs of both attempts, each in a worker's process, have the identity of the task that started them."""
    deployment = await _deploy("from a task")
    started: list[FlowRun] = []

    async def start() -> dict[str, Any]:
        started.append(await arun_deployment(deployment, timeout=0))
        return {}

    await _twice(start)
    first, second = [await _run(run) for run in started]
    assert first["run_id"] != second["run_id"]
    assert first["root_id"] == second["root_id"]


@pytest.mark.usefixtures("prefect_server")
async def test_a_task_in_the_background_keeps_its_identity() -> None:
    """A task that is sent to a task worker is one run, however often the worker has to try."""
    seen: list[dict[str, Any]] = []

    @task(retries=1)
    async def background() -> None:
        seen.append(await who())
        if len(seen) == 1:
            raise RuntimeError("something later went wrong")

    future = await asyncio.to_thread(background.delay)
    async with get_client() as client:
        task_run = await client.read_task_run(future.task_run_id)
    async with TaskWorker(background) as worker:
        await worker.execute_task_run(task_run)
    assert len(seen) == 2
    assert {answer["root_id"] for answer in seen} == {task_run.dynamic_key}

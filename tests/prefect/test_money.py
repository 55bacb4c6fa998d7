"""The money of whole runs: reserved before the first POST, settled to the cent, held under the caps of a ledger."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from prefect import flow

from blocks import OpenRouterCredentials
from flows import collect_videos, fan_out_video, generate_video
from openrouter_video.cli.ledger import settle_entry
from openrouter_video.errors import RequestRefused
from openrouter_video.ledger import Bill, Caps, Journal, Ledger
from openrouter_video.outcome import FanOut
from openrouter_video.request.settings import VideoSettings
from openrouter_video.run import settle_left
from openrouter_video.run.limits import Limits, using_limits
from openrouter_video.sandbox import Fault, Sandbox
from openrouter_video.stores import open_store
from tests.support.waits import doze

pytestmark = pytest.mark.usefixtures("prefect_server", "short_waits")

PROMPT = "A white orchid blooming"
VEO, SEEDANCE, WAN = "google/veo-3.1-lite", "bytedance/seedance-2.0-mini", "alibaba/wan-3.0"
SMALL = VideoSettings(duration=4, resolution="720p", aspect_ratio="16:9", generate_audio=False)
PER_DAY = "OPENROUTER_VIDEO_MAX_USD_PER_DAY"


@pytest.fixture
def ledger(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Ledger:
    """A ledger of its own, which all runs of a test use."""
    folder = str(tmp_path / "ledger")
    monkeypatch.setenv("OPENROUTER_VIDEO_LEDGER", folder)
    return Ledger(open_store(folder))


def journal_of(ledger: Ledger) -> Journal:
    """What is in the store by now."""
    return Journal(ledger.store, sandbox=True)


def spent(ledger: Ledger) -> float:
    """What the journal says was spent."""
    return sum(journal_of(ledger).money().spent.values()) / 1_000_000


def charged(sandbox: Sandbox) -> float:
    """What the sandbox says."""
    return round(sum(charge.cost_usd or 0 for charge in sandbox.charges), 6)


async def _fan_out(*models: str, **asked: Any) -> FanOut:
    # Without a kept result, so that a flow which calls it twice runs it twice.
    unpersisted = fan_out_video.with_options(persist_result=False)
    result: FanOut = await unpersisted(PROMPT, list(models or [VEO, SEEDANCE]), settings=SMALL, **asked)
    return result


async def test_a_run_reserves_once_and_settles_once(sandbox: Sandbox, ledger: Ledger) -> None:
    """Two entries, whatever its size; the sum is that of the bills to the cent, and nothing of a sandbox is real."""
    await _fan_out(takes=3)
    journal = journal_of(ledger)
    assert [entry.kind for entry in journal.entries(journal.month)] == ["reserve", "settle"]
    assert spent(ledger) == charged(sandbox) > 0
    assert journal.money().held == ()
    assert Journal(ledger.store).months() == []


async def test_what_is_open_stays_reserved_until_it_is_collected(sandbox: Sandbox, ledger: Ledger) -> None:
    """A job that outlives its run is billed all the same."""
    sandbox.add_fault(Fault(on="poll", model=VEO, body={"id": "x", "status": "in_progress"}, times=2))
    outcomes = await generate_video(PROMPT, VEO, settings=SMALL, deadline_minutes=0.0001, return_state=True)
    assert outcomes.is_failed()
    assert (spent(ledger), journal_of(ledger).money().reserved()) == (0, 120_000)
    await collect_videos(wait_minutes=1)
    assert spent(ledger) == charged(sandbox) == 0.12
    assert journal_of(ledger).money().held == ()


async def test_a_reservation_of_a_run_that_died_is_released(sandbox: Sandbox, ledger: Ledger) -> None:
    """Once its time is over: no claim names it, so that nothing of it was sent."""
    now = datetime.now(UTC)
    journal_of(ledger).reserve("dead", {"d" * 32: 500_000}, now - timedelta(seconds=1), Caps())
    journal_of(ledger).reserve("alive", {"e" * 32: 250_000}, now + timedelta(hours=1), Caps())
    await collect_videos()
    assert journal_of(ledger).money().reserved() == 250_000
    assert spent(ledger) == charged(sandbox) == 0


async def test_a_refused_video_gives_back_what_it_had_reserved(sandbox: Sandbox, ledger: Ledger) -> None:
    """And a failed one is billed what the provider billed."""
    sandbox.add_fault(Fault(on="submit", model=SEEDANCE, status=403, body={"error": {"message": "no", "code": 403}}))
    result = await _fan_out(min_success=1)
    assert [outcome.status for outcome in result.outcomes] == ["completed", "refused"]
    assert spent(ledger) == charged(sandbox) == 0.12
    assert journal_of(ledger).money().held == ()


async def test_a_cap_of_the_day_closes_before_anything_is_sent(
    sandbox: Sandbox, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What earlier runs spent counts; the message says what is left, until when, and what would fit."""
    monkeypatch.setenv(PER_DAY, "0.30")
    await generate_video(PROMPT, VEO, settings=SMALL)
    with pytest.raises(RequestRefused) as refused:
        await generate_video(PROMPT, VEO, settings=SMALL, takes=2)
    (problem,) = refused.value.problems
    assert problem.field == "max_usd_per_day"
    assert "may cost up to $0.24, and $0.18 of the cap of $0.30 a day are left until" in problem.message
    assert "00:00 UTC; what would fit: takes 1" in problem.message
    assert len(sandbox.charges) == 1
    await generate_video(PROMPT, VEO, settings=SMALL)
    assert spent(ledger) == charged(sandbox) == 0.24


async def test_two_runs_race_for_the_last_dollar(
    sandbox: Sandbox, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Eight at once, where three fit."""
    monkeypatch.setenv(PER_DAY, "0.40")
    states = await asyncio.gather(*(generate_video(PROMPT, VEO, settings=SMALL, return_state=True) for _ in range(8)))
    assert sum(state.is_completed() for state in states) == 3
    assert spent(ledger) == charged(sandbox) == 0.36


async def test_the_lower_cap_of_key_and_environment_counts(
    sandbox: Sandbox, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever pays decides, and whoever runs the machine."""
    monkeypatch.setenv(PER_DAY, "5")
    block = OpenRouterCredentials(api_key=sandbox.api_key, base_url=sandbox.base_url, max_usd_per_month=0.1)
    await block.save("frugal", overwrite=True)
    with pytest.raises(RequestRefused, match=r"of the cap of \$0.10 a month are left until .* not even one video"):
        await generate_video(PROMPT, VEO, settings=SMALL, credentials="frugal")
    assert (sandbox.charges, spent(ledger)) == ((), 0)


async def test_a_cap_needs_a_ledger_that_lasts(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """One in memory would begin every run with nothing spent."""
    monkeypatch.setenv(PER_DAY, "5")
    with pytest.raises(RequestRefused, match="counts what earlier runs spent, and the ledger at memory://"):
        await generate_video(PROMPT, VEO, settings=SMALL, output="memory://videos", ledger="memory://ledger")
    assert sandbox.charges == ()


async def test_what_is_unpriced_passes_no_cap(
    sandbox: Sandbox, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Unless somebody says what to assume."""
    monkeypatch.setenv(PER_DAY, "5")
    models = {"data": [{"id": VEO, "name": "x", "pricing_skus": {"per_mood": "1"}, "supported_durations": [4]}]}
    sandbox.add_fault(Fault(on="models", body=models, times=2))
    with pytest.raises(RequestRefused, match=r"per_mood, whose meaning is not known.*the cap of \$5.00 a day"):
        await generate_video(PROMPT, VEO, settings=VideoSettings(duration=4))
    assert sandbox.charges == ()


async def test_a_damaged_journal_refuses_every_run_until_it_is_repaired(sandbox: Sandbox, ledger: Ledger) -> None:
    """Money that cannot be counted is not spent."""
    await generate_video(PROMPT, VEO, settings=SMALL)
    journal = journal_of(ledger)
    ledger.store.write_bytes(f"_money/sandbox/{journal.month}/00000003.json", b"{}")
    with pytest.raises(RequestRefused, match="openrouter-video ledger repair"):
        await generate_video(PROMPT, VEO, settings=SMALL)
    assert len(sandbox.charges) == 1
    journal_of(ledger).repair(journal.month)
    await generate_video(PROMPT, VEO, settings=SMALL)
    assert spent(ledger) == charged(sandbox) == 0.24


async def test_estimates_move_to_what_bills_say(sandbox: Sandbox, ledger: Ledger) -> None:
    """wan-3.0 was publicly billed more than listed; one bill of one's own says what holds here."""
    first = await _fan_out(WAN)
    assert first.outcomes[0].estimate is not None
    assert first.outcomes[0].estimate.high_usd == 0.85
    again = await _fan_out(WAN)
    learned = again.outcomes[0].estimate
    assert learned is not None
    assert (learned.low_usd, learned.high_usd, learned.why) == (0.4, 0.4, ("observed in 1 bill",))
    assert again.outcomes[0].cost_usd == 0.4


async def test_three_runs_of_one_key_are_one_payment(sandbox: Sandbox, ledger: Ledger) -> None:
    """What is found costs nothing, in the journal too."""
    runs = [await _fan_out(VEO, idempotency_key="orchid") for _ in range(3)]
    assert [(run.cost_usd, run.reused_cost_usd) for run in runs] == [(0.12, None), (0, 0.12), (0, 0.12)]
    assert spent(ledger) == charged(sandbox) == 0.12


async def _twice(*models: str, **asked: Any) -> list[FanOut]:
    """Let a flow that calls the flow fail once, so that Prefect runs both again; what both attempts got."""
    got: list[FanOut] = []

    @flow(retries=1)
    async def nightly() -> None:
        got.append(await _fan_out(*models, **asked))
        if len(got) == 1:
            raise RuntimeError("something later went wrong")

    await nightly()
    return got


async def test_a_run_that_is_tried_again_is_billed_once(sandbox: Sandbox, ledger: Ledger) -> None:
    """Its first attempt has settled what it paid for; the second one finds that, and reserves and bills nothing."""
    first, again = await _twice(VEO, takes=2)
    assert {one.job_id for one in first.outcomes} == {one.job_id for one in again.outcomes}
    assert spent(ledger) == charged(sandbox) == 0.24
    journal = journal_of(ledger)
    assert journal.money().held == ()
    assert [entry.kind for entry in journal.entries(journal.month)] == ["reserve", "settle"]


async def test_a_flow_run_that_is_tried_again_is_billed_once(sandbox: Sandbox, ledger: Ledger) -> None:
    """Under the same id: what was refused at first is paid for now, and what was paid for is not counted again."""
    sandbox.add_fault(Fault(on="submit", model=SEEDANCE, status=403, body={"error": {"message": "no", "code": 403}}))
    retried = fan_out_video.with_options(retries=1)
    result = await retried(PROMPT, [VEO, SEEDANCE], settings=SMALL)
    assert [outcome.status for outcome in result.outcomes] == ["completed", "completed"]
    assert spent(ledger) == charged(sandbox) > 0.12
    assert journal_of(ledger).money().held == ()


async def test_equal_calls_of_one_run_are_billed_once(sandbox: Sandbox, ledger: Ledger) -> None:
    """One after the other, and side by side; with a key and without."""

    @flow
    async def parent() -> None:
        await _fan_out(VEO)
        await asyncio.gather(_fan_out(VEO), _fan_out(VEO, takes=2), _fan_out(VEO, idempotency_key="k"))
        await _fan_out(VEO, idempotency_key="k")

    await parent()
    assert spent(ledger) == charged(sandbox) == 0.36
    assert journal_of(ledger).money().held == ()


async def test_a_retry_passes_caps_and_ceilings_that_its_first_attempt_has_spent(
    sandbox: Sandbox, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is paid for already is no new spending."""
    monkeypatch.setenv(PER_DAY, "0.12")
    for asked in ({"max_usd": 0.12}, {"idempotency_key": "k", "max_usd": 0.12}):
        monkeypatch.setenv(PER_DAY, f"{spent(ledger) + 0.12:.2f}")
        first, again = await _twice(VEO, **asked)
        assert [one.outcomes[0].status for one in (first, again)] == ["completed", "completed"]
    assert spent(ledger) == charged(sandbox) == 0.24


async def test_a_retry_pays_no_more_than_the_ceiling_of_its_run(sandbox: Sandbox, ledger: Ledger) -> None:
    """What the first attempt has paid counts: the rest is dearer by now, and would pass the ceiling."""
    sandbox.add_fault(Fault(on="submit", model=SEEDANCE, status=403, body={"error": {"message": "no", "code": 403}}))
    attempts: list[FanOut] = []

    @flow(retries=1)
    async def nightly() -> None:
        attempts.append(await _fan_out(VEO, SEEDANCE, max_usd=0.6, min_success=1))
        journal = journal_of(ledger)
        listed = (1_000_000, 1_000_000)
        bill = Bill(model=SEEDANCE, amount=2_000_000, listed=listed)
        journal.settle(journal.month, {"other/run": bill})
        raise RuntimeError("something later went wrong")

    with pytest.raises(RequestRefused, match=r"above its ceiling of \$0\.60, of which \$0\.12 is spent"):
        await nightly()
    assert len(attempts) == len(sandbox.charges) == 1


async def test_a_retry_settles_what_its_first_attempt_left_reserved(sandbox: Sandbox, ledger: Ledger) -> None:
    """A job that outlived the first attempt is found by the second one, which holds what was reserved for it."""
    sandbox.add_fault(Fault(on="poll", model=VEO, body={"id": "x", "status": "in_progress"}, times=2))
    attempts: list[FanOut] = []

    @flow(retries=1)
    async def nightly() -> None:
        attempts.append(await _fan_out(VEO, deadline_minutes=0.0001 if not attempts else 1, min_success=0))
        if len(attempts) == 1:
            assert journal_of(ledger).money().reserved() == 120_000
            raise RuntimeError("something later went wrong")

    await nightly()
    assert [attempt.outcomes[0].status for attempt in attempts] == ["open", "completed"]
    assert spent(ledger) == charged(sandbox) == 0.12
    assert journal_of(ledger).money().held == ()


def charged_later(ledger: Ledger, days: int = 2) -> float:
    """What the journal says was spent once a collection of some days later has taken dead runs for dead."""
    settle_left(ledger, datetime.now(UTC) + timedelta(days=days))
    return spent(ledger)


@pytest.mark.parametrize("decision", ["lost", "job", "abandon"])
async def test_what_a_person_settles_is_counted(sandbox: Sandbox, ledger: Ledger, decision: Any) -> None:
    """A job that is given up is billed all the same, as is one that a person has found; what was none is not."""
    if decision == "lost":
        sandbox.add_fault(Fault(on="poll", body={"id": "x", "status": "in_progress"}, times=None))
    else:
        sandbox.add_fault(Fault(on="submit", status=503, accepted=decision == "job"))
    state = await generate_video(PROMPT, VEO, settings=SMALL, deadline_minutes=0.0001, return_state=True)
    assert state.is_failed()
    (key,) = ledger.keys()
    assert (spent(ledger), journal_of(ledger).money().reserved()) == (0, 120_000)
    job_id = sandbox.charges[0].job_id if sandbox.charges else None
    settle_entry(ledger, ledger.entry(key), decision, datetime.now(UTC) + timedelta(hours=1), job_id)
    await collect_videos(wait_minutes=1)
    assert charged_later(ledger) == charged(sandbox) == (0 if decision == "abandon" else 0.12)
    assert journal_of(ledger).money().held == ()


async def test_a_journal_that_goes_away_gets_its_bills_from_a_collection(
    sandbox: Sandbox, ledger: Ledger, caplog: pytest.LogCaptureFixture
) -> None:
    """As the log promises, whose command it names."""
    money, away = (Path(ledger.url.removeprefix("file://")) / name for name in ("_money", "_away"))
    gone: list[bool] = []

    async def take_away(seconds: float) -> None:
        if not gone and money.exists() and ledger.keys():
            gone.append(True)
            money.rename(away)
            money.write_text("in its place")
        await doze(seconds)

    with using_limits(Limits(sleep=take_away)):
        result = await _fan_out(VEO)
    assert (gone, result.outcomes[0].status) == ([True], "completed")
    told = [record.getMessage() for record in caplog.records if "not in the money journal yet" in record.getMessage()]
    assert len(told) == 1
    assert "they come there by: openrouter-video collect" in told[0]
    money.unlink()
    away.rename(money)
    assert spent(ledger) == 0
    await collect_videos()
    assert spent(ledger) == charged(sandbox) == 0.12
    assert journal_of(ledger).money().held == ()


async def test_a_damaged_journal_refuses_no_run_that_pays_nothing(sandbox: Sandbox, ledger: Ledger) -> None:
    """Its videos are there, whoever counts the money."""
    first = await _fan_out(VEO, idempotency_key="orchid")
    ledger.store.write_bytes(f"_money/sandbox/{journal_of(ledger).month}/00000003.json", b"{}")
    again = await _fan_out(VEO, idempotency_key="orchid")
    assert [outcome.url for outcome in again.outcomes] == [outcome.url for outcome in first.outcomes]


async def test_a_job_whose_reservation_was_given_up_is_billed_when_it_is_collected(
    sandbox: Sandbox, ledger: Ledger
) -> None:
    """As by a collection whose clock was a day ahead; once, however often it is collected."""
    sandbox.add_fault(Fault(on="poll", model=VEO, body={"id": "x", "status": "in_progress"}, times=2))
    await generate_video(PROMPT, VEO, settings=SMALL, deadline_minutes=0.0001, return_state=True)
    journal = journal_of(ledger)
    journal.settle(journal.month, {}, list(journal.money().reservations()))
    assert journal_of(ledger).money().reserved() == 0
    await collect_videos(wait_minutes=1)
    await collect_videos()
    assert spent(ledger) == charged(sandbox) == 0.12


async def test_a_bill_above_its_estimate_counts_in_full(
    sandbox: Sandbox, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The next run sees what was billed, and not what was reserved."""
    monkeypatch.setenv(PER_DAY, "0.50")
    paid = {"id": "x", "status": "completed", "usage": {"cost": 0.45}}
    sandbox.add_fault(Fault(on="poll", model=VEO, body=paid, times=1))
    (outcome,) = await generate_video(PROMPT, VEO, settings=SMALL)
    assert (outcome.cost_usd, spent(ledger)) == (0.45, 0.45)
    with pytest.raises(RequestRefused, match=r"\$0\.05 of the cap of \$0\.50 a day are left"):
        await generate_video(PROMPT, VEO, settings=SMALL)
    assert len(sandbox.charges) == 1

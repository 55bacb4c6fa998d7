"""What can go wrong with a submission, through the whole flow: charged at most once, and told what it was.

Of each kind of answer there is one or two here; all that were thought of are in tests/run/test_submission.py.
"""

from __future__ import annotations

import asyncio
import contextlib
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from openrouter_video.cli.ledger import settle_entry
from openrouter_video.errors import RequestRefused
from openrouter_video.ledger.ledger import Ledger
from openrouter_video.sandbox import Fault, Sandbox
from openrouter_video.stores import open_store
from tests.support.grains import in_a_lane, in_both_grains
from tests.support.nobody_there import nobody_there

if TYPE_CHECKING:
    from tests.support.faulty_runs import FaultyRuns

pytestmark = pytest.mark.usefixtures("prefect_server")

KEY = "one-video"


def _envelope(status: int, message: str, metadata: dict[str, Any] | None = None) -> Any:
    return {"error": {"code": status, "message": message, "metadata": metadata}}


# ---- Accepted, but the answer does not say so ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (Fault(on="submit", status=503, accepted=True, times=2), "HTTP 503"),
        (Fault(on="submit", drop="after"), "no complete answer came"),
        (Fault(on="submit", status=202, accepted=True, body='{"id": "gen-v'), "HTTP 202 without a job id"),
    ],
    ids=["503 twice", "dropped", "202 cut in the id"],
)
@in_both_grains
async def test_an_answer_that_proves_nothing_is_never_sent_again(runs: FaultyRuns, fault: Fault, words: str) -> None:
    """One job is charged; the flow's retry and a new run with the key send nothing, and all say what to do."""
    runs.sandbox.add_fault(fault)
    first, retried = await runs.generate_in_retried_flow(idempotency_key=KEY)
    again = await runs.generate(idempotency_key=KEY)
    assert [outcome.reused for outcome in (first, retried, again)] == [False, True, True]
    for outcome in (first, retried, again):
        assert (outcome.status, outcome.job_id, outcome.url) == ("uncertain", None, None)
        assert words in (outcome.error or "")
        assert "A sandbox bills nothing, and it is never sent again" in (outcome.error or "")
        assert f"`openrouter-video ledger settle {outcome.key} --job ID`" in (outcome.error or "")
        assert "`--abandon`" in (outcome.error or "")
    assert (runs.jobs, runs.count("submit")) == (1, 1)
    assert runs.sandbox.charges[0].session_id == first.key


@in_both_grains
async def test_an_uncertain_video_of_a_run_without_a_key_is_found_by_its_retry(runs: FaultyRuns) -> None:
    """The root flow run identifies it: the retry sends nothing, and a new run is a new video."""
    runs.sandbox.add_fault(Fault(on="submit", status=503, accepted=True))
    first, retried = await runs.generate_in_retried_flow()
    assert (first.status, retried.status, retried.reused, retried.key) == ("uncertain", "uncertain", True, first.key)
    collected = await runs.collect_one()
    assert (collected.status, collected.key) == ("uncertain", first.key)
    assert (runs.jobs, runs.count("submit"), runs.files) == (1, 1, [])
    other = await runs.generate()
    assert (other.status, other.key == first.key, runs.jobs) == ("completed", False, 2)


# ---- Accepted, and the answer is late --------------------------------------------------------------------------------


@in_both_grains
async def test_a_run_waits_for_a_late_answer_and_completes(runs: FaultyRuns) -> None:
    """The answer comes after the submit time-out: polled, downloaded and reported as if it had come in time."""
    runs.sandbox.add_fault(Fault(on="submit", delay_seconds=1.5))
    runs.be_impatient(submit=0.3)
    outcome = await runs.generate(idempotency_key=KEY)
    assert (outcome.status, outcome.error, outcome.notes) == ("completed", None, ())
    assert (outcome.job_id, runs.jobs, runs.count("submit")) == (runs.sandbox.charges[0].job_id, 1, 1)


@in_both_grains
async def test_an_answer_after_the_end_of_its_run_is_recorded(runs: FaultyRuns) -> None:
    """The run has said that it does not know; the job is collected all the same."""
    runs.sandbox.add_fault(Fault(on="submit", delay_seconds=4))
    runs.be_impatient(submit=0.3)
    outcome = await runs.generate(idempotency_key=KEY, deadline_minutes=0.001)
    assert (outcome.status, outcome.job_id) == ("uncertain", None)
    assert "no complete answer came: timed out after 0.3 s" in (outcome.error or "")
    assert "it listens for the answer and records it" in (outcome.error or "")
    ledger = Ledger(open_store(str(runs.output)).child("_jobs"))
    async with asyncio.timeout(60):
        while ledger.entry(outcome.key or "").state != "accepted":  # noqa: ASYNC110 (a folder sends no event)
            await asyncio.sleep(0.1)
    collected = await runs.collect_one()
    assert (collected.status, collected.job_id) == ("completed", runs.sandbox.charges[0].job_id)
    assert (runs.jobs, runs.count("submit")) == (1, 1)


# ---- Accepted, and the ledger does not take it -----------------------------------------------------------------------


async def _break_the_ledger(runs: FaultyRuns) -> tuple[Path, Path]:
    """Let the ledger neither take nor tell anything of the key from the POST on."""
    async with asyncio.timeout(60):
        while not runs.jobs:  # noqa: ASYNC110 (the sandbox sends no event)
            await asyncio.sleep(0.01)
    (folder,) = (path for path in (runs.output / "_jobs").iterdir() if path.is_dir() and len(path.name) == 32)
    aside = runs.output / "aside"
    folder.rename(aside)
    folder.write_text("no folder")
    return folder, aside


@pytest.mark.parametrize("mended", ["while it is polled", "never"])
@in_both_grains
async def test_a_job_that_the_ledger_does_not_take_at_once(runs: FaultyRuns, mended: str) -> None:
    """It is recorded at a later poll; or else its id is in the outcome, with the command that records it."""
    runs.sandbox.add_fault(Fault(on="submit", delay_seconds=0.7))
    runs.sandbox.add_fault(Fault(on="poll", status=503, times=None))
    running = asyncio.create_task(runs.generate(idempotency_key=KEY, deadline_minutes=2))
    folder, aside = await _break_the_ledger(runs)

    def mend(waits: int) -> None:
        if mended != "never" and waits == 8:
            folder.unlink()
            aside.rename(folder)

    runs.time.during = mend
    outcome = await running
    assert (outcome.status, outcome.job_id) == ("open", runs.sandbox.charges[0].job_id)
    if mended == "never":
        assert f"job {outcome.job_id} was accepted by a sandbox, but the ledger could not record it" in (
            outcome.error or ""
        )
        assert f"`openrouter-video ledger settle {outcome.key} --job {outcome.job_id}`" in (outcome.error or "")
        assert "collect` finishes it" not in (outcome.error or "")
        folder.unlink()
        aside.rename(folder)
        ledger = Ledger(open_store(str(runs.output)).child("_jobs"))
        settle_entry(ledger, ledger.entry(outcome.key or ""), "job", datetime.now(UTC), outcome.job_id)
    else:
        assert "`openrouter-video collect` finishes it" in (outcome.error or "")
    runs.sandbox.clear_faults()
    collected = await runs.collect_one()
    assert (collected.status, collected.job_id, runs.count("submit")) == ("completed", outcome.job_id, 1)


# ---- Not now, but later ----------------------------------------------------------------------------------------------


def _in_seconds(seconds: int) -> str:
    return format_datetime(datetime.now(UTC) + timedelta(seconds=seconds), usegmt=True)


@pytest.mark.parametrize(
    ("status", "headers", "metadata", "wait"),
    [
        (429, {"Retry-After": "DATE"}, None, 90),
        (402, {}, {"reason": "in_flight_budget_exhausted"}, 1),
    ],
    ids=["429 date", "402 no header"],
)
@in_both_grains
async def test_a_passing_refusal_is_waited_for(
    runs: FaultyRuns, status: int, headers: dict[str, str], metadata: dict[str, Any] | None, wait: float
) -> None:
    """Retry-After is kept, and nobody hammers without one; one job, completed."""
    headers = {name: _in_seconds(90) if value == "DATE" else value for name, value in headers.items()}
    body = _envelope(status, "Not now", metadata)
    runs.sandbox.add_fault(Fault(on="submit", status=status, headers=headers, body=body))
    outcome = await runs.generate(idempotency_key=KEY)
    assert (outcome.status, outcome.error) == ("completed", None)
    assert runs.time.slept[0] == pytest.approx(wait, rel=0.26)
    assert (runs.jobs, runs.count("submit")) == (1, 2)


@pytest.mark.parametrize("retry_after", ["0", "200"])
@in_a_lane
async def test_a_rate_limit_that_outlasts_the_waiting_is_refused(runs: FaultyRuns, retry_after: str) -> None:
    """Nothing is charged after five minutes of it, and not a hundred requests are sent; later the key is as good."""
    headers = {"Retry-After": retry_after}
    runs.sandbox.add_fault(Fault(on="submit", status=429, headers=headers, body=_envelope(429, "Slow"), times=None))
    outcome = await runs.generate(idempotency_key=KEY)
    assert (outcome.status, outcome.job_id) == ("refused", None)
    assert outcome.error == (
        "HTTP 429: Slow. The rate limit lasted longer than the waiting time; run again later with the same key."
    )
    assert sum(runs.time.slept) <= 300
    assert (runs.jobs, runs.count("submit") <= 15) == (0, True)
    runs.sandbox.clear_faults()
    assert (await runs.generate(idempotency_key=KEY)).status == "completed"
    assert runs.jobs == 1


@in_a_lane
async def test_an_uncertain_answer_after_a_rate_limit_is_not_sent_again(runs: FaultyRuns) -> None:
    """Each attempt is judged by its own answer."""
    runs.sandbox.add_fault(Fault(on="submit", status=429, body=_envelope(429, "Slow")))
    runs.sandbox.add_fault(Fault(on="submit", drop="after"))
    for _ in range(2):
        assert (await runs.generate(idempotency_key=KEY)).status == "uncertain"
    assert (runs.jobs, runs.count("submit")) == (1, 2)


# ---- No connection ---------------------------------------------------------------------------------------------------


@in_a_lane
async def test_a_refused_connection_is_tried_again_until_somebody_listens(runs: FaultyRuns) -> None:
    """Nothing was sent, so nothing can be charged; the job is made as soon as the API is back."""
    await runs.know_models(runs.sandbox.base_url)
    port = int(runs.sandbox.base_url.split(":")[2].split("/")[0])
    runs.sandbox.__exit__(None, None, None)
    with contextlib.ExitStack() as stack:

        def come_back(waits: int) -> None:
            if waits == 3:
                runs.use(stack.enter_context(Sandbox(port=port, job_seconds=0)))

        runs.time.during = come_back
        outcome = await runs.generate(idempotency_key=KEY)
        assert (outcome.status, runs.jobs, runs.count("submit")) == ("completed", 1, 1)
    assert runs.time.slept[:3] == pytest.approx([1, 2, 4], rel=0.26)


@pytest.mark.parametrize("failure", ["refused", "self-signed"])
@in_a_lane
async def test_a_connection_that_is_never_made_ends_as_a_refusal(
    runs: FaultyRuns, failure: str, tmp_path: Path
) -> None:
    """After five minutes of attempts nothing is charged, the reason is told, and the same key works later."""
    with nobody_there(failure, tmp_path) as base_url:
        await runs.know_models(base_url)
        runs.use(runs.sandbox, base_url)
        outcome = await runs.generate(idempotency_key=KEY)
    assert (outcome.status, outcome.job_id) == ("refused", None)
    assert f"could not connect to {base_url}: " in (outcome.error or "")
    assert "check the network and the base URL" in (outcome.error or "")
    assert len(runs.time.slept) > 5
    assert 200 <= sum(runs.time.slept) <= 300
    assert runs.jobs == 0
    runs.use(runs.sandbox)
    assert (await runs.generate(idempotency_key=KEY)).status == "completed"
    assert runs.jobs == 1


# ---- Definite refusals -----------------------------------------------------------------------------------------------


@in_both_grains
async def test_a_definite_refusal_charges_nothing_and_frees_the_key(runs: FaultyRuns) -> None:
    """It is told at once in the API's words, with our next step; the same key may be tried again later."""
    runs.sandbox.add_fault(Fault(on="submit", status=402, body=_envelope(402, "Insufficient credits")))
    outcome = await runs.generate(idempotency_key=KEY)
    assert (outcome.status, outcome.job_id, outcome.cost_usd) == ("refused", None, None)
    assert outcome.failure == "spent_budget"
    assert "HTTP 402: Insufficient credits. Nothing was charged. Add credits" in (outcome.error or "")
    assert (runs.jobs, runs.count("submit"), runs.time.slept, runs.files) == (0, 1, [], [])
    again = await runs.generate(idempotency_key=KEY)
    assert (again.status, again.reused, runs.jobs) == ("completed", False, 1)


@in_a_lane
async def test_what_moderation_refused_is_never_sent_again_under_its_key(runs: FaultyRuns) -> None:
    """What asks for something else may be: it is another request."""
    flagged = _envelope(403, "Flagged", {"reasons": ["gore"], "field": "prompt"})
    runs.sandbox.add_fault(Fault(on="submit", status=403, body=flagged))
    told = [await runs.generate(idempotency_key=KEY) for _ in range(2)]
    assert [(one.status, one.failure, one.reused) for one in told] == [("refused", "input_moderation", False)] * 2
    assert "(gore, field prompt). A check refused what was asked" in (told[1].error or "")
    assert (runs.jobs, runs.count("submit")) == (0, 1)
    mended = await runs.generate(idempotency_key=KEY, provider_slugs={"acme/*": "acme"})
    assert (mended.status, runs.jobs) == ("completed", 1)


@in_a_lane
async def test_a_refused_request_may_be_mended_under_its_key(runs: FaultyRuns) -> None:
    """As its advice says; once something is accepted, the key belongs to that request."""
    runs.sandbox.add_fault(Fault(on="submit", status=400, body=_envelope(400, "No such thing")))
    assert "Correct the request" in ((await runs.generate(idempotency_key=KEY)).error or "")
    mended = await runs.generate(idempotency_key=KEY, provider_slugs={"acme/*": "acme"})
    assert (mended.status, runs.jobs) == ("completed", 1)
    with pytest.raises(RequestRefused, match="used for a different request"):
        await runs.generate(idempotency_key=KEY)
    assert runs.jobs == 1


@in_a_lane
async def test_a_wrong_key_is_refused_and_the_right_one_serves_later(runs: FaultyRuns) -> None:
    """The sandbox's own 401, in OpenRouter's words; the key itself is in no message."""
    runs.use_key("sk-or-canary-wrong")
    outcome = await runs.generate(idempotency_key=KEY)
    assert (outcome.status, runs.jobs) == ("refused", 0)
    assert "HTTP 401: User not found." in (outcome.error or "")
    assert "canary" not in (outcome.error or "")
    runs.use(runs.sandbox)
    assert (await runs.generate(idempotency_key=KEY)).status == "completed"
    assert runs.jobs == 1


# ---- Accepted, in an unusual way -------------------------------------------------------------------------------------


@in_both_grains
async def test_an_id_that_was_paid_for_is_never_thrown_away(runs: FaultyRuns) -> None:
    """200 instead of 202: completed, one job."""
    runs.sandbox.add_fault(Fault(on="submit", mangle="status_200", times=None))
    first, retried = await runs.generate_in_retried_flow(idempotency_key=KEY)
    again = await runs.generate(idempotency_key=KEY)
    assert (first.status, retried.status, again.status, again.reused) == (*["completed"] * 3, True)
    assert {first.job_id, retried.job_id, again.job_id} == {runs.sandbox.charges[0].job_id}
    assert (runs.jobs, runs.count("submit"), runs.count("content")) == (1, 1, 1)

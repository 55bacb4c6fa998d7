"""What version 0.1 has written is read by today's code: nothing that was paid for is forgotten by an upgrade.

Version 0.1 wrote these files in sandbox mode: runs of ``fan_out_video``, each with a key of its own, such as
``orchid-open``, and one of ``generate_video``. Only folder and port were changed. Some fields in them are not written
any more. Never write the files anew: a later version gets a folder of its own.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from prefect._internal.result_records import ResultRecord

from openrouter_video.api import Catalog
from openrouter_video.errors import RequestRefused, TooFewVideos
from openrouter_video.ledger import Ledger, read_all, read_open
from openrouter_video.outcome import FanOut, Outcome
from openrouter_video.request import VideoSettings
from openrouter_video.run.limits import using_limits
from openrouter_video.sandbox import Sandbox
from openrouter_video.stores import open_store
from openrouter_video.tasks import RESULT_FORMAT
from openrouter_video.videos import read_sidecar

if TYPE_CHECKING:
    from tests.support.faulty_runs import FaultyRuns

WRITTEN = Path(__file__).parents[1] / "support" / "written_by_0_1"
COMPLETED = "e8c521242cf8223654788770b6b4e0fc"
FAILED = "496d46ee4ba44d3ec6097cec775a567d"
RELEASED = "3f0887f9ce41412288b9b667bf4a9180"
UNCERTAIN = "af4e1c29e58559415a274c9c9ff5104b"
OPEN = {"2327de29e65ed2f0c6d0e46319a17fd6", "c939669f34aa35cf5b1c709b079f7c06"}
A_MOMENT_LATER = 1795644500.0
"""In unix time, when the jobs are done and their videos are still kept."""


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    """The ledger that version 0.1 has left."""
    shutil.copytree(WRITTEN / "jobs", tmp_path / "jobs")
    return Ledger(open_store(str(tmp_path / "jobs")))


def test_each_record_proves_what_it_proved(ledger: Ledger) -> None:
    """Every state, with the claim, the job, the reason and the outcome that belong to it."""
    reading = read_all(ledger)
    assert reading.unreadable == []
    entries = {entry.key: entry for entry in reading.entries}
    states = {COMPLETED: "settled", FAILED: "settled", RELEASED: "free", UNCERTAIN: "uncertain"}
    assert {key: entry.state for key, entry in entries.items()} == states | dict.fromkeys(OPEN, "accepted")
    assert all(entry.claim and entry.claim.key == key and entry.claim.shared for key, entry in entries.items())
    assert all((entries[key].job_id or "").startswith("gen-vid-") for key in (*OPEN, FAILED, COMPLETED))
    assert "HTTP 402" in (entries[RELEASED].reason or "")
    assert "no whole answer came" in (entries[UNCERTAIN].reason or "")
    outcome = entries[COMPLETED].outcome
    assert outcome is not None
    assert (outcome.status, outcome.cost_usd, outcome.left_out[0].key) == ("completed", 0.202, "nothing")


def test_the_marks_of_what_is_open_lead_to_it(ledger: Ledger) -> None:
    """By the marks alone, which a collection looks at on most days; one mark stands for two videos."""
    now = datetime.fromtimestamp(A_MOMENT_LATER, UTC)
    ledger.index.note_listing(now)
    assert sorted(len(mark.keys or ()) for mark in ledger.index.read()) == [1, 2]
    assert {entry.key for entry in read_open(ledger, now).entries} == {UNCERTAIN, *OPEN}


def test_a_sidecar_says_what_its_outcome_says(ledger: Ledger) -> None:
    """Both were written for the same video."""
    sidecar = read_sidecar(open_store(str(WRITTEN)), "sidecar.json")
    outcome = ledger.entry(COMPLETED).outcome
    assert sidecar is not None
    assert outcome is not None
    assert sidecar["asked"]["prompt"] == "A white orchid, 4k"
    assert Outcome.model_validate(sidecar).model_copy(update={"elapsed_seconds": None}) == outcome.model_copy(
        update={"elapsed_seconds": None}
    )


@pytest.mark.parametrize(
    ("file", "kind", "said"),
    [
        ("fan_out", FanOut, "2 of 2 videos, $0.3379"),
        ("too_few_videos", TooFewVideos, "0 of 2 videos; 2 were asked for"),
        ("refused", RequestRefused, "there is no video model 'no/such'; `openrouter-video models` lists them"),
    ],
)
def test_a_persisted_result_comes_back(file: str, kind: type, said: str) -> None:
    """Whole, as the caller of the flow gets it, and with what became of each video."""
    read = RESULT_FORMAT.loads((WRITTEN / "results" / f"{file}.json").read_bytes())
    assert (type(read), str(read)) == (kind, said)
    outcomes = getattr(read, "outcomes", ())
    assert {outcome.status for outcome in outcomes} <= {"completed", "open"}
    assert all(outcome.key and outcome.job_id for outcome in outcomes)


def test_outcomes_and_the_list_of_models_come_back() -> None:
    """What ``generate_video`` returned, and the list of models that Prefect keeps for an hour, in its own record."""
    (outcome,) = RESULT_FORMAT.loads((WRITTEN / "results" / "generated.json").read_bytes())
    assert isinstance(outcome, Outcome)
    assert (outcome.status, outcome.width, outcome.cost_usd) == ("completed", 854, 0.135906)
    record: ResultRecord[Catalog] = ResultRecord.deserialize((WRITTEN / "results" / "catalog.json").read_bytes())
    assert isinstance(record.result, Catalog)
    assert record.result.get("google/veo-3.1-lite") is not None


@pytest.fixture
def left_open(runs: FaultyRuns, tmp_path: Path) -> Iterator[FaultyRuns]:
    """Output and ledger of version 0.1, and its sandbox with what that has charged, in other places."""
    state = shutil.copy(WRITTEN / "sandbox.json", tmp_path / "sandbox.json")
    with Sandbox(job_seconds=0, state=state, clock=lambda: A_MOMENT_LATER) as sandbox:
        for file in (WRITTEN / "jobs").rglob("*.json"):
            text = file.read_text().replace("http://127.0.0.1:4210/api/v1", sandbox.base_url)
            target = runs.output / "_jobs" / file.relative_to(WRITTEN / "jobs")
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(text.replace("/srv/videos", str(runs.output)))
        runs.use(sandbox)
        yield runs


async def test_a_collection_finishes_what_version_0_1_has_left_open(left_open: FaultyRuns) -> None:
    """Both videos are there under the names that their claims gave them, with sidecars; nothing is charged again."""
    charged = left_open.jobs
    outcomes = {outcome.key: outcome for outcome in await left_open.collect()}
    assert {key for key, outcome in outcomes.items() if outcome.status == "completed"} == OPEN
    assert left_open.files == sorted(
        f"{model}.{suffix}"
        for model in ("bytedance--seedance-2.0-mini", "x-ai--grok-imagine-video")
        for suffix in ("jpg", "json", "mp4")
    )
    sidecars = [json.loads(file.read_text()) for file in left_open.output.glob("a-white-orchid-*/*.json")]
    assert {sidecar["key"] for sidecar in sidecars} == OPEN
    assert left_open.jobs == charged


@pytest.mark.parametrize(
    ("key", "status"), [("orchid-uncertain", "uncertain"), ("orchid-failed", "failed"), ("orchid-open", "completed")]
)
async def test_the_same_key_is_not_paid_for_again_after_an_upgrade(
    left_open: FaultyRuns, key: str, status: str
) -> None:
    """The ledger key, the request as asked and the realm of a sandbox are what they were."""
    from flows import fan_out_video  # noqa: PLC0415 (only the tests of flows pay for Prefect)

    charged = left_open.jobs
    models = ["bytedance/seedance-2.0-mini", *(["x-ai/grok-imagine-video"] if key == "orchid-open" else [])]
    with using_limits(left_open.limits):
        run = await fan_out_video(
            "A white orchid",
            models,
            settings=VideoSettings(duration=4, resolution="480p"),
            idempotency_key=key,
            min_success=0,
        )
    assert {(outcome.status, outcome.reused) for outcome in run.outcomes} == {(status, True)}
    assert {(one.prompt, one.made_at is None) for one in run.outcomes} == {("A white orchid", status == "uncertain")}
    assert (run.cost_usd, run.reused_cost_usd) == (0.0, {"orchid-open": 0.335906}.get(key))
    assert left_open.jobs == charged

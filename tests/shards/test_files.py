"""The files of a batch in shards: what they say comes back whole, and no secret can be read in them."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest
from pydantic import SecretStr

from openrouter_video.errors import ConfigurationError, LedgerError, Problem
from openrouter_video.ledger.records import scope_of_row
from openrouter_video.money import Estimate
from openrouter_video.outcome import Batch, LeftOut, Outcome
from openrouter_video.planning.plan import ModelPlan
from openrouter_video.request.run_request import parse_run_request
from openrouter_video.run.bills import RunReservation
from openrouter_video.run.planned_video import PlannedVideo
from openrouter_video.shards.files import ShardFiles, batches_in_shards, drop_shards
from openrouter_video.shards.records import BegunBatch, ShardReport, ShardWork, as_json, characters_of
from openrouter_video.shards.sealing import seal, unseal
from openrouter_video.stores.opening import open_store

KEY, RUN = SecretStr("sk-or-v1-of-a-test"), "0198f7a0-0000-7000-8000-00000000000a"
IMAGE = f"data:image/png;base64,{'QUJD' * 40}"
SIGNED = "https://bucket.example/clip.mp4?X-Amz-Signature=abcdef&X-Amz-Expires=60"

ASKED = parse_run_request(
    prompt="A white orchid",
    models=["a/b"],
    settings={"first_frame": "orchid.png", "last_frame": SIGNED, "duration": 4},
    provider_options={"a": {"seed": 3}},
    labels={"team": "film"},
    assumed_usd={"a/*": 1.5},
    deadline_minutes=3,
)
PLAN = ModelPlan(
    model="a/b",
    decision="send",
    body={"prompt": "A white orchid", "frame_images": [IMAGE, SIGNED, IMAGE], "\0sealed": 1},
    slug="a",
    left_out=(LeftOut(key="k", reason="unknown"),),
    estimate=Estimate(low=1, high=2),
)
REFUSED = ModelPlan(model="a/b", decision="refuse", problems=(Problem("prompt", "too long", "a/b"),))
SCOPE = scope_of_row("orchids", "white", ASKED.request.asked())
VIDEOS = tuple(
    PlannedVideo(plan, take, ASKED, SCOPE, f"orchids/{take}.mp4", "orchids", 2, "white")
    for take, plan in enumerate((PLAN, REFUSED), start=1)
)
RESERVED = RunReservation("2026-11", "0123456789ab", frozenset({VIDEOS[0].key}))
WORK = ShardWork(RUN, "orchids", 5, 2, 3, VIDEOS, RESERVED, 2, {"a": 1}, "batch-videos", sandbox=True)
BATCH = BegunBatch(
    report=Batch(status="failed", asked={"batch": "orchids"}, batch="orchids", rows_in_table=2, problems=("a note",)),
    wanted=2,
    videos=VIDEOS,
    known=frozenset({VIDEOS[1].key}),
    carried={VIDEOS[0].key: {"shop": "north", "page": f"see {SIGNED}"}},
    reserved=RESERVED,
    began=datetime(2026, 11, 26, 9, tzinfo=UTC),
    shards=3,
)
REPORT = ShardReport((Outcome(model="a/b", status="completed", cost_usd=0.4, key=VIDEOS[0].key),))


@pytest.fixture
def files(tmp_path: Path) -> ShardFiles:
    """Those of one batch."""
    return ShardFiles(open_store(str(tmp_path)), RUN, KEY)


def test_what_is_written_comes_back(files: ShardFiles, tmp_path: Path) -> None:
    """A batch, what a shard is to do, and what it did; until all of it is removed."""
    assert (files.batch(), files.work(5), files.report(5), files.told()) == (None, None, None, frozenset())
    files.keep_batch(BATCH)
    files.keep_work(WORK)
    files.keep_report(12, REPORT)
    assert (files.batch(), files.work(5), files.report(12)) == (BATCH, WORK, REPORT)
    assert WORK.others == range(4, 7)
    files.keep_batch(BATCH._replace(portions=1))
    assert files.batch() == BATCH._replace(portions=1)
    assert files.told() == {12}
    assert batches_in_shards(open_store(str(tmp_path))) == [RUN]
    drop_shards(open_store(str(tmp_path)), RUN)
    assert batches_in_shards(open_store(str(tmp_path))) == []
    assert (files.batch(), files.work(5), files.report(12), files.told()) == (None, None, None, frozenset())


def test_no_secret_can_be_read_in_them(files: ShardFiles, tmp_path: Path) -> None:
    """Neither an image nor the query of a URL, nor the key; whoever has another key is told so."""
    files.keep_batch(BATCH)
    files.keep_work(WORK)
    written = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert sorted(path.relative_to(tmp_path).as_posix() for path in written) == [
        f"_shards/{RUN}/5.json",
        f"_shards/{RUN}/batch.json",
    ]
    for path in written:
        text = path.read_text()
        assert "A white orchid" in text
        assert not [secret for secret in ("QUJD", "abcdef", "sk-or", "of-a-test") if secret in text]
    with pytest.raises(ConfigurationError, match="another one"):
        ShardFiles(open_store(str(tmp_path)), RUN, SecretStr("another")).work(5)


def test_what_is_sealed_is_sealed_once() -> None:
    """However often it stands in a document, and names of fields as well."""
    value = {SIGNED: [IMAGE, IMAGE, {"n": 1, "none": None, "yes": True, "f": 1.5}], "plain": "text"}
    data = seal(value, KEY)
    assert unseal(data, KEY) == value
    assert len(seal({"a": IMAGE}, KEY)) + 200 > len(seal({"a": IMAGE, "b": IMAGE}, KEY))
    with pytest.raises(ConfigurationError, match="another one"):
        unseal(seal({"plain": "text"}, KEY), SecretStr("another, with another budget"))
    assert unseal(b'{"content": {"plain": "text"}, "sealed": null}', KEY) == {"plain": "text"}


@pytest.mark.parametrize("damage", ["", "[]", "{", '{"content": {"run_id": 1}}', '{"content": {}, "sealed": null}'])
def test_a_damaged_file_is_told(files: ShardFiles, tmp_path: Path, damage: str) -> None:
    """By its name, and without what is in it."""
    files.keep_work(WORK)
    (tmp_path / "_shards" / RUN / "5.json").write_text(damage)
    with pytest.raises(LedgerError, match=r"5\.json of the shards at .* is not what was written there; .* remove that"):
        files.work(5)
    (tmp_path / "_shards" / RUN / "5.done.json").write_text(damage)
    assert files.told() == {5}
    assert files.report(5) is None


def test_the_same_image_counts_once() -> None:
    """As it is kept once."""
    assert characters_of(VIDEOS) == len("A white orchid") + len(IMAGE) + len(SIGNED)


def test_only_flow_runs_have_shards(tmp_path: Path) -> None:
    """The id becomes a path."""
    with pytest.raises(ConfigurationError, match="is not the id of a flow run"):
        ShardFiles(open_store(str(tmp_path)), "../../elsewhere", KEY)


def test_a_record_of_an_earlier_version_is_read(files: ShardFiles, tmp_path: Path) -> None:
    """Named tuples are written by the names of their fields, so that later ones can have more."""
    told = as_json(WORK._replace(base_url="https://a.example", per_provider=None))
    assert told["reserved"] == {"month": "2026-11", "run": "0123456789ab", "keys": [VIDEOS[0].key]}
    for later in ("base_url", "waits_suspended", "per_provider"):
        del told[later]
    del told["videos"][0]["asked"]["wait"], told["videos"][0]["row_id"]
    files.keep_work(WORK)
    (tmp_path / "_shards" / RUN / "5.json").write_bytes(seal(told, KEY))
    first = VIDEOS[0]._replace(row_id=None)
    assert files.work(5) == WORK._replace(per_provider=None, videos=(first, *VIDEOS[1:]))

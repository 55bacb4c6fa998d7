"""Results survive Prefect's storage whole, as JSON, and nothing is ever pickled."""

from __future__ import annotations

import json

import pytest
from prefect._internal.result_records import ResultRecord, ResultRecordMetadata

from openrouter_video.api.catalog import Catalog, VideoModel
from openrouter_video.api.endpoints import Endpoint, Latency, ModelEndpoints
from openrouter_video.errors import ConfigurationError, Problem, RequestRefused, TooFewVideos
from openrouter_video.outcome import Batch, Chain, FanOut, LeftOut, Outcome
from openrouter_video.tasks import RESULT_FORMAT

OUTCOME = Outcome(model="m", status="open", key="k", left_out=(LeftOut(key="o", reason="r", suggestion="s"),))


@pytest.mark.parametrize(
    "value",
    [
        OUTCOME,
        [OUTCOME, OUTCOME],
        FanOut(status="partial", asked={"prompt": "p"}, outcomes=(OUTCOME,), cost_usd=1.2),
        Chain(status="completed", asked={}, outcomes=(OUTCOME,), continued_by="last_frame", chain_url="file:///c.mp4"),
        Batch(status="partial", asked={}, outcomes=(OUTCOME,), batch="spring", rows_in_table=3, rows_new=1),
        Catalog(models=(VideoModel(id="a/b", supported_durations=(4,)),)),
        [ModelEndpoints(model="a/b", endpoints=(Endpoint(slug="a", latency=Latency(p50=41.5)),), unknown=None)],
        {"plain": [1, None]},
    ],
    ids=lambda value: type(value).__name__,
)
def test_values_come_back_equal(value: object) -> None:
    """As Prefect writes and reads them."""
    assert RESULT_FORMAT.loads(RESULT_FORMAT.dumps(value)) == value


@pytest.mark.parametrize(
    "error",
    [
        TooFewVideos([OUTCOME], 1),
        RequestRefused([Problem("duration", "too long", "m")]),
        ConfigurationError("no key"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_errors_come_back_with_what_they_carry(error: Exception) -> None:
    """Prefect's own format would keep the message only."""
    read = RESULT_FORMAT.loads(RESULT_FORMAT.dumps(error))
    assert (type(read), str(read), vars(read)) == (type(error), str(error), vars(error))


def test_a_foreign_error_comes_back_by_name() -> None:
    """It is not ours to rebuild, but what it said is kept."""
    read = RESULT_FORMAT.loads(RESULT_FORMAT.dumps(KeyError("x")))
    assert isinstance(read, RuntimeError)
    assert str(read) == "KeyError: 'x'"


def test_other_values_are_no_results() -> None:
    """A client or a block must not end up in a file."""
    with pytest.raises(TypeError, match="is not a result of this package"):
        RESULT_FORMAT.dumps(object())


def test_a_record_names_no_pickle() -> None:
    """The serializer that Prefect reads from the file is this one."""
    record: ResultRecord[Outcome] = ResultRecord(
        result=OUTCOME, metadata=ResultRecordMetadata(serializer=RESULT_FORMAT, storage_key="k")
    )
    assert json.loads(record.serialize())["metadata"]["serializer"]["type"] == "json"

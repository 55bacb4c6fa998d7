"""What a refusal or a failure of one video means for the others, and which of them are made once more."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from flows import batch_videos, fan_out_video, generate_video
from openrouter_video.errors import RequestRefused, TooFewVideos
from openrouter_video.ledger import Journal, Ledger
from openrouter_video.outcome import Batch, Outcome
from openrouter_video.request.settings import VideoSettings
from openrouter_video.run.limits import Limits, using_limits
from openrouter_video.sandbox import Fault, Sandbox
from openrouter_video.stores import open_store
from tests.support.waits import doze

pytestmark = pytest.mark.usefixtures("prefect_server", "short_waits")

PROMPT = "A white orchid blooming"
VEO, SEEDANCE = "google/veo-3.1-lite", "bytedance/seedance-2.0-mini"
SMALL = VideoSettings(duration=4, resolution="720p", aspect_ratio="16:9", generate_audio=False)
SPENT = {
    "error": {
        "code": 403,
        "message": "Key limit exceeded (daily limit)",
        "metadata": {
            "limit_source": "openrouter_key_limit",
            "scope": "key_limit",
            "limit_usd": 5,
            "spend_usd": 5.02,
            "resets_at": "2026-12-01T00:00:00Z",
        },
    }
}
WORDS = (
    "HTTP 403: Key limit exceeded (daily limit) (the key's own limit is spent: $5.02 of $5.00, scope key_limit, "
    "it works again from 2026-12-01 00:00 UTC)"
)
WITHHELD = Fault(on="submit", failure="output_moderation", times=2)


class Died(BaseException):
    """What ends a process in the middle."""


@pytest.fixture
def ledger(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Ledger:
    """A ledger of its own, which all runs of a test use."""
    folder = str(tmp_path / "ledger")
    monkeypatch.setenv("OPENROUTER_VIDEO_LEDGER", folder)
    return Ledger(open_store(folder))


def posts(sandbox: Sandbox) -> int:
    """How many submissions the sandbox has seen."""
    return sum(seen.kind == "submit" for seen in sandbox.requests)


def held(ledger: Ledger) -> int:
    """How many micro-dollars are reserved by now."""
    return Journal(ledger.store, sandbox=True).money().reserved()


def told(outcomes: Any) -> list[tuple[str, str | None]]:
    """How each video ended."""
    return [(outcome.status, outcome.failure) for outcome in outcomes]


async def test_a_budget_that_is_spent_in_the_middle_of_a_fan_out(sandbox: Sandbox, ledger: Ledger) -> None:
    """Nothing more is sent, it is said once, nothing stays reserved, and the next run sends the rest."""
    sandbox.add_fault(Fault(on="submit", status=403, body=SPENT, after=1))
    asked: dict[str, Any] = {"settings": SMALL, "takes": 2, "concurrency": 1, "idempotency_key": "k"}
    state = await fan_out_video(PROMPT, [VEO, SEEDANCE], **asked, min_success=1, return_state=True)
    result = await state.aresult()
    assert told(result.outcomes) == [("completed", None), *[("refused", "spent_budget")] * 3]
    assert posts(sandbox) == 2
    once = f"3 of 4 videos not made: {WORDS}. Nothing was charged."
    assert [problem.startswith(once) for problem in result.problems] == [True]
    assert (state.message or "").count("the key's own limit is spent") == 1
    assert "3 refused (spent budget)" in (state.message or "")
    unsent = [outcome.error for outcome in result.outcomes[2:]]
    assert unsent == [f"not sent, since another video of this run was refused: {WORDS}"] * 2
    assert held(ledger) == 0
    again = await fan_out_video(PROMPT, [VEO, SEEDANCE], **asked)
    assert told(again.outcomes) == [("completed", None)] * 4
    assert (posts(sandbox), len(sandbox.charges), again.problems) == (5, 4, ())
    assert len({charge.session_id for charge in sandbox.charges}) == 4


async def test_a_budget_that_is_spent_in_the_middle_of_a_batch(sandbox: Sandbox, ledger: Ledger) -> None:
    """In a lane, and in the portions that come after it."""
    sandbox.add_fault(Fault(on="submit", refusal="weight_exceeds_budget", after=1))
    rows = [{"prompt": f"Orchid {number}"} for number in range(5)]
    asked: dict[str, Any] = {"rows": rows, "models": [VEO], "settings": SMALL, "batch": "orchids", "concurrency": 1}
    with using_limits(Limits(sleep=doze, lanes=1, portion=2)):
        result: Batch = await batch_videos(**asked, min_success=1)
        assert told(result.outcomes) == [("completed", None), *[("refused", "spent_budget")] * 4]
        assert (posts(sandbox), held(ledger)) == (2, 0)
        assert [problem.startswith("4 of 5 videos not made: HTTP 402") for problem in result.problems] == [True]
        again: Batch = await batch_videos(**asked)
    assert told(again.outcomes) == [("completed", None)] * 5
    assert (posts(sandbox), len(sandbox.charges), held(ledger)) == (6, 5, 0)


async def test_two_extra_takes_with_a_crash_between_them(sandbox: Sandbox, ledger: Ledger) -> None:
    """Priced and reserved with the rest, found again by the run that begins anew, and paid once each."""
    sandbox.add_fault(WITHHELD)
    asked: dict[str, Any] = {"settings": SMALL, "idempotency_key": "k", "extra_takes_on_output_moderation": 2}

    async def die(seconds: float) -> None:
        if len(sandbox.charges) == 2:
            raise Died
        await doze(seconds)

    with using_limits(Limits(sleep=die)), pytest.raises(BaseExceptionGroup):
        await generate_video(PROMPT, VEO, **asked)
    assert (posts(sandbox), held(ledger)) == (2, 3 * 120_000)
    state = await generate_video(PROMPT, VEO, **asked, return_state=True)
    outcomes: list[Outcome] = await state.aresult()
    assert told(outcomes) == [*[("failed", "output_moderation")] * 2, ("completed", None)]
    assert [(outcome.take, outcome.instead_of, outcome.reused) for outcome in outcomes] == [
        (1, None, True),
        (2, 1, True),
        (3, 1, False),
    ]
    assert (posts(sandbox), len({charge.session_id for charge in sandbox.charges})) == (3, 3)
    # What the run that died had reserved for its last take is held until a run finds that video, or its time is over.
    assert (state.name, held(ledger)) == ("Completed", 120_000)
    assert (state.message or "").startswith("1 of 1 video, sandbox $0.12, 2 failed (output moderation), 2 extra takes")
    # What is known costs nothing any more, and no ceiling stands in the way of finding it.
    found = await generate_video(PROMPT, VEO, **asked, max_usd=0.01)
    assert [outcome.key for outcome in found] == [outcome.key for outcome in outcomes]
    assert (posts(sandbox), held(ledger)) == (3, 0)


async def test_no_extra_take_is_made_of_anything_else(sandbox: Sandbox, ledger: Ledger) -> None:
    """Not of what was refused as an input, and not above a ceiling; of takes, each has its own."""
    asked: dict[str, Any] = {"settings": SMALL, "extra_takes_on_output_moderation": 1}
    with pytest.raises(RequestRefused, match=r"may cost up to \$0\.24, above its ceiling of \$0\.20"):
        await generate_video(PROMPT, VEO, **asked, max_usd=0.2)
    sandbox.add_fault(Fault(on="submit", failure="input_moderation"))
    with pytest.raises(TooFewVideos) as few:
        await generate_video(PROMPT, VEO, **asked)
    assert told(few.value.outcomes) == [("failed", "input_moderation")]
    assert (posts(sandbox), held(ledger)) == (1, 0)
    sandbox.add_fault(WITHHELD)
    rows = [{"prompt": "An orchid", "id": "white", "takes": 2, "brief": 7}]
    with using_limits(Limits(sleep=doze, lanes=1)):
        result: Batch = await batch_videos(rows=rows, models=[VEO], batch="b", **asked)
    assert told(result.outcomes) == [("failed", "output_moderation"), ("completed", None)] * 2
    assert [(one.take, one.instead_of, one.row_id) for one in result.outcomes] == [
        (1, None, "white"),
        (3, 1, "white"),
        (2, None, "white"),
        (4, 2, "white"),
    ]
    assert (result.status, posts(sandbox), held(ledger)) == ("completed", 5, 0)
    assert result.estimate is not None
    assert (result.estimate.low, result.estimate.high) == (240_000, 480_000)

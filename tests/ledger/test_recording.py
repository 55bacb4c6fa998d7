"""What answers prove, into the ledger: at once, later, or at least said."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from openrouter_video.api.answers import SubmitAnswer
from openrouter_video.ledger.ledger import Ledger
from openrouter_video.ledger.recording import Recorder
from openrouter_video.stores import open_store

KEY, OTHER = "0123456789abcdef0123456789abcdef", "f" * 32
JOB = SubmitAnswer("accepted", job_id="gen-vid-1")


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    """An empty ledger on the local disk."""
    return Ledger(open_store(str(tmp_path / "jobs")))


@pytest.fixture
def broken(tmp_path: Path) -> Callable[[], None]:
    """The ledger takes nothing for the key, until this is called."""
    place = tmp_path / "jobs" / KEY
    place.parent.mkdir()
    place.write_text("no folder")
    return place.unlink


@pytest.mark.parametrize(
    ("answer", "state"),
    [
        (JOB, "accepted"),
        (SubmitAnswer("uncertain", "HTTP 503"), "uncertain"),
        (SubmitAnswer("again", "HTTP 429"), "free"),
        (SubmitAnswer("refused", "HTTP 400"), "free"),
    ],
)
def test_what_is_held_is_recorded_in_the_end(
    ledger: Ledger, broken: Callable[[], None], answer: SubmitAnswer, state: str
) -> None:
    """Each kind of proof; and nothing is held after that."""
    recorder = Recorder(ledger)
    assert not recorder.keep(KEY, 1, answer)
    assert recorder.keep(OTHER, 1, answer)
    left = recorder.keep_left(KEY)
    assert left == recorder.left(KEY)
    assert left is not None
    assert (left.answer, recorder.left(OTHER)) == (answer, None)
    broken()
    assert recorder.keep_left(KEY) is None is recorder.left(KEY)
    assert ledger.entry(KEY).state == ledger.entry(OTHER).state == state


@pytest.mark.usefixtures("broken")
def test_a_job_is_told_before_all_else(ledger: Ledger) -> None:
    """Of several attempts under a key."""
    recorder = Recorder(ledger)
    recorder.keep(KEY, 1, SubmitAnswer("again", "HTTP 429"))
    recorder.keep(KEY, 2, JOB)
    left = recorder.left(KEY)
    assert left is not None
    assert left.answer == JOB


def test_a_late_job_is_insisted_on(
    ledger: Ledger, broken: Callable[[], None], caplog: pytest.LogCaptureFixture
) -> None:
    """Nobody waits for it: it is recorded when the ledger is well again, and nothing is said."""
    pauses: list[float] = []

    def pause(seconds: float) -> None:
        pauses.append(seconds)
        if len(pauses) == 3:
            broken()

    recorder = Recorder(ledger, pause=pause)
    recorder.keep(KEY, 1, JOB)
    recorder.keep_late(KEY, 1, JOB)
    assert (ledger.entry(KEY).job_id, len(pauses), caplog.messages) == ("gen-vid-1", 3, [])


@pytest.mark.usefixtures("broken")
def test_a_late_job_that_is_never_recorded_is_said(ledger: Ledger, caplog: pytest.LogCaptureFixture) -> None:
    """With its id, and the command that records it."""
    recorder = Recorder(ledger, pause=lambda _: None)
    recorder.keep(KEY, 1, JOB)
    recorder.keep_late(KEY, 1, JOB)
    (said,) = caplog.messages
    assert said.startswith("job gen-vid-1 is billed, but the ledger could not record it (the ledger at ")
    assert said.endswith(f"record it with `openrouter-video ledger settle {KEY} --job gen-vid-1`")

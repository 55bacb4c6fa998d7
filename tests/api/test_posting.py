"""One POST: what is said of it without an answer, and a process that does not end before it."""

from __future__ import annotations

import subprocess
import sys

import pytest

from openrouter_video.api import posting
from openrouter_video.api.posting import CHUNK_BYTES, Posting, UploadTooSlowError
from openrouter_video.ledger.ledger import Ledger
from openrouter_video.sandbox import Fault, Sandbox
from openrouter_video.stores import open_store


@pytest.mark.parametrize(
    ("chunks", "words"),
    [
        (0, "nothing of the request's body had been sent: timed out"),
        (1, "nothing of the request's body had been sent: timed out"),
        (2, "0.1 of 0.2 MB of the request had been sent: timed out"),
        (3, "0.1 of 0.2 MB of the request had been sent: timed out"),
        (4, "the request was sent, but no complete answer came: timed out"),
    ],
)
def test_how_much_of_a_request_has_gone(chunks: int, words: str) -> None:
    """A chunk has gone when the next one is asked for; "sent" is said of the whole only."""
    one = Posting(b"x" * (2 * CHUNK_BYTES + 20_000))
    pieces = one.chunks()
    for _ in range(chunks):
        next(pieces, None)
    assert one.unanswered("timed out").reason == words
    assert one.unanswered("timed out").proof == "uncertain"


def test_an_upload_that_takes_too_long_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    """Or it would be accepted when others take its claim as over."""
    one = Posting(b"x" * CHUNK_BYTES * 3)
    pieces = one.chunks()
    next(pieces)
    monkeypatch.setattr(posting, "SEND_SECONDS", -1.0)
    with pytest.raises(UploadTooSlowError):
        next(pieces)


LATE = """if True:
    import sys
    from openrouter_video.api.client import Timeouts, VideoClient

    client = VideoClient(sys.argv[2], sys.argv[1], timeouts=Timeouts(submit=0.3))
    body = b'{"model": "x-ai/grok-imagine-video", "prompt": "A flower", "duration": 1, "resolution": "480p"}'
    answer = client.submit(body, "session", late=lambda late: print(late.proof, late.job_id, flush=True))
    print(answer.pending, flush=True)
    if sys.argv[3] == "asked to end":
        client.end_within(0)
"""


@pytest.mark.parametrize("how", ["by itself", "asked to end"])
def test_a_process_ends_after_a_late_answer(how: str) -> None:
    """Unless it was asked to end."""
    with Sandbox(faults=[Fault(on="submit", delay_seconds=4)]) as sandbox:
        words = [sys.executable, "-c", LATE, sandbox.base_url, sandbox.api_key, how]
        done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=60)
        (charge,) = sandbox.charges
    late = f"accepted {charge.job_id}\n" if how == "by itself" else ""
    assert (done.returncode, done.stdout, done.stderr) == (0, f"True\n{late}", "")


LATE_TO_S3 = """if True:
    import sys
    from openrouter_video.api.client import Timeouts, VideoClient
    from openrouter_video.ledger.ledger import Ledger
    from openrouter_video.stores import open_store

    client = VideoClient(sys.argv[2], sys.argv[1], timeouts=Timeouts(submit=0.3))
    ledger = Ledger(open_store(sys.argv[3]))
    # As before each POST. From Python 3.12 on no thread begins at the end of a process: the driver needs its first now.
    ledger.check_reachable()
    body = b'{"model": "x-ai/grok-imagine-video", "prompt": "A flower", "duration": 1, "resolution": "480p"}'
    client.submit(body, "session", late=lambda late: ledger.keep_job("a" * 32, 1, late.job_id))
"""


def test_a_late_answer_is_recorded_in_an_object_store_at_the_end_of_the_process(s3_store_url: str) -> None:
    """Its driver needs a pool of threads, and Python closes those before ``atexit``."""
    with Sandbox(faults=[Fault(on="submit", delay_seconds=4)]) as sandbox:
        words = [sys.executable, "-c", LATE_TO_S3, sandbox.base_url, sandbox.api_key, s3_store_url]
        done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=60)
        (charge,) = sandbox.charges
    assert (done.returncode, done.stderr) == (0, "")
    assert Ledger(open_store(s3_store_url)).entry("a" * 32).job_id == charge.job_id

"""``ledger settle --look`` against a sandbox's account: what is found, what is not, and what is said."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from openrouter_video.cli import main
from openrouter_video.ledger.ledger import Ledger
from openrouter_video.run import account_search
from openrouter_video.sandbox import Fault, Sandbox
from openrouter_video.stores import open_store
from tests.support.claims import claim_on

MODEL = "x-ai/grok-imagine-video"
A, B, C = (digit * 32 for digit in "abc")
BODY: dict[str, Any] = {"model": MODEL, "prompt": "A white orchid", "duration": 1, "resolution": "480p"}


@pytest.fixture
def sandbox(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> Sandbox:
    """The environment's API, with the management key of its account."""
    monkeypatch.setenv("OPENROUTER_MANAGEMENT_KEY", sandbox.management_key)
    return sandbox


@pytest.fixture
def ledger(sandbox: Sandbox, tmp_path: Path) -> Ledger:
    """The ledger of the environment's output."""
    return Ledger(open_store(str(tmp_path / "videos" / "_jobs")))


@pytest.fixture
def look(capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str]]:
    """Look, and return the exit code and what was said; no key is ever in it."""

    def run(*words: str) -> tuple[int, str]:
        capsys.readouterr()
        code = main(["ledger", "settle", "--look", *words])
        said = " ".join("".join(capsys.readouterr()).split())
        assert "sandbox-key" not in said
        assert "sandbox-management-key" not in said
        return code, said

    return run


def doubt(
    ledger: Ledger, key: str, base_url: str, *, begun: timedelta = timedelta(minutes=20), attempt: int = 1
) -> None:
    """Leave a submission of which nobody knows whether it was accepted."""
    claim = claim_on(
        key,
        at=(datetime.now(UTC) - begun).isoformat(),
        model=MODEL,
        asked={"prompt": "A white orchid"},
        sent=BODY,
        base_url=base_url,
        output=str(ledger.url).removesuffix("/_jobs"),
        path="a/b.mp4",
    )
    assert ledger.claim(attempt, claim)
    ledger.doubt(key, attempt, "HTTP 503")


def submit(sandbox: Sandbox, session_id: str, **changes: Any) -> str:
    """Have a job in the account; its id."""
    body = json.dumps({**BODY, **changes}).encode()
    headers = {"Authorization": f"Bearer {sandbox.api_key}", "x-session-id": session_id}
    answer = httpx.post(f"{sandbox.base_url}/videos", content=body, headers=headers, trust_env=False)
    job_id: str = answer.raise_for_status().json()["id"]
    # Before its end the account tells nothing of it.
    sandbox.finish(job_id)
    return job_id


def test_a_job_is_found_by_its_session(
    sandbox: Sandbox, ledger: Ledger, look: Callable[..., tuple[int, str]], tmp_path: Path
) -> None:
    """Among others of that time, and recorded with its evidence; then it is accepted, and over for a second look."""
    doubt(ledger, A, sandbox.base_url)
    submit(sandbox, B)
    job_id = submit(sandbox, A)
    code, said = look(A[:8])
    assert (code, f"{A}: job {job_id} is recorded" in said, f"generation {job_id} of 20" in said) == (0, True, True)
    entry = ledger.entry(A)
    assert (entry.state, entry.job_id) == ("accepted", job_id)
    record = json.loads((tmp_path / "videos" / "_jobs" / A / "job-1.json").read_text())
    assert record["by"] == "person"
    assert f"generation {job_id} of 20" in record["evidence"]
    assert record["evidence"].endswith("has this session")
    code, said = look(A)
    assert (code, f"job {job_id} was accepted" in said) == (2, True)
    assert {seen.path for seen in sandbox.requests if seen.kind == "analytics"} == {"/api/v1/analytics/query"}


def test_two_jobs_of_one_session_are_both_told(
    sandbox: Sandbox, ledger: Ledger, look: Callable[..., tuple[int, str]]
) -> None:
    """What was given up wrongly and sent again was paid twice: none of the two is taken for the only one."""
    doubt(ledger, A, sandbox.base_url)
    ledger.release(A, 1, "abandoned by a person", by_person=True)
    doubt(ledger, A, sandbox.base_url, attempt=2)
    jobs = [submit(sandbox, A), submit(sandbox, A)]
    code, said = look(A)
    assert (code, "still uncertain: 2 generations have this session" in said, ledger.entry(A).state) == (
        1,
        True,
        "uncertain",
    )
    assert all(job in said for job in jobs)


def test_all_uncertain_ones_are_looked_for(
    sandbox: Sandbox, ledger: Ledger, look: Callable[..., tuple[int, str]]
) -> None:
    """What may be in flight is not, and each generation is asked for once; what is not found stays uncertain."""
    for key, begun in ((A, 20), (B, 21), (C, 1)):
        doubt(ledger, key, sandbox.base_url, begun=timedelta(minutes=begun))
    (Path(ledger.url.removeprefix("file://")) / C / "uncertain-1.json").unlink()
    submit(sandbox, "somebody else's")
    job_id = submit(sandbox, A)
    code, said = look()
    assert code == 1
    assert f"{A}: job {job_id} is recorded" in said
    assert f"{B}: still uncertain: the account lists 2 generations of {MODEL} from " in said
    assert "none of the 2 that were looked at is one with this session; that proves nothing" in said
    assert "1 found, 1 not" in said
    assert [ledger.entry(key).state for key in (A, B, C)] == ["accepted", "uncertain", "claimed"]
    assert sum(seen.kind == "generation" for seen in sandbox.requests) == 2
    assert len(sandbox.charges) == 2
    assert look()[0] == 1


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (Fault(on="analytics", mangle="no_rows", times=None), "the account lists 0 generations of videos"),
        (Fault(on="generation", status=404, times=None), "1 of which could not be read"),
        (Fault(on="analytics", status=401), "HTTP 401: the management key is not accepted"),
        (Fault(on="analytics", status=403), "HTTP 403: it is not a management key"),
        (Fault(on="analytics", status=404), "HTTP 404: it is not there"),
        (Fault(on="analytics", status=429, headers={"retry-after": "9"}), "too many questions; try again in 9 s"),
        (Fault(on="generation", status=429), "too many questions; try again in a minute"),
        (Fault(on="analytics", status=503), "HTTP 503: try again later"),
        (Fault(on="analytics", mangle="html"), "the answer has no rows"),
        (Fault(on="analytics", drop="before"), "no answer: "),
        (Fault(on="analytics", redirect_to="https://evil-openrouter.ai/"), "HTTP 307: it is not there"),
        (Fault(on="poll", status=404), "with the ordinary key says"),
    ],
)
def test_what_is_in_the_way_is_said_and_changes_nothing(
    sandbox: Sandbox, ledger: Ledger, look: Callable[..., tuple[int, str]], fault: Fault, words: str
) -> None:
    """It stays uncertain, nothing is sent again, and the next look finds it."""
    doubt(ledger, A, sandbox.base_url)
    job_id = submit(sandbox, A)
    sandbox.add_fault(fault)
    code, said = look(A)
    assert (code, "still uncertain: " in said) == (1, True)
    assert words in said
    assert ledger.entry(A).state == "uncertain"
    sandbox.clear_faults()
    assert look(A)[0] == 0
    assert (ledger.entry(A).job_id, len(sandbox.charges)) == (job_id, 1)


def test_a_filter_that_finds_nothing_is_left_out(
    sandbox: Sandbox, ledger: Ledger, look: Callable[..., tuple[int, str]]
) -> None:
    """Nobody has published by what name a model is filtered; then what looks like a video is asked for."""
    doubt(ledger, A, sandbox.base_url)
    submit(sandbox, A)
    sandbox.add_fault(Fault(on="analytics", mangle="no_rows"))
    assert look(A)[0] == 0


@pytest.mark.parametrize(("most", "words"), [("MOST_OF_ONE", "none of the 1 "), ("MOST_QUESTIONS", "none of the 1 ")])
def test_the_questions_are_bounded(
    sandbox: Sandbox,
    ledger: Ledger,
    look: Callable[..., tuple[int, str]],
    monkeypatch: pytest.MonkeyPatch,
    most: str,
    words: str,
) -> None:
    """Of one submission, and in all."""
    monkeypatch.setattr(account_search, most, {"MOST_OF_ONE": 1, "MOST_QUESTIONS": 2}[most])
    for key in (A, B):
        doubt(ledger, key, sandbox.base_url)
    for n in range(3):
        submit(sandbox, f"other {n}")
    code, said = look()
    assert (code, words in said) == (1, True)
    assert (
        sum(seen.kind in {"analytics", "generation"} for seen in sandbox.requests) == 4 - (most == "MOST_QUESTIONS") * 2
    )
    assert ("look again for the rest" in said) == (most == "MOST_QUESTIONS")


@pytest.fixture
def another(sandbox: Sandbox) -> Iterator[Sandbox]:
    """Another API, at an origin of its own."""
    with Sandbox() as other:
        yield other


def test_the_management_key_goes_to_its_origin_only(
    sandbox: Sandbox, another: Sandbox, ledger: Ledger, look: Callable[..., tuple[int, str]]
) -> None:
    """A claim decides nothing about where a key is sent."""
    doubt(ledger, A, another.base_url)
    code, said = look(A)
    assert (code, f"it was sent to {another.base_url}" in said) == (1, True)
    assert another.requests == ()


def test_a_block_is_named_for_a_look_only(sandbox: Sandbox, ledger: Ledger, capsys: pytest.CaptureFixture[str]) -> None:
    """Without one nobody would ask its account, and the submission would be freed all the same."""
    doubt(ledger, A, sandbox.base_url)
    code = main(["ledger", "settle", A, "--abandon", "--credentials", "keys", "--ledger", ledger.url])
    said = capsys.readouterr().err
    assert (code, "--credentials is for --look only" in said) == (2, True)
    assert (ledger.entry(A).state, sandbox.requests) == ("uncertain", ())


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("--abandon",), "leave the other options out"),
        (("--job", "x"), "leave the other options out"),
        (("--all",), "leave the other options out"),
        (("ffff",), "no key 'ffff'"),
    ],
)
def test_what_contradicts_itself_is_refused(
    sandbox: Sandbox, ledger: Ledger, look: Callable[..., tuple[int, str]], words: tuple[str, ...], expected: str
) -> None:
    """Before anything is asked."""
    doubt(ledger, A, sandbox.base_url)
    code, said = look(*words)
    assert (code, expected in said, sandbox.requests) == (2, True, ())


def test_without_a_management_key_nothing_is_asked(
    sandbox: Sandbox, ledger: Ledger, look: Callable[..., tuple[int, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The message says where it would be."""
    doubt(ledger, A, sandbox.base_url)
    monkeypatch.setenv("OPENROUTER_MANAGEMENT_KEY", " ")
    code, said = look()
    assert (code, "set OPENROUTER_MANAGEMENT_KEY" in said, sandbox.requests) == (2, True, ())


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("OPENROUTER_API_KEY", "", "there is no API key; set OPENROUTER_API_KEY"),
        ("OPENROUTER_MANAGEMENT_KEY", "sandbox management key", "the management key contains a space"),
    ],
)
def test_a_key_that_cannot_be_used_is_named_before_anything_is_asked(
    sandbox: Sandbox,
    ledger: Ledger,
    look: Callable[..., tuple[int, str]],
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    value: str,
    words: str,
) -> None:
    """Without the ordinary one, what was found could not be confirmed after all the questions."""
    doubt(ledger, A, sandbox.base_url)
    monkeypatch.setenv(name, value)
    code, said = look()
    assert (code, words in said, value not in said or not value, sandbox.requests) == (2, True, True, ())


def test_a_claim_that_cannot_be_read_has_no_time(
    sandbox: Sandbox, ledger: Ledger, look: Callable[..., tuple[int, str]], tmp_path: Path
) -> None:
    """And with nothing uncertain there is nothing to do."""
    code, said = look()
    assert (code, "no submission to look for" in said) == (0, True)
    folder = tmp_path / "videos" / "_jobs" / A
    folder.mkdir(parents=True)
    (folder / "claim-1.json").write_text("{")
    code, said = look(A)
    assert (code, "its claim cannot be read" in said) == (1, True)

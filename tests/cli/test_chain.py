"""``chain`` and ``concat`` at the command line: what they refuse, what they would send, and what comes of them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from openrouter_video.cli import main
from openrouter_video.sandbox import Sandbox
from tests.support.small_videos import small_mp4

MODEL = "x-ai/grok-imagine-video"
SHOTS = ["chain", "A white orchid opens", "A bee lands on it", "--model", MODEL, "--duration", "1"]
SMALL = [*SHOTS, "--resolution", "480p", "--aspect-ratio", "16:9"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["chain", "--model", MODEL], 'no shot was given; give a prompt for each: "shot one" "shot two"'),
        (["chain", "One"], "a chain has one model; give --model once, not 0 times"),
        ([*SMALL, "--takes", "2"], "a chain has one video of each shot; leave --takes and --extra-takes out"),
        ([*SMALL, "--extra-takes", "1"], "a chain has one video of each shot; leave --takes and --extra-takes out"),
        ([*SMALL, "--no-wait"], "each shot needs the one before it, so a chain waits; leave --no-wait out"),
        ([*SMALL, "--max-usd", "0.06"], "above its ceiling of $0.06; what would fit: the first 1 of 2 shots"),
        (["concat", "a.mp4", "b.mp4"], "give two videos or more, and last the file to write"),
        (["concat", "a.mp4", "b.mp4", "folder/"], "the last file folder/ names a folder; give the file too"),
    ],
)
@pytest.mark.usefixtures("sandbox")
def test_what_cannot_be_is_refused(words: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    """In words, and nothing is sent."""
    assert main(words) == 2
    assert said in " ".join(capsys.readouterr().err.split())


def test_a_dry_run_shows_each_shot_and_sends_nothing(sandbox: Sandbox, capsys: pytest.CaptureFixture[str]) -> None:
    """To people and to machines."""
    assert main([*SMALL, "--dry-run", "--approve-above-usd", "0.01"]) == 0
    told = capsys.readouterr().out
    assert "each shot begins with the last frame of the one before it" in told
    assert "it needs somebody's yes" in " ".join(told.split())
    assert "in all: 2 shots, sandbox $0.102" in told
    assert main([*SMALL, "--dry-run", "--json"]) == 0
    plan = json.loads(capsys.readouterr().out)
    assert (plan["status"], plan["continued_by"], plan["estimate"]["high_usd"]) == ("planned", "last_frame", 0.102)
    assert [(shot["shot"], shot["decision"], shot["sent"]["prompt"]) for shot in plan["shots"]] == [
        (1, "send", "A white orchid opens"),
        (2, "send", "A bee lands on it"),
    ]
    assert main([*SMALL, "--dry-run", "--json", "--duration", "99"]) == 2
    assert json.loads(capsys.readouterr().out)["status"] == "refused"
    assert main([*SMALL, "--dry-run", "--json", "--max-usd", "much"]) == 2
    assert json.loads(capsys.readouterr().out)["shots"] == []
    assert sandbox.charges == ()


def test_help_offers_nothing_that_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    """What other commands take and a chain refuses is not shown, and its one model is not asked for once for each."""
    assert main(["chain", "--help"]) == 0
    told = capsys.readouterr().out
    assert not [word for word in ("--takes", "--extra-takes", "--no-wait", "once for each") if word in told]
    assert "--idempotency-key" in told
    assert "--duration" in told


@pytest.mark.usefixtures("prefect_server")
def test_a_chain_is_made_and_reported(
    sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each shot by its number, and the joined file at last."""
    monkeypatch.setenv("OPENROUTER_VIDEO_OUTPUT", str(tmp_path))
    assert main([*SMALL, "--idempotency-key", "bees"]) == 0
    told = capsys.readouterr().out
    assert f"shot 2, {MODEL}: completed" in told
    (film,) = tmp_path.rglob("chain-*.mp4")
    assert f"joined: {film}" in told.replace("\n", " ")
    assert main([*SMALL, "--idempotency-key", "bees", "--json"]) == 0
    again = json.loads(capsys.readouterr().out)
    assert (again["continued_by"], [one["reused"] for one in again["outcomes"]]) == ("last_frame", [True, True])
    assert again["chain_url"].endswith(film.name)
    assert len(sandbox.charges) == 2


def test_concat_joins_files_and_writes_over_none(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Unless it is told to; and what differs is refused."""
    a, b, other, film = (str(tmp_path / name) for name in ("a.mp4", "b.mp4", "other.mp4", "film.mp4"))
    Path(a).write_bytes(small_mp4())
    Path(b).write_bytes(small_mp4())
    Path(other).write_bytes(small_mp4(96, 48))
    assert main(["concat", a, b, film]) == 0
    assert f"2 videos, 2 s, {Path(film).stat().st_size:,} bytes: " in " ".join(capsys.readouterr().err.split())
    assert main(["concat", a, b, film]) == 2
    assert "is there already; give --force to write over it" in " ".join(capsys.readouterr().err.split())
    assert main(["concat", a, other, film, "--force"]) == 2
    assert "size 96x48, not 64x48" in " ".join(capsys.readouterr().err.split())
    assert main(["concat", a, b, a, film, "--force", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["seconds"] == 3

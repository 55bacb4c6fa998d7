"""``spend`` and ``ledger repair``: the money journal, as people and programs read it."""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from openrouter_video.cli import main
from openrouter_video.cli.spend import parse_since
from openrouter_video.errors import RequestRefused
from openrouter_video.ledger import Journal
from openrouter_video.ledger.reservations import Bill, Caps, reservation_id, run_token
from openrouter_video.stores import open_store

NOW = datetime.now(UTC)
MONTH, TODAY = f"{NOW:%Y-%m}", f"{NOW:%Y-%m-%d}"
RUN = run_token("a run")
VEO, WAN = "google/veo-3.1-lite", "alibaba/wan-3.0"


NEWEST = (
    "What the newest entry reserved or settled is not counted any more; what was reserved before it is settled by its "
    "run, or by `openrouter-video collect`."
)


class Said(NamedTuple):
    """What a command said and how it ended."""

    code: int
    out: str
    err: str


Command = Callable[..., Said]


@pytest.fixture
def command(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Command:
    """Run the command in an empty folder, and catch what it says."""
    monkeypatch.chdir(tmp_path)
    for name in ("OPENROUTER_VIDEO_OUTPUT", "OPENROUTER_VIDEO_LEDGER"):
        monkeypatch.delenv(name, raising=False)

    def run(*words: str) -> Said:
        capsys.readouterr()
        code = main(list(words))
        out, err = capsys.readouterr()
        return Said(code, out, err)

    return run


def journal(*, sandbox: bool = False) -> Journal:
    """The journal of the current folder's ledger."""
    return Journal(open_store("videos").child("_jobs"), sandbox=sandbox, now=lambda: NOW)


def spend(amounts: dict[str, tuple[str, int]], *, sandbox: bool = False, **about: Any) -> None:
    """Reserve and settle these amounts in micro-dollars, by key, each with its model; what has no model stays open."""
    money = journal(sandbox=sandbox)
    month = money.reserve(RUN, {key: amount for key, (_, amount) in amounts.items()}, NOW + timedelta(days=1), Caps())
    assert isinstance(month, str)
    bills = {
        reservation_id(RUN, key): Bill(model=model, amount=amount, **about)
        for key, (model, amount) in amounts.items()
        if model
    }
    money.settle(month, bills)


@pytest.fixture
def week(command: Command) -> None:
    """Two teams, a provider that named no cost, a run that has not ended, and a sandbox."""
    spend({"a": (VEO, 400_000), "b": (WAN, 212_500)}, labels={"team": "growth"}, run_id="r1", deployment="nightly")
    spend({"c": (VEO, 600_000)}, billed=False)
    spend({"d": ("", 1_234_567)})
    spend({"e": (VEO, 50_000), "f": ("", 70_000)}, sandbox=True)


TABLE = [
    ["money", "model", "videos", "cost_usd", "estimated_usd"],
    ["spent", VEO, "2", "1.000000", "0.600000"],
    ["spent", WAN, "1", "0.212500", "0.000000"],
    ["reserved", "", "1", "1.234567", "1.234567"],
    ["sandbox spent", VEO, "1", "0.050000", "0.000000"],
    ["sandbox reserved", "", "1", "0.070000", "0.070000"],
]


def test_for_programs(command: Command, week: None) -> None:
    """The same figures in every form, and a sandbox's money in places of its own."""
    assert [line.split("\t") for line in command("spend").out.splitlines()] == TABLE
    assert list(csv.reader(command("spend", "--csv").out.splitlines())) == TABLE
    document = json.loads(command("spend", "--json").out)
    assert document["by"] == "model"
    assert document["spent"] == [
        {"model": VEO, "videos": 2, "cost_usd": 1.0, "estimated_usd": 0.6},
        {"model": WAN, "videos": 1, "cost_usd": 0.2125, "estimated_usd": 0.0},
    ]
    assert document["total"] == {"videos": 3, "cost_usd": 1.2125, "estimated_usd": 0.6, "lost_usd": 0.0}
    assert document["reserved"] == {"videos": 1, "cost_usd": 1.234567, "since": TODAY}
    assert document["sandbox"]["total"]["cost_usd"] == 0.05


@pytest.mark.parametrize(
    ("by", "names"),
    [
        ("model", [VEO, WAN]),
        ("day", [TODAY]),
        ("label", ["team=growth", None]),
        ("run", ["r1", None]),
        ("deployment", ["nightly", None]),
    ],
)
def test_by_what(command: Command, week: None, by: str, names: list[str | None]) -> None:
    """What has no label, run or deployment is there too."""
    assert [one[by] for one in json.loads(command("spend", "--by", by, "--json").out)["spent"]] == names


def test_at_a_terminal(command: Command, week: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Aligned, with what was only estimated, a line for what is reserved, and the sandbox's below."""
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    monkeypatch.setenv("TERM", "dumb")
    head, *lines = command("spend", "--since", TODAY).out.splitlines()
    assert head.startswith(f"Spent since {TODAY} (UTC) by model, says ")
    assert lines == [
        f"  {VEO}    2 videos    $1.00  $0.60 of it estimated: no cost was named",
        f"  {WAN}        1 video   $0.2125",
        "  in all                 3 videos  $1.2125  $0.60 of it estimated: no cost was named",
        f"  reserved, not settled  1 video   $1.2346  at most; since {TODAY}",
        "A sandbox's money, which nobody pays:",
        f"  {VEO}    1 video   $0.05",
        f"  reserved, not settled  1 video   $0.07  at most; since {TODAY}",
    ]
    assert "A video counts once for each of its labels." in command("spend", "--by", "label").out


def test_an_empty_journal_is_said_in_words(command: Command) -> None:
    """And nothing is made by looking."""
    said = command("spend")
    assert (said.code, said.err) == (0, "")
    assert said.out.startswith("The money journal of ")
    assert said.out.rstrip().endswith("is empty: nothing was ever reserved or spent.")
    document = json.loads(command("spend", "--json").out)
    assert (document["spent"], document["total"]["cost_usd"], document["sandbox"]["spent"]) == ([], 0.0, [])
    assert len(command("spend", "--csv").out.splitlines()) == 1
    assert not Path("videos").exists()


def test_only_a_sandbox_was_used(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing was spent, which is said before what the sandbox counted."""
    spend({"e": (VEO, 50_000)}, sandbox=True)
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    monkeypatch.setenv("TERM", "dumb")
    lines = command("spend").out.splitlines()
    assert lines[0].endswith("is empty: nothing was ever reserved or spent.")
    assert lines[1] == "A sandbox's money, which nobody pays:"


def test_nothing_since_a_day(command: Command) -> None:
    """Told from an empty journal."""
    spend({"a": (VEO, 5)})
    first = Path("videos/_jobs/_money", MONTH)
    first.rename(first.with_name("2020-01"))
    for path in first.with_name("2020-01").iterdir():
        path.write_text(path.read_text().replace(MONTH, "2020-01"))
    assert "Nothing was spent since" in command("spend").out
    assert "\t1\t" in command("spend", "--since", "2020-01-01").out


def test_a_runs_word_never_steers_the_terminal(command: Command) -> None:
    """A label is somebody's text."""
    spend({"a": (VEO, 5)}, labels={"team": "\x1b[2Jx,y\n"})
    assert command("spend", "--by", "label").out.splitlines()[1].split("\t")[1] == "team= [2Jx,y"
    assert list(csv.reader(command("spend", "--by", "label", "--csv").out.splitlines()))[1][1] == "team= [2Jx,y"


@pytest.mark.parametrize(
    ("text", "since"),
    [
        ("30d", "2026-10-27"),
        (" 0D ", "2026-11-26"),
        ("99999d", "1926-12-21"),
        ("2026-11-01", "2026-11-01"),
        ("2026-11-26", "2026-11-26"),
    ],
)
def test_since_when(text: str, since: str) -> None:
    """Days back from today, or a date; both in UTC."""
    assert parse_since(text, datetime(2026, 11, 26, 23, tzinfo=UTC)) == since


@pytest.mark.parametrize(
    "text", ["", "30", "d", "-3d", "1.5d", "2026-11", "2026-02-30", "November", "2026-11-27", "٣d"]
)
def test_since_when_is_not_understood(text: str) -> None:
    """The message says what to write, or what day it is."""
    with pytest.raises(RequestRefused, match=r"write 30d or 2026-11-01|has not come yet: it is 2026-11-26"):
        parse_since(text, datetime(2026, 11, 26, 23, tzinfo=UTC))


def test_bad_options_are_refused(command: Command) -> None:
    """With exit code 2."""
    assert command("spend", "--json", "--csv").code == 2
    assert command("spend", "--since", "soon").code == 2
    assert command("spend", "--by", "mood").code == 2
    assert command("spend", "--ledger", "").code == 2


# ---- Repair ----------------------------------------------------------------------------------------------------------


def test_a_journal_that_is_whole(command: Command, week: None) -> None:
    """Nothing is done to it."""
    said = command("ledger", "repair")
    assert (said.code, said.out.count("\n")) == (0, 1)
    assert said.out.rstrip().endswith("is whole: there is nothing to repair.")
    assert said.out.startswith("The money journal of ")


def test_a_damaged_journal(command: Command, week: None) -> None:
    """Everything that needs it says what to do; after that the money is counted as far as entries can be read."""
    folder = Path("videos/_jobs/_money", MONTH)
    (folder / "00000002.json").write_text("{}")
    Path("videos/_jobs/_money/sandbox", MONTH, "00000002.json").write_text("{}")
    said = command("spend")
    assert said.code == 2
    assert "`openrouter-video ledger repair` mends the journal" in said.err
    said = command("ledger", "repair")
    assert said.code == 0
    assert said.out.splitlines() == [
        f"{MONTH} is repaired: entry 2 is given up. Later ones carry all that was spent and reserved.",
        f"the sandbox's {MONTH} is repaired: entry 2 is given up. {NEWEST}",
    ]
    document = json.loads(command("spend", "--json").out)
    assert document["spent"][0] == {"model": None, "videos": 0, "cost_usd": 0.6125, "estimated_usd": 0.0}
    assert document["total"] == {"videos": 1, "cost_usd": 1.2125, "estimated_usd": 0.6, "lost_usd": 0.6125}


def test_what_a_repair_cannot_do(command: Command, week: None) -> None:
    """It says which month, and goes on with the others."""
    (Path("videos/_jobs/_money", MONTH) / "00009999.json").write_text("{}")
    said = command("ledger", "repair")
    assert said.code == 1
    assert f"{MONTH} could not be repaired: " in said.out
    assert "remove that file" in said.out

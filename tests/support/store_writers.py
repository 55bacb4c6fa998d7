"""Processes that write to a store side by side, as they are told: for races, and for deaths in the middle.

So dies, if told so, one that records a job.

``python -m tests.support.store_writers URL 3,4 5,6`` imports the store's driver once and forks a process for each pair
of open files; that reads a JSON object a line from the first one and answers each by the second one.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any, TextIO

import fsspec

from openrouter_video.ledger.journal import Journal
from openrouter_video.ledger.ledger import Ledger
from openrouter_video.ledger.reservations import Bill, CapReached, Caps, reservation_id, run_token
from openrouter_video.stores import Store, open_store, parse_store_url
from openrouter_video.stores.local_store import LocalFiles
from openrouter_video.stores.object_store import ObjectStore

ROOT = Path(__file__).parents[2]
UNTIL = datetime(2100, 1, 1, tzinfo=UTC)
STEPS = ("make_folders", "open_part", "size", "link_new", "remove", "names")


def append(store: Store, name: str, times: int) -> int:
    """Reserve 3 for so many videos of one's own, and settle two of three with 2; the rest is left reserved."""
    journal, run = Journal(store), run_token(name)
    for n in range(times):
        month = journal.reserve(run, {f"{name}-{n}": 3}, UNTIL, Caps(), name)
        if n % 3 and not isinstance(month, CapReached):
            journal.settle(month, {reservation_id(run, f"{name}-{n}"): Bill(model="m", amount=2)})
    return times


def take(store: Store, name: str, amount: int, caps: Sequence[int | None]) -> int:
    """Reserve an amount for videos of one's own as often as the caps allow, and return how often that was."""
    journal, run, taken = Journal(store), run_token(name), 0
    while not isinstance(journal.reserve(run, {f"{name}-{taken}": amount}, UNTIL, Caps(*caps)), CapReached):
        taken += 1
    return taken


def create(store: Store, name: str) -> bool:
    """Create the same file as the others, and return whether it was this one's."""
    return store.create_exclusive("claim-1", name.encode() * 1000)


DEEDS: dict[str, Callable[..., int]] = {"append": append, "take": take, "create": create}


def die(work: Callable[[], None], step: int) -> int:
    """Do something in a process of its own, killed before its so-many-th step; 0 if it survives."""
    child = os.fork()
    if child == 0:
        _die_at(step)
        work()
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def _settle(url: str, reservation: str) -> None:
    """Settle a reservation with 70."""
    journal = Journal(open_store(url))
    journal.settle(journal.month, {reservation: Bill(model="m", amount=70)})


def _record(url: str, key: str) -> None:
    """Record that the first attempt under a key was accepted as the job gen-1."""
    Ledger(open_store(url)).keep_job(key, 1, "gen-1")


def _die_at(step: int) -> None:
    """Count what is done to a store, before and after each operation."""
    left = [step]

    def count() -> None:
        if left[0] == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        left[0] -= 1

    def counted(real: Callable[..., Any]) -> Callable[..., Any]:
        def done(*args: Any, **more: Any) -> Any:
            count()
            result = real(*args, **more)
            count()
            return result

        return done

    from openrouter_video.stores import local_store, sftp_store  # noqa: PLC0415 (names that are theirs alone)

    parts: tuple[Any, ...] = (local_store._LocalPart, sftp_store._SftpPart)
    files: tuple[Any, ...] = (LocalFiles, sftp_store._SftpFiles)
    for owner, names in [(one, STEPS) for one in files] + [(one, ("write", "close")) for one in parts]:
        for name in names:
            setattr(owner, name, counted(getattr(owner, name)))
    ObjectStore._create = counted(ObjectStore._create)  # type: ignore[method-assign]
    ObjectStore.read_bytes = counted(ObjectStore.read_bytes)  # type: ignore[method-assign]


def main() -> None:
    """Become so many processes, and wait for them to end."""
    url, *pairs = sys.argv[1:]
    # What takes a second or more is done before the fork; a connection comes after it.
    fsspec.get_filesystem_class(parse_store_url(url).scheme or "file")
    for number, pair in enumerate(pairs):
        if os.fork() == 0:
            reading, answering = (int(one) for one in pair.split(","))
            for other in pairs:
                for file in map(int, other.split(",") if other != pair else ()):
                    os.close(file)
            with os.fdopen(reading) as lines, os.fdopen(answering, "w") as answers:
                write(url, f"p{number}", lines, answers)
            return
    for pair in pairs:
        for file in map(int, pair.split(",")):
            os.close(file)
    for _ in pairs:
        os.wait()


def write(url: str, name: str, lines: Iterable[str], answers: TextIO) -> None:
    """Do what each line says."""
    stores: list[Store] = []
    for line in lines:
        said = json.loads(line)
        if said["do"] == "die":
            # Not by a store of this process: a connection is not to be shared with a child.
            work, what = (_settle, said["reservation"]) if "reservation" in said else (_record, said["key"])
            answer = die(partial(work, f"{url}/{said['folder']}", what), said["step"])
        else:
            stores = stores or [open_store(url)]
            answer = DEEDS[said.pop("do")](stores[0].child(said.pop("folder")), name, **said)
        print(json.dumps(answer), file=answers, flush=True)


class Writers:
    """Some processes that write journals below one URL, each told by one file and heard by another."""

    def __init__(self, files: Sequence[tuple[TextIO, TextIO]]) -> None:
        self._files = files

    def do(self, number: int | None = None, **said: Any) -> list[Any]:
        """Let so many of them, or all, do the same at once, and return what each answers."""
        chosen = self._files[:number]
        for telling, _ in chosen:
            telling.write(json.dumps(said) + "\n")
            telling.flush()
        return [json.loads(hearing.readline()) for _, hearing in chosen]


@contextmanager
def writers(url: str, number: int) -> Iterator[Writers]:
    """Run so many of these processes; they end when nobody can tell them anything any more."""
    pipes = [(*os.pipe(), *os.pipe()) for _ in range(number)]
    theirs = [(reading, answering) for reading, _, _, answering in pipes]
    command = [sys.executable, "-m", "tests.support.store_writers", url, *(f"{one},{two}" for one, two in theirs)]
    process = subprocess.Popen(command, cwd=ROOT, pass_fds=list(chain.from_iterable(theirs)))
    for file in chain.from_iterable(theirs):
        os.close(file)
    try:
        with ExitStack() as stack:
            files = [(os.fdopen(telling, "w"), os.fdopen(hearing)) for _, telling, hearing, _ in pipes]
            for told in chain.from_iterable(files):
                stack.enter_context(told)
            yield Writers(files)
    finally:
        code = process.wait(60)
    assert code == 0


if __name__ == "__main__":
    main()

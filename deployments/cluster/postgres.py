# ruff: noqa: INP001 (a folder of things to run, not a package)
"""PostgreSQL as a plain process, told what it needs by the environment variables that its image reads, and by PGDATA.

The first time it makes the database. PostgreSQL refuses to run as root: there it runs as the user ``postgres``, or as
``nobody`` where that user is not.
"""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from tempfile import NamedTemporaryFile, TemporaryFile
from types import FrameType
from typing import Any

NOT_INSTALLED = """PostgreSQL is not installed: there is no initdb in PATH, nor in /usr/lib/postgresql.
On Debian and Ubuntu: apt-get install postgresql
On a Mac: brew install postgresql@17, and its folder bin in PATH"""
UNREACHABLE = """PostgreSQL refuses to run as root, and the user {user}, as which it would run, cannot write to
{folder}
Run this as another user than root, or in a checkout that every user can reach."""


def postgres_programs() -> Path | None:
    """Return the folder of PostgreSQL's programs, of the newest that is installed; None where there is none."""
    packaged = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: float(path.parts[-3]))
    in_path = shutil.which("initdb")
    return packaged[-1].parent if packaged else Path(in_path).resolve().parent if in_path else None


def main() -> None:
    """Run it until SIGTERM, which ends it in order."""
    programs = postgres_programs()
    if programs is None:
        sys.exit(NOT_INSTALLED)
    data = Path(os.environ["PGDATA"])
    data.parent.mkdir(parents=True, exist_ok=True)
    how = {**_as_whom(data.parent), "cwd": data.parent, "env": _environment()}
    if not data.exists():
        _make_database(programs, data, how)
    # On TCP only: the path of a socket may be too long.
    options = ["-D", str(data), "-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories="]
    server = subprocess.Popen([str(programs / "postgres"), *options], **how)  # noqa: S603 (the program that was found)

    def end(_number: int, _frame: FrameType | None) -> None:
        server.send_signal(signal.SIGINT)

    signal.signal(signal.SIGTERM, end)
    sys.exit(server.wait())


def _as_whom(folder: Path) -> dict[str, Any]:
    """Return how to start its programs as somebody whom they accept, and give them their folder."""
    if os.geteuid() != 0:
        return {}
    names = {entry.pw_name: entry for entry in pwd.getpwall()}
    entry = names.get("postgres") or names["nobody"]
    how: dict[str, Any] = {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}
    os.chown(folder, entry.pw_uid, entry.pw_gid)
    if subprocess.run(["test", "-w", str(folder)], check=False, **how).returncode:  # noqa: S603, S607
        sys.exit(UNREACHABLE.format(user=entry.pw_name, folder=folder))
    return how


def _environment() -> dict[str, str]:
    """Return what its programs need, which is neither the password nor anybody's key."""
    return {"PATH": os.environ.get("PATH", ""), "LC_ALL": "C", "TZ": "UTC", "PGPORT": os.environ["PGPORT"]}


def _make_database(programs: Path, data: Path, how: dict[str, Any]) -> None:
    """Make it under another name first, so that one that was interrupted is not taken for whole."""
    unfinished = data.with_name(f"{data.name}.new")
    shutil.rmtree(unfinished, ignore_errors=True)
    with NamedTemporaryFile("w", dir=data.parent, encoding="utf-8") as secret:
        secret.write(os.environ["POSTGRES_PASSWORD"])
        secret.flush()
        os.chown(secret.name, how.get("user", -1), -1)
        options = ["--username", os.environ["POSTGRES_USER"], "--pwfile", secret.name, "--auth", "scram-sha-256"]
        subprocess.run(  # noqa: S603 (the program that was found)
            [str(programs / "initdb"), "-D", str(unfinished), "--encoding", "UTF8", *options], check=True, **how
        )
    with TemporaryFile() as said:
        said.write(f"CREATE DATABASE {os.environ['POSTGRES_DB']}\n".encode())
        said.seek(0)
        alone = [str(programs / "postgres"), "--single", "-D", str(unfinished), "postgres"]
        subprocess.run(alone, stdin=said, check=True, **how)  # noqa: S603 (the same)
    unfinished.rename(data)


if __name__ == "__main__":
    main()

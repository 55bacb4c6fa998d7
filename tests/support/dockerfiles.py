"""The steps of a Dockerfile, carried out in bare root file systems where no container engine runs.

A root has the system's programs, read-only, a ``/etc`` of its own, and nothing of the checkout. What an engine does and
this does not: fetch the base image, keep layers, limit what a process may do. Root's rights and namespaces are needed.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from string import Template
from typing import NamedTuple

ETC = {
    "passwd": "root:x:0:0:root:/root:/bin/sh\n",
    "group": "root:x:0:\n",
    "shadow": "root:*:19000:0:99999:7:::\n",
    "gshadow": "root:*::\n",
    "hosts": "127.0.0.1 localhost\n",
}
SYSTEM = ("bin", "sbin", "lib", "lib32", "lib64", "usr", "etc/ssl", "etc/alternatives")
PROGRAMS = "/image"
"""Where a root has its ``python``, as the base image has it in /usr/local."""


class Step(NamedTuple):
    """One instruction of a Dockerfile, such as RUN, and the rest of its line."""

    instruction: str
    words: str


class Stage(NamedTuple):
    """What is built from one FROM."""

    name: str
    steps: tuple[Step, ...]


def read_stages(text: str) -> list[Stage]:
    """Return the stages of a Dockerfile; an ARG before the first FROM is none of theirs."""
    lines = [line for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    joined = re.sub(r"\\\n\s*", "", "\n".join(lines))
    steps = [Step(*line.split(maxsplit=1)) for line in joined.splitlines()]
    starts = [number for number, step in enumerate(steps) if step.instruction == "FROM"]
    return [
        Stage((steps[start].words.split(" AS ")[1:] or [""])[0], tuple(steps[start + 1 : end]))
        for start, end in zip(starts, [*starts[1:], len(steps)], strict=True)
    ]


def why_not_here() -> str | None:
    """Return why no root can be made on this machine; None if it can."""
    if os.geteuid() != 0:
        return "The steps of the Dockerfile need root's rights."
    if shutil.which("unshare") is None or subprocess.run(["unshare", "--mount", "true"], check=False).returncode:
        return "The steps of the Dockerfile need unshare, and leave to make a mount namespace."
    if shutil.which("useradd", path="/usr/sbin:/sbin") is None:
        return "The steps of the Dockerfile need useradd."
    return None


class Root:
    """A root file system in a folder: what a stage has made of it so far, and what runs in it."""

    def __init__(self, folder: Path, lent: Mapping[Path, str]) -> None:
        """``lent`` are folders that it sees besides, read-only, and where."""
        self.folder, self.user, self.work = folder, "0:0", "/"
        self.environment = {"PATH": f"{PROGRAMS}:/usr/local/sbin:/usr/sbin:/sbin:/usr/bin:/bin"}
        self._arguments: dict[str, str] = {}
        self._lent = {Path("/", name): name for name in SYSTEM if Path("/", name).exists()}
        if not sys.base_prefix.startswith("/usr"):
            self._lent[Path(sys.base_prefix)] = sys.base_prefix.lstrip("/")
        self._lent |= {path: place.lstrip("/") for path, place in lent.items()}
        for name in ("dev", "etc", "proc", "root", "tmp", "var/lib", PROGRAMS[1:], *self._lent.values()):
            (folder / name).mkdir(parents=True, exist_ok=True)
        (folder / "tmp").chmod(0o1777)
        for name, text in ETC.items():
            (folder / "etc" / name).write_text(text, encoding="utf-8")
        for name in ("python", "python3"):
            (folder / PROGRAMS[1:] / name).symlink_to(Path(sys.base_prefix, "bin", "python3"))

    def carry_out(self, step: Step, context: Path, stages: Mapping[str, Root], extra: Mapping[str, str]) -> None:
        """Do what an instruction says; ``extra`` are variables for what it runs."""
        words = Template(step.words).safe_substitute(self._arguments)
        match step.instruction:
            case "ARG":
                name, _, value = words.partition("=")
                self._arguments[name] = value
            case "ENV":
                pairs = (pair.partition("=") for pair in shlex.split(words))
                self.environment |= {name: value for name, _, value in pairs}
            case "WORKDIR":
                self.work = words
                self._inside(words).mkdir(parents=True, exist_ok=True)
            case "USER":
                self.user = words
            case "COPY":
                self._copy(shlex.split(words), context, stages)
            case "RUN":
                self.run(["sh", "-c", words], extra)
            case "CMD":
                pass
            case _:
                raise NotImplementedError(step)

    def run(self, command: Sequence[str], extra: Mapping[str, str] | None = None) -> str:
        """Run a command in it, without a network; its output."""
        mounts = [f"mount --rbind {path} {self.folder}/{place}" for path, place in self._lent.items()]
        mounts += [f"mount -o remount,ro,bind {self.folder}/{place}" for place in self._lent.values()]
        mounts += [f"mount --rbind /dev {self.folder}/dev", f"mount -t proc proc {self.folder}/proc"]
        inside = f"cd {self.work} && exec {shlex.join(command)}"
        variables = shlex.join(f"{name}={value}" for name, value in {**self.environment, **(extra or {})}.items())
        environment = f"/usr/bin/env --ignore-environment {variables}"
        chroot = f"exec chroot --userspec={self.user} {self.folder} {environment} /bin/sh -c {shlex.quote(inside)}"
        apart = ["unshare", "--mount", "--pid", "--net", "--fork", "--kill-child"]
        done = subprocess.run(
            [*apart, "/bin/sh", "-ec", "\n".join([*mounts, chroot])],
            env={"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"},
            capture_output=True,
            text=True,
            timeout=600,
            check=False,
        )
        assert done.returncode == 0, f"{shlex.join(command)}:\n{done.stdout}{done.stderr}"
        return done.stdout

    def _copy(self, words: list[str], context: Path, stages: Mapping[str, Root]) -> None:
        options = [word for word in words if word.startswith("--from=")]
        *sources, target = words[len(options) :]
        base = stages[options[0].removeprefix("--from=")].folder if options else context
        for source in sources:
            found = base / source.lstrip("/")
            into = self._inside(target)
            if found.is_dir():
                junk = shutil.ignore_patterns("__pycache__", "*.env", ".env") if not options else None
                shutil.copytree(found, into, symlinks=True, dirs_exist_ok=True, ignore=junk)
            else:
                shutil.copy2(found, into)

    def _inside(self, path: str) -> Path:
        return self.folder / str(Path(self.work, path)).lstrip("/")

"""The documentation: its links lead somewhere, the files that it names exist, its examples run, and it builds.

An example is a block of Python or shell. Those of a page run one after the other, in one empty folder, in the sandbox.
Two comments, alone on the line before a block, change that: `<!-- file: NAME -->` saves the block under this name for
those after it, and `<!-- not run: WHY -->` leaves it alone.
"""

from __future__ import annotations

import ast
import asyncio
import inspect
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path
from unittest.mock import patch

import pytest
from markdown.extensions.toc import slugify

from openrouter_video.cli import main
from openrouter_video.sandbox import Sandbox
from tests.support.markdown import DOCS, HEADING, PAGES, ROOT, anchors, examples, links, names_of_files, prose

LANGUAGES = {"python", "sh", "yaml", "json", "toml", "sql", "dockerfile", "text"}
RUN = {"python", "sh"}
NEEDS_A_SHELL = re.compile(r"[|&;<>$*`]")
BY_NAME = {str(page.relative_to(ROOT)): page for page in PAGES}
WITH_EXAMPLES = [
    name for name, page in BY_NAME.items() if any(e.language in RUN and e.mark != "not run" for e in examples(page))
]
each_page = pytest.mark.parametrize("page", BY_NAME)


@each_page
def test_links_lead_somewhere(page: str) -> None:
    """To a file of the repository and to a heading in it; from a page of the docs to another page of the docs."""
    here, lost = BY_NAME[page], []
    for link in links(here):
        if link.startswith(("https://", "mailto:")):
            continue
        path, _, anchor = link.partition("#")
        target = (here.parent / path).resolve() if path else here
        inside = target.is_relative_to(DOCS if here.is_relative_to(DOCS) else ROOT)
        if not (inside and target.exists()) or (anchor and anchor not in anchors(target)):
            lost.append(link)
    assert lost == []


@each_page
def test_headings_have_one_name_everywhere(page: str) -> None:
    """GitHub and MkDocs make the same anchor of each, so that a link works in both."""
    plain = [heading.replace("`", "") for heading in HEADING.findall(prose(BY_NAME[page]))]
    assert {slugify(heading, "-") for heading in plain} == anchors(BY_NAME[page])


@each_page
def test_named_files_exist(page: str) -> None:
    """A path in code that begins with a folder of this repository is one that is there."""
    assert [name for name in sorted(names_of_files(BY_NAME[page])) if not (ROOT / name).exists()] == []


@each_page
def test_every_block_says_its_language(page: str) -> None:
    """Else nobody could tell what runs."""
    assert {example.language for example in examples(BY_NAME[page])} <= LANGUAGES


@pytest.mark.usefixtures("prefect_server")
@pytest.mark.parametrize("page", WITH_EXAMPLES)
def test_examples_run(
    page: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """As written, in order, in one folder."""
    from prefect.settings import PREFECT_API_URL  # noqa: PLC0415 (the other tests here need no Prefect)

    monkeypatch.chdir(tmp_path)
    with Sandbox(job_seconds=0) as sandbox:
        for number, example in enumerate(examples(BY_NAME[page]), 1):
            name = f"{page}, block {number}"
            # An example may set them for itself.
            environment = {
                **{name: value for name, value in os.environ.items() if not name.startswith("OPENROUTER_")},
                "OPENROUTER_BASE_URL": sandbox.base_url,
                "OPENROUTER_API_KEY": sandbox.api_key,
                "PREFECT_API_URL": PREFECT_API_URL.value() or "",
                "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            }
            if example.mark == "file":
                Path(example.said).write_text(example.code, encoding="utf-8")
            elif example.mark is None and example.language == "python":
                with patch.dict(os.environ, environment, clear=True):
                    run_python(example.code, name)
            elif example.mark is None and example.language == "sh":
                run_shell(example.code, name, environment, capfd)


def run_python(code: str, name: str) -> None:
    """Run it here, which saves the seconds of another interpreter; a notebook's cell may await."""
    module = {"__name__": "__main__"}
    program = compile(code, name, "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    result = eval(program, module)  # noqa: S307 (our own documentation)
    if inspect.iscoroutine(result):
        asyncio.run(result)


def run_shell(code: str, name: str, environment: dict[str, str], capfd: pytest.CaptureFixture[str]) -> None:
    """Run our own commands here too, one after the other; a shell runs a block in which anything else stands."""
    commands = [shlex.split(line, comments=True) for line in code.replace("\\\n", " ").splitlines()]
    if NEEDS_A_SHELL.search(code) or any(words[:1] != ["openrouter-video"] for words in commands):
        done = subprocess.run(["sh", "-euc", code], env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"{name}:\n{code}{done.stdout}{done.stderr}"
        return
    with patch.dict(os.environ, environment, clear=True):
        for _, *words in commands:
            assert main(words) == 0, f"{name}: {words}\n{capfd.readouterr()}"


def test_the_documentation_builds(tmp_path: Path) -> None:
    """Strictly, as `make docs` does: no page outside the list, no link into nothing, nothing from another host."""
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(tmp_path / "site")]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    page = (tmp_path / "site" / "index.html").read_text(encoding="utf-8")
    assert 'src="http' not in page
    assert '<link rel="stylesheet" href="http' not in page

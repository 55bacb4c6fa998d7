"""What orchestration and guarantees cost: contenders side by side against one sandbox, and each figure with its bound.

    python -m tests.benchmarks [--quick]

Prints tables, and writes them to ``tests/benchmarks/results.json``, ``docs/measured.md`` and, a few lines, the README,
unless it is quick. Needs no network.
Figures are for comparison within a run; they mean something on a machine that does nothing else.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import sys
import tempfile
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any

from tests.benchmarks import fan_outs, report, single_figures

ROOT = Path(__file__).resolve().parents[2]
RESULTS = Path(__file__).with_name("results.json")
MEASURED = ROOT / "docs" / "measured.md"
README = ROOT / "README.md"
BEGIN, END = "<!-- measured by make bench -->", "<!-- end of what was measured -->"


def main() -> int:
    """Measure, print and write; a figure out of its bound is a figure and no error."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="once, up to 100 jobs and 128 MB: to see that it works")
    quick: bool = parser.parse_args().quick
    if not quick:
        # An hour's figures must find their place.
        pages(json.loads(RESULTS.read_text()))
    began = time.monotonic()
    folder = Path(tempfile.mkdtemp(prefix="openrouter-bench-"))
    # PostgreSQL runs as another user here where root starts it.
    folder.chmod(0o755)
    try:
        figures = single_figures.measure(folder, quick=quick, say=_say)
        measured = fan_outs.measure(fan_outs.QUICK if quick else fan_outs.FULL, folder, _say)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    summary = fan_outs.summarize(measured)
    rows = report.target_rows(summary, figures)
    _say(report.render(summary, rows))
    document = {"machine": _machine(began), "quick": quick, "fan_outs": summary, "figures": figures}
    document["targets"] = [{**row._asdict(), "holds": row.holds} for row in rows]
    took = f"{time.monotonic() - began:.0f} s"
    if quick:
        _say(f"{took}; too quick to be written down: make bench")
        return 0
    RESULTS.write_text(json.dumps(document, indent=1) + "\n")
    for page, text in pages(document).items():
        page.write_text(text)
    _say(f"{took}; written to {', '.join(str(path.relative_to(ROOT)) for path in (RESULTS, MEASURED, README))}")
    return 0


def pages(document: dict[str, Any]) -> dict[Path, str]:
    """Return the text of each page that shows figures, with those of this document."""
    shown = {MEASURED: report.markdown(document), README: report.markdown_in_short(document)}
    return {page: with_tables(page.read_text(), tables) for page, tables in shown.items()}


def with_tables(page: str, tables: str) -> str:
    """Return the text of a page with these tables in their place."""
    before, begin, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        raise ValueError(f"the page has no place for the tables: {BEGIN} and {END}")
    return f"{before}{begin}\n\n{tables}\n\n{end}{after}"


def _machine(began: float) -> dict[str, Any]:
    return {
        "cores": os.cpu_count(),
        "load_after": os.getloadavg()[0],
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "packages": {name: version(name) for name in ("prefect", "httpx", "httpcore", "openrouter", "fsspec")},
        "took_seconds": round(time.monotonic() - began),
    }


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())

"""What the plan of a batch of ten thousand rows takes: its processor time, and its memory as a whole process.

python -m tests.benchmarks.batch_plan RESULT
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from importlib.resources import files
from pathlib import Path

from openrouter_video.api.catalog import parse_catalog
from openrouter_video.batch import batch_plan_lines, dry_batch, parse_batch_request, read_table
from openrouter_video.batch.table import MOST_ROWS
from openrouter_video.report import plan_text
from tests.benchmarks.measuring import peak_mib, write_figures

MODEL = "google/veo-3.1-lite"
PROMPT = 'A slow pan over product {}, in a bright room, with ""soft"" light and a plant beside it'


def main(result: str) -> None:
    """Plan as many rows as a batch may have, each with settings of its own: from the file to the text of the plan."""
    catalog = parse_catalog(json.loads((files("openrouter_video.sandbox") / "video_models.json").read_text()))
    batch = parse_batch_request(batch="bench", models=[MODEL])
    with tempfile.TemporaryDirectory() as folder:
        table = Path(folder) / "rows.csv"
        rows = (f'{n},"{PROMPT.format(n)}",{(4, 6, 8)[n % 3]},720p,{n},shop {n % 7}\n' for n in range(MOST_ROWS))
        table.write_text("id,prompt,duration,resolution,seed,shop\n" + "".join(rows))
        began = time.process_time()
        plan = dry_batch(read_table(str(table)), batch, catalog)
        text = plan_text(batch_plan_lines(plan))
        seconds = time.process_time() - began
    if plan.refused or len(plan.videos) != MOST_ROWS:
        raise RuntimeError(text)
    write_figures(result, {"rows": MOST_ROWS, "cpu_seconds": seconds, "peak_mib": peak_mib()})


if __name__ == "__main__":
    main(sys.argv[1])

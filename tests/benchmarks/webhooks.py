"""How soon the receiver of webhooks answers, while it starts collections at a Prefect server.

    python -m tests.benchmarks.webhooks [SECONDS] [WEBHOOKS PER SECOND]

Each webhook comes at its time by a connection of its own, whether those before it are answered or not, and its answer
is timed from then. Of ten, seven are new, one is a repetition, one is forged, one is not ours. Prints JSON; a figure
means something on a machine that does nothing else, which the load tells.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import os
import re
import secrets
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import psutil

from tests.benchmarks.servers import ROOT, clean_environment, cpu_of, end_group, prefect_server

SECRET = "a-secret-of-the-benchmark"
DEPLOY = """
import asyncio
from flows import collect_videos
async def deploy():
    await (await collect_videos.ato_deployment("collect-videos")).aapply()
asyncio.run(deploy())
"""
WITHIN_SECONDS = 60.0


class Answered(NamedTuple):
    """One webhook: the status of its answer, and the seconds until it was there."""

    status: int
    seconds: float


def main() -> None:
    """Measure once."""
    seconds, rate = (float(word) for word in (*sys.argv[1:], "10", "200")[:2])
    with tempfile.TemporaryDirectory(prefix="openrouter-bench-") as name:
        folder = Path(name)
        with prefect_server(folder / "home") as server:
            environment = clean_environment(
                PREFECT_HOME=str(folder / "home"),
                PREFECT_API_URL=server.url,
                OPENROUTER_VIDEO_WEBHOOK_SECRET=SECRET,
            )
            subprocess.run([sys.executable, "-c", DEPLOY], cwd=ROOT, env=environment, check=True, capture_output=True)
            with _receiver(folder, environment) as (port, process):
                asyncio.run(_send_all(port, 1.0, rate))
                began = cpu_of(process)
                load = os.getloadavg()[0]
                answers = asyncio.run(_send_all(port, seconds, rate))
                spent = cpu_of(process) - began
            runs = (folder / "receiver.log").read_text().count("told: run")
    sys.stdout.write(f"{json.dumps(_figures(answers, spent, load, runs, rate), indent=1)}\n")


@contextmanager
def _receiver(folder: Path, environment: dict[str, str]) -> Iterator[tuple[int, psutil.Process]]:
    log = folder / "receiver.log"
    command = [sys.executable, "-m", "openrouter_video", "webhooks", "--port", "0"]
    with log.open("wb") as said:
        process = subprocess.Popen(
            command,
            cwd=ROOT,
            env=environment,
            stdout=said,
            stderr=said,
            stdin=subprocess.DEVNULL,
            start_new_session=True,
        )
        try:
            until = time.monotonic() + WITHIN_SECONDS
            while not (found := re.search(r"http://127\.0\.0\.1:(\d+)", log.read_text())):
                if time.monotonic() > until or process.poll() is not None:
                    raise RuntimeError(f"the receiver did not start:\n{log.read_text()}")
                time.sleep(0.1)
            yield int(found[1]), psutil.Process(process.pid)
            # What has come is told to Prefect before it ends.
            process.terminate()
            process.wait(WITHIN_SECONDS)
        finally:
            end_group(process)


async def _send_all(port: int, seconds: float, rate: float) -> list[Answered]:
    """Send each webhook at its time."""
    began = asyncio.get_running_loop().time() + 0.1
    requests = [_request(number) for number in range(round(seconds * rate))]
    return await asyncio.gather(
        *(_send(port, began + number / rate, request) for number, request in enumerate(requests))
    )


def _request(number: int) -> bytes:
    turn, job = number % 10, "gen-vid-1790983457-repeated" if number % 10 == 7 else f"gen-vid-{secrets.token_hex(10)}"
    data = {"id": job, "status": "completed", "generation_id": job, "model": "google/veo-3.1-lite"}
    body = json.dumps({"type": "video.generation.completed", "created_at": "", "data": data}).encode()
    moment = int(time.time())
    secret = "not it" if turn == 8 else SECRET
    digest = hmac.new(secret.encode(), b"%d,%b" % (moment, body), hashlib.sha256).hexdigest()
    key = "0" * 32 if turn == 7 else secrets.token_hex(16)
    path = "/hooks" if turn == 9 else f"/hooks?key={key}"
    head = (
        f"POST {path} HTTP/1.1\r\nHost: receiver\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n"
    )
    return f"{head}X-OpenRouter-Signature: t={moment},v1={digest}\r\n\r\n".encode() + body


async def _send(port: int, at: float, request: bytes) -> Answered:
    loop = asyncio.get_running_loop()
    await asyncio.sleep(at - loop.time())
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(request)
    answer = await reader.read()
    took = loop.time() - at
    writer.close()
    return Answered(int(answer.split(b" ", 2)[1]), took)


def _figures(answers: list[Answered], spent: float, load: float, runs: int, rate: float) -> dict[str, Any]:
    took = sorted(answer.seconds for answer in answers)
    cuts = statistics.quantiles(took, n=1000)
    return {
        "webhooks": len(answers),
        "per_second": rate,
        "p50_ms": round(1000 * cuts[499], 2),
        "p99_ms": round(1000 * cuts[989], 2),
        "longest_ms": round(1000 * took[-1], 2),
        "receiver_cpu_ms_each": round(1000 * spent / len(answers), 3),
        "answers": dict(Counter(answer.status for answer in answers)),
        "collections": runs,
        "cores": os.cpu_count(),
        "load_before": round(load, 2),
    }


if __name__ == "__main__":
    main()

"""What one video asks of its store, from the claim to the outcome, on the disk and on S3, in a fresh process.

    python -m tests.benchmarks.storage_operations RESULT

A fan-out for two videos and one for six: the difference is what four of them need, without what a run needs once. On
the disk the operations of ``LocalFiles`` and of fsspec are counted, on S3 the requests that reach the service.
"""

from __future__ import annotations

import asyncio
import functools
import os
import sys
import tempfile
import threading
from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any
from urllib.parse import parse_qs

import fsspec
from fsspec.implementations.local import LocalFileSystem

from flows import fan_out_video
from openrouter_video.request.settings import VideoSettings
from openrouter_video.run.limits import Limits, using_limits
from openrouter_video.sandbox import Sandbox
from openrouter_video.stores.local_store import LocalFiles
from tests.benchmarks.measuring import write_figures

FEW, MANY = 2, 6
ON_THE_DISK = (
    (LocalFiles, ("open_part", "size", "link_new", "replace", "remove", "names")),
    (LocalFileSystem, ("cat_file", "info", "ls", "rm_file")),
)
# What a query means that is no plain request for an object.
S3_QUERIES = {"list-type": "list", "uploads": "list uploads", "uploadId": "part"}


def main(result: str) -> None:
    """Make a few videos in each kind of store, and count."""
    with Sandbox(job_seconds=0) as sandbox, tempfile.TemporaryDirectory() as folder:
        os.environ.update(OPENROUTER_BASE_URL=sandbox.base_url, OPENROUTER_API_KEY=sandbox.api_key)
        figures = {"local": _on_the_disk(folder), "s3": _on_s3()}
    write_figures(result, figures)


def _on_the_disk(folder: str) -> dict[str, float]:
    counts: Counter[str] = Counter()
    for kind, names in ON_THE_DISK:
        for name in names:
            setattr(kind, name, _counted(getattr(kind, name), name, counts))
    return _per_video(folder, counts)


def _counted(function: Callable[..., Any], name: str, counts: Counter[str]) -> Callable[..., Any]:
    @functools.wraps(function)
    def count_and_call(*args: Any, **kwargs: Any) -> Any:
        counts[name] += 1
        return function(*args, **kwargs)

    return count_and_call


def _on_s3() -> dict[str, float] | None:
    """Count on moto's S3; None where it is not installed."""
    try:
        from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app  # noqa: PLC0415
        from werkzeug.serving import WSGIRequestHandler, make_server  # noqa: PLC0415
    except ImportError:
        return None
    counts: Counter[str] = Counter()
    service = DomainDispatcherApplication(create_backend_app)

    class Quiet(WSGIRequestHandler):
        def log(self, *_: Any) -> None:
            """Say nothing."""

    def count_and_serve(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        query = parse_qs(environ.get("QUERY_STRING", ""), keep_blank_values=True)
        kind = next((f" ({kind})" for name, kind in S3_QUERIES.items() if name in query), "")
        counts[f"{environ['REQUEST_METHOD']}{kind}"] += 1
        served: Iterable[bytes] = service(environ, start_response)
        return served

    server = make_server("127.0.0.1", 0, count_and_serve, threaded=True, request_handler=Quiet)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    os.environ.update(AWS_ACCESS_KEY_ID="testing", AWS_SECRET_ACCESS_KEY="testing", AWS_DEFAULT_REGION="us-east-1")
    os.environ["AWS_ENDPOINT_URL"] = f"http://127.0.0.1:{server.server_port}"
    fsspec.filesystem("s3").mkdir("bench")
    try:
        return _per_video("s3://bench/out", counts)
    finally:
        server.shutdown()


def _per_video(output: str, counts: Counter[str]) -> dict[str, float]:
    """Return the operations that one more video of a run takes, by name."""
    asyncio.run(_make(output, 1))
    taken = []
    for videos in (FEW, MANY):
        counts.clear()
        asyncio.run(_make(output, videos))
        taken.append(counts.copy())
    few, many = taken
    return {name: (count - few[name]) / (MANY - FEW) for name, count in sorted(many.items()) if count != few[name]}


async def _make(output: str, videos: int) -> None:
    # Only the store counts here, so nobody waits for the polls.
    with using_limits(Limits(sleep=lambda _: asyncio.sleep(0.02))):
        await fan_out_video(
            f"bench {videos}",
            ["x-ai/grok-imagine-video"],
            settings=VideoSettings(duration=1, resolution="480p"),
            takes=videos,
            output=output,
        )


if __name__ == "__main__":
    main(sys.argv[1])

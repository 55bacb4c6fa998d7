"""Flows as Prefect hands them to the process of a run when somebody calls ``serve``: pickled, function and all."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from prefect import Flow
from prefect.serializers import PickleSerializer

from flows import collect_videos, fan_out_video, generate_video

VALIDATE = """
import sys
from prefect.serializers import PickleSerializer
flow = PickleSerializer().loads(sys.stdin.buffer.read())
parameters = flow.validate_parameters({name: None for name in flow.parameters.properties} | %r)
print(type(parameters.get("settings")).__name__)
"""


@pytest.mark.parametrize(
    ("flow", "parameters", "settings"),
    [
        (generate_video, {"model": "a/b"}, "VideoSettings"),
        (fan_out_video, {"models": ["a/b"]}, "VideoSettings"),
        (collect_videos, {}, "NoneType"),
    ],
    ids=lambda value: getattr(value, "name", ""),
)
def test_a_served_flow_knows_its_parameters(flow: Flow[..., Any], parameters: dict[str, Any], settings: str) -> None:
    """The process of a run checks its parameters by the flow's own types."""
    small = {"prompt": "A flower", "takes": 1, "settings": {"duration": 1}} if parameters else {}
    defaults = {name: field["default"] for name, field in flow.parameters.properties.items() if "default" in field}
    code = VALIDATE % {**defaults, **small, **parameters}
    process = subprocess.run(
        [sys.executable, "-c", code],
        input=PickleSerializer().dumps(flow),
        cwd=Path(__file__).parents[2],
        capture_output=True,
        check=False,
    )
    assert process.stdout.decode().strip() == settings, process.stderr.decode()[-500:]

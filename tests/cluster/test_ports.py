"""The ports of ``make serve`` and ``make cluster``: free ones, which no other command of ours is about to take."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from deployments.loopback import free_port
from tests.support.object_stores import free_ports

ROOT = Path(__file__).resolve().parents[2]
ASK = "import sys; from deployments.loopback import free_port; print(free_port(int(sys.argv[1])))"


def test_two_commands_take_different_ports() -> None:
    """The first has taken it, and its server does not listen yet: it would answer the second one's questions later."""
    (wanted,) = free_ports()
    assert free_port(wanted) == wanted
    other = subprocess.run(
        [sys.executable, "-c", ASK, str(wanted)], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert int(other.stdout) not in {wanted, 0}

"""A command at a terminal of its own, at which somebody reads and types."""

from __future__ import annotations

import os
import pty
import re
import subprocess
import termios
import threading
from pathlib import Path

ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


class AtTerminal:
    """A command whose three streams are one terminal; ``size`` is its lines and columns."""

    def __init__(
        self, words: tuple[str, ...], folder: Path, environment: dict[str, str], size: tuple[int, int] | None = None
    ) -> None:
        self._master, slave = pty.openpty()
        if size:
            termios.tcsetwinsize(slave, size)
        self.process = subprocess.Popen(
            words, cwd=folder, env=environment, stdin=slave, stdout=slave, stderr=slave, start_new_session=True
        )
        os.close(slave)
        self._read = b""
        self._reader = threading.Thread(target=self._keep_reading, daemon=True)
        self._reader.start()

    def _keep_reading(self) -> None:
        while True:
            try:
                self._read += os.read(self._master, 65536)
            except OSError:
                return  # nobody holds the other end any more

    @property
    def written(self) -> str:
        """All that was written so far."""
        return self._read.decode(errors="replace")

    @property
    def shown(self) -> str:
        """All that was shown so far, without colours and movements."""
        return ESCAPES.sub("", self.written)

    def type(self, text: str) -> None:
        """Type a text."""
        os.write(self._master, text.encode())

    def end(self) -> int:
        """Wait for the end; the exit code."""
        code = self.process.wait(90)
        self._reader.join(10)
        return code

    def close(self) -> None:
        """Leave nothing behind."""
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        self._reader.join(10)
        os.close(self._master)

"""OpenSSH's server on this machine, for the tests of SFTP."""

from __future__ import annotations

import getpass
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.support.object_stores import PartIsMissing, free_ports, wait_for


def _sshd_config(folder: Path, port: int) -> str:
    lines = (
        f"Port {port}",
        "ListenAddress 127.0.0.1",
        f"HostKey {folder / 'host_key'}",
        f"AuthorizedKeysFile {folder / 'user_key.pub'}",
        "PasswordAuthentication no",
        "PermitRootLogin yes",
        "StrictModes no",
        "PidFile none",
        "MaxStartups 100",
        "Subsystem sftp internal-sftp",
    )
    return "\n".join(lines) + "\n"


@contextmanager
def openssh(folder: Path) -> Iterator[tuple[str, Path]]:
    """Serve SFTP; lend the URL without a path, and the file with the user's private key."""
    sshd = shutil.which("sshd", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")
    keygen = shutil.which("ssh-keygen")
    if sshd is None or keygen is None:
        raise PartIsMissing("The SFTP tests need OpenSSH's server: apt-get install openssh-server.")
    for name in ("host_key", "user_key"):
        subprocess.run([keygen, "-q", "-t", "ed25519", "-N", "", "-f", str(folder / name)], check=True)
    if os.geteuid() == 0:
        Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)  # sshd's own demand when root starts it
    (port,) = free_ports()
    (folder / "config").write_text(_sshd_config(folder, port))
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen([sshd, "-D", "-e", "-f", str(folder / "config")], stderr=log)
    try:
        if not wait_for(port, process):
            raise PartIsMissing(f"OpenSSH's server did not start: {(folder / 'log').read_text()}")
        yield f"sftp://{getpass.getuser()}@127.0.0.1:{port}", folder / "user_key"
    finally:
        process.terminate()
        process.wait()

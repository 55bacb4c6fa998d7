"""Real parts for the tests: object stores, an OpenSSH server, a Prefect server, and small MP4 videos."""

from __future__ import annotations

import os
import signal
import uuid
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import fsspec
import pytest
from hypothesis import settings

from openrouter_video.stores import Store, open_store
from openrouter_video.stores.other_store import OtherStore
from tests.support import object_stores
from tests.support.grains import further_rows_in_a_chain
from tests.support.object_stores import Environment
from tests.support.openssh import openssh
from tests.support.prefect_servers import LIGHT_SERVER, RUNS_ONLY, one_certificate, serving_runs
from tests.support.small_videos import small_mp4

if TYPE_CHECKING:
    from openrouter_video.sandbox import Sandbox
    from tests.support.faulty_runs import FaultyRuns

# A busy machine makes a first example slow; a test that is slow by itself is found by the suite's own time-out.
settings.register_profile("no deadline", deadline=None)
settings.load_profile("no deadline")

# What a shell starts in the background, or by nohup, ignores these, and so would the processes that tests interrupt.
for _signal in (signal.SIGINT, signal.SIGHUP):
    if signal.getsignal(_signal) == signal.SIG_IGN:
        signal.signal(_signal, signal.default_int_handler)


# Prefect's clients read every certificate that they are given, three times a flow run. No server of the tests has one.
os.environ["PREFECT_API_SSL_CERT_FILE"] = str(one_certificate())

T = TypeVar("T")
LONG = (
    "test_dead_workers",
    "test_ui",
    "test_services",
    "test_image",
    "test_approval",
    "test_shards",
    "test_flows",
    "test_interruptions",
    "test_secrets",
    "test_processes",
    "test_chaos",
    "test_deaths",
    "test_signal_storm",
    "test_packaging",
    "test_object_stores",
)
"""The files that take longest, which begin first, so that no worker ends with one of them alone."""
FIRST = ("cluster", "prefect", "promises", "house", "cli", "stores", "ledger", "videos")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Begin with the long files, then with the wings whose tests start servers and processes."""
    superfluous = further_rows_in_a_chain(items)
    config.hook.pytest_deselected(items=list(superfluous))
    for item in items:
        # A line is covered if a test of certain values reaches it; by chance it would be today, and not tomorrow.
        if getattr(getattr(item, "obj", None), "is_hypothesis_test", False):
            item.add_marker(pytest.mark.no_cover)
    items[:] = [item for item in items if item not in superfluous]
    items.sort(key=lambda item: (_place(LONG, item.path.stem), _place(FIRST, item.path.parent.name)))


def _place(names: tuple[str, ...], name: str) -> int:
    return names.index(name) if name in names else len(names)


# ---- Object stores ---------------------------------------------------------------------------------------------------


@contextmanager
def _served(server: AbstractContextManager[T]) -> Iterator[T]:
    """Run a server; skip for want of a real part, and where all are promised, fail."""
    with ExitStack() as stack:
        try:
            lent = stack.enter_context(server)
        except object_stores.PartIsMissing as missing:
            (pytest.fail if os.environ.get("REQUIRE_REAL_PARTS") == "1" else pytest.skip)(str(missing))
        yield lent


@pytest.fixture(scope="session")
def s3_server() -> Iterator[str]:
    """Serve S3 on this machine by moto; the endpoint's URL."""
    with _served(object_stores.moto()) as environment:
        yield environment["AWS_ENDPOINT_URL"]


@pytest.fixture(scope="session")
def seaweed_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Environment]:
    """Serve S3 on this machine by SeaweedFS, with a bucket; the environment that opens it."""
    with _served(object_stores.seaweedfs(tmp_path_factory.mktemp("seaweedfs"))) as environment:
        yield environment


@pytest.fixture(scope="session")
def gcs_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Environment]:
    """Serve Google Cloud Storage on this machine; the environment that opens it."""
    with _served(object_stores.fake_gcs_server(tmp_path_factory.mktemp("gcs"))) as environment:
        yield environment


@pytest.fixture(scope="session")
def azure_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Environment]:
    """Serve Azure's blobs on this machine; the environment that opens them."""
    with _served(object_stores.azurite(tmp_path_factory.mktemp("azurite"))) as environment:
        yield environment


@pytest.fixture
def s3_store_url(s3_server: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The URL of an empty folder on moto's S3, which this process and its children can open without options."""
    with object_stores.used({"AWS_ENDPOINT_URL": s3_server, **object_stores.S3_KEYS}, monkeypatch):
        yield f"{object_stores.new_bucket('s3')}/out"


@pytest.fixture
def seaweed_store_url(seaweed_server: Environment, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The URL of an empty folder on SeaweedFS's S3, which this process and its children can open without options."""
    with object_stores.used(seaweed_server, monkeypatch):
        yield object_stores.new_folder("s3")


@pytest.fixture
def gcs_store_url(gcs_server: Environment, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The URL of an empty folder on Google's store, which this process and its children can open without options."""
    with object_stores.used(gcs_server, monkeypatch):
        yield object_stores.new_folder("gs")


@pytest.fixture
def azure_store_url(azure_server: Environment, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The URL of an empty folder on Azure, which this process and its children can open without options."""
    with object_stores.used(azure_server, monkeypatch):
        yield object_stores.new_folder("az")


@pytest.fixture(params=["rclone", "s3rver", "gcp_storage_emulator"])
def lying_store_url(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The URL of an empty folder on a server that lets a second writer win, one server after the other."""
    server: Callable[[Path], AbstractContextManager[Environment]] = getattr(object_stores, request.param)
    with _served(server(tmp_path)) as environment, object_stores.used(environment, monkeypatch):
        yield f"{'gs' if 'STORAGE_EMULATOR_HOST' in environment else 's3'}://bucket/out"


@pytest.fixture
def overwriting_s3(tmp_path: Path) -> Iterator[dict[str, str]]:
    """An S3 server (rclone), which overwrites whatever the condition says; the options to open s3://bucket with."""
    with _served(object_stores.rclone(tmp_path)) as environment:
        yield {
            "endpoint_url": environment["AWS_ENDPOINT_URL"],
            "key": environment["AWS_ACCESS_KEY_ID"],
            "secret": environment["AWS_SECRET_ACCESS_KEY"],
        }


# ---- SFTP: OpenSSH's server ------------------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def sftp_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    """Serve SFTP on this machine by OpenSSH; the URL without a path, and the file with the user's private key."""
    pytest.importorskip("paramiko", reason="The SFTP tests need paramiko: pip install paramiko.")
    with _served(openssh(tmp_path_factory.mktemp("sshd"))) as served:
        yield served


@pytest.fixture
def sftp_store_url(sftp_server: tuple[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The URL of an empty folder over SFTP, which this process and its children can open without options."""
    url, key = sftp_server
    monkeypatch.setenv("FSSPEC_SFTP_KEY_FILENAME", str(key))
    monkeypatch.setitem(fsspec.config.conf, "sftp", {"key_filename": str(key)})
    return f"{url}{tmp_path}/over-sftp"


# ---- One store of each kind ------------------------------------------------------------------------------------------

STORE_KINDS = ("local", "memory", "sftp", "s3", "seaweed", "gcs", "azure")


@pytest.fixture(params=STORE_KINDS)
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    """An empty store of each kind; a test that is of some only says which by ``of_kinds``."""
    if request.param == "other":
        filesystem = fsspec.filesystem("dir", path=str(tmp_path), fs=fsspec.filesystem("file", auto_mkdir=True))
        yield OtherStore("dir://videos", filesystem, "videos")
        return
    urls = {"local": str(tmp_path / "videos"), "memory": f"memory://{uuid.uuid4().hex}"}
    with closing(
        open_store(urls.get(request.param) or request.getfixturevalue(f"{request.param}_store_url"))
    ) as opened:
        yield opened


# ---- Videos ----------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def make_mp4() -> Callable[..., bytes]:
    """Make real H.264 MP4s; ``flags`` are FFmpeg's movflags, such as "faststart"."""
    return small_mp4


# ---- Prefect: a server and its engine --------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def prefect_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Run flows against a Prefect server with a database of its own, which keeps no events."""
    os.environ |= LIGHT_SERVER
    with serving_runs(tmp_path_factory.mktemp("prefect-server"), **RUNS_ONLY):
        yield


# ---- The API ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def sandbox(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Sandbox]:
    """A sandbox whose jobs are done at once, set up as the environment's API, and an output of its own."""
    from openrouter_video.sandbox import Sandbox  # noqa: PLC0415 (only those pay for it who ask for it)

    with Sandbox(job_seconds=0.1) as running:
        monkeypatch.setenv("OPENROUTER_API_KEY", running.api_key)
        monkeypatch.setenv("OPENROUTER_BASE_URL", running.base_url)
        monkeypatch.setenv("OPENROUTER_VIDEO_OUTPUT", str(tmp_path / "videos"))
        monkeypatch.delenv("OPENROUTER_VIDEO_LEDGER", raising=False)
        yield running


# ---- Faults: whole flows against a sandbox, in simulated time --------------------------------------------------------


@pytest.fixture
def runs(
    request: pytest.FixtureRequest, prefect_server: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Iterator[FaultyRuns]:
    """Flows that make one video in a folder of their own; the sandbox's jobs are done as soon as they are drawn.

    With the parameter "lane", the video is made in a lane, as those of a large run are.
    """
    from openrouter_video.sandbox import Sandbox  # noqa: PLC0415 (only the tests of flows pay for it)
    from tests.support.faulty_runs import FaultyRuns  # noqa: PLC0415

    made = FaultyRuns(monkeypatch, tmp_path / "videos")
    if getattr(request, "param", "chain") == "lane":
        made.limits = made.limits._replace(lanes=0)
    with Sandbox(job_seconds=0) as sandbox:
        made.use(sandbox)
        yield made

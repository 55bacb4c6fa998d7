"""Real parts for the tests: object stores, an OpenSSH server, a Prefect server, and small MP4 videos."""

from __future__ import annotations

import asyncio
import getpass
import os
import shutil
import signal
import subprocess
import tempfile
import uuid
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, closing, contextmanager
from fractions import Fraction
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import av
import fsspec
import pytest
from av.audio.stream import AudioStream
from av.container import OutputContainer
from hypothesis import settings

from openrouter_video.stores import Store, open_store
from openrouter_video.stores.other_store import OtherStore
from tests.support import object_stores
from tests.support.object_stores import Environment
from tests.support.prefect_servers import DATABASE, prefect_home

if TYPE_CHECKING:
    from openrouter_video.outcome import Outcome
    from openrouter_video.sandbox import Sandbox

# A busy machine makes a first example slow; a test that is slow by itself is found by the suite's own time-out.
settings.register_profile("no deadline", deadline=None)
settings.load_profile("no deadline")

# What a shell starts in the background, or by nohup, ignores these, and so would the processes that tests interrupt.
for _signal in (signal.SIGINT, signal.SIGHUP):
    if signal.getsignal(_signal) == signal.SIG_IGN:
        signal.signal(_signal, signal.default_int_handler)


FIRST = ("prefect", "promises", "house", "cli")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the files whose tests start servers and processes, so that no worker ends with a long one."""
    wings = {item: item.path.parent.name for item in items}
    items.sort(key=lambda item: FIRST.index(wings[item]) if wings[item] in FIRST else len(FIRST))


def _absent(sentence: str) -> NoReturn:
    """Skip for want of a real part; where all are promised, fail."""
    if os.environ.get("REQUIRE_REAL_PARTS") == "1":
        pytest.fail(sentence)
    pytest.skip(sentence)


# ---- Object stores ---------------------------------------------------------------------------------------------------


@contextmanager
def _served(server: AbstractContextManager[Environment]) -> Iterator[Environment]:
    with ExitStack() as stack:
        try:
            environment = stack.enter_context(server)
        except object_stores.PartIsMissing as missing:
            _absent(str(missing))
        yield environment


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


@pytest.fixture(scope="session")
def sftp_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    """Serve SFTP on this machine by OpenSSH; the URL without a path, and the file with the user's private key."""
    sshd = shutil.which("sshd", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")
    keygen = shutil.which("ssh-keygen")
    if sshd is None or keygen is None:
        _absent("The SFTP tests need OpenSSH's server: apt-get install openssh-server.")
    pytest.importorskip("paramiko", reason="The SFTP tests need paramiko: pip install paramiko.")
    folder = tmp_path_factory.mktemp("sshd")
    for name in ("host_key", "user_key"):
        subprocess.run([keygen, "-q", "-t", "ed25519", "-N", "", "-f", str(folder / name)], check=True)
    if os.geteuid() == 0:
        Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)  # sshd's own demand when root starts it
    (port,) = object_stores.free_ports()
    (folder / "config").write_text(_sshd_config(folder, port))
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen([sshd, "-D", "-e", "-f", str(folder / "config")], stderr=log)
    try:
        if not object_stores.wait_for(port, process):
            _absent(f"OpenSSH's server did not start: {(folder / 'log').read_text()}")
        yield f"sftp://{getpass.getuser()}@127.0.0.1:{port}", folder / "user_key"
    finally:
        process.terminate()
        process.wait()


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


def _mux_silence(container: OutputContainer, sound: AudioStream, seconds: int) -> None:
    for number in range(8 * seconds):
        samples = av.AudioFrame("fltp", "mono", 1000)
        samples.planes[0].update(bytes(samples.planes[0].buffer_size))
        samples.sample_rate, samples.pts, samples.time_base = 8000, number * 1000, Fraction(1, 8000)
        container.mux(sound.encode(samples))
    container.mux(sound.encode())


@cache
def _mp4(width: int, height: int, seconds: int, audio: bool, flags: str) -> bytes:
    # A file on the disk: with faststart FFmpeg reads back what it has written.
    file = Path(tempfile.mkstemp(suffix=".mp4")[1])
    with av.open(str(file), "w", format="mp4", options={"movflags": flags} if flags else {}) as container:
        video = container.add_stream("libx264", rate=8, options={"preset": "ultrafast"})
        video.width, video.height, video.pix_fmt = width, height, "yuv420p"
        sound = container.add_stream("aac", rate=8000, layout="mono") if audio else None
        for number in range(8 * seconds):
            frame = av.VideoFrame(width, height, "yuv420p")
            for plane in frame.planes:
                plane.update(bytes([number * 7 % 256]) * plane.buffer_size)
            frame.pts = number
            container.mux(video.encode(frame))
        container.mux(video.encode())
        if sound is not None:
            _mux_silence(container, sound, seconds)
    content = file.read_bytes()
    file.unlink()
    return content


@pytest.fixture(scope="session")
def make_mp4() -> Callable[..., bytes]:
    """Make real H.264 MP4s; ``flags`` are FFmpeg's movflags, such as "faststart"."""

    def make(width: int = 64, height: int = 48, seconds: int = 1, *, audio: bool = False, flags: str = "") -> bytes:
        return _mp4(width, height, seconds, audio, flags)

    return make


# ---- Prefect: a server and its engine --------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def prefect_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Run flows against a Prefect server with a database of its own."""
    from prefect.settings import (  # noqa: PLC0415 (only the tests of flows pay for Prefect)
        PREFECT_RESULTS_LOCAL_STORAGE_PATH,
        temporary_settings,
    )
    from prefect.testing import utilities  # noqa: PLC0415

    results = tmp_path_factory.mktemp("results")
    os.environ |= {"PREFECT_SERVER_ANALYTICS_ENABLED": "false", "PREFECT_SERVER_UI_ENABLED": "false"}
    with (
        _beginning_with_an_empty_database(),
        utilities.prefect_test_harness(server_startup_timeout=90),
        temporary_settings({PREFECT_RESULTS_LOCAL_STORAGE_PATH: results}),
    ):
        yield


@contextmanager
def _beginning_with_an_empty_database() -> Iterator[None]:
    """Let Prefect's harness find an empty database in its folder, which it would else take seconds to make."""
    from prefect.testing import utilities  # noqa: PLC0415

    home = prefect_home(Path(tempfile.mkdtemp()))
    (home / DATABASE).rename(home / "prefect-test.db")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(utilities, "mkdtemp", lambda: str(home))
        yield


# ---- Faults: whole flows against a sandbox, in simulated time --------------------------------------------------------


class SimulatedTime:
    """A clock that only sleeping moves; ``slept`` holds each wait, and ``during`` is called in each with its number."""

    def __init__(self) -> None:
        self.now = 0.0
        self.slept: list[float] = []
        self.during: Callable[[int], None] = lambda _: None

    def clock(self) -> float:
        """Return the seconds slept so far."""
        return self.now

    async def sleep(self, seconds: float) -> None:
        """Let the time pass almost at once: the sandbox draws its videos in real time."""
        if seconds > 0:
            self.slept.append(seconds)
            self.now += seconds
            self.during(len(self.slept))
        await asyncio.sleep(0.003)


class FaultyRuns:
    """Runs of the flows for one short video, whose API is a sandbox in which anything may go wrong."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, output: Path) -> None:
        from openrouter_video.run.limits import Limits  # noqa: PLC0415 (only the tests of flows pay for it)

        self.output = output
        self.time = SimulatedTime()
        self.limits = Limits(sleep=self.time.sleep, clock=self.time.clock)
        self._environment = monkeypatch
        self._set(OPENROUTER_VIDEO_OUTPUT=str(output), OPENROUTER_VIDEO_LEDGER="")
        for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"):
            monkeypatch.delenv(name, raising=False)

    def use(self, sandbox: Sandbox, base_url: str | None = None) -> None:
        """Let the environment's API be this sandbox, or another URL with its key."""
        self._set(OPENROUTER_API_KEY=sandbox.api_key, OPENROUTER_BASE_URL=base_url or sandbox.base_url)
        self.sandbox = sandbox

    def use_store(self, output: str, ledger: str | None = None) -> None:
        """Keep the videos, and perhaps the ledger, elsewhere."""
        self._set(OPENROUTER_VIDEO_OUTPUT=output, OPENROUTER_VIDEO_LEDGER=ledger or "")

    def be_impatient(self, **seconds: float) -> None:
        """Set some of the time-outs of single requests, which pass in real time."""
        self.limits = self.limits._replace(timeouts=self.limits.timeouts._replace(**seconds))

    def use_key(self, api_key: str) -> None:
        """Ask with another key from now on."""
        self._set(OPENROUTER_API_KEY=api_key)

    async def generate(self, **kwargs: Any) -> Outcome:
        """Run the flow once and return what became of its one video, however the run ended."""
        from flows import generate_video  # noqa: PLC0415 (only the tests of flows pay for Prefect)
        from openrouter_video.errors import TooFewVideos  # noqa: PLC0415
        from openrouter_video.request.settings import VideoSettings  # noqa: PLC0415
        from openrouter_video.run.limits import using_limits  # noqa: PLC0415

        small = VideoSettings(duration=1, resolution="480p")
        with using_limits(self.limits):
            state = await generate_video("A white orchid", MODEL, settings=small, return_state=True, **kwargs)
        result = await state.aresult(raise_on_failure=False)
        if isinstance(result, BaseException) and not isinstance(result, TooFewVideos):
            raise result
        (outcome,) = result.outcomes if isinstance(result, TooFewVideos) else result
        return outcome

    async def generate_in_retried_flow(self, **kwargs: Any) -> list[Outcome]:
        """Run a flow that calls the flow and then fails, so that Prefect runs it again; what both attempts got."""
        from prefect import flow  # noqa: PLC0415

        got: list[Outcome] = []

        @flow(retries=1)
        async def nightly() -> None:
            got.append(await self.generate(**kwargs))
            if len(got) == 1:
                raise RuntimeError("something later went wrong")

        await nightly()
        return got

    async def collect(self, **kwargs: Any) -> list[Outcome]:
        """Run the flow that finishes what is open."""
        from flows import collect_videos  # noqa: PLC0415
        from openrouter_video.run.limits import using_limits  # noqa: PLC0415

        with using_limits(self.limits):
            outcomes: list[Outcome] = await collect_videos(**kwargs)
        return outcomes

    async def collect_one(self, **kwargs: Any) -> Outcome:
        """Collect, where one video is not finished yet."""
        (outcome,) = await self.collect(**kwargs)
        return outcome

    async def know_models(self, base_url: str) -> None:
        """Have the list of models for a base URL at hand, as a run of the last hour would have left it."""
        from prefect import flow  # noqa: PLC0415

        from openrouter_video.api.client import VideoClient  # noqa: PLC0415
        from openrouter_video.tasks import fetch_catalog  # noqa: PLC0415

        @flow
        async def earlier() -> None:
            async with VideoClient(None, self.sandbox.base_url) as client:
                await fetch_catalog(base_url, client)

        await earlier()

    def count(self, kind: str) -> int:
        """How many requests of a kind the sandbox saw: submit, poll, content."""
        return sum(seen.kind == kind for seen in self.sandbox.requests)

    @property
    def jobs(self) -> int:
        """How many jobs were charged."""
        return len(self.sandbox.charges)

    @property
    def files(self) -> list[str]:
        """The names of all files in the output, temporary ones too, but not the ledger's records."""
        found = [path.relative_to(self.output) for path in self.output.rglob("*") if path.is_file()]
        ours = {"_jobs", ".openrouter-video-folder"}
        return sorted(path.name for path in found if path.parts[0] not in ours or path.name.endswith(".part"))

    def _set(self, **environment: str) -> None:
        for name, value in environment.items():
            self._environment.setenv(name, value)


MODEL = "x-ai/grok-imagine-video"


@pytest.fixture
def runs(prefect_server: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[FaultyRuns]:
    """Flows that make one video in a folder of their own; the sandbox's jobs are done as soon as they are drawn."""
    from openrouter_video.sandbox import Sandbox  # noqa: PLC0415

    made = FaultyRuns(monkeypatch, tmp_path / "videos")
    with Sandbox(job_seconds=0) as sandbox:
        made.use(sandbox)
        yield made

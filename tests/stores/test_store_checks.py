"""What is asked of a store before anything is paid: few rights, no litter, an answer in time; and who reads records."""

from __future__ import annotations

import os
import socket
import stat
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import fsspec
import psutil
import pytest

from blocks import VideoStore
from openrouter_video.cli import main
from openrouter_video.errors import ConfigurationError, LedgerUnsafe, RequestRefused
from openrouter_video.ledger.ledger import Ledger
from openrouter_video.outcome import Outcome
from openrouter_video.request.images import load_image
from openrouter_video.run.destination import find_destination, ledger_mode
from openrouter_video.sandbox import Fault
from openrouter_video.stores import Store, check_ledger, check_reachable, check_writable, open_store, time_limit
from openrouter_video.stores.checks import PROBE
from openrouter_video.stores.errors import explain
from openrouter_video.stores.folder_store import FolderStore
from openrouter_video.stores.object_store import S3Store
from openrouter_video.threads import start
from tests.support.flow_processes import wait_until

if TYPE_CHECKING:
    from tests.support.faulty_runs import FaultyRuns

KEY = "0123456789abcdef0123456789abcdef"
DENIED = b'<?xml version="1.0"?><Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>'


# ---- Rights on an object store ---------------------------------------------------------------------------------------


class Policy:
    """An S3 server that counts its requests and refuses some, as the policy of a bucket does."""

    def __init__(self) -> None:
        self.denied: Callable[[str, str], bool] = lambda _method, _query: False
        self.asked: Counter[str] = Counter()
        self.url = ""

    def around(self, application: Any) -> Any:
        """Return the server's application with this policy in front of it."""

        def answer(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
            method, query = environ["REQUEST_METHOD"], environ["QUERY_STRING"]
            self.asked[method] += 1
            if self.denied(method, query):
                environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
                start_response("403 Forbidden", [("Content-Type", "application/xml")])
                return [DENIED]
            return application(environ, start_response)  # type: ignore[no-any-return]

        return answer


@pytest.fixture
def policy(monkeypatch: pytest.MonkeyPatch) -> Iterator[Policy]:
    """A bucket that opens without options, with a policy to be set."""
    pytest.importorskip("s3fs")
    app = pytest.importorskip("moto.moto_server.werkzeug_app")
    serving = pytest.importorskip("werkzeug.serving")
    policy = Policy()
    wrapped = policy.around(app.DomainDispatcherApplication(app.create_backend_app))
    server = serving.make_server("127.0.0.1", 0, wrapped, request_handler=app.MotoRequestHandler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    # By the configuration and not by the environment: fsspec shares what it has opened, and looks at no environment.
    options = {"endpoint_url": f"http://127.0.0.1:{server.server_port}", "key": "testing", "secret": "testing"}
    monkeypatch.setitem(fsspec.config.conf, "s3", options)
    bucket = f"policy-{server.server_port}"
    fsspec.filesystem("s3", skip_instance_cache=True).mkdir(bucket)
    policy.url = f"s3://{bucket}/out"
    yield policy
    server.shutdown()
    thread.join()
    server.server_close()


def no_delete(method: str, query: str) -> bool:
    """Whether a request removes something."""
    return method == "DELETE" or (method == "POST" and "delete" in query)


def test_only_creating_needs_no_right_to_delete(policy: Policy) -> None:
    """One probe stays in each place, however often it is tried, and nothing is asked to be removed."""
    policy.denied = no_delete
    store = open_store(policy.url)
    for _ in range(3):
        find_destination(policy.url, None, {}).check()
    assert store.list_names() == [PROBE, "_jobs"]
    assert store.list_names("_jobs") == [PROBE]
    assert policy.asked["DELETE"] == policy.asked["POST"] == 0
    policy.asked.clear()
    find_destination(policy.url, None, {}).check()
    assert policy.asked.total() <= 8


@pytest.mark.usefixtures("prefect_server")
async def test_a_video_is_made_without_the_right_to_delete(policy: Policy, runs: FaultyRuns) -> None:
    """From the claim to the sidecar, and a second run finds it again; of each run a mark stays, which was emptied."""
    policy.denied = no_delete
    runs.use_store(policy.url)
    outcome = await runs.generate(idempotency_key="k")
    again = await runs.generate(idempotency_key="k")
    assert (outcome.status, again.status, again.reused, runs.jobs) == ("completed", "completed", True, 1)
    assert policy.asked["DELETE"] == 2
    assert open_store(policy.url).child("_jobs").filesystem.du(f"{policy.url}/_jobs/_open") == 0


@pytest.mark.parametrize(
    ("right", "denied"),
    [
        ("write", lambda method, query: method == "PUT"),
        ("read", lambda method, query: method in {"GET", "HEAD"} and "list-type" not in query),
        ("list", lambda method, query: "list-type" in query),
    ],
)
def test_every_other_right_is_asked_for(policy: Policy, right: str, denied: Callable[[str, str], bool]) -> None:
    """Also where an earlier run has left its probe; and the words are no document."""
    check_writable(open_store(policy.url))
    policy.denied = denied
    with pytest.raises(ConfigurationError, match=r"cannot be used.*(Access Denied|Forbidden|Grant access)") as caught:
        check_writable(open_store(policy.url))
    assert "<" not in str(caught.value)


def test_probes_of_older_versions_are_tried_once_and_left(policy: Policy) -> None:
    """A listing of keys removes them where it may, and does not ask again and again where it may not."""
    store = open_store(policy.url)
    for number in range(5):
        store.write_bytes(f".probe-1000-{number}", b"1")
    policy.denied = no_delete
    policy.asked.clear()
    assert Ledger(store).keys() == []
    assert policy.asked["DELETE"] == 1
    policy.denied = lambda _method, _query: False
    assert Ledger(store).keys() == []
    assert store.list_names() == []


class Liar:
    """An object store that answers creations of a second writer as it is told."""

    def __init__(self, tells: bool | None, replaces: bool) -> None:
        self.tells, self.replaces = tells, replaces
        self.files: dict[str, bytes] = {}

    def pipe_file(self, path: str, value: bytes, mode: str = "overwrite") -> None:
        """Keep the file, or what its kind of lie makes of it."""
        exists = path in self.files
        if not exists or mode != "create" or self.replaces:
            self.files[path] = value
        if exists and mode == "create" and self.tells:
            raise FileExistsError(path)

    def cat_file(self, path: str) -> bytes:
        """Give back what was kept."""
        if path not in self.files:
            raise FileNotFoundError(path)
        return self.files[path]


@pytest.mark.parametrize(
    ("tells", "replaces", "good"), [(True, False, True), (True, True, False), (False, True, False)]
)
def test_a_probe_that_stays_finds_liars_too(tells: bool, replaces: bool, good: bool) -> None:
    """The first time, and each time after."""
    store = S3Store("s3://b", Liar(tells, replaces), "/b")
    for _ in range(3):
        if good:
            check_ledger(store)
        else:
            with pytest.raises(LedgerUnsafe, match="second writer replace"):
                check_ledger(store)


# ---- Who may read the ledger -----------------------------------------------------------------------------------------


@pytest.fixture(params=["local", "sftp"])
def folder_store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Callable[[str], FolderStore]]:
    """Opens a folder below the test's own, on the disk or over SFTP."""
    with ExitStack() as opened:

        def opening(name: str) -> FolderStore:
            url = str(tmp_path)
            if request.param == "sftp":
                url = request.getfixturevalue("sftp_store_url").removesuffix("/over-sftp")
            store = open_store(f"{url}/{name}")
            opened.callback(store.close)
            assert isinstance(store, FolderStore)
            return store

        yield opening


def modes_below(folder: Path) -> dict[str, str]:
    """The permissions of all that is below a folder, by its path from there."""
    return {
        str(path.relative_to(folder)): f"{stat.S_IMODE(path.stat().st_mode):o}" for path in sorted(folder.rglob("*"))
    }


@pytest.mark.parametrize(
    ("mode", "file", "folder"), [(0o600, "600", "700"), (0o660, "660", "770"), (0o640, "640", "750")]
)
def test_records_are_for_whom_the_mode_says(
    folder_store: Callable[[str], FolderStore], tmp_path: Path, mode: int, file: str, folder: str
) -> None:
    """Whatever the umask; the folder above and the videos are as the umask says."""
    mask = os.umask(0o027)
    try:
        videos = folder_store("videos")
        ledger = Ledger(videos.child("_jobs"), mode)
        ledger.settle(KEY, Outcome(model="acme/one", status="failed"))
        ledger.store.write_bytes("index/one", b"x")
        videos.write_bytes("a/sidecar.json", b"x")
        with videos.writing("a/video.mp4") as writer:
            writer.write(b"x")
            writer.publish()
    finally:
        os.umask(mask)
    # The server has a umask of its own.
    others = {name: value for name, value in modes_below(tmp_path / "videos").items() if not name.startswith("_jobs")}
    assert not set(others.values()) & {"600", "700"}
    assert modes_below(tmp_path / "videos" / "_jobs") == {
        KEY: folder,
        f"{KEY}/outcome.json": file,
        "index": folder,
        "index/one": file,
    }
    assert oct((tmp_path / "videos" / "_jobs").stat().st_mode)[-3:] == folder


def test_a_temporary_is_no_more_readable_than_its_record(
    folder_store: Callable[[str], FolderStore], tmp_path: Path
) -> None:
    """From its first moment on, for what is opened once stays open."""
    store = folder_store("jobs").readable_by(0o600)
    with store.files() as files:
        files.make_folders(store.path("k"), store.access)
        file = files.open_part(store.path("k", ".x.part"), store.access)
        assert modes_below(tmp_path / "jobs") == {"k": "700", "k/.x.part": "600"}
        file.abandon()


def test_a_folder_that_is_there_stays_as_it_is(folder_store: Callable[[str], FolderStore], tmp_path: Path) -> None:
    """And hands its group on: who shares a ledger has set it up so."""
    (tmp_path / "jobs").mkdir()
    (tmp_path / "jobs").chmod(0o2775)
    Ledger(folder_store("jobs"), 0o660).settle(KEY, Outcome(model="acme/one", status="failed"))
    assert stat.S_IMODE((tmp_path / "jobs").stat().st_mode) == 0o2775
    assert modes_below(tmp_path / "jobs")[KEY] == "2770"


@pytest.mark.parametrize(
    ("text", "mode"), [("", 0o600), ("660", 0o660), ("0640", 0o640), ("0o664", 0o664), (" 600 ", 0o600)]
)
def test_the_mode_of_a_ledger_comes_from_the_environment(text: str, mode: int) -> None:
    """As chmod takes it."""
    assert ledger_mode({"OPENROUTER_VIDEO_LEDGER_MODE": text}) == mode


@pytest.mark.parametrize("text", ["777", "066", "rw", "6600", "-600", "666", "6"])
def test_a_mode_that_makes_no_sense_is_refused(text: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Before anything is opened, with what is allowed."""
    monkeypatch.setenv("OPENROUTER_VIDEO_LEDGER_MODE", text)
    with pytest.raises(ConfigurationError, match=f"'{text}'; allowed are 600, 640, 660"):
        find_destination(str(tmp_path), None, {}).open_ledger()
    with pytest.raises(ConfigurationError, match="allowed are"):
        VideoStore(base_url=str(tmp_path)).destination.open_ledger()


# ---- Connections that end --------------------------------------------------------------------------------------------


def connections_to(url: str) -> int:
    """How many connections this process has to a server of this machine; one that was closed may take a moment."""
    port = int(url.rpartition("127.0.0.1:")[2].partition("/")[0])
    return sum(
        bool(one.raddr) and one.raddr[1] == port and one.status == psutil.CONN_ESTABLISHED
        for one in psutil.Process().net_connections("tcp")
    )


@pytest.mark.usefixtures("prefect_server")
async def test_no_sftp_connection_outlives_its_run(sftp_store_url: str, runs: FaultyRuns) -> None:
    """After runs, collections, a refused run and commands there are as many as before: none."""
    runs.use_store(sftp_store_url)
    for number in range(2):
        assert (await runs.generate(idempotency_key=f"k{number}")).status == "completed"
        wait_until(lambda: connections_to(sftp_store_url) == 0)
    runs.sandbox.add_fault(Fault(on="content", status=404, times=None))
    assert (await runs.generate(idempotency_key="open")).status == "open"
    runs.sandbox.clear_faults()
    assert (await runs.collect_one()).status == "completed"
    wait_until(lambda: connections_to(sftp_store_url) == 0)
    runs.use_key("wrong")
    assert (await runs.generate(idempotency_key="refused")).status == "refused"
    with pytest.raises(RequestRefused):
        load_image(f"{sftp_store_url}/absent.png")
    assert main(["ledger", "list", "--output", sftp_store_url]) == 0
    wait_until(lambda: connections_to(sftp_store_url) == 0)
    with pytest.raises(ConfigurationError, match="Check the credentials"):
        open_store(
            sftp_store_url, {"password": "wrong", "key_filename": None, "look_for_keys": False, "allow_agent": False}
        )
    wait_until(lambda: connections_to(sftp_store_url) == 0)


def test_idle_sftp_connections_are_few(sftp_store_url: str) -> None:
    """However many were in use at once; after the end each use has one of its own."""
    store = open_store(sftp_store_url)
    with ExitStack() as lent:
        for _ in range(12):
            lent.enter_context(store.session())
        assert connections_to(sftp_store_url) == 12
        late = ExitStack()
        late.enter_context(store.session())
    wait_until(lambda: connections_to(sftp_store_url) <= 9)
    store.close()
    wait_until(lambda: connections_to(sftp_store_url) == 1)
    late.close()
    wait_until(lambda: connections_to(sftp_store_url) == 0)
    store.write_bytes("a", b"x")
    assert store.child().read_bytes("a") == b"x"
    wait_until(lambda: connections_to(sftp_store_url) == 0)


# ---- Stores that nobody can reach ------------------------------------------------------------------------------------


@pytest.fixture
def black_hole() -> Iterator[int]:
    """A port that never answers: nobody accepts, and what comes later is dropped."""
    with ExitStack() as opened:
        listener = opened.enter_context(socket.socket())
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        for _ in range(4):
            waiting = opened.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(listener.getsockname())
        yield listener.getsockname()[1]


@pytest.fixture
def silence() -> Iterator[int]:
    """A port where connections are made and nothing is ever said."""
    with socket.create_server(("127.0.0.1", 0), backlog=100) as listener:
        yield listener.getsockname()[1]


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wait half a second instead of ten."""
    monkeypatch.setattr(time_limit, "ANSWER_SECONDS", 0.5)


AZURE = """The specified container does not exist.
RequestId:1-2
Time:2026-11-25T00:00:00.0Z
ErrorCode:ContainerNotFound
Content: <?xml version="1.0"?><Error><Code>ContainerNotFound</Code><Message>The specified container does not exist.
RequestId:1-2
Time:2026-11-25T00:00:00.0Z</Message></Error>"""
STORES = {
    "s3": ("s3fs", "s3://bucket/v", {"key": "k", "secret": "s", "endpoint_url": "http://127.0.0.1:{port}"}),
    "azure": (
        "adlfs",
        "az://container/v",
        {"connection_string": "AccountName=a;AccountKey=YQ==;BlobEndpoint=http://127.0.0.1:{port}/a"},
    ),
    "gcs": ("gcsfs", "gs://bucket/v", {"token": "anon", "endpoint_url": "http://127.0.0.1:{port}"}),
    "sftp": ("paramiko", "sftp://me@127.0.0.1:{port}/v", {"password": "canary"}),
}


@pytest.mark.parametrize("kind", STORES)
@pytest.mark.parametrize("way", ["black_hole", "silence"])
@pytest.mark.usefixtures("impatient")
def test_an_unreachable_store_is_refused_in_time(way: str, kind: str, request: pytest.FixtureRequest) -> None:
    """By one sentence, whatever its driver would go on to try; nothing is waited for at the end of the process."""
    driver, url, given = STORES[kind]
    pytest.importorskip(driver)
    port = request.getfixturevalue(way)
    options = {name: value.format(port=port) for name, value in given.items()}

    def check(asking: Callable[[Store], None]) -> None:
        asking(open_store(url.format(port=port), options))

    for asking in (check_writable, check_ledger, check_reachable):
        with pytest.raises(ConfigurationError, match="did not answer within 0 seconds"):
            check(asking)
    assert not [thread for thread in threading.enumerate() if thread.name == "openrouter-video" and not thread.daemon]


def test_a_late_answer_is_put_away(sftp_store_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A connection that comes about after it is not waited for any more is closed."""
    answers: list[Future[Any]] = []

    def started(work: Callable[[], Any]) -> Future[Any]:
        answers.append(start(work))
        return answers[-1]

    monkeypatch.setattr(time_limit, "ANSWER_SECONDS", 0.0)
    monkeypatch.setattr(time_limit, "start", started)
    with pytest.raises(ConfigurationError, match="did not answer"):
        open_store(sftp_store_url)
    assert isinstance(answers[0].result(), Store)
    wait_until(lambda: connections_to(sftp_store_url) == 0)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (AZURE, "The specified container does not exist"),
        ("b'<html><head><title>502 Bad Gateway</title></head><body></body></html>'", "502 Bad Gateway"),
        ("<Error><Code>AccessDenied</Code><Message>No &lt;way&gt;", "AccessDenied: No <way>"),
        ("Answer: <!DOCTYPE html><p>nothing", "Answer:"),
        ("a < b and <class 'int'>", "a < b and <class 'int'>"),
    ],
)
def test_a_document_becomes_words(text: str, said: str) -> None:
    """What a server says in XML or HTML is for programs; people get its reason."""
    assert explain(RuntimeError(text)) == f"{said} (RuntimeError)."

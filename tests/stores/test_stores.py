"""One contract for every kind of store, on real servers; and what each kind adds to it."""

from __future__ import annotations

import builtins
import errno
import os
import re
import socket
import stat
import subprocess
import sys
import uuid
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from fsspec.implementations.memory import MemoryFileSystem
from gcsfs.retry import HttpError

from openrouter_video.errors import ConfigurationError, LedgerUnsafe, StorageError
from openrouter_video.stores import Store, check_ledger, check_writable, open_store
from openrouter_video.stores.checks import PROBE
from openrouter_video.stores.errors import explain
from openrouter_video.stores.object_store import S3Store
from openrouter_video.stores.other_store import MemoryStore
from openrouter_video.stores.urls import share_options
from tests.support import object_stores
from tests.support.object_stores import Environment, of_kinds
from tests.support.store_writers import writers

ROOT = Path(__file__).parents[2]
BUCKETS = of_kinds("s3", "seaweed", "gcs", "azure")


def everything_in(store: Store) -> list[str]:
    """List every file below a store, hidden and temporary ones too."""
    with store.session() as filesystem:
        filesystem.invalidate_cache()
        found = filesystem.find(store.root) if filesystem.exists(store.root) else []
        # SeaweedFS has real folders, and shows an empty one for a while.
        return sorted(name for name in found if name != store.root)


def fail_syncs(monkeypatch: pytest.MonkeyPatch, number: int, *, files: bool) -> None:
    """Let the system refuse to sync folders, or files, as some mounts do."""
    real = os.fsync

    def fsync(handle: int) -> None:
        if stat.S_ISDIR(os.fstat(handle).st_mode) != files:
            raise OSError(number, os.strerror(number))
        real(handle)

    monkeypatch.setattr(os, "fsync", fsync)


def assert_one_wins(store: Store, rounds: int) -> None:
    """Let four processes create the same names, in step: one is told that it won, and its content is there."""
    with writers(store.url, 4) as race:
        told = [race.do(do="create", folder=f"{number}") for number in range(rounds)]
    assert [sorted(answers) for answers in told] == [[False, False, False, True]] * rounds
    for number, answers in enumerate(told):
        assert store.read_bytes(f"{number}/claim-1") == f"p{answers.index(True)}".encode() * 1000


# ---- What holds for every kind ---------------------------------------------------------------------------------------


def test_reads_back_what_was_written(store: Store) -> None:
    """A file is there with its bytes and size, and a second one takes its place."""
    store.write_bytes("a folder/é.json", b"1")
    store.write_bytes("a folder/é.json", b"22")
    assert store.read_bytes("a folder/é.json") == b"22"
    assert store.size_of("a folder/é.json") == 2


def test_what_is_absent_is_none(store: Store) -> None:
    """An absent file reads as None, an absent folder as empty, and removing what is absent is fine."""
    assert store.read_bytes("no/such") is None
    assert store.size_of("no/such") is None
    assert store.list_names("no") == []
    assert store.list_names() == []
    store.remove("no/such")


def test_lists_files_and_folders(store: Store) -> None:
    """A listing holds the names right below, each once, and a file has nothing below it."""
    for name in ("k/claim-1", "k/job-1", "k/deep/er", "other"):
        store.write_bytes(name, b"x")
    assert store.list_names("k") == ["claim-1", "deep", "job-1"]
    assert store.list_names() == ["k", "other"]
    assert store.list_names("k/job-1") == []


def test_a_folder_has_no_size(store: Store) -> None:
    """A folder is not taken for a file."""
    store.write_bytes("k/claim-1", b"x")
    assert store.size_of("k") is None


def test_a_listing_is_never_stale(store: Store) -> None:
    """What another process wrote, behind fsspec's back, is in the next listing."""
    store.write_bytes("k/one", b"x")
    assert store.list_names("k") == ["one"]
    code = "import sys; from openrouter_video.stores import *; open_store(sys.argv[1]).write_bytes('k/two', b'x')"
    if isinstance(store, MemoryStore):
        open_store(store.url).write_bytes("k/two", b"x")
    else:
        subprocess.run([sys.executable, "-c", code, store.url], check=True, cwd=ROOT)
    assert store.list_names("k") == ["one", "two"]
    assert store.size_of("k/two") == 1


def test_lists_all_files(store: Store) -> None:
    """By their paths, however deep; not what is left out, nor what is still being written."""
    names = ["a b/é #1?.json", "a b/deep/er/x.mp4", "top.json", "_jobs/k/claim-1.json", "a b/_jobs/x.json"]
    for name in names:
        store.write_bytes(name, b"x")
    with store.writing("a b/half.mp4") as writer:
        writer.write(b"x")
        assert store.list_files(without={"_jobs"}) == sorted(names[:3])
        writer.publish()
    assert store.list_files("a b", without={"_jobs"}) == ["deep/er/x.mp4", "half.mp4", "é #1?.json"]
    assert len(store.list_files()) == len(names) + 1
    assert store.list_files("nothing") == []
    assert store.list_files("top.json") == []


@of_kinds("s3", "gcs", "azure")
@pytest.mark.parametrize(
    ("name", "media_type"),
    [
        ("run/index.html", "text/html; charset=utf-8"),
        ("run/a b.jpg", "image/jpeg"),
        ("run/a.json", "application/json"),
        ("run/videos.jsonl", "application/x-ndjson"),
        ("run/a.unheard-of", "application/octet-stream"),
    ],
)
def test_a_small_file_in_a_bucket_has_its_media_type(store: Store, name: str, media_type: str) -> None:
    """By which a browser shows a page instead of saving it."""
    store.write_bytes(name, b"x")
    info = store.filesystem.info(store.path(name))
    told = info.get("ContentType") or info.get("contentType") or info["content_settings"]["content_type"]
    assert told == media_type


def test_lists_a_tree(store: Store) -> None:
    """Every file beneath a folder with its size, as they are now, where that takes few requests."""
    for name, content in {"a/x.json": b"123", "a/b/y.json": b"12", "z.json": b"1", "a/empty.json": b""}.items():
        store.write_bytes(name, content)
    if not store.keeps_probe:
        assert store.list_tree() is None
        return
    assert store.list_tree() == {"a/x.json": 3, "a/b/y.json": 2, "z.json": 1, "a/empty.json": 0}
    store.remove("a/x.json")
    assert store.list_tree("a") == {"b/y.json": 2, "empty.json": 0}
    assert store.list_tree("nothing") == {}


def test_creates_once(store: Store) -> None:
    """The second creation is told so, changes nothing, and leaves no temporary behind."""
    assert store.create_exclusive("k/claim-1", b"first") is True
    assert store.create_exclusive("k/claim-1", b"second") is False
    assert store.read_bytes("k/claim-1") == b"first"
    assert [Path(name).name for name in everything_in(store)] == ["claim-1"]


def test_one_thread_wins(store: Store) -> None:
    """Of many threads that create the same file through one store, one wins and its content stays."""
    with ThreadPoolExecutor(6) as pool:
        for number in range(3):
            names = [f"thread-{n}".encode() for n in range(6)]
            won = list(pool.map(lambda name, n=number: store.create_exclusive(f"{n}/claim-1", name), names))
            assert won.count(True) == 1
            assert store.read_bytes(f"{number}/claim-1") == names[won.index(True)]


def test_threads_share_a_store(store: Store) -> None:
    """Threads that read and write different files through one store do not disturb each other."""

    def work(number: int) -> bool:
        data = bytes([number]) * 50_000
        store.write_bytes(f"threads/{number}", data)
        return store.read_bytes(f"threads/{number}") == data

    with ThreadPoolExecutor(6) as pool:
        assert all(pool.map(work, range(18)))


def test_checks_pass_and_leave_no_litter(store: Store) -> None:
    """A good store passes both checks again and again; in an object store one probe stays, elsewhere none."""
    for _ in range(2):
        check_writable(store)
        check_ledger(store)
    left = [PROBE] if store.keeps_probe else []
    assert [Path(name).name for name in everything_in(store)] == left


def test_a_child_is_a_folder(store: Store) -> None:
    """A child store's files are the parent's, in a folder, and its URL opens the same place."""
    store.child("_jobs").write_bytes("k/claim-1", b"x")
    assert store.read_bytes("_jobs/k/claim-1") == b"x"
    assert open_store(store.url_of("_jobs")).read_bytes("k/claim-1") == b"x"
    assert store.child("_jobs").url == store.url_of("_jobs")


def test_no_path_leads_out(store: Store) -> None:
    """A path with '..', an absolute one or one with empty parts is refused."""
    for hostile in ("../x", "a/../../x", "/etc/passwd", "a//b", ".", "a\0b", ""):
        with pytest.raises(StorageError, match="not a path inside a store"):
            store.write_bytes(hostile, b"x")


# SeaweedFS takes half a second for each; moto would serve one request after the other, so that nothing is a race.
@pytest.mark.parametrize(
    ("store", "rounds"),
    [("local", 40), ("sftp", 40), ("seaweed", 12), ("gcs", 40), ("azure", 40)],
    indirect=["store"],
)
def test_one_process_wins(store: Store, rounds: int) -> None:
    """Of four processes that create the same record, one wins, each time."""
    assert_one_wins(store, rounds)


# ---- What holds where folders are real -------------------------------------------------------------------------------


@of_kinds("local", "sftp")
def test_a_folder_stands_in_the_way(store: Store) -> None:
    """A file cannot take a folder's name, and no temporary is left."""
    store.write_bytes("k/claim-1", b"x")
    with pytest.raises(StorageError, match="Could not write"):
        store.write_bytes("k", b"y")
    assert store.create_exclusive("k", b"y") is False
    assert [Path(name).name for name in everything_in(store)] == ["claim-1"]


# ---- What holds where a folder is no more than the beginning of names ------------------------------------------------


@BUCKETS
def test_a_listing_is_of_one_folder(store: Store) -> None:
    """What only begins with the same letters is not in it."""
    for name in ("k/a", "k2/b", "k-old/c", "k.json", "k"):
        store.write_bytes(name, b"x")
    assert store.list_names("k") == ["a"]
    assert store.list_names() == ["k", "k-old", "k.json", "k2"]


@BUCKETS
def test_an_odd_folder_is_listed(store: Store) -> None:
    """What some driver could take for a version or a query is a name like any other."""
    folders = ["50% off #1", "a#1", "é + b&c"]
    for folder in folders:
        odd = open_store(f"{store.url}/{folder}")
        odd.write_bytes("k/claim-1", b"x")
        assert (odd.list_names(), odd.list_names("k")) == (["k"], ["claim-1"])
    assert store.list_names() == folders


@BUCKETS
def test_a_marker_is_no_file(store: Store) -> None:
    """The empty object that a web page leaves for a folder is neither listed nor in the way."""
    store.filesystem.pipe_file(f"{store.root}/k/", b"")
    assert store.list_names("k") == []
    store.write_bytes("k/claim-1", b"x")
    assert store.list_names("k") == ["claim-1"]
    assert store.size_of("k") is None
    assert store.list_names() == ["k"]


@of_kinds("s3", "gcs", "azure")
def test_a_missing_bucket_is_named(store: Store) -> None:
    """Writing to a bucket that is not there says so, and what to check."""
    url = f"{store.url.partition('://')[0]}://no-such-bucket/out"
    with pytest.raises(ConfigurationError, match=f"{url}.*Check that the bucket"):
        check_writable(open_store(url))


# ---- The disk of this machine ----------------------------------------------------------------------------------------


def test_a_full_disk_is_named(tmp_path: Path) -> None:
    """A file that the system cuts short is an error with the reason, and nothing of it stays."""
    code = (
        "import resource, sys; from openrouter_video.stores import *; from openrouter_video.errors import *\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))\n"
        "store = open_store(sys.argv[1])\n"
        "for write in (store.write_bytes, store.create_exclusive):\n"
        "    try: write('k/claim-1', bytes(5000))\n"
        "    except StorageError as error: print(error)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)], check=True, capture_output=True, text=True, cwd=ROOT
    )
    assert done.stdout.count("File too large. Free some space or choose another place.") == 2
    assert everything_in(open_store(str(tmp_path))) == []


@of_kinds("local")
@pytest.mark.parametrize("number", [errno.EINVAL, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EBADF])
def test_a_mount_that_cannot_sync_a_folder(store: Store, number: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is a property of the mount and no failure: the file itself is on the disk."""
    fail_syncs(monkeypatch, number, files=False)
    store.write_bytes("k/one", b"x")
    assert store.create_exclusive("k/claim-1", b"x")
    check_ledger(store)


@of_kinds("local")
@pytest.mark.parametrize("number", [errno.EIO, errno.ENOSPC, errno.EDQUOT, errno.ESTALE, errno.EROFS])
def test_a_folder_whose_sync_fails(store: Store, number: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """What may be lost is not taken for safe."""
    fail_syncs(monkeypatch, number, files=False)
    with pytest.raises(StorageError, match="Could not write"):
        store.write_bytes("k/one", b"x")


@of_kinds("local")
@pytest.mark.parametrize("number", [errno.EINVAL, errno.EIO])
def test_a_file_whose_sync_fails(store: Store, number: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file must be on the disk before it bears its name."""
    fail_syncs(monkeypatch, number, files=True)
    with pytest.raises(StorageError, match="Could not create"):
        store.create_exclusive("k/claim-1", b"x")
    assert everything_in(store) == []


def test_a_place_that_takes_nothing(tmp_path: Path) -> None:
    """A folder that cannot be made is a configuration error that names it."""
    (tmp_path / "file").write_text("")
    with pytest.raises(
        ConfigurationError, match=r"The store file://.*/file/videos cannot be used.*is a file, not a folder"
    ):
        check_writable(open_store(str(tmp_path / "file" / "videos")))


# ---- S3 --------------------------------------------------------------------------------------------------------------


@of_kinds("s3")
def test_no_secret_in_an_error(store: Store) -> None:
    """An endpoint that nobody serves is an error without the credentials."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        options = {
            "endpoint_url": f"http://127.0.0.1:{unused.getsockname()[1]}",
            "secret": "canary-secret",
            "key": "canary-key",
            "config_kwargs": {"retries": {"max_attempts": 0}, "connect_timeout": 1},
        }
        broken = open_store("s3://videos/out", options)
        broken.filesystem.retries = 1
        with pytest.raises(StorageError, match="Could not read s3://videos/out/a") as caught:
            broken.read_bytes("a")
    assert "canary" not in str(caught.value) + repr(broken)
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__


# ---- SFTP ------------------------------------------------------------------------------------------------------------


@of_kinds("sftp")
def test_a_lost_connection_is_replaced(store: Store) -> None:
    """A connection that died while idle is not used again."""
    store.write_bytes("k/one", b"x")
    client: Any = store.filesystem
    client.client.close()
    assert store.read_bytes("k/one") == b"x"


@of_kinds("sftp")
def test_a_wrong_key_is_a_configuration_error(store: Store, tmp_path: Path) -> None:
    """Credentials that the server refuses are named as such, without the password."""
    options = {"password": "canary-password", "look_for_keys": False, "allow_agent": False, "key_filename": None}
    with pytest.raises(ConfigurationError, match="Check the credentials") as caught:
        open_store(store.url, options)
    assert "canary" not in str(caught.value)


@of_kinds("sftp")
def test_two_threads_never_share_an_sftp_connection(store: Store) -> None:
    """Paramiko would lose answers: while one thread holds a connection, another gets one of its own."""
    with store.session() as first, store.session() as second:
        assert first is not second


def test_nobody_serves_sftp() -> None:
    """A server that cannot be reached is a configuration error that says so."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"sftp://someone@127.0.0.1:{unused.getsockname()[1]}/videos"
        with pytest.raises(ConfigurationError, match="Check that the store can be reached"):
            open_store(url)


def test_a_store_that_lies_holds_no_ledger(lying_store_url: str) -> None:
    """A server that lets a second writer win may hold videos; as a ledger it is found out, with the way out."""
    store = open_store(lying_store_url)
    check_writable(store)
    with pytest.raises(LedgerUnsafe, match=r"second writer replace.*OPENROUTER_VIDEO_LEDGER or --ledger"):
        check_ledger(store)
    assert store.list_names() == [PROBE]


@of_kinds("other")
def test_an_unknown_kind_holds_no_ledger(store: Store) -> None:
    """A store of which nothing is known may hold videos but no ledger."""
    check_writable(store)
    with pytest.raises(LedgerUnsafe, match=r"not known.*--ledger"):
        check_ledger(store)
    with pytest.raises(LedgerUnsafe, match="not known"):
        store.create_exclusive("claim-1", b"x")


class ServiceError(Exception):
    """What botocore attaches as the cause of the errors that s3fs raises."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.response = {"Error": {"Code": code}}


class AnsweringFileSystem(MemoryFileSystem):  # type: ignore[misc]
    """An object store that answers exclusive writes as it is told, and stores nothing at a refusal."""

    cachable = False

    def __init__(self, *answers: str) -> None:
        super().__init__()
        self.answers = list(answers)

    def pipe_file(self, path: str, value: bytes, mode: str = "overwrite", **kwargs: object) -> None:
        """Refuse with the next code, or store."""
        if mode == "create" and self.answers and (code := self.answers.pop(0)):
            raise OSError(22, code) from ServiceError(code)
        super().pipe_file(path, value)


@pytest.mark.parametrize(
    ("answers", "exists", "told"),
    [
        ([""], False, True),
        (["PreconditionFailed"], True, False),
        (["412"], True, False),
        (["ConditionalRequestConflict"], True, False),
        (["ConditionalRequestConflict", ""], False, True),
        (["409", "409", "409"], False, None),
        (["InternalError"], False, None),
        (["AccessDenied"], True, None),
    ],
)
def test_what_an_object_store_answers(answers: list[str], exists: bool, told: bool | None) -> None:
    """A refused condition is False, a conflict is looked into and tried again, and all else is an error."""
    root = f"/{uuid.uuid4().hex}"
    store = S3Store("s3://bucket", AnsweringFileSystem(*answers), root)
    if exists:
        store.write_bytes("claim-1", b"theirs")
    if told is None:
        with pytest.raises(StorageError, match="Could not create"):
            store.create_exclusive("claim-1", b"ours")
    else:
        assert store.create_exclusive("claim-1", b"ours") is told
        assert store.read_bytes("claim-1") == (b"ours" if told else b"theirs")


def test_a_store_that_knows_no_conditions_takes_videos_only() -> None:
    """As some that speak S3's language: its probe is written all the same, and a ledger is refused."""
    store = S3Store("s3://bucket", AnsweringFileSystem("NotImplemented", "NotImplemented"), f"/{uuid.uuid4().hex}")
    check_writable(store)
    with pytest.raises(LedgerUnsafe, match="the test of it failed"):
        check_ledger(store)


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (OSError(28, "No space left on device"), "No space left on device. Free some space"),
        (OSError(30, "Read-only file system"), "Read-only file system. Grant access there"),
        (PermissionError("Access Denied"), "Access Denied (PermissionError). Grant access there"),
        (FileNotFoundError("The bucket does not exist"), "Check that the bucket or folder exists"),
        (ConnectionResetError(104, "Connection reset by peer"), "Check that the store can be reached"),
        (EOFError(), "no reason given (EOFError). Check that the store can be reached"),
        (ValueError("see https://u:pw@host/a?sig=canary"), "see https://***@host/a?*** (ValueError)."),
        (RuntimeError("token canary-1 is stale"), "token *** is stale (RuntimeError)."),
        (PermissionError("The AWS Access Key Id you provided does not exist"), "Check the credentials"),
        (HttpError({"code": 503, "message": "Backend Error"}), "Check that the store can be reached"),
        (HttpError({"code": 403, "message": "Forbidden"}), "Grant access there"),
    ],
)
def test_a_drivers_error_is_explained(error: Exception, said: str) -> None:
    """The reason and the next step, and nothing that is secret."""
    assert said in explain(error, ("canary-1",))


def test_azures_account_is_that_of_the_url(azure_store_url: str) -> None:
    """A URL that names the account opens it; one that names another is not kept in this one without a word."""
    mine = f"abfss://videos@{object_stores.AZURITE_ACCOUNT}.dfs.core.windows.net/{azure_store_url.split('/', 3)[3]}"
    open_store(mine).write_bytes("k/a", b"x")
    assert open_store(azure_store_url).list_names("k") == ["a"]
    with pytest.raises(ConfigurationError, match=r"in the account 'other'.* is for the account 'devstoreaccount1'"):
        open_store("abfss://videos@other.dfs.core.windows.net/out")


def test_azures_folder_markers_hide_nothing(azure_store_url: str) -> None:
    """A hierarchical account keeps an empty blob of the folder's own name, with a mark that says so."""
    store = open_store(azure_store_url)
    store.filesystem.pipe_file(f"{store.root}/k", b"")
    store.filesystem.setxattrs(f"{store.root}/k", hdi_isfolder="true")
    store.write_bytes("k/claim-1", b"x")
    assert (store.list_names(), store.list_names("k"), store.size_of("k")) == (["k"], ["claim-1"], None)


def test_google_is_asked_over_http_alone(gcs_server: Environment) -> None:
    """No question by gRPC, which may take a minute; options open it as the environment does."""
    options = {"endpoint_url": gcs_server["STORAGE_EMULATOR_HOST"], "token": "anon"}
    store = open_store("gs://videos/out", options)
    assert (type(store.filesystem).__module__, type(store.filesystem).__name__) == ("gcsfs.core", "GCSFileSystem")
    if not store.filesystem.exists("videos"):
        store.filesystem.mkdir("videos")
    check_writable(store)
    check_ledger(store)


def test_azures_words_are_explained(azure_store_url: str) -> None:
    """One sentence and the next step for a small file and for a large one, and none of the XML that repeats them."""
    other_key = os.environ["AZURE_STORAGE_CONNECTION_STRING"].replace("AccountKey=E", "AccountKey=F")

    def write_large(store: Store, relative: str, data: bytes) -> None:
        with store.writing(relative) as writer, store.errors("write", relative):
            writer.write(data)
            writer.publish()

    for container, options, said in (
        ("no-such", {}, "The specified container does not exist .*Check that the bucket"),
        ("videos", {"connection_string": other_key}, "ailed to authenticate.*Check the credentials"),
    ):
        for write, size in ((Store.write_bytes, 1), (write_large, 9 * 2**20)):
            with pytest.raises(StorageError, match=said) as caught:
                write(open_store(f"az://{container}/out", options), "a", bytes(size))
            assert not re.search("RequestId|xml|Code", str(caught.value))


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("", "is empty"),
        ("s4://bucket/x", "Did you mean .*s3://"),
        ("stfp://host/x", "Did you mean .*sftp://"),
        ("qqqqqqqq://host/x", "See fsspec's documentation"),
        ("s3:bucket/videos", "without its two slashes"),
        ("s3:/bucket/videos", "without its two slashes"),
        ("s3://", "names no host or bucket"),
        ("sftp:///videos", "names no host or bucket"),
        ("sftp://host:99999/videos", "a number from 1 to 65535"),
        ("sftp://host:port/videos", "a number from 1 to 65535"),
        ("file://videos/x", "three slashes"),
        ("s3://bucket/x\ny", "control character"),
        ("simplecache::s3://bucket/x", "chained or has a query"),
        ("s3://AKIA:canary@bucket/x", "carries credentials"),
        ("s3://canary@bucket/x", "carries credentials"),
        ("az://container/x?sv=1&sig=canary", "chained or has a query"),
        ("sftp://user:canary@host/x", "carries credentials"),
    ],
)
def test_a_url_that_cannot_be_used(url: str, said: str) -> None:
    """A malformed, unknown or secret-bearing URL is refused with the reason, and no secret is repeated."""
    with pytest.raises(ConfigurationError, match=said) as caught:
        open_store(url)
    assert "canary" not in str(caught.value)


@pytest.mark.parametrize(
    ("url", "driver", "extra"),
    [
        ("s3://b/x", "s3fs", "s3"),
        ("gs://b/x", "gcsfs", "gcs"),
        ("az://c/x", "adlfs", "azure"),
        ("sftp://h/x", "paramiko", "sftp"),
    ],
)
def test_a_missing_driver_names_the_extra(url: str, driver: str, extra: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a driver, the message is the command that installs it."""
    monkeypatch.setitem(sys.modules, driver, None)
    for loaded in ("fsspec.implementations.sftp", "gcsfs.core"):
        monkeypatch.delitem(sys.modules, loaded, raising=False)
    registry = sys.modules["fsspec.registry"]  # fsspec.registry is the mapping in it
    monkeypatch.setattr(registry, "_registry", {})
    monkeypatch.setattr(registry, "registry", {})
    with pytest.raises(ConfigurationError, match=rf'pip install "prefect-openrouter-video\[{extra}\]"'):
        open_store(url)


def test_plain_paths_become_absolute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A relative path, a home path and a file URL name the same folder by the same URL."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    expected = f"file://{tmp_path}/videos"
    for url in ("videos", "./videos/", "~/videos", f"file://{tmp_path}/videos/", "x/../videos"):
        assert open_store(url).url == expected
        assert open_store(url).root == f"{tmp_path}/videos"
    assert open_store("/").url_of("a") == "file:///a"


def test_odd_names_stay_what_they_are(tmp_path: Path) -> None:
    """A local folder with percent, question mark and hash in its name is that folder, and its URL opens it again."""
    store = open_store(str(tmp_path / "50% ?off #1"))
    store.write_bytes("a", b"x")
    assert (tmp_path / "50% ?off #1" / "a").read_bytes() == b"x"
    assert open_store(store.url).read_bytes("a") == b"x"


def test_a_user_in_a_url_is_kept() -> None:
    """The URL of a store keeps the user, which opens it again."""
    with pytest.raises(ConfigurationError, match=r"sftp://someone@127\.0\.0\.1:1/videos"):
        open_store("sftp://someone@127.0.0.1:1/videos")


def test_opening_reads_no_driver_for_local(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A local folder works where no extra is installed."""
    real = builtins.__import__

    def only_core(name: str, *args: Any, **kwargs: Any) -> Any:
        assert name.partition(".")[0] not in {"s3fs", "gcsfs", "adlfs", "paramiko"}
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", only_core)
    store = open_store(str(tmp_path))
    check_writable(store)
    check_ledger(store)


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("./a", "/b", True),
        ("s3://one/a", "s3://other/b", True),
        ("sftp://me@host/a", "sftp://me@host/b", True),
        ("sftp://me@host/a", "sftp://me@partner.example/b", False),
        ("sftp://me@host/a", "s3://host/b", False),
        ("https://host/a.png?signature=1", "https://host/b", False),
        ("az://videos/a", "abfs://other/b", True),
        ("az://videos/a", "abfss://videos@partner.dfs.core.windows.net/a", False),
        ("az://videos/a", "az://partner.blob.core.windows.net/videos/a", False),
    ],
)
def test_secrets_are_for_one_place(one: str, other: str, same: bool) -> None:
    """An SFTP password is never offered to another host."""
    assert share_options(one, other) is same

"""The blocks: Prefect's own standards, loading by name or from the environment, and secrets that stay secret."""

from __future__ import annotations

import contextlib
import json
import shlex
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import paramiko
import pytest
from prefect import get_client
from prefect.blocks.core import Block
from prefect.testing.standard_test_suites.blocks import BlockStandardTestSuite
from prefect.types import SecretDict
from prefect.utilities.dispatch import register_type
from pydantic import SecretStr, ValidationError

from flows.opened_run import collect_command_of
from openrouter_video.blocks import OpenRouterCredentials, VideoStore, load_credentials, load_store
from openrouter_video.errors import ConfigurationError
from openrouter_video.planning.dry_run import read_inputs
from openrouter_video.request.request import parse_request
from openrouter_video.request.run_request import parse_run_request
from openrouter_video.request.settings import VideoSettings
from openrouter_video.run import Destination, Folder, current_limits, open_resources
from openrouter_video.sandbox import Fault

if TYPE_CHECKING:
    from tests.support.faulty_runs import FaultyRuns

LIMITS = ("max_usd_per_day", "max_usd_per_month", "approve_above_usd")
CANARY = "canary-secret-8431"
OPENROUTER = "https://openrouter.ai/api/v1"


def urls(destination: Destination) -> tuple[str, str | None]:
    """The folders of the videos and of the ledger; None: inside the configured one."""
    return destination.output.url, destination.ledger.url if destination.ledger else None


# ---- Prefect's standards ---------------------------------------------------------------------------------------------


class BlockStandards(BlockStandardTestSuite):
    """All of them, except that the logo is not fetched: tests need no internet."""

    def test_has_a_valid_image(self, block: type[Block]) -> None:
        """An https address is all that can be seen from here."""
        assert str(block._logo_url).startswith("https://")


class TestOpenRouterCredentials(BlockStandards):
    """The credentials meet Prefect's standards."""

    @pytest.fixture
    def block(self) -> type[Block]:
        """The class under test."""
        return OpenRouterCredentials


class TestVideoStore(BlockStandards):
    """The store meets Prefect's standards."""

    @pytest.fixture
    def block(self) -> type[Block]:
        """The class under test."""
        return VideoStore


def test_prefect_finds_the_blocks_by_itself() -> None:
    """Through the entry point of the installed package, without an import of ours."""
    code = """if True:
        from prefect.plugins import load_prefect_collections
        from prefect.blocks.core import Block
        from prefect.utilities.dispatch import lookup_type
        load_prefect_collections()
        for slug in ("openrouter-credentials", "openrouter-video-store", "openrouter-video-job"):
            print(lookup_type(Block, slug).__name__)
    """
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    assert done.stdout.split() == ["OpenRouterCredentials", "VideoStore", "OpenRouterVideoJob"], done.stderr


@pytest.mark.parametrize("field", ["storage_options", "ledger_storage_options"])
def test_optional_secrets_have_an_editor_in_the_form(field: str) -> None:
    """As "object or null" Prefect's form would have nothing to type them into; they are secret all the same."""
    schema = VideoStore.model_json_schema()
    assert schema["properties"][field]["type"] == "object"
    assert f"{field}.*" in schema["secret_fields"]


# ---- By name, or from the environment --------------------------------------------------------------------------------


@pytest.mark.usefixtures("prefect_server")
async def test_credentials_load_by_name() -> None:
    """A name leads to its block, whatever the environment holds."""
    await OpenRouterCredentials(api_key=SecretStr("from-block"), base_url="http://127.0.0.1:9/api/v1").save("by-name")
    loaded = await load_credentials("by-name")
    assert loaded.api_key.get_secret_value() == "from-block"
    assert loaded.base_url == "http://127.0.0.1:9/api/v1"


@pytest.mark.usefixtures("prefect_server")
async def test_a_store_loads_by_name_and_arguments_win() -> None:
    """The block's options stay; output and ledger replace its URLs, one by one."""
    options = SecretDict({"key": CANARY})
    block = VideoStore(base_url="s3://bucket/videos", storage_options=options, ledger_url="s3://bucket/jobs")
    await block.save("by-name")
    loaded = await load_store("by-name")
    assert urls(loaded) == ("s3://bucket/videos", "s3://bucket/jobs")
    changed = await load_store("by-name", output="s3://other/videos", ledger=None)
    assert urls(changed) == ("s3://other/videos", "s3://bucket/jobs")
    changed = await load_store("by-name", ledger="s3://other/jobs")
    assert urls(changed) == ("s3://bucket/videos", "s3://other/jobs")
    assert changed.output.storage_options is not None
    assert changed.output.storage_options.get_secret_value() == {"key": CANARY}
    assert CANARY not in repr(changed)


@pytest.mark.usefixtures("prefect_server")
async def test_a_missing_name_is_an_error_and_never_falls_back(monkeypatch: pytest.MonkeyPatch) -> None:
    """The message names the block and says what to do."""
    monkeypatch.setenv("OPENROUTER_API_KEY", "from-environment")
    with pytest.raises(ConfigurationError, match=r"no OpenRouter Credentials block 'nobody'.*Blocks"):
        await load_credentials("nobody")
    with pytest.raises(ConfigurationError, match=r"no OpenRouter Video Store block 'nobody'.*output"):
        await load_store("nobody", output="/elsewhere")
    with pytest.raises(ConfigurationError, match=r"no OpenRouter Credentials block"):
        await load_credentials("../../admin")


async def test_without_a_name_the_environment_decides(monkeypatch: pytest.MonkeyPatch) -> None:
    """Key, base URL, output and ledger; an empty variable counts as none."""
    for variable in ("BASE_URL", "VIDEO_OUTPUT", "VIDEO_LEDGER"):
        monkeypatch.setenv(f"OPENROUTER_{variable}", "")
    monkeypatch.setenv("OPENROUTER_API_KEY", "from-environment")
    credentials, store = await load_credentials(), await load_store()
    assert (credentials.api_key.get_secret_value(), credentials.base_url) == ("from-environment", OPENROUTER)
    assert urls(store) == ("./videos", None)
    monkeypatch.setenv("OPENROUTER_BASE_URL", "http://127.0.0.1:9/api/v1")
    monkeypatch.setenv("OPENROUTER_VIDEO_OUTPUT", "s3://bucket/videos")
    monkeypatch.setenv("OPENROUTER_VIDEO_LEDGER", "s3://bucket/jobs")
    credentials, store = await load_credentials(""), await load_store("", output="", ledger="")
    assert credentials.base_url == "http://127.0.0.1:9/api/v1"
    assert urls(store) == ("s3://bucket/videos", "s3://bucket/jobs")
    assert urls(await load_store(None, "/mine", "/own")) == ("/mine", "/own")


async def test_without_a_key_the_error_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    """No key is no reason for a sandbox."""
    monkeypatch.delenv("OPENROUTER_API_KEY", raising=False)
    with pytest.raises(ConfigurationError, match="OPENROUTER_API_KEY"):
        await load_credentials()


# ---- Deployments need a lasting place --------------------------------------------------------------------------------


@pytest.mark.parametrize("output", [None, "videos", "./videos", "../videos"])
async def test_a_deployment_without_a_lasting_output_is_refused(
    output: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A worker's folder may vanish, and the ledger with it."""
    monkeypatch.delenv("OPENROUTER_VIDEO_OUTPUT", raising=False)
    monkeypatch.delenv("OPENROUTER_VIDEO_LEDGER", raising=False)
    assert (await load_store(None, output)).output.url == (output or "./videos")
    with pytest.raises(ConfigurationError, match=r"lasting place.*OPENROUTER_VIDEO_OUTPUT"):
        await load_store(None, output, deployed=True)


async def test_a_deployment_without_a_lasting_ledger_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """The ledger guards the payment, so it must outlive the worker even more than the videos."""
    monkeypatch.delenv("OPENROUTER_VIDEO_LEDGER", raising=False)
    with pytest.raises(ConfigurationError, match=r"lasting place.*'memory://videos'"):
        await load_store(output="memory://videos", deployed=True)
    with pytest.raises(ConfigurationError, match=r"lasting place.*'jobs'"):
        await load_store(None, "/videos", "jobs", deployed=True)


@pytest.mark.usefixtures("prefect_server")
async def test_a_deployment_refuses_a_block_with_a_passing_folder() -> None:
    """A block, or an output that wins over it, is no better than its folder."""
    await VideoStore(base_url="videos").save("passing")
    await VideoStore(base_url="/lasting").save("lasting")
    with pytest.raises(ConfigurationError, match="lasting place"):
        await load_store("passing", deployed=True)
    with pytest.raises(ConfigurationError, match="lasting place"):
        await load_store("lasting", output="videos", deployed=True)
    assert (await load_store("lasting", deployed=True)).output.url == "/lasting"


PASSING = [
    *("C:\\videos", "C:/videos", "c:videos", "\\\\server\\share", "a:b", "Memory://videos", "MEMORY://", "memory:///x"),
    *("asynclocal://videos", "simplecache://videos", "dir://videos", "zip://videos.zip", " /videos"),
]


@pytest.mark.parametrize("place", PASSING)
@pytest.mark.parametrize("given_as", ["output", "ledger", "environment", "ledger in the environment", "block"])
@pytest.mark.usefixtures("prefect_server")
async def test_a_deployment_refuses_whatever_ends_with_its_worker(
    place: str, given_as: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A drive of another system is a relative folder here; and a scheme may be written in any case."""
    in_environment = {"environment": "OUTPUT", "ledger in the environment": "LEDGER"}
    monkeypatch.setenv("OPENROUTER_VIDEO_OUTPUT", "/videos")
    monkeypatch.setenv("OPENROUTER_VIDEO_LEDGER", "")
    if given_as in in_environment:
        monkeypatch.setenv(f"OPENROUTER_VIDEO_{in_environment[given_as]}", place)
    if given_as == "block":
        await VideoStore(base_url=place).save("passing-kind", overwrite=True)
    given = {
        "output": {"output": place},
        "ledger": {"output": "/videos", "ledger": place},
        # Its ledger stays in the place that passes.
        "block": {"name": "passing-kind", "output": "/videos"},
    }.get(given_as, {})
    with pytest.raises(ConfigurationError, match="lasting place"):
        await load_store(**given, deployed=True)


@pytest.mark.parametrize("place", ["file:videos", "local:videos", "file://videos", "local://videos", "memory:videos"])
async def test_a_relative_file_url_is_refused_everywhere(place: str) -> None:
    """There is no such thing; a plain path is relative."""
    for given in ({"output": place}, {"output": "/videos", "ledger": place}):
        with pytest.raises(ConfigurationError, match=r"two slashes|three slashes"):
            await load_store(**given, deployed=True)


async def test_a_home_is_lasting_only_where_it_is_known_and_absolute(monkeypatch: pytest.MonkeyPatch) -> None:
    """What ~ stands for decides, not the text."""
    with pytest.raises(ConfigurationError, match="which home"):
        await load_store(None, "~nobody_here/videos", deployed=True)
    monkeypatch.setenv("HOME", "somewhere")
    with pytest.raises(ConfigurationError, match="lasting place"):
        await load_store(None, "~/videos", deployed=True)


@pytest.mark.parametrize("output", ["/videos", "~/videos", "s3://bucket/videos", "file:///videos", "LOCAL:///videos"])
async def test_a_deployment_takes_a_lasting_output(output: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """From the argument or from the environment."""
    monkeypatch.delenv("OPENROUTER_VIDEO_LEDGER", raising=False)
    assert (await load_store(None, output, deployed=True)).output.url == output
    monkeypatch.setenv("OPENROUTER_VIDEO_OUTPUT", output)
    assert (await load_store(deployed=True)).output.url == output


# ---- Secrets ---------------------------------------------------------------------------------------------------------


def test_secrets_show_nowhere() -> None:
    """Not in repr, str, a dump, or JSON."""
    options = SecretDict({"secret": CANARY})
    for block in (
        OpenRouterCredentials(api_key=SecretStr(CANARY), management_key=SecretStr(CANARY)),
        VideoStore(base_url="s3://b/v", storage_options=options, ledger_storage_options=options),
    ):
        shown = [repr(block), str(block), repr(block.model_dump()), block.model_dump_json()]
        assert not [text for text in shown if CANARY in text]


@pytest.mark.usefixtures("prefect_server")
async def test_the_api_masks_secrets_and_gives_them_to_loaders() -> None:
    """What the UI is told has stars; who loads the block has the key."""
    await OpenRouterCredentials(api_key=SecretStr(CANARY), management_key=SecretStr(CANARY)).save("masked")
    options = {"key": "k", "secret": CANARY, "client_kwargs": {"token": CANARY}}
    await VideoStore(base_url="s3://b/v", storage_options=SecretDict(options)).save("masked")
    async with get_client() as client:
        for slug in ("openrouter-credentials", "openrouter-video-store"):
            document = await client.read_block_document_by_name("masked", slug, include_secrets=False)
            assert CANARY not in json.dumps(document.data)
            assert "***" in json.dumps(document.data)
    store: VideoStore = await VideoStore.aload("masked")
    assert store.storage_options is not None
    assert store.storage_options.get_secret_value() == options
    credentials: OpenRouterCredentials = await OpenRouterCredentials.aload("masked")
    assert credentials.api_key.get_secret_value() == CANARY
    assert credentials.management_key is not None
    assert credentials.management_key.get_secret_value() == CANARY


def test_the_ledger_is_inside_unless_it_has_its_own_place(tmp_path: Path) -> None:
    """``_jobs`` beside the videos by default."""
    inside = VideoStore(base_url=str(tmp_path / "videos")).destination.open_ledger()
    apart = VideoStore(base_url=str(tmp_path / "videos"), ledger_url=str(tmp_path / "jobs")).destination.open_ledger()
    assert inside.url.endswith("/videos/_jobs")
    assert apart.url.endswith("/jobs")


# ---- A ledger that stays, and secrets that stay with it --------------------------------------------------------------

SECRETS = SecretDict({"password": CANARY})
LEDGER_SECRETS = SecretDict({"password": "of-the-ledger"})


def revealed(folder: Folder | None) -> str | None:
    """The password that a folder is opened with."""
    assert folder is not None
    return folder.storage_options.get_secret_value()["password"] if folder.storage_options else None


@pytest.mark.parametrize(
    ("output", "gets"),
    [
        ("sftp://me@host/elsewhere", CANARY),
        ("sftp://me@HOST:22/elsewhere", CANARY),
        ("ssh://me@host/elsewhere", CANARY),
        ("sftp://me@partner.example/v", None),
        ("sftp://me@host.partner.example/v", None),
        ("sftp://me@host:2222/v", None),
        ("sftp://root@host/v", None),
        ("sftp://host/v", None),
        ("sftp://me@host@partner.example/v", None),
        ("s3://host/v", None),
        ("ftp://me@host/v", None),
        ("/v", None),
    ],
)
def test_secrets_go_with_the_place_that_they_were_given_for(output: str, gets: str | None) -> None:
    """Another host, port or user in a parameter gets none of a block's options, as output, ledger or image."""
    block = VideoStore(base_url="sftp://me@host/videos", storage_options=SECRETS).destination
    assert revealed(block.at(output).output) == gets
    assert revealed(block.at(ledger=output).ledger) == gets
    assert (block.options_for(output) or {}).get("password") == gets
    # Nor by a detour over another place.
    assert revealed(block.at("sftp://me@partner.example/v").at(output).output) == gets


@pytest.mark.parametrize(
    ("base", "output", "goes"),
    [
        ("s3://bucket/v", "s3://other/v", True),
        ("gs://bucket/v", "gcs://other/v", True),
        ("az://container/v", "abfs://other/v", True),
        ("az://container/v", "abfs://other@stranger.dfs.core.windows.net/v", False),
        ("abfs://c@mine.dfs.core.windows.net/v", "abfs://d@mine.dfs.core.windows.net/v", True),
        ("abfs://c@mine.dfs.core.windows.net/v", "abfs://c@stranger.dfs.core.windows.net/v", False),
        ("ftp://host/v", "ftp://host/w", True),
        ("ftp://host/v", "smb://host/w", False),
        ("ftp://host/v", "ftp://stranger/w", False),
    ],
)
def test_what_a_url_can_redirect(base: str, output: str, goes: bool) -> None:
    """A bucket is spoken to where the options say; an Azure URL may name an account, others a host."""
    block = VideoStore(base_url=base, storage_options=SECRETS).destination
    assert revealed(block.at(output).output) == (CANARY if goes else None)


def test_a_ledgers_secrets_stay_with_the_ledger() -> None:
    """Its options are for its URL, and the videos' options for theirs."""
    block = VideoStore(
        base_url="s3://bucket/v",
        storage_options=SECRETS,
        ledger_url="sftp://me@host/jobs",
        ledger_storage_options=LEDGER_SECRETS,
    ).destination
    assert revealed(block.at(ledger="sftp://me@host/other").ledger) == "of-the-ledger"
    assert revealed(block.at(ledger="sftp://me@partner.example/other").ledger) is None
    assert revealed(block.at(ledger="s3://bucket/jobs").ledger) == CANARY
    assert revealed(block.at(output="sftp://me@host/videos").output) is None
    assert revealed(block.at(output="sftp://me@partner.example/v").ledger) == "of-the-ledger"
    nowhere = VideoStore(base_url="/v", ledger_storage_options=LEDGER_SECRETS).destination
    assert revealed(nowhere.at(ledger="sftp://me@partner.example/jobs").ledger) is None


class PasswordCollector(paramiko.ServerInterface):
    """An SSH server that lets nobody in and keeps what it is told."""

    def __init__(self) -> None:
        self.told: list[str] = []

    def check_auth_password(self, username: str, password: str) -> int:
        """Keep the password."""
        self.told.append(password)
        return paramiko.common.AUTH_FAILED

    def get_allowed_auths(self, username: str) -> str:
        """Ask for passwords only."""
        return "password"


@pytest.fixture
def strangers_host() -> Iterator[tuple[str, list[str]]]:
    """The URL of somebody else's SSH server, and the passwords that it was sent."""
    collector, key = PasswordCollector(), paramiko.RSAKey.generate(2048)
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                transport = paramiko.Transport(connection)
                transport.add_server_key(key)
                with contextlib.suppress(paramiko.SSHException, EOFError, OSError):
                    transport.start_server(server=collector)

        threading.Thread(target=serve, daemon=True).start()
        yield f"sftp://me@127.0.0.1:{listener.getsockname()[1]}/videos", collector.told
        listener.shutdown(socket.SHUT_RDWR)


@pytest.mark.usefixtures("prefect_server")
async def test_no_password_reaches_a_strangers_host(strangers_host: tuple[str, list[str]]) -> None:
    """Whoever may start a run names any host: as output, ledger and image it is not sent the block's password."""
    url, told = strangers_host
    options = SecretDict({"password": CANARY, "look_for_keys": False, "allow_agent": False})
    await VideoStore(base_url="sftp://me@127.0.0.1:9/videos", storage_options=options).save("by-ssh", overwrite=True)
    asked: list[dict[str, Any]] = [{"output": url}, {"ledger": url}]
    for given in asked:
        store = await load_store("by-ssh", **given)
        with pytest.raises(ConfigurationError, match="Could not open the store"):
            store.open_store() if "output" in given else store.open_ledger()
    picture = VideoSettings(first_frame=f"{url}/a.png")
    _, problems = read_inputs(parse_request("An orchid", picture), store.options_for)
    assert "cannot be read" in problems[0].message
    assert told == []
    with pytest.raises(ConfigurationError, match="Check the credentials"):
        VideoStore(base_url=url, storage_options=options).destination.open_store()
    assert told == [CANARY]


@pytest.mark.parametrize("output", [None, "inside", "beside", "file URL"])
async def test_a_blocks_ledger_stays_where_the_block_says(output: str | None, tmp_path: Path) -> None:
    """Another output does not move it; a ledger that is named does."""
    base = tmp_path / "vi deos"
    outputs = {"inside": f"{base}/b", "beside": f"{tmp_path}/beside", "file URL": (base / "c").as_uri()}
    block = VideoStore(base_url=str(base)).destination.at(outputs.get(output or ""))
    assert block.open_ledger().url == (base / "_jobs").as_uri()
    named = VideoStore(base_url=str(base), ledger_url=f"{tmp_path}/jobs").destination.at(outputs.get(output or ""))
    assert named.open_ledger().url == (tmp_path / "jobs").as_uri()
    assert block.at(ledger=f"{tmp_path}/mine").open_ledger().url == (tmp_path / "mine").as_uri()


async def test_one_key_is_paid_once_in_a_block_whatever_the_output(runs: FaultyRuns, tmp_path: Path) -> None:
    """Inside the block's folder and beside it; and the command that a broken run prints finds its ledger."""
    await VideoStore(base_url=str(tmp_path / "block")).save("one-ledger", overwrite=True)
    given = {"store": "one-ledger", "idempotency_key": "daily"}
    first = await runs.generate(**given)
    for output in (tmp_path / "block" / "inside", tmp_path / "beside"):
        again = await runs.generate(**given, output=str(output))
        assert (again.status, again.reused, again.url) == ("completed", True, first.url)
    assert runs.jobs == 1


async def test_the_collect_command_of_a_block_finds_its_ledger(runs: FaultyRuns, tmp_path: Path) -> None:
    """What a run prints when it is interrupted is true, with an output and a ledger of its own as well."""
    await VideoStore(base_url=str(tmp_path / "block")).save("commanded", overwrite=True)
    runs.sandbox.add_fault(Fault(on="content", status=404, times=None))
    for number, changed in enumerate(({}, {"output": str(tmp_path / "beside")}, {"ledger": str(tmp_path / "mine")})):
        assert (await runs.generate(store="commanded", idempotency_key=f"k{number}", **changed)).status == "open"
    runs.sandbox.clear_faults()
    cases: list[tuple[dict[str, Any], int]] = [
        ({"output": str(tmp_path / "beside")}, 2),
        ({"ledger": str(tmp_path / "mine")}, 1),
    ]
    for changes, jobs in cases:
        destination, client = await load_store("commanded", **changes), (await load_credentials()).get_client()
        async with open_resources(destination, client, current_limits()) as resources:
            command = collect_command_of(
                parse_run_request(prompt="p", model="a/b", store="commanded", **changes), resources
            )
        words = shlex.split(command.partition(" collect ")[2])
        outcomes = await runs.collect(**{words[n][2:]: words[n + 1] for n in range(0, len(words), 2)})
        assert [outcome.status for outcome in outcomes] == ["completed"] * jobs


@pytest.mark.usefixtures("prefect_server")
@pytest.mark.filterwarnings("ignore:Type .* has key 'openrouter-credentials':UserWarning")  # as is meant here
async def test_credentials_of_an_older_version_load() -> None:
    """They were saved by a schema without the fields that came later; saved anew they have them."""

    class Older(Block):
        """What the block was in version 0.2."""

        _block_type_name = "OpenRouter Credentials"
        _block_type_slug = "openrouter-credentials"
        api_key: SecretStr
        base_url: str = OPENROUTER

    try:
        await Older(api_key=SecretStr(CANARY)).save("older")
    finally:
        register_type(OpenRouterCredentials)
    loaded = await load_credentials("older")
    assert (loaded.api_key.get_secret_value(), loaded.management_key) == (CANARY, None)
    loaded.management_key = SecretStr("canary-management-8431")
    await loaded.save("older", overwrite=True)
    again = await load_credentials("older")
    assert again.management_key is not None
    assert again.management_key.get_secret_value() == "canary-management-8431"
    assert "canary" not in repr(again) + str(again)
    assert again.get_client()._key == again.api_key


@pytest.mark.parametrize("limit", LIMITS)
@pytest.mark.parametrize("amount", [float("inf"), float("nan"), 1e308, -1.0])
def test_a_limit_of_money_is_an_amount(limit: str, amount: float) -> None:
    """An unreadable limit would be none, or break every run."""
    with pytest.raises(ValidationError, match=limit):
        OpenRouterCredentials(api_key="x", **{limit: amount})

"""The two blocks: Prefect's own standards, loading by name or from the environment, and secrets that stay secret."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from prefect import get_client
from prefect.blocks.core import Block
from prefect.testing.standard_test_suites.blocks import BlockStandardTestSuite
from prefect.types import SecretDict
from pydantic import SecretStr

from openrouter_video.blocks import OpenRouterCredentials, VideoStore, load_credentials, load_store
from openrouter_video.errors import ConfigurationError

CANARY = "canary-secret-8431"
OPENROUTER = "https://openrouter.ai/api/v1"


# ---- Prefect's standards ---------------------------------------------------------------------------------------------


class _Standards(BlockStandardTestSuite):
    """All of them, except that the logo is not fetched: tests need no internet."""

    def test_has_a_valid_image(self, block: type[Block]) -> None:
        """An https address is all that can be seen from here."""
        assert str(block._logo_url).startswith("https://")


class TestOpenRouterCredentials(_Standards):
    """The credentials meet Prefect's standards."""

    @pytest.fixture
    def block(self) -> type[Block]:
        """The class under test."""
        return OpenRouterCredentials


class TestVideoStore(_Standards):
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
        for slug in ("openrouter-credentials", "openrouter-video-store"):
            print(lookup_type(Block, slug).__name__)
    """
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    assert done.stdout.split() == ["OpenRouterCredentials", "VideoStore"], done.stderr


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
    assert (loaded.base_url, loaded.ledger_url) == ("s3://bucket/videos", "s3://bucket/jobs")
    changed = await load_store("by-name", output="s3://other/videos", ledger=None)
    assert (changed.base_url, changed.ledger_url) == ("s3://other/videos", "s3://bucket/jobs")
    changed = await load_store("by-name", ledger="s3://other/jobs")
    assert (changed.base_url, changed.ledger_url) == ("s3://bucket/videos", "s3://other/jobs")
    assert changed.storage_options is not None
    assert changed.storage_options.get_secret_value() == {"key": CANARY}


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
    assert (store.base_url, store.ledger_url) == ("./videos", None)
    monkeypatch.setenv("OPENROUTER_BASE_URL", "http://127.0.0.1:9/api/v1")
    monkeypatch.setenv("OPENROUTER_VIDEO_OUTPUT", "s3://bucket/videos")
    monkeypatch.setenv("OPENROUTER_VIDEO_LEDGER", "s3://bucket/jobs")
    credentials, store = await load_credentials(""), await load_store("", output="", ledger="")
    assert credentials.base_url == "http://127.0.0.1:9/api/v1"
    assert (store.base_url, store.ledger_url) == ("s3://bucket/videos", "s3://bucket/jobs")
    assert (await load_store(None, "/mine", "/own")).model_dump(include={"base_url", "ledger_url"}) == {
        "base_url": "/mine",
        "ledger_url": "/own",
    }


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
    assert (await load_store(None, output)).base_url == (output or "./videos")
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
    assert (await load_store("lasting", deployed=True)).base_url == "/lasting"


@pytest.mark.parametrize("output", ["/videos", "~/videos", "s3://bucket/videos", "file:///videos"])
async def test_a_deployment_takes_a_lasting_output(output: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """From the argument or from the environment."""
    monkeypatch.delenv("OPENROUTER_VIDEO_LEDGER", raising=False)
    assert (await load_store(None, output, deployed=True)).base_url == output
    monkeypatch.setenv("OPENROUTER_VIDEO_OUTPUT", output)
    assert (await load_store(deployed=True)).base_url == output


# ---- Secrets ---------------------------------------------------------------------------------------------------------


def test_secrets_show_nowhere() -> None:
    """Not in repr, str, a dump, or JSON."""
    options = SecretDict({"secret": CANARY})
    for block in (
        OpenRouterCredentials(api_key=SecretStr(CANARY)),
        VideoStore(base_url="s3://b/v", storage_options=options, ledger_storage_options=options),
    ):
        shown = [repr(block), str(block), repr(block.model_dump()), block.model_dump_json()]
        assert not [text for text in shown if CANARY in text]


@pytest.mark.usefixtures("prefect_server")
async def test_the_api_masks_secrets_and_gives_them_to_loaders() -> None:
    """What the UI is told has stars; who loads the block has the key."""
    await OpenRouterCredentials(api_key=SecretStr(CANARY)).save("masked")
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


def test_the_ledger_is_inside_unless_it_has_its_own_place(tmp_path: Path) -> None:
    """``_jobs`` beside the videos by default."""
    inside = VideoStore(base_url=str(tmp_path / "videos")).open_ledger()
    apart = VideoStore(base_url=str(tmp_path / "videos"), ledger_url=str(tmp_path / "jobs")).open_ledger()
    assert inside.url.endswith("/videos/_jobs")
    assert apart.url.endswith("/jobs")

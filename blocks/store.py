"""Where videos are kept, and where the ledger of their submissions is."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import PurePath
from typing import Annotated, Any
from urllib.parse import urlsplit

from prefect.blocks.core import Block
from prefect.types import SecretDict
from pydantic import Field, WithJsonSchema

from openrouter_video.client import VideoClient
from openrouter_video.errors import ConfigurationError
from openrouter_video.ledger import Ledger
from openrouter_video.places import LEDGER_FOLDER, find_place
from openrouter_video.resources import Resources
from openrouter_video.stores import Store, check_writable, open_store
from openrouter_video.threads import Threads

from .block_names import block_name

__all__ = ["VideoStore", "load_store"]

# Without the plain "object" Prefect's form has nothing to type optional secrets into.
SecretOptions = Annotated[SecretDict | None, WithJsonSchema({"type": "object"})]


class VideoStore(Block):
    """A place for videos in any fsspec store, with the ledger that keeps a job from being paid for twice."""

    _block_type_name = "OpenRouter Video Store"
    _block_type_slug = "openrouter-video-store"
    _logo_url = "https://openrouter.ai/apple-icon.png"  # type: ignore[assignment]
    _documentation_url = "https://filesystem-spec.readthedocs.io/en/latest/"  # type: ignore[assignment]
    _code_example = """
    ```python
    from openrouter_video.blocks import VideoStore

    store = VideoStore.load("BLOCK_NAME")
    ```
    """

    base_url: str = Field(
        title="Base URL",
        description="Folder for the videos: an absolute path, or an fsspec URL such as s3://bucket/videos.",
    )
    storage_options: SecretOptions = Field(
        default=None,
        title="Storage options",
        description='Options of the fsspec file system as JSON, such as {"key": "...", "secret": "..."} for S3.',
    )
    ledger_url: str | None = Field(
        default=None,
        title="Ledger URL",
        description="Folder for the submission records, shared by all that must not pay twice. Default: _jobs inside.",
    )
    ledger_storage_options: SecretOptions = Field(
        default=None,
        title="Ledger storage options",
        description="Options of the ledger's file system as JSON, if it has a URL of its own.",
    )

    def open_store(self) -> Store:
        """Open the folder of the videos; blocks."""
        return open_store(self.base_url, _revealed(self.storage_options))

    def open_ledger(self) -> Ledger:
        """Open the ledger at its own URL, or in the folder ``_jobs`` of the videos; blocks."""
        if self.ledger_url:
            return Ledger(open_store(self.ledger_url, _revealed(self.ledger_storage_options)))
        return Ledger(self.open_store().child(LEDGER_FOLDER))

    @asynccontextmanager
    async def open(self, client: VideoClient, ledger: Ledger | None = None) -> AsyncIterator[Resources]:
        """Open and check the store and the ledger for one run; ``ledger`` stands in for the store's own.

        Raises:
            ConfigurationError: if the store cannot be used, or cannot hold a ledger.
        """
        threads = Threads()
        async with client:
            store = await threads.run(self.open_store)
            records = ledger if ledger is not None else await threads.run(self.open_ledger)
            await threads.run(check_writable, store)
            await threads.run(records.check)
            yield Resources(client, store, records, threads, _revealed(self.storage_options))


def _revealed(options: SecretDict | None) -> dict[str, Any] | None:
    return options.get_secret_value() if options else None


async def load_store(
    name: str | None = None, output: str | None = None, ledger: str | None = None, *, deployed: bool = False
) -> VideoStore:
    """Return the block of that name; without a name, the output and ledger given, or those of the environment.

    ``output`` and ``ledger`` win over the block's URLs. ``deployed`` refuses a place that depends on a worker's current
    folder, since it may vanish with the worker, and the ledger with it.

    Raises:
        ConfigurationError: if there is no such block, or no lasting place in a deployment.
    """
    if name:
        try:
            store: VideoStore = await VideoStore.aload(block_name(name))
        except ValueError:
            raise ConfigurationError(
                f"there is no OpenRouter Video Store block {name[:100]!r}; make one in Prefect's UI under Blocks, or "
                "leave the name out and give an output"
            ) from None
        changed = {"base_url": output, "ledger_url": ledger}
        store = store.model_copy(update={field: value for field, value in changed.items() if value})
    else:
        place = find_place(output, ledger, os.environ)
        store = VideoStore(base_url=place.output, ledger_url=place.ledger)
    if deployed:
        for url in filter(None, (store.base_url, store.ledger_url)):
            _check_lasting(url)
    return store


def _check_lasting(url: str) -> None:
    if url.startswith("memory:") or not (PurePath(url).is_absolute() or url.startswith("~") or urlsplit(url).scheme):
        raise ConfigurationError(
            f"a deployment needs a lasting place for its videos and ledger; {url!r} ends with the worker: "
            "name a store block, give an absolute output or URL, or set OPENROUTER_VIDEO_OUTPUT"
        )

"""Where videos are kept, and where the ledger of their submissions is."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Callable
from contextlib import ExitStack, asynccontextmanager, closing
from typing import Annotated, Any, Self, TypeVar

from prefect.blocks.core import Block
from prefect.types import SecretDict
from pydantic import Field, PrivateAttr, WithJsonSchema

from openrouter_video.api import VideoClient
from openrouter_video.errors import ConfigurationError
from openrouter_video.ledger import Ledger
from openrouter_video.run import LEDGER_FOLDER, Resources, find_place, ledger_mode
from openrouter_video.stores import Store, check_writable, open_store, parse_store_url, safe_url, share_options
from openrouter_video.threads import Threads

from .block_names import block_name

__all__ = ["VideoStore", "load_store"]

C = TypeVar("C", Store, Ledger)

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

    # The block as it was saved, where an output or a ledger of a run wins over its URLs.
    _saved: VideoStore | None = PrivateAttr(default=None)

    def at(self, output: str | None = None, ledger: str | None = None) -> Self:
        """Return this store with another output or ledger.

        Its secrets go with the places they were given for: to another host they are not sent. Another output does not
        move the ledger, for a key is paid once per ledger.
        """
        changed: dict[str, Any] = {}
        if output:
            changed |= {"base_url": output, "storage_options": self._options_for(output)}
        if ledger:
            changed |= {"ledger_url": ledger, "ledger_storage_options": self._ledger_options_for(ledger)}
        moved = self.model_copy(update=changed)
        moved._saved = self._saved or self  # noqa: SLF001 (its own class)
        return moved

    def _options_for(self, url: str) -> SecretDict | None:
        saved = self._saved or self
        return saved.storage_options if share_options(url, saved.base_url) else None

    def _ledger_options_for(self, url: str) -> SecretDict | None:
        saved = self._saved or self
        if saved.ledger_url and share_options(url, saved.ledger_url):
            return saved.ledger_storage_options
        return self._options_for(url)

    def options_for(self, url: str) -> dict[str, Any] | None:
        """Return the options to read something else with, such as an image: those that were given for its place."""
        return _revealed(self._options_for(url))

    def open_store(self) -> Store:
        """Open the folder of the videos; blocks."""
        return open_store(self.base_url, _revealed(self.storage_options))

    def open_ledger(self) -> Ledger:
        """Open the ledger at its own URL, or in the folder ``_jobs`` of the block's videos; blocks.

        Raises:
            ConfigurationError: if its store cannot be opened, or does not answer.
        """
        ledger = self._ledger()
        ledger.check_reachable()
        return ledger

    def _ledger(self) -> Ledger:
        if self.ledger_url:
            store = open_store(self.ledger_url, _revealed(self.ledger_storage_options))
        else:
            store = (self._saved or self).open_store().child(LEDGER_FOLDER)
        return Ledger(store, ledger_mode(os.environ))

    def check_lasting(self) -> None:
        """Refuse places that end with a worker's process, or depend on its current folder.

        Raises:
            ConfigurationError: The videos or the ledger would be there.
        """
        for url in (self.base_url, self.ledger_url or (self._saved or self).base_url):
            parsed = parse_store_url(url)
            if parsed.ends_with_the_process or parsed.is_relative:
                raise ConfigurationError(
                    "a deployment needs a lasting place for its videos and ledger; "
                    f"{safe_url(url)!r} ends with the worker: name a store block, give an absolute output or URL, or "
                    "set OPENROUTER_VIDEO_OUTPUT"
                )

    @asynccontextmanager
    async def open(self, client: VideoClient, ledger: Ledger | None = None) -> AsyncIterator[Resources]:
        """Open and check the store and the ledger for one run; ``ledger`` stands in for the store's own.

        Raises:
            ConfigurationError: if the store cannot be used, or cannot hold a ledger.
        """
        threads = Threads()
        async with client:
            with ExitStack() as opened:
                store = await threads.run(_opened, self.open_store, opened)
                if ledger is None:
                    ledger = await threads.run(_opened, self._ledger, opened)
                await threads.run(check_writable, store)
                await threads.run(ledger.check)
                yield Resources(client, store, ledger, threads, self.options_for)


def _opened(opening: Callable[[], C], opened: ExitStack) -> C:
    return opened.enter_context(closing(opening()))


def _revealed(options: SecretDict | None) -> dict[str, Any] | None:
    return options.get_secret_value() if options else None


async def load_store(
    name: str | None = None, output: str | None = None, ledger: str | None = None, *, deployed: bool = False
) -> VideoStore:
    """Return the block of that name; without a name, the output and ledger given, or those of the environment.

    ``output`` and ``ledger`` win over the block's URLs, as ``VideoStore.at`` says. ``deployed`` refuses a place that
    depends on a worker's current folder, since it may vanish with the worker, and the ledger with it.

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
        store = store.at(output, ledger)
    else:
        place = find_place(output, ledger, os.environ)
        store = VideoStore(base_url=place.output, ledger_url=place.ledger)
    if deployed:
        store.check_lasting()
    return store

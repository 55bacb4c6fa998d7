"""The block that says where videos are kept, and where the ledger of their submissions is."""

from __future__ import annotations

import os
from typing import Annotated

from prefect.blocks.core import Block
from prefect.types import SecretDict
from pydantic import Field, WithJsonSchema

from openrouter_video.errors import ConfigurationError
from openrouter_video.run import Destination, Folder, find_destination

from .block_names import block_name

__all__ = ["VideoStore", "load_store"]

# Without the plain "object" Prefect's form has nothing to type optional secrets into.
SecretOptions = Annotated[SecretDict | None, WithJsonSchema({"type": "object"})]


class VideoStore(Block):
    """A folder for videos in any fsspec store, with the ledger that keeps a job from being paid for twice."""

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

    @property
    def destination(self) -> Destination:
        """Where the block keeps videos and their ledger."""
        folder = Folder(self.base_url, self.storage_options)
        ledger = Folder(self.ledger_url, self.ledger_storage_options) if self.ledger_url else None
        return Destination(folder, folder, ledger)


async def load_store(
    name: str | None = None, output: str | None = None, ledger: str | None = None, *, deployed: bool = False
) -> Destination:
    """Return where the block of that name keeps videos and ledger; without a name, the folders given, or the default.

    ``output`` and ``ledger`` win over the block's, as ``Destination.at`` says. ``deployed`` refuses a folder that
    depends on a worker's current one, since it may vanish with the worker, and the ledger with it.

    Raises:
        ConfigurationError: if there is no such block, or no lasting folder in a deployment.
    """
    if name:
        try:
            block: VideoStore = await VideoStore.aload(block_name(name))
        except ValueError:
            raise ConfigurationError(
                f"there is no OpenRouter Video Store block {name[:100]!r}; make one in Prefect's UI under Blocks, or "
                "leave the name out and give an output"
            ) from None
        destination = block.destination.at(output, ledger)
    else:
        destination = find_destination(output, ledger, os.environ)
    if deployed:
        destination.check_lasting()
    return destination

"""The key to OpenRouter and the API's base URL."""

from __future__ import annotations

import os

from prefect.blocks.abstract import CredentialsBlock
from pydantic import Field, SecretStr

from openrouter_video.api import DEFAULT_BASE_URL, Timeouts, VideoClient, base_url_of, parse_api_key
from openrouter_video.errors import ConfigurationError
from openrouter_video.run import current_limits

from .block_names import block_name

__all__ = ["OpenRouterCredentials", "load_credentials"]


class OpenRouterCredentials(CredentialsBlock):
    """API key for OpenRouter, and the base URL of its API."""

    _block_type_name = "OpenRouter Credentials"
    _block_type_slug = "openrouter-credentials"
    _logo_url = "https://openrouter.ai/apple-icon.png"  # type: ignore[assignment]
    _documentation_url = "https://openrouter.ai/docs/api/keys"  # type: ignore[assignment]
    _code_example = """
    ```python
    from openrouter_video.blocks import OpenRouterCredentials

    credentials = OpenRouterCredentials.load("BLOCK_NAME")
    ```
    """

    api_key: SecretStr = Field(
        title="API key", description="An OpenRouter API key. It is sent to the base URL and nowhere else."
    )
    base_url: str = Field(
        default=DEFAULT_BASE_URL,
        title="Base URL",
        description="Root of the API. Leave it as it is, except for a sandbox or a proxy.",
    )
    approve_above_usd: float | None = Field(
        default=None,
        ge=0,
        le=10**9,
        title="Ask above (US dollars)",
        description="A run with this key that may cost more waits for somebody's yes first. 0 asks always.",
    )
    max_usd_per_day: float | None = Field(
        default=None,
        gt=0,
        le=10**9,
        title="Most US dollars per day",
        description="Cap for all runs of a ledger, whichever key they use, by day in UTC. Passing it is refused.",
    )
    max_usd_per_month: float | None = Field(
        default=None,
        gt=0,
        le=10**9,
        title="Most US dollars per month",
        description="Cap for all runs of a ledger, whichever key they use, by calendar month in UTC.",
    )

    management_key: SecretStr | None = Field(
        default=None,
        title="Management key",
        description="Only for the command `openrouter-video ledger settle --look`, which asks the account at the base "
        "URL what became of uncertain submissions. No run uses it.",
    )

    def get_client(self, timeouts: Timeouts | None = None) -> VideoClient:
        """Return a client for the API key; without ``timeouts`` by the limits that hold (``using_limits``).

        Raises:
            ConfigurationError: if the key or the base URL cannot be used.
        """
        return VideoClient(self.api_key, self.base_url, timeouts=timeouts or current_limits().timeouts)


async def load_credentials(name: str | None = None) -> OpenRouterCredentials:
    """Return the block of that name; without a name, OPENROUTER_API_KEY and OPENROUTER_BASE_URL.

    Raises:
        ConfigurationError: if there is no such block, or no key in the environment.
    """
    if not name:
        return OpenRouterCredentials(
            api_key=parse_api_key(os.environ.get("OPENROUTER_API_KEY")),
            base_url=base_url_of(os.environ),
        )
    try:
        return await OpenRouterCredentials.aload(block_name(name))
    except ValueError:
        raise ConfigurationError(
            f"there is no OpenRouter Credentials block {name[:100]!r}; make one in Prefect's UI under Blocks, or leave "
            "the name out to use OPENROUTER_API_KEY"
        ) from None

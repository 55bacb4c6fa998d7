"""The parameters of the flows as Prefect's forms show them: each with its label and the names of its tabs."""

# No postponed annotations: Prefect reads these when it makes a form.
from typing import Annotated, Any, Literal

from openrouter_video.form import Tabs, labelled
from openrouter_video.request import JSON_EDITOR, VideoSettings

__all__ = [
    "Amount",
    "AmountToAsk",
    "AssumedUsd",
    "Concurrency",
    "CredentialsName",
    "Deadline",
    "IdempotencyKey",
    "Labels",
    "LedgerUrl",
    "Limit",
    "MinSuccess",
    "Model",
    "Models",
    "OnUnsupported",
    "OutputUrl",
    "Prompt",
    "ProviderOptions",
    "ProviderSlugs",
    "SendLabels",
    "Settings",
    "StoreName",
    "Takes",
    "Wait",
]

Prompt = Annotated[str, labelled("Prompt")]
Model = Annotated[str, labelled("Model")]
Models = Annotated[list[str], labelled("Models")]
Settings = Annotated[
    VideoSettings | None, labelled("Length, picture and sound"), Tabs("Set here", "All up to each model")
]
Takes = Annotated[int, labelled("Videos per model")]

Amount = Annotated[float | None, labelled("Ceiling (US dollars)"), Tabs("Amount", "None")]
AmountToAsk = Annotated[float | None, labelled("Ask above (US dollars)"), Tabs("Amount", "As configured")]

OutputUrl = Annotated[str | None, labelled("Output folder"), Tabs("Folder", "As configured")]
StoreName = Annotated[str | None, labelled("Store block"), Tabs("Name", "None")]
CredentialsName = Annotated[str | None, labelled("Credentials block"), Tabs("Name", "None")]

MinSuccess = Annotated[int | None, labelled("Videos that make it a success"), Tabs("Number", "All of them")]
IdempotencyKey = Annotated[str | None, labelled("Idempotency key"), Tabs("Key", "None")]
Deadline = Annotated[float, labelled("Wait at most (minutes)")]
Concurrency = Annotated[int, labelled("Videos at the same time")]
LedgerUrl = Annotated[str | None, labelled("Ledger folder"), Tabs("Folder", "As configured")]
OnUnsupported = Annotated[
    Literal["fallback", "drop", "skip", "fail"], labelled("If a model lacks one of its provider options")
]
Limit = Annotated[int | None, labelled("Jobs to finish"), Tabs("Number", "All")]
Wait = Annotated[float, labelled("Wait for all at most (minutes)")]
SendLabels = Annotated[bool, labelled("Send labels to OpenRouter")]

ProviderOptions = Annotated[dict[str, Any] | None, JSON_EDITOR, labelled("Provider options (JSON)")]
Labels = Annotated[dict[str, Any] | None, JSON_EDITOR, labelled("Labels (JSON)")]
AssumedUsd = Annotated[dict[str, float] | None, JSON_EDITOR, labelled("Assumed prices (JSON)")]
ProviderSlugs = Annotated[dict[str, str] | None, JSON_EDITOR, labelled("Provider slugs (JSON)")]

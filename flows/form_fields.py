"""The parameters of the flows as Prefect's forms show them: each with its label and the names of its tabs."""

# No postponed annotations: Prefect reads these when it makes a form.
from collections.abc import Sequence
from typing import Annotated, Any, Literal

from pydantic import Field

from openrouter_video.form import Tabs, labelled
from openrouter_video.request import JSON_EDITOR, VideoSettings
from openrouter_video.request import WaitMode as Mode
from openrouter_video.shots import ContinueBy as By
from openrouter_video.shots import Shot

__all__ = [
    "Amount",
    "AmountToAsk",
    "AssumedUsd",
    "BatchName",
    "Concat",
    "Concurrency",
    "ContinueBy",
    "CredentialsName",
    "Deadline",
    "ExtraTakes",
    "IdempotencyKey",
    "Keys",
    "Labels",
    "LedgerUrl",
    "Limit",
    "MinSuccess",
    "Model",
    "Models",
    "ModelsOfRows",
    "OfDeployments",
    "OnInvalidRow",
    "OnUnsupported",
    "OutputUrl",
    "PathTemplate",
    "PerProvider",
    "Prompt",
    "PromptTemplate",
    "ProviderOptions",
    "ProviderSlugs",
    "Recipes",
    "Rows",
    "SendLabels",
    "Settings",
    "ShardNumber",
    "ShardParent",
    "Shards",
    "Shots",
    "Source",
    "StoreName",
    "Takes",
    "Wait",
    "WaitMode",
]

Prompt = Annotated[str | None, labelled("Prompt"), Tabs("Text", "None: from an input")]
Model = Annotated[str, labelled("Model")]
Models = Annotated[list[str], labelled("Models")]
ModelsOfRows = Annotated[
    list[str] | None, labelled("Models, for rows that name none"), Tabs("List", "Every row names its own")
]
Settings = Annotated[
    VideoSettings | None, labelled("Length, picture and sound"), Tabs("Set here", "All up to each model")
]
Takes = Annotated[int, labelled("Videos per model")]
ExtraTakes = Annotated[int, labelled("Extra takes if the provider withholds a video")]

Shots = Annotated[Sequence[Annotated[str, Field(title="Prompt")] | Shot], labelled("Shots")]
ContinueBy = Annotated[By, labelled("Continue a shot by")]
Concat = Annotated[bool, labelled("Join the shots")]

Source = Annotated[str | None, labelled("Table of prompts"), Tabs("File", "None: see the rows")]
PromptTemplate = Annotated[str | None, labelled("Prompt template"), Tabs("Text", "Each row has its prompt")]
BatchName = Annotated[str | None, labelled("Name of the batch"), Tabs("Name", "That of the file")]
PathTemplate = Annotated[str | None, labelled("Path template"), Tabs("Template", "The usual one")]
OnInvalidRow = Annotated[Literal["refuse", "skip"], labelled("If a row cannot be used")]

Amount = Annotated[float | None, labelled("Ceiling (US dollars)"), Tabs("Amount", "None")]
AmountToAsk = Annotated[float | None, labelled("Ask above (US dollars)"), Tabs("Amount", "As configured")]

OutputUrl = Annotated[str | None, labelled("Output folder"), Tabs("Folder", "As configured")]
StoreName = Annotated[str | None, labelled("Store block"), Tabs("Name", "None")]
CredentialsName = Annotated[str | None, labelled("Credentials block"), Tabs("Name", "None")]

MinSuccess = Annotated[int | None, labelled("Videos that make it a success"), Tabs("Number", "All of them")]
IdempotencyKey = Annotated[str | None, labelled("Idempotency key"), Tabs("Key", "None")]
Deadline = Annotated[float, labelled("Wait at most (minutes)")]
WaitMode = Annotated[Mode, labelled("Wait for the videos")]
Concurrency = Annotated[int, labelled("Videos at the same time")]
Shards = Annotated[int, labelled("Shards")]
ShardParent = Annotated[str, labelled("Run of the batch")]
ShardNumber = Annotated[int, labelled("Number of the shard")]
LedgerUrl = Annotated[str | None, labelled("Ledger folder"), Tabs("Folder", "As configured")]
OnUnsupported = Annotated[
    Literal["fallback", "drop", "skip", "fail"], labelled("If a model lacks one of its provider options")
]
Keys = Annotated[list[str] | None, labelled("Only these ledger keys"), Tabs("Keys", "All that is open")]
Limit = Annotated[int | None, labelled("Jobs to finish"), Tabs("Number", "All")]
Wait = Annotated[float, labelled("Wait for all at most (minutes)")]
Recipes = Annotated[list[str] | None, labelled("Files and folders of recipes"), Tabs("List", "None")]
OfDeployments = Annotated[bool, labelled("Check the deployments, too")]
SendLabels = Annotated[bool, labelled("Send labels to OpenRouter")]

ProviderOptions = Annotated[dict[str, Any] | None, JSON_EDITOR, labelled("Provider options (JSON)")]
Labels = Annotated[dict[str, Any] | None, JSON_EDITOR, labelled("Labels (JSON)")]
PerProvider = Annotated[int | dict[str, int] | None, JSON_EDITOR, labelled("At the same time by provider (JSON)")]
Rows = Annotated[list[dict[str, Any]] | None, JSON_EDITOR, labelled("Rows in place of a table (JSON)")]
AssumedUsd = Annotated[dict[str, float] | None, JSON_EDITOR, labelled("Assumed prices (JSON)")]
ProviderSlugs = Annotated[dict[str, str] | None, JSON_EDITOR, labelled("Provider slugs (JSON)")]

"""The flow that makes the videos of a table of prompts."""

# No postponed annotations: Prefect pickles a flow that is served, and as text they would lose what they refer to.
from prefect import flow
from prefect.runtime import flow_run

from openrouter_video.batch import name_of_source
from openrouter_video.outcome import Batch
from openrouter_video.tasks import RESULT_FORMAT

from . import form_fields as form
from .batch_production import make_batch
from .prefect_refusals import explain_prefect_refusals
from .run_names import name_of_run

__all__ = ["batch_videos"]


def batch_name() -> str:
    """Name a flow run after its batch, unless somebody has named it."""
    given = flow_run.parameters
    return name_of_run(str(given.get("batch") or name_of_source(str(given.get("source") or "")) or "batch"))


@explain_prefect_refusals
@flow(name="batch-videos", flow_run_name=batch_name, retries=0, persist_result=True, result_serializer=RESULT_FORMAT)
async def batch_videos(
    source: form.Source = None,
    models: form.ModelsOfRows = None,
    settings: form.Settings = None,
    *,
    prompt_template: form.PromptTemplate = None,
    takes: form.Takes = 1,
    batch: form.BatchName = None,
    max_usd: form.Amount = None,
    approve_above_usd: form.AmountToAsk = None,
    output: form.OutputUrl = None,
    store: form.StoreName = None,
    credentials: form.CredentialsName = None,
    min_success: form.MinSuccess = None,
    deadline_minutes: form.Deadline = 30,
    wait: form.WaitMode = "here",
    concurrency: form.Concurrency = 8,
    on_invalid_row: form.OnInvalidRow = "refuse",
    path_template: form.PathTemplate = None,
    ledger: form.LedgerUrl = None,
    send_labels: form.SendLabels = False,
    on_unsupported: form.OnUnsupported = "fallback",
    provider_options: form.ProviderOptions = None,
    labels: form.Labels = None,
    concurrency_per_provider: form.PerProvider = None,
    assumed_usd: form.AssumedUsd = None,
    provider_slugs: form.ProviderSlugs = None,
    extra_takes_on_output_moderation: form.ExtraTakes = 0,
    shards: form.Shards = 1,
    rows: form.Rows = None,
) -> Batch:
    """Turn a table of prompts into videos: each row for each of its models.

    The whole table is read, checked and priced before anything is sent. A second run of the same table makes only what
    is new or changed. What a row leaves out is taken from the parameters here.

    Args:
        source: Table of prompts: CSV, JSON Lines or Parquet, a path or any fsspec URL.
        models: Ids of the models for rows that name none, such as google/veo-3.1-lite.
        settings: Length, picture and sound, for what a row leaves empty.
        prompt_template: Makes the prompt of each row from its columns, such as "A {colour} orchid".
        takes: How many videos to make per row and model.
        batch: Name of the batch, by which a later run finds its videos. {date} becomes the scheduled day. Without it
            the name of the file.
        max_usd: Ceiling in US dollars for the whole batch. One that may cost more is refused before anything is sent.
        approve_above_usd: A batch that may cost more US dollars than this waits for somebody's yes first. The lowest of
            this, the block's and the environment's holds.
        output: Folder for the videos, a path or any fsspec URL. Wins over the store's.
        store: Name of an OpenRouter Video Store block. Without it the output or the environment decides.
        credentials: Name of an OpenRouter Credentials block. Without it OPENROUTER_API_KEY is used.
        min_success: How many videos make the batch a success. None means all of them.
        deadline_minutes: How long to wait for a job. One that takes longer stays open and can be collected later.
        wait: Where to wait for the videos. here waits in this run. suspended, of a deployment, submits and frees its
            worker, until a collection resumes the run to report. no submits, and leaves the videos to a collection.
        concurrency: How many videos to make at the same time.
        on_invalid_row: If a row cannot be made. refuse sends nothing at all, skip leaves the row out.
        path_template: Where each video goes in the output, such as "{batch}/{id}-{hash}/{model}".
        ledger: Folder for the submission records, if not inside the output. Wins over the store's.
        send_labels: Whether to tell OpenRouter the labels too, as tracing metadata.
        on_unsupported: For a model that lacks one of its options. fallback sends the request without options, drop
            leaves out only what is unsupported, skip does not run the model, fail runs none.
        provider_options: Passthrough options by provider slug, such as {"google-vertex": {"negativePrompt": "text"}}.
            Those under "*" are for every model.
        labels: Whose money it is: texts by name, such as {"team": "film"}. They stand in every record of the batch.
        concurrency_per_provider: How many of them of each provider, as a number or by slug, such as
            {"google-vertex": 4}.
        assumed_usd: What a video may cost whose price nobody knows, in US dollars by model id or pattern, so that it
            can pass a ceiling, such as {"acme/*": 1.5}.
        provider_slugs: Provider slug by model id or pattern, where the built-in table is wrong, such as
            {"acme/*": "acme-cloud"}.
        extra_takes_on_output_moderation: How many more takes to pay for, per video, where a provider made a video and
            its own check refused to hand it out. They are part of what the run may cost.
        shards: How many runs of the deployment batch-shard make the videos, side by side on its work pool. With 1 this
            run makes them itself.
        rows: The table itself, in the place of a source: a list of objects by column. It needs the name of a batch.

    Returns:
        What became of each video, how many rows are new, changed or gone, and where the manifest is.

    Raises:
        TooFewVideos: if fewer than min_success videos were made; it carries what became of each.
        RequestRefused: if nothing could be sent; nothing was spent. It holds every problem of every row.
        ConfigurationError: if a key, block, store or ledger cannot be used; nothing was spent.
    """
    return await make_batch(locals())

"""The flow that turns one prompt into videos from several models."""

# No postponed annotations: Prefect pickles a flow that is served, and as text they would lose what they refer to.
from prefect import flow

from openrouter_video.outcome import FanOut
from openrouter_video.tasks import RESULT_FORMAT

from . import form_fields as form
from .prefect_refusals import explain_prefect_refusals
from .production import make_videos
from .run_names import run_name

__all__ = ["fan_out_video"]


@explain_prefect_refusals
@flow(name="fan-out-video", flow_run_name=run_name, retries=0, persist_result=True, result_serializer=RESULT_FORMAT)
async def fan_out_video(
    prompt: form.Prompt,
    models: form.Models,
    settings: form.Settings = None,
    *,
    takes: form.Takes = 1,
    max_usd: form.Amount = None,
    approve_above_usd: form.AmountToAsk = None,
    output: form.OutputUrl = None,
    store: form.StoreName = None,
    credentials: form.CredentialsName = None,
    min_success: form.MinSuccess = None,
    idempotency_key: form.IdempotencyKey = None,
    deadline_minutes: form.Deadline = 30,
    wait: form.WaitMode = "here",
    concurrency: form.Concurrency = 8,
    ledger: form.LedgerUrl = None,
    send_labels: form.SendLabels = False,
    on_unsupported: form.OnUnsupported = "fallback",
    provider_options: form.ProviderOptions = None,
    labels: form.Labels = None,
    assumed_usd: form.AssumedUsd = None,
    provider_slugs: form.ProviderSlugs = None,
    extra_takes_on_output_moderation: form.ExtraTakes = 0,
) -> FanOut:
    """Turn one prompt into videos from several models, side by side.

    Every model gets the same normalized request. Passthrough options go only to the models that allow them; what
    happens to the others is on_unsupported. Nothing is sent before the whole request has been checked for every model.

    Args:
        prompt: What the videos should show. It may be empty where the settings give a video or an image to work from.
        models: Ids of the models, such as google/veo-3.1-lite. The command openrouter-video models lists them.
        settings: Length, picture and sound. What is left empty is up to each model.
        takes: How many videos to make per model.
        max_usd: Ceiling in US dollars. A run that may cost more is refused before anything is sent.
        approve_above_usd: A run that may cost more US dollars than this waits for somebody's yes first. The lowest of
            this, the block's and the environment's holds.
        output: Folder for the videos, a path or any fsspec URL. Wins over the store's.
        store: Name of an OpenRouter Video Store block. Without it the output or the environment decides.
        credentials: Name of an OpenRouter Credentials block. Without it OPENROUTER_API_KEY is used.
        min_success: How many videos make the run a success. None means all of them. A run that can never make as many
            sends nothing.
        idempotency_key: Runs with the same key share their videos, paid once. {date} becomes the scheduled day.
        deadline_minutes: How long to wait for a job. One that takes longer stays open and can be collected later.
        wait: Where to wait for the videos. here waits in this run. suspended, of a deployment, submits and frees its
            worker, until a collection resumes the run to report. no submits, and leaves the videos to a collection.
        concurrency: How many videos to make at the same time.
        ledger: Folder for the submission records, if not inside the output. Wins over the store's.
        send_labels: Whether to tell OpenRouter the labels too, as tracing metadata.
        on_unsupported: For a model that lacks one of its options. fallback sends the request without options, drop
            leaves out only what is unsupported, skip does not run the model, fail runs none.
        provider_options: Passthrough options by provider slug, such as {"google-vertex": {"negativePrompt": "text"}}.
            Those under "*" are for every model.
        labels: Whose money it is: texts by name, such as {"team": "film"}. They stand in every record of the run.
        assumed_usd: What a video may cost whose price nobody knows, in US dollars by model id or pattern, so that it
            can pass a ceiling, such as {"acme/*": 1.5}.
        provider_slugs: Provider slug by model id or pattern, where the built-in table is wrong, such as
            {"acme/*": "acme-cloud"}.
        extra_takes_on_output_moderation: How many more takes to pay for, per video, where a provider made a video and
            its own check refused to hand it out. They are part of what the run may cost.

    Returns:
        What was asked, and for each video what was sent, left out, got and paid.

    Raises:
        TooFewVideos: if fewer than min_success videos were made; it carries what became of each.
        RequestRefused: if nothing could be sent; nothing was spent.
        ConfigurationError: if a key, block, store or ledger cannot be used; nothing was spent.
    """
    return await make_videos(locals(), lambda result: result)

"""The flow that makes a chain of shots, each of which continues the one before it."""

# No postponed annotations: Prefect pickles a flow that is served, and as text they would lose what they refer to.
from prefect import flow
from prefect.runtime import flow_run

from openrouter_video.outcome import Chain
from openrouter_video.tasks import RESULT_FORMAT

from . import form_fields as form
from .prefect_refusals import explain_prefect_refusals
from .run_names import name_of_run
from .shot_production import make_chain

__all__ = ["chain_video"]


def chain_name() -> str:
    """Name a flow run after its first shot, unless somebody has named it."""
    first, *_ = flow_run.parameters.get("shots") or [""]
    return name_of_run(str(first.get("prompt") if isinstance(first, dict) else getattr(first, "prompt", first)))


@explain_prefect_refusals
@flow(name="chain-video", flow_run_name=chain_name, retries=0, persist_result=True, result_serializer=RESULT_FORMAT)
async def chain_video(
    shots: form.Shots,
    model: form.Model,
    settings: form.Settings = None,
    *,
    continue_by: form.ContinueBy = "auto",
    concat: form.Concat = True,
    max_usd: form.Amount = None,
    approve_above_usd: form.AmountToAsk = None,
    output: form.OutputUrl = None,
    store: form.StoreName = None,
    credentials: form.CredentialsName = None,
    idempotency_key: form.IdempotencyKey = None,
    deadline_minutes: form.Deadline = 30,
    ledger: form.LedgerUrl = None,
    send_labels: form.SendLabels = False,
    on_unsupported: form.OnUnsupported = "fallback",
    provider_options: form.ProviderOptions = None,
    labels: form.Labels = None,
    assumed_usd: form.AssumedUsd = None,
    provider_slugs: form.ProviderSlugs = None,
) -> Chain:
    """Turn a list of shots into one film: each shot is a video that continues the one before it.

    The whole chain is checked and priced before the first shot is sent. One that breaks off goes on where it stopped
    when it is run again with the same idempotency key, or retried: no shot is paid for twice.

    Args:
        shots: What each shot should show, in their order: a prompt, or a prompt with settings that count for this shot.
        model: Id of the model of all shots, such as google/veo-3.1-lite. The command openrouter-video models lists
            them.
        settings: Length, picture and sound of all shots. The first frame, and the previous job, are those of the first
            shot, and the last frame is that of the last one.
        continue_by: How a shot continues the one before it. previous_job_id names its job to the provider, last_frame
            sends the picture that it ends with, auto does the first where the model's price list has it.
        concat: Whether to join the shots to one file at the end, as they are coded. What differs is a note.
        max_usd: Ceiling in US dollars for the whole chain. One that may cost more is refused before anything is sent.
        approve_above_usd: A chain that may cost more US dollars than this waits for somebody's yes first. The lowest of
            this, the block's and the environment's holds.
        output: Folder for the videos, a path or any fsspec URL. Wins over the store's.
        store: Name of an OpenRouter Video Store block. Without it the output or the environment decides.
        credentials: Name of an OpenRouter Credentials block. Without it OPENROUTER_API_KEY is used.
        idempotency_key: Runs with the same key share their shots, paid once, up to the first that asks for something
            else. {date} becomes the scheduled day.
        deadline_minutes: How long to wait for the job of a shot. One that takes longer stays open and ends the chain;
            once it is collected, the same chain goes on.
        ledger: Folder for the submission records, if not inside the output. Wins over the store's.
        send_labels: Whether to tell OpenRouter the labels too, as tracing metadata.
        on_unsupported: If the model lacks one of its options. fallback sends the request without options, drop leaves
            out only what is unsupported, skip and fail send nothing.
        provider_options: Passthrough options by provider slug, such as {"google-vertex": {"negativePrompt": "text"}}.
            Those under "*" are for any slug.
        labels: Whose money it is: texts by name, such as {"team": "film"}. They stand in every record of the run.
        assumed_usd: What a video may cost whose price nobody knows, in US dollars by model id or pattern, so that it
            can pass a ceiling, such as {"acme/*": 1.5}.
        provider_slugs: Provider slug by model id or pattern, where the built-in table is wrong, such as
            {"acme/*": "acme-cloud"}.

    Returns:
        What became of each shot, how they were continued, and where the joined file is.

    Raises:
        TooFewVideos: if a shot is missing; it carries what became of each, and why the rest was not sent.
        RequestRefused: if nothing could be sent; nothing was spent.
        ConfigurationError: if a key, block, store or ledger cannot be used; nothing was spent.
    """
    return await make_chain(locals())

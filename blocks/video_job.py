"""The block that stands for a paid job: triggered, waited for and fetched as Prefect's own integrations do it.

It starts the flows of this package, so that a job is planned, gated and recorded by the one path that there is.
"""

# No postponed annotations: Prefect reads the fields of a block.
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Literal

from prefect.blocks.abstract import JobBlock, JobRun
from prefect.context import FlowRunContext, TaskRunContext
from prefect.utilities.asyncutils import sync_compatible
from pydantic import Field, field_validator

from openrouter_video.errors import Problem, RequestRefused, TooFewVideos
from openrouter_video.ledger import Ledger, read_keys
from openrouter_video.outcome import FanOut, Outcome, expected_cost, reused_cost, run_status, total_cost
from openrouter_video.request import RunRequest, VideoSettings, parse_run_request
from openrouter_video.run import Facts, outcome_of, why_unreadable
from openrouter_video.threads import Threads

from .store import load_store

__all__ = ["OpenRouterVideoJob", "OpenRouterVideoJobRun"]

NO_IDENTITY = (
    "outside of a flow run or a task run nothing tells a second trigger() from the first, and both would be paid for; "
    "give the job an idempotency key"
)
OVER = frozenset({"completed", "failed", "refused", "skipped"})


class OpenRouterVideoJobRun(JobRun[FanOut]):
    """The videos of one ``trigger()``: which they are, by their ledger keys, and what was known of them then.

    Whoever has the block and the ``outcomes`` can make it anew, in any process: the ledger knows the jobs.
    """

    def __init__(self, job: "OpenRouterVideoJob", run_id: str, outcomes: tuple[Outcome, ...]) -> None:
        self.job, self.run_id, self.outcomes = job, run_id, outcomes

    @property
    def keys(self) -> list[str]:
        """The ledger keys of what is not over yet."""
        return [one.key for one in self.outcomes if one.key and one.status not in OVER]

    def wait_for_completion(self) -> Any:
        """Do as ``await_for_completion``; a coroutine to be awaited in an asynchronous flow, else over on return."""
        return sync_compatible(self.await_for_completion)()

    async def await_for_completion(self) -> None:
        """Wait for the jobs that still run, until the job's deadline, and bring their videos to safety.

        By a run of the flow ``collect-videos``. What still runs then goes on; it can be waited for again.
        """
        from openrouter_video.flows import collect_videos  # noqa: PLC0415 (flows are built on blocks)

        if self.keys:
            job = self.job
            await collect_videos(
                store=job.store, credentials=job.credentials, wait_minutes=job.deadline_minutes, keys=self.keys
            )

    def fetch_result(self) -> Any:
        """Do as ``afetch_result``; a coroutine to be awaited in an asynchronous flow, else the result."""
        return sync_compatible(self.afetch_result)()

    async def afetch_result(self) -> FanOut:
        """Return what the ledger says of each video.

        Raises:
            TooFewVideos: if fewer than ``min_success`` are there; it carries what became of each, also what goes on.
            ConfigurationError: if the ledger cannot be reached.
        """
        destination = await load_store(self.job.store)
        outcomes = await Threads().run(self._known, destination.reach_ledger)
        wanted = self.job.request().wanted
        if sum(one.status == "completed" for one in outcomes) < wanted:
            raise TooFewVideos(outcomes, wanted)
        return FanOut(
            run_id=self.run_id,
            status=run_status(outcomes, wanted),
            asked=self.job.request().asked(),
            cost_usd=total_cost(outcomes),
            reused_cost_usd=reused_cost(outcomes),
            estimate=expected_cost(outcomes),
            outcomes=outcomes,
        )

    def _known(self, reach_ledger: Any) -> tuple[Outcome, ...]:
        """Return the outcomes as they are by now; blocks."""
        ledger: Ledger = reach_ledger()
        now, before = datetime.now(UTC), {one.key: one for one in self.outcomes if one.key}
        try:
            entries, silent, *_ = read_keys(ledger, self.keys)
        finally:
            ledger.close()
        news = {
            one.key: outcome_of(Facts.of_entry(one, now, own=not before[one.key].reused), now)
            for one in entries
            if one.attempt
        }
        for key, reason in silent:
            news[key] = before[key].model_copy(update={"error": why_unreadable(reason)})
        return tuple(news.get(one.key or "", one) for one in self.outcomes)


class OpenRouterVideoJob(JobBlock[FanOut]):
    """A prompt with its models and limits, submitted by `trigger()` at most once."""

    _block_type_name = "OpenRouter Video Job"
    _block_type_slug = "openrouter-video-job"
    _logo_url = "https://openrouter.ai/apple-icon.png"  # type: ignore[assignment]
    _documentation_url = "https://openrouter.ai/docs/api/api-reference/video-generation"  # type: ignore[assignment]
    _code_example = """
    ```python
    from prefect import flow

    from openrouter_video.blocks import OpenRouterVideoJob

    @flow(retries=2)
    def clip():
        job = OpenRouterVideoJob.load("BLOCK_NAME")
        run = job.trigger()
        run.wait_for_completion()
        return run.fetch_result()
    ```
    """

    prompt: str = Field(
        default="",
        title="Prompt",
        description="What the videos should show. It may be empty where the settings give an input.",
    )
    models: list[str] = Field(
        title="Models", description="Ids of the models, such as google/veo-3.1-lite. Each makes its videos."
    )
    settings: dict[str, Any] = Field(
        default={},
        title="Length, picture and sound (JSON)",
        description='Fields of VideoSettings, such as {"duration": 4, "resolution": "720p"}.',
    )
    takes: int = Field(default=1, title="Videos per model", description="How many videos each model makes.")
    min_success: int | None = Field(
        default=None, title="Videos that make it a success", description="Fewer raise TooFewVideos. Default: all."
    )
    idempotency_key: str | None = Field(
        default=None,
        title="Idempotency key",
        description="Triggers with the same key share their videos, paid once. {date} becomes the scheduled day. "
        "Without it each flow run has its own.",
    )
    max_usd: float | None = Field(
        default=None,
        title="Ceiling (US dollars)",
        description="A trigger that may cost more is refused before anything is sent.",
    )
    deadline_minutes: float = Field(
        default=30, title="Wait at most (minutes)", description="How long to wait for the jobs, which go on after it."
    )
    on_unsupported: Literal["fallback", "drop", "skip", "fail"] = Field(
        default="fallback",
        title="If a model lacks one of its provider options",
        description="fallback sends no options, drop leaves out the unsupported, skip and fail send nothing.",
    )
    provider_options: dict[str, Any] = Field(
        default={},
        title="Provider options (JSON)",
        description='Passthrough options by provider slug, such as {"google-vertex": {"negativePrompt": "text"}}.',
    )
    labels: dict[str, Any] = Field(
        default={}, title="Labels (JSON)", description='Whose money it is, such as {"team": "film"}.'
    )
    store: str | None = Field(
        default=None,
        title="Store block",
        description="Name of an OpenRouter Video Store block. Default: what the environment names.",
    )
    credentials: str | None = Field(
        default=None,
        title="Credentials block",
        description="Name of an OpenRouter Credentials block. Default: OPENROUTER_API_KEY.",
    )

    @field_validator("settings")
    @classmethod
    def _are_settings(cls, value: dict[str, Any]) -> dict[str, Any]:
        VideoSettings.model_validate(value)
        return value

    def request(self) -> RunRequest:
        """Return what the block asks for.

        Raises:
            RequestRefused: with one problem per thing to mend.
        """
        return parse_run_request(**self._parameters())

    def trigger(self) -> Any:
        """Do as ``atrigger``; a coroutine to be awaited in an asynchronous flow, else the run of the job."""
        return sync_compatible(self.atrigger)()

    async def atrigger(self) -> OpenRouterVideoJobRun:
        """Submit the videos, or find those that were submitted before, and return without waiting for them.

        The same are those of an idempotency key; without one, those of the outermost flow or task run that ask for the
        same, so that its retries find them.

        Raises:
            RequestRefused: if nothing could be sent, or if nothing tells a second trigger from the first.
            ConfigurationError: if a key, block, store or ledger cannot be used; nothing was spent.
            TooFewVideos: if nothing was accepted; it carries why.
        """
        from openrouter_video.flows import fan_out_video  # noqa: PLC0415 (flows are built on blocks)

        if not self.idempotency_key and FlowRunContext.get() is None and TaskRunContext.get() is None:
            raise RequestRefused([Problem("idempotency_key", NO_IDENTITY)])
        state = await fan_out_video(**self._parameters(), wait="no", return_state=True)
        result = await state.aresult(raise_on_failure=False)
        if isinstance(result, TooFewVideos) and all(one.status in {"refused", "skipped"} for one in result.outcomes):
            raise result
        if isinstance(result, BaseException) and not isinstance(result, TooFewVideos):
            raise result
        run_id = str(state.state_details.flow_run_id)
        return OpenRouterVideoJobRun(self, run_id, tuple(result.outcomes))

    def _parameters(self) -> Mapping[str, Any]:
        return {
            "prompt": self.prompt,
            "models": self.models,
            "settings": VideoSettings.model_validate(self.settings) if self.settings else None,
            "takes": self.takes,
            "min_success": self.min_success,
            "idempotency_key": self.idempotency_key,
            "max_usd": self.max_usd,
            "deadline_minutes": self.deadline_minutes,
            "on_unsupported": self.on_unsupported,
            "provider_options": self.provider_options or None,
            "labels": self.labels or None,
            "store": self.store,
            "credentials": self.credentials,
        }

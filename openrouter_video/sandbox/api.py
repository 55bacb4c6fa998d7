"""The operations of OpenRouter's video API over the sandbox's own jobs, without a socket."""

from __future__ import annotations

import asyncio
import json
import secrets
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from typing import NamedTuple

from pydantic import JsonValue

from openrouter_video.sandbox import answers
from openrouter_video.sandbox.analytics import analytics_answer
from openrouter_video.sandbox.answers import Answer, document, envelope
from openrouter_video.sandbox.billing import Kind
from openrouter_video.sandbox.budgets import Budget, key_answer, spent_refusal
from openrouter_video.sandbox.catalogue import Catalogue, Entry
from openrouter_video.sandbox.input_files import InputFiles
from openrouter_video.sandbox.input_reading import begin_reading
from openrouter_video.sandbox.job_store import JobStore
from openrouter_video.sandbox.jobs import Job, Status, new_job_id, status_of
from openrouter_video.sandbox.model_listing import endpoints_body, listing_body
from openrouter_video.sandbox.orders import Order, Refusal, previous_refusal, read_order, shaped
from openrouter_video.sandbox.pricing import cost_usd
from openrouter_video.sandbox.refusals import Failing, Refusing, fate_of, refused
from openrouter_video.sandbox.render_queue import RenderQueue
from openrouter_video.sandbox.scene import Oddity, Scene, View

__all__ = ["Asked", "VideoApi"]

_VIDEOS_PER_JOB = 1
# Of one request so many videos differ, and then they repeat: each is rendered.
_DIFFERENT_VIDEOS = 4


class Asked(NamedTuple):
    """One request, read from the wire; ``origin`` is where the client believes the API to be.

    ``oddity``: what a fault makes of the video that is asked for; ``failure``: how it lets the job fail.
    """

    kind: Kind
    origin: str
    authorization: str | None = None
    session_id: str | None = None
    body: bytes = b""
    path: Mapping[str, str] = {}
    query: Mapping[str, str] = {}
    oddity: Oddity | None = None
    failure: Failing | None = None

    @property
    def job_id(self) -> str | None:
        """The job that the path names."""
        return self.path.get("job_id")

    def text(self, field: str) -> str | None:
        """A text in the JSON of the body, if there is one."""
        try:
            parsed = self.document
        except ValueError:
            return None
        value = parsed.get(field) if isinstance(parsed, dict) else None
        return value if isinstance(value, str) else None

    @property
    def document(self) -> JsonValue:
        """The JSON of the body; raises ValueError where it is none."""
        parsed: JsonValue = json.loads(self.body)
        return parsed


class VideoApi:
    """The API.

    ``seconds_for`` says how long a job takes in real seconds, ``latencies`` the percentiles for a model, ``clock``
    gives unix time, ``budgets`` and ``catalogue`` what holds for the key, and which models there are, at this moment.
    """

    def __init__(
        self,
        *,
        jobs: JobStore,
        videos: RenderQueue,
        files: InputFiles,
        catalogue: Callable[[], Catalogue],
        api_key: str,
        management_key: str,
        clock: Callable[[], float],
        seconds_for: Callable[[Order], float],
        latencies: Callable[[Entry], Mapping[str, float]],
        budgets: Callable[[], Sequence[Budget]],
    ) -> None:
        self._jobs = jobs
        self._videos = videos
        self._files = files
        self._catalogue = catalogue
        self._api_key = api_key
        self._management_key = management_key
        self._clock = clock
        self._seconds_for = seconds_for
        self._latencies = latencies
        self._budgets = budgets
        self._numbers: dict[Order, dict[str, int]] = {}
        for job in jobs.all():
            self._number(job.order, job.session_id or job.id)

    def model_of(self, asked: Asked) -> str | None:
        """The AI model that a request is about, where it can be told."""
        job = self._jobs.get(asked.job_id or "")
        if job is not None:
            return job.order.model
        if "slug" in asked.path:
            return f"{asked.path.get('author')}/{asked.path['slug']}"
        return asked.text("model")

    def models(self, _: Asked) -> Answer:
        """``GET /videos/models``; no key needed."""
        return document(200, self._catalogue().wire)

    async def submit(self, asked: Asked) -> Answer:
        """``POST /videos``: a charged job and a 202, or a refusal that costs nothing.

        Its inputs are read first, unlike OpenRouter's, where they are the provider's affair: so the charge is known.
        """
        # Whether a spent budget or a wrong body is found first is not published.
        refused = answers.key_refusal(asked.authorization, self._api_key) or self._budget_refusal()
        if refused:
            return refused
        try:
            raw = asked.document
        except ValueError:
            return envelope(400, "Invalid JSON body")
        if not isinstance(raw, dict):
            return answers.refusal_answer(Refusal('[{"code":"invalid_type","expected":"object"}]', schema=True))
        in_header = {} if asked.session_id is None else {"session_id": asked.session_id}
        catalogue = self._catalogue()
        order = read_order({**in_header, **raw}, catalogue)
        if isinstance(order, Refusal):
            return answers.refusal_answer(order)
        if (refusal := self._previous_refusal(order)) is not None:
            return answers.refusal_answer(refusal)
        if order.inputs:
            read = await asyncio.wrap_future(begin_reading(order.inputs, self._files))
            order = order.model_copy(update={"inputs": read})
        order = self._shaped(order)
        cost = cost_usd(catalogue.entries[order.model].pricing_skus, order)
        job = self._accepted(order, cost, raw, asked)
        return document(202, answers.submitted_body(job, asked.origin))

    def refused(self, asked: Asked, refusing: Refusing) -> Answer:
        """The refusal of a submit that somebody wants to see; the key comes first all the same."""
        entry = self._catalogue().entries.get(asked.text("model") or "")
        return answers.key_refusal(asked.authorization, self._api_key) or refused(
            refusing, asked.text("prompt") or "", entry
        )

    def _budget_refusal(self) -> Answer | None:
        return spent_refusal(self._budgets(), self._jobs.all(), self._clock())

    def key(self, asked: Asked) -> Answer:
        """``GET /key``: what the key may still spend."""
        refused = answers.key_refusal(asked.authorization, self._api_key)
        return refused or key_answer(self._budgets(), self._jobs.all(), self._clock())

    def _previous_refusal(self, order: Order) -> Refusal | None:
        job = self._jobs.get(order.previous_job_id or "")
        if job is None:
            return previous_refusal(order, None, "", gone=False)
        return previous_refusal(order, job.order, self.status(job), gone=self._clock() >= job.expires_at)

    def _shaped(self, order: Order) -> Order:
        previous = self._jobs.get(order.previous_job_id or "")
        return shaped(order, previous.order if previous else None)

    def _scene(self, order: Order) -> Scene:
        """What the video of this order shows, with its inputs; of an input that is lost, its label."""
        views = tuple(View(one.role, one.kind, one.label, self._files.get(one.digest)) for one in order.inputs)
        previous = self._jobs.get(order.previous_job_id or "")
        return order.scene._replace(views=views, earlier=self._scene(previous.order) if previous else None)

    def _number(self, order: Order, session: str) -> int:
        """Count the sessions that order the same: each gets a video of its own, and always that one."""
        known = self._numbers.setdefault(order.model_copy(update={"number": 1}), {})
        return known.setdefault(session, len(known) % _DIFFERENT_VIDEOS + 1)

    def _accepted(self, order: Order, cost: float | None, raw: dict[str, JsonValue], asked: Asked) -> Job:
        now = self._clock()
        in_body = raw.get("session_id")
        job_id, session_id = new_job_id(now), in_body if isinstance(in_body, str) else asked.session_id
        order = order.model_copy(update={"number": self._number(order, session_id or job_id)})
        job = Job(
            id=job_id,
            order=order,
            body=raw,
            session_id=session_id,
            cost_usd=cost,
            submitted_at=now,
            ready_at=now + self._seconds_for(order),
            secret=secrets.token_urlsafe(24),
            fate=fate_of(asked.failure, order.model) if asked.failure else None,
        )
        self._jobs.add(job)
        if job.fate is None:
            self._videos.begin(self._scene(job.order))
        return job

    def status(self, job: Job) -> Status:
        """What a poll of this moment would say."""
        return status_of(job, self._clock(), rendering=self._videos.is_rendering(self._scene(job.order)))

    def poll(self, asked: Asked) -> Answer:
        """``GET /videos/{id}``: 200 for every known job, failed or not."""
        found = self._found(asked)
        if isinstance(found, Answer):
            return found
        status = self.status(found)
        if status == "completed":
            return document(200, answers.completed_body(found, asked.origin))
        return document(200, answers.status_body(found, status, asked.origin))

    def _found(self, asked: Asked) -> Answer | Job:
        refused = answers.key_refusal(asked.authorization, self._api_key)
        if refused:
            return refused
        return self._jobs.get(asked.job_id or "") or envelope(404, f"Job {asked.job_id} not found")

    def content(self, asked: Asked) -> Answer | Future[bytes]:
        """``GET /videos/{id}/content?index=N``: the file, which may still be rendered, or why there is none."""
        found = self._found(asked)
        if isinstance(found, Answer):
            return found
        status = self.status(found)
        if status != "completed":
            return envelope(409, f"Job {found.id} is not completed (status: {status})")
        index = asked.query.get("index", "0")
        if not index.isdigit() or int(index) >= _VIDEOS_PER_JOB:
            return envelope(400, f"Video index {index} out of range ({_VIDEOS_PER_JOB} videos available)")
        if self._clock() >= found.expires_at:
            return envelope(410, f"The output of job {found.id} is no longer available")
        return self._videos.begin(self._scene(found.order)._replace(oddity=asked.oddity))

    def signed(self, asked: Asked) -> Answer | Future[bytes]:
        """A signed URL: whoever holds it gets the file, without a key, until it expires."""
        job = self._jobs.get(asked.job_id or "")
        known = job is not None and secrets.compare_digest(asked.query.get("token", "").encode(), job.secret.encode())
        if job is None or not known:
            return envelope(403, "Invalid signature")
        if self._clock() >= job.expires_at:
            return envelope(403, "The signed URL has expired")
        return self._videos.begin(self._scene(job.order)._replace(oddity=asked.oddity))

    def generation(self, asked: Asked) -> Answer:
        """``GET /generation?id=``: the second source for a finished job's cost; any of the account's keys may ask."""
        named = asked._replace(path={"job_id": asked.query.get("id", "")})
        if answers.key_refusal(asked.authorization, self._management_key) is None:
            named = named._replace(authorization=f"Bearer {self._api_key}")
        found = self._found(named)
        if isinstance(found, Job) and self.status(found) == "completed":
            return document(
                200, answers.generation_body(found, self._catalogue().entries.get(found.order.model), asked.origin)
            )
        if isinstance(found, Answer) and found.status == 401:  # noqa: PLR2004 -- Unauthorized
            return found
        return envelope(404, f"Generation {named.job_id} not found")

    def analytics(self, asked: Asked) -> Answer:
        """``POST /analytics/query``: the generations of the account, for a management key only."""
        if answers.key_refusal(asked.authorization, self._api_key) is None:
            return envelope(403, "A management key is required")
        refused = answers.key_refusal(asked.authorization, self._management_key)
        return refused or analytics_answer(asked.body, self._jobs.all(), self._catalogue())

    def listing(self, asked: Asked) -> Answer:
        """``GET /models``: AI models of all kinds; the sandbox knows those that make videos. No key needed."""
        return document(200, listing_body(self._catalogue(), asked.query, asked.origin))

    def endpoints(self, asked: Asked) -> Answer:
        """``GET /models/{author}/{slug}/endpoints``: which provider serves a model; no key needed."""
        model = self.model_of(asked)
        entry = self._catalogue().entries.get(model or "")
        known = answers.key_refusal(asked.authorization, self._api_key) is None
        latency = self._latencies(entry) if entry and known else None
        return document(200, endpoints_body(entry, latency)) if entry else envelope(404, f"Model {model} not found")

"""The sandbox over a real socket: status codes, bodies and headers as OpenRouter's were recorded."""

from __future__ import annotations

import re
import time
from typing import Any

import httpx
import pytest

from openrouter_video.sandbox import Sandbox

BODY = {"model": "x-ai/grok-imagine-video", "prompt": "a paper boat", "duration": 1, "resolution": "480p"}


def completed(client: httpx.Client, job_id: str) -> dict[str, Any]:
    """The job's body once it is completed."""
    until = time.monotonic() + 20
    while time.monotonic() < until:
        body: dict[str, Any] = client.get(f"/videos/{job_id}").json()
        if body["status"] == "completed":
            return body
        time.sleep(0.01)
    raise AssertionError(f"{job_id} was not completed within 20 s")


def test_models_need_no_key_and_have_every_field(sandbox: Sandbox) -> None:
    """The list is the real one: newest first, always-present fields filled, no field that is not the API's."""
    answer = httpx.get(f"{sandbox.base_url}/videos/models")
    data = answer.json()["data"]
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/json")
    assert len(data) == 30
    assert [one["created"] for one in data] == sorted((one["created"] for one in data), reverse=True)
    assert all(one["name"] and one["canonical_slug"] and isinstance(one["created"], int) for one in data)
    assert not any("input_modalities" in one or "removed" in one for one in data)
    assert all({"upscale_factor", "creativity", "supported_durations"} <= one.keys() for one in data)


@pytest.mark.parametrize(
    ("headers", "message"),
    [
        ({}, "No cookie auth credentials found"),
        ({"authorization": "Basic sandbox-key"}, "Missing Authentication header"),
        ({"authorization": "Bearer sk-wrong"}, "User not found."),
    ],
)
def test_the_key_is_checked_before_anything_else(sandbox: Sandbox, headers: dict[str, str], message: str) -> None:
    """A bad request, an unknown job or a file without the right key are all a 401."""
    expected = {"error": {"message": message, "code": 401}}
    calls = [("POST", "/videos"), ("GET", "/videos/nobody"), ("GET", "/videos/nobody/content"), ("GET", "/generation")]
    for verb, path in calls:
        answer = httpx.request(
            verb, sandbox.base_url + path, headers=headers, content=b"not json" if verb == "POST" else None
        )
        assert (answer.status_code, answer.json()) == (401, expected)
    assert sandbox.charges == ()


def test_a_submit_answers_202_with_three_fields(sandbox: Sandbox, client: httpx.Client) -> None:
    """Exactly id, an absolute polling_url and pending; one charge with the session id of the header."""
    answer = client.post("/videos", json=BODY, headers={"x-session-id": "abc"})
    body = answer.json()
    assert answer.status_code == 202
    assert list(body) == ["id", "polling_url", "status"]
    assert re.fullmatch(r"gen-vid-\d{10}-[A-Za-z0-9]{20}", body["id"])
    assert body["polling_url"] == f"{sandbox.base_url}/videos/{body['id']}"
    assert body["status"] == "pending"
    assert [(c.job_id, c.model, c.cost_usd, c.session_id, c.body) for c in sandbox.charges] == [
        (body["id"], BODY["model"], 0.05, "abc", BODY)
    ]


def test_the_same_post_twice_is_two_charges(sandbox: Sandbox, client: httpx.Client) -> None:
    """There is no idempotency key: a repeated POST is a second paid job."""
    first, second = (client.post("/videos", json=BODY, headers={"idempotency-key": "k"}).json()["id"] for _ in range(2))
    assert first != second
    assert [charge.job_id for charge in sandbox.charges] == [first, second]


def test_session_id_of_the_body_wins(sandbox: Sandbox, client: httpx.Client) -> None:
    """The body's session_id takes precedence over the header's."""
    client.post("/videos", json={**BODY, "session_id": "body"}, headers={"x-session-id": "header"})
    assert [charge.session_id for charge in sandbox.charges] == ["body"]


def test_refusals_come_in_their_envelopes_and_cost_nothing(sandbox: Sandbox, client: httpx.Client) -> None:
    """A capability refusal, a schema refusal and a body that is no JSON are 400s without a charge."""
    duration = client.post("/videos", json={**BODY, "resolution": "4K"})
    assert (duration.status_code, duration.json()) == (
        400,
        {
            "error": {
                "message": "Resolution 4K is not supported for this model. Supported resolutions: 480p, 720p",
                "code": 400,
                "metadata": {"failed_routing_step": "Validate Video Parameters"},
            }
        },
    )
    schema = client.post("/videos", json={"prompt": "x"})
    assert (schema.status_code, schema.json()["success"], schema.json()["error"]["name"]) == (400, False, "ZodError")
    assert client.post("/videos", content=b"{").json()["error"]["message"] == "Invalid JSON body"
    assert client.post("/videos", json=[1]).json()["success"] is False
    assert sandbox.charges == ()


def test_a_body_that_is_too_large_is_413(
    sandbox: Sandbox, client: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Refused with the envelope, and free of charge."""
    monkeypatch.setattr("openrouter_video.sandbox.app._MOST_BODY_BYTES", 20)
    answer = client.post("/videos", json=BODY)
    assert (answer.status_code, answer.json()["error"]["code"], sandbox.charges) == (413, 413, ())


def test_a_job_is_pending_then_completed() -> None:
    """The pending body has four fields; the completed one adds urls, usage and expiry, in absolute addresses."""
    with (
        Sandbox(job_seconds=3600) as sandbox,
        httpx.Client(base_url=sandbox.base_url, headers={"authorization": f"Bearer {sandbox.api_key}"}) as client,
    ):
        job_id = client.post("/videos", json=BODY).json()["id"]
        polling_url = f"{sandbox.base_url}/videos/{job_id}"
        pending = client.get(f"/videos/{job_id}")
        assert pending.status_code == 200
        assert pending.json() == {
            "id": job_id,
            "generation_id": job_id,
            "polling_url": polling_url,
            "status": "pending",
        }
        early = client.get(f"/videos/{job_id}/content")
        assert (early.status_code, early.json()["error"]["code"]) == (409, 409)
        sandbox.release(job_id)
        body = completed(client, job_id)
        assert list(body)[-4:] == ["unsigned_urls", "urls", "expires_at", "usage"]
        assert body["unsigned_urls"] == [f"{polling_url}/content?index=0"]
        assert body["usage"] == {"cost": 0.05, "is_byok": False}
        assert body["expires_at"] > time.time() + 3600


def test_content_is_chunked_and_ignores_range(client: httpx.Client) -> None:
    """200, video/mp4, no Content-Length, no ETag; a Range gets the whole file; a bad index says how many there are."""
    job_id = client.post("/videos", json=BODY).json()["id"]
    completed(client, job_id)
    whole = client.get(f"/videos/{job_id}/content?index=0")
    part = client.get(f"/videos/{job_id}/content", headers={"range": "bytes=0-99"})
    assert whole.status_code == part.status_code == 200
    assert whole.headers["content-type"] == "video/mp4"
    assert whole.headers["transfer-encoding"] == "chunked"
    assert not {"content-length", "etag", "accept-ranges", "content-range"} & part.headers.keys()
    assert whole.content == part.content
    assert whole.content[4:8] == b"ftyp"
    bad = client.get(f"/videos/{job_id}/content?index=5")
    assert (bad.status_code, bad.json()["error"]["message"]) == (
        400,
        "Video index 5 out of range (1 videos available)",
    )


def test_unknown_jobs_and_paths_are_404(client: httpx.Client) -> None:
    """In the envelope, naming the job."""
    for path in ("/videos/gen-vid-1-x", "/videos/gen-vid-1-x/content"):
        answer = client.get(path)
        assert (answer.status_code, answer.json()["error"]["message"]) == (404, "Job gen-vid-1-x not found")
    assert client.get("/nothing").json() == {"error": {"message": "Not Found", "code": 404}}
    assert client.delete("/videos/gen-vid-1-x").status_code == 405


def test_a_signed_url_needs_no_key_and_tells_on_those_who_send_it(sandbox: Sandbox, client: httpx.Client) -> None:
    """It serves anybody who holds the token, and the request list shows whether a key came along."""
    job_id = client.post("/videos", json=BODY).json()["id"]
    [url] = completed(client, job_id)["urls"]
    assert sandbox.api_key not in url
    assert httpx.get(url).content == client.get(url).content
    assert httpx.get(url.partition("?")[0] + "?token=guess").status_code == 403
    assert [(seen.kind, seen.status, seen.authorized) for seen in sandbox.requests[-3:]] == [
        ("signed", 200, False),
        ("signed", 200, True),
        ("signed", 403, False),
    ]


@pytest.mark.parametrize("status", ["failed", "cancelled", "expired", "dead"])
def test_every_terminal_state_is_a_200_with_an_error_string(
    sandbox: Sandbox, client: httpx.Client, status: Any
) -> None:
    """A failed job is answered like any other; its error is a string, and there is nothing to download."""
    job_id = client.post("/videos", json=BODY).json()["id"]
    sandbox.finish(job_id, status=status, error="the provider said no")
    answer = client.get(f"/videos/{job_id}")
    assert answer.status_code == 200
    assert (answer.json()["status"], answer.json()["error"]) == (status, "the provider said no")
    assert "unsigned_urls" not in answer.json()
    assert client.get(f"/videos/{job_id}/content").status_code == 409


def test_files_expire() -> None:
    """After expires_at the content is gone (410), and the signed URL refused."""
    hours = [0.0]
    with (
        Sandbox(job_seconds=0, clock=lambda: 1_790_000_000 + 3600 * hours[0]) as sandbox,
        httpx.Client(base_url=sandbox.base_url, headers={"authorization": f"Bearer {sandbox.api_key}"}) as client,
    ):
        job_id = client.post("/videos", json=BODY).json()["id"]
        [url] = completed(client, job_id)["urls"]
        hours[0] = 25
        assert client.get(f"/videos/{job_id}/content").status_code == 410
        assert httpx.get(url).status_code == 403


def test_a_continuation_needs_a_completed_job(client: httpx.Client, sandbox: Sandbox) -> None:
    """previous_job_id must name a finished job of this account."""
    body = {"model": "black-forest-labs/flux-3-video", "prompt": "x", "duration": 5, "previous_job_id": "gen-vid-1-x"}
    assert client.post("/videos", json=body).status_code == 400
    other = client.post("/videos", json=BODY).json()["id"]
    refused = client.post("/videos", json={**body, "previous_job_id": other})
    assert refused.json()["error"]["message"].endswith(f"was generated by {BODY['model']}, not by {body['model']}")
    assert len(sandbox.charges) == 1
    job_id = client.post("/videos", json={"model": body["model"], "prompt": "x", "duration": 5}).json()["id"]
    sandbox.finish(job_id)
    assert client.post("/videos", json={**body, "previous_job_id": job_id}).status_code == 202
    assert sandbox.charges[-1].cost_usd == 2.05


def test_requests_are_remembered_in_order(sandbox: Sandbox, client: httpx.Client) -> None:
    """Kind, method, path without query, status, whether a key came, host, client and session."""
    client.get("/videos/models", headers={"user-agent": "test/1"})
    client.post("/videos", json={**BODY, "duration": 99}, headers={"x-session-id": "s"})
    first, second = sandbox.requests
    assert (first.kind, first.method, first.path, first.status) == ("models", "GET", "/api/v1/videos/models", 200)
    assert (first.user_agent, first.authorized, first.host) == (
        "test/1",
        True,
        httpx.URL(sandbox.base_url).netloc.decode(),
    )
    assert (second.kind, second.status, second.session_id) == ("submit", 400, "s")
    assert sandbox.api_key not in repr(sandbox.requests)


def test_the_key_is_nowhere_in_the_records(sandbox: Sandbox, client: httpx.Client) -> None:
    """Neither the billing nor the request list shows the key."""
    client.post("/videos", json=BODY)
    root = sandbox.base_url.removesuffix("/api/v1")
    billing, requests = httpx.get(f"{root}/sandbox/billing"), httpx.get(f"{root}/sandbox/requests")
    assert billing.json()["jobs_charged"] == 1
    assert billing.json()["total_usd"] == 0.05
    assert billing.json()["charges"][0]["body"] == BODY
    assert [seen["kind"] for seen in requests.json()["requests"]] == ["submit"]
    assert sandbox.api_key not in billing.text + requests.text


def test_a_finished_job_has_a_second_source_for_its_cost(client: httpx.Client) -> None:
    """GET /generation tells cost, provider and time of completed jobs only."""
    job_id = client.post("/videos", json=BODY).json()["id"]
    completed(client, job_id)
    data = client.get("/generation", params={"id": job_id}).json()["data"]
    assert (data["total_cost"], data["provider_name"], data["model"]) == (0.05, "xAI", BODY["model"])
    assert client.get("/generation", params={"id": "gen-vid-1-x"}).status_code == 404

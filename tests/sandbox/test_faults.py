"""Each fault is on the wire what its name says: real resets, real early ends, and the right charge."""

from __future__ import annotations

import time
from typing import Any, get_args

import httpx
import pytest
from pydantic import ValidationError

from openrouter_video.api.failures import failure_of_job
from openrouter_video.sandbox import Fault, Sandbox
from openrouter_video.sandbox.catalogue import load_catalogue
from openrouter_video.sandbox.faults import FaultTable, without_box
from openrouter_video.sandbox.refusals import Failing, fate_of
from openrouter_video.sandbox.scene import ODDITIES
from openrouter_video.videos.mp4 import Mp4Walk
from tests.support.flow_processes import wait_until

BODY = {"model": "x-ai/grok-imagine-video", "prompt": "a kite", "duration": 1, "resolution": "480p"}
OTHER = {**BODY, "model": "x-ai/grok-imagine-video-1.5"}


def receive(answer: httpx.Response, into: bytearray) -> None:
    """Append the body as it arrives, so that what came before a break is kept."""
    for chunk in answer.iter_raw():
        into += chunk


def finished_job(sandbox: Sandbox, client: httpx.Client) -> str:
    """The id of a job that is completed."""
    job_id = str(client.post("/videos", json=BODY).json()["id"])
    sandbox.finish(job_id)
    return job_id


@pytest.mark.parametrize(
    ("fault", "status", "charged"),
    [
        (Fault(on="submit", status=503), 503, 0),
        (Fault(on="submit", status=503, accepted=True), 503, 1),
        (Fault(on="submit", status=429, headers={"Retry-After": "2"}), 429, 0),
        (Fault(on="submit", status=402, body={"error": {"message": "no", "code": 402}}), 402, 0),
        (Fault(on="submit", status=524, body="<html>timeout</html>", accepted=True), 524, 1),
        (Fault(on="submit", mangle="status_200"), 200, 1),
        (Fault(on="submit", mangle="html"), 202, 1),
        (Fault(on="submit", mangle="html", status=502, accepted=False), 502, 0),
        (Fault(on="submit", mangle="no_id"), 202, 1),
        (Fault(on="submit", redirect_to="https://elsewhere.example/videos"), 307, 0),
        (Fault(on="submit", redirect_to="https://elsewhere.example/videos", status=302, accepted=True), 302, 1),
    ],
)
def test_an_answer_and_a_charge_are_independent(
    sandbox: Sandbox, client: httpx.Client, fault: Fault, status: int, charged: int
) -> None:
    """Whatever the client is told, the charge says what happened; the next request is served as usual."""
    sandbox.add_fault(fault)
    answer = client.post("/videos", json=BODY)
    assert answer.status_code == status
    assert len(sandbox.charges) == charged
    assert sandbox.requests[-1].status == status
    assert {name.lower(): answer.headers[name] for name in fault.headers} == {
        k.lower(): v for k, v in fault.headers.items()
    }
    assert client.post("/videos", json=BODY).status_code == 202


def test_an_error_status_comes_in_the_envelope(sandbox: Sandbox, client: httpx.Client) -> None:
    """A status without a body is OpenRouter's error envelope; a string is sent as it is."""
    sandbox.add_fault(Fault(on="poll", status=429))
    sandbox.add_fault(Fault(on="poll", status=502, body="<html>Bad gateway</html>"))
    first, second = client.get("/videos/x"), client.get("/videos/x")
    assert first.json() == {"error": {"message": "Rate limit exceeded", "code": 429}}
    assert (second.text, second.headers["content-type"]) == ("<html>Bad gateway</html>", "text/html")


@pytest.mark.parametrize(("drop", "charged"), [("before", 0), ("after", 1)])
def test_a_dropped_submit_is_a_reset_without_a_byte(
    sandbox: Sandbox, client: httpx.Client, drop: Any, charged: int
) -> None:
    """The connection breaks with a real reset, before or after the job was accepted."""
    sandbox.add_fault(Fault(on="submit", drop=drop))
    with pytest.raises(httpx.ReadError, match="reset"):
        client.post("/videos", json=BODY)
    assert len(sandbox.charges) == charged
    assert (sandbox.requests[-1].kind, sandbox.requests[-1].status) == ("submit", None)


def test_polls_and_lists_can_be_dropped_too(sandbox: Sandbox, client: httpx.Client) -> None:
    """Every kind of request can lose its connection."""
    sandbox.add_fault(Fault(on="poll", drop="after"))
    sandbox.add_fault(Fault(on="models", drop="before"))
    for path in ("/videos/x", "/videos/models"):
        with pytest.raises(httpx.ReadError):
            client.get(path)
        assert client.get(path).status_code in (200, 404)


def test_a_late_answer_is_late_and_the_job_accepted(sandbox: Sandbox, client: httpx.Client) -> None:
    """A client that gives up waiting has paid all the same."""
    sandbox.add_fault(Fault(on="submit", delay_seconds=600))
    with pytest.raises(httpx.ReadTimeout):
        client.post("/videos", json=BODY, timeout=httpx.Timeout(60, read=0.5))
    wait_until(lambda: len(sandbox.charges) == 1)
    sandbox.add_fault(Fault(on="poll", delay_seconds=0.1))
    begun = time.monotonic()
    assert client.get("/videos/x").status_code == 404
    assert time.monotonic() - begun >= 0.1


def test_a_cut_stream_is_reset_half_way(sandbox: Sandbox, client: httpx.Client) -> None:
    """The headers and about half of the bytes arrive, then the connection breaks."""
    job_id = finished_job(sandbox, client)
    whole = client.get(f"/videos/{job_id}/content").content
    sandbox.add_fault(Fault(on="content", mangle="cut_reset"))
    got = bytearray()
    with client.stream("GET", f"/videos/{job_id}/content") as answer:
        assert answer.status_code == 200
        with pytest.raises(httpx.ReadError, match="reset"):
            receive(answer, got)
    assert 0 < len(got) <= len(whole) // 2
    assert whole.startswith(bytes(got))


def test_content_can_be_spoiled_behind_a_clean_200(sandbox: Sandbox, client: httpx.Client) -> None:
    """Streams that end too early without an error, files without their index, and what is no MP4 at all."""
    job_id = finished_job(sandbox, client)
    path = f"/videos/{job_id}/content"
    whole = client.get(path).content
    expected = {
        "cut_clean": (whole[: len(whole) // 2], "video/mp4"),
        "short_by_one": (whole[:-1], "video/mp4"),
        "no_moov": (without_box(whole, b"moov"), "video/mp4"),
        "empty": (b"", "video/mp4"),
    }
    for mangle, (body, kind) in expected.items():
        sandbox.add_fault(Fault.model_validate({"on": "content", "mangle": mangle}))
        answer = client.get(path)
        assert (answer.status_code, answer.content == body, answer.headers["content-type"]) == (200, True, kind), mangle
        assert "content-length" not in answer.headers
    assert b"moov" in whole
    assert b"moov" not in expected["no_moov"][0]
    for mangle, kind, start in [
        ("html", "text/html", b"<!doctype html>"),
        ("json", "application/json", b'{"error"'),
        ("webm", "video/webm", b"\x1a\x45\xdf\xa3"),
    ]:
        sandbox.add_fault(Fault.model_validate({"on": "content", "mangle": mangle}))
        answer = client.get(path)
        assert (answer.status_code, answer.headers["content-type"]) == (200, kind)
        assert answer.content.startswith(start)
    sandbox.add_fault(Fault(on="content", mangle="webm", headers={"Content-Type": "video/mp4"}))
    assert client.get(path).headers["content-type"] == "video/mp4"


def test_a_video_can_be_odd_and_whole(sandbox: Sandbox, client: httpx.Client) -> None:
    """Rendered anew as the fault says; with a box for a manifest of its origin it is the same video."""
    job_id = finished_job(sandbox, client)
    path = f"/videos/{job_id}/content"
    whole = client.get(path).content
    for mangle in ODDITIES:
        sandbox.add_fault(Fault(on="content", mangle=mangle))
        odd = client.get(path)
        # This model's videos have no sound anyway.
        same = mangle == "no_audio"
        assert (odd.status_code, odd.content[4:8], odd.content == whole) == (200, b"ftyp", same), mangle
    sandbox.add_fault(Fault(on="content", mangle="c2pa"))
    walk = Mp4Walk()
    walk.feed(signed := client.get(path).content)
    assert (walk.finish().c2pa, signed.startswith(whole)) == (True, True)
    assert client.get(path).content == whole


def test_each_session_has_a_video_of_its_own(sandbox: Sandbox, client: httpx.Client) -> None:
    """Of one request: up to four differ, and who asks again under the same session gets the same one."""

    def video(session: str) -> bytes:
        job_id = client.post("/videos", json=BODY, headers={"x-session-id": session}).json()["id"]
        sandbox.finish(job_id)
        return client.get(f"/videos/{job_id}/content").content

    first, *others = [video(session) for session in "abcde"]
    assert len({first, *others}) == 4
    assert (video("a"), video("e"), video("c")) == (first, first, others[1])


def test_content_faults_cover_signed_urls(sandbox: Sandbox, client: httpx.Client) -> None:
    """A fault on content hits whichever address the file is fetched from."""
    job_id = finished_job(sandbox, client)
    [url] = client.get(f"/videos/{job_id}").json()["urls"]
    sandbox.add_fault(Fault(on="content", status=410))
    assert httpx.get(url).status_code == 410
    assert httpx.get(url).status_code == 200


def test_a_stored_copy_outlives_content(sandbox: Sandbox, client: httpx.Client) -> None:
    """A fault on unsigned addresses leaves the signed URL alone, and the other way round."""
    job_id = finished_job(sandbox, client)
    [url] = client.get(f"/videos/{job_id}").json()["urls"]
    for status in (404, 410, 502):
        sandbox.add_fault(Fault(on="unsigned", status=status))
        assert (httpx.get(url).status_code, client.get(f"/videos/{job_id}/content").status_code) == (200, status)
    sandbox.add_fault(Fault(on="signed", mangle="cut_clean"))
    whole = client.get(f"/videos/{job_id}/content").content
    assert httpx.get(url).content == whole[: len(whole) // 2]


@pytest.mark.parametrize(
    ("refusal", "status", "metadata"),
    [
        (
            "moderation",
            403,
            {
                "error_type": "content_policy_violation",
                "reasons": ["violence"],
                "flagged_input": "a kite",
                "provider_name": "xAI",
                "model_slug": "x-ai/grok-imagine-video-20260512",
            },
        ),
        ("content_filter", 403, {"error_type": "content_policy_violation", "patterns": ["sandbox-forbidden-word"]}),
        ("insufficient_credits", 402, None),
        ("weight_exceeds_budget", 402, {"reason": "weight_exceeds_budget"}),
        ("in_flight_budget_exhausted", 402, {"reason": "in_flight_budget_exhausted"}),
    ],
)
def test_a_submit_can_be_refused(
    sandbox: Sandbox, client: httpx.Client, refusal: Any, status: int, metadata: dict[str, Any] | None
) -> None:
    """With what OpenRouter tells of it, and free of charge; a wrong key comes first."""
    sandbox.add_fault(Fault(on="submit", refusal=refusal, times=2))
    answer = client.post("/videos", json=BODY)
    assert (answer.status_code, answer.json()["error"].get("metadata")) == (status, metadata)
    assert answer.headers.get("retry-after") == ("2" if refusal == "in_flight_budget_exhausted" else None)
    assert client.post("/videos", json=BODY, headers={"authorization": "Bearer x"}).status_code == 401
    assert sandbox.charges == ()


def test_a_job_can_fail_as_its_provider_fails(sandbox: Sandbox, client: httpx.Client) -> None:
    """Accepted and charged; what it ends with is in the provider's own words, or in the usual ones."""
    told = {}
    for failure in get_args(Failing):
        for model in (BODY["model"], "google/veo-3.1-lite"):
            sandbox.add_fault(Fault(on="submit", failure=failure))
            job_id = client.post("/videos", json={"model": model, "prompt": "a kite"}).json()["id"]
            body = client.get(f"/videos/{job_id}").json()
            told[failure, model] = (body["status"], body["error"])
            assert client.get(f"/videos/{job_id}/content").status_code == 409
    assert len(sandbox.charges) == len(told)
    # The client, which shares no word with the sandbox, takes each text of each provider for what it is.
    for failure in get_args(Failing):
        for model in load_catalogue().entries:
            end = fate_of(failure, model)
            assert failure_of_job(end.status, end.error) == failure, (failure, model)
    assert told["output_moderation", BODY["model"]] == ("failed", "Generated video rejected by content moderation.")
    assert told["provider", BODY["model"]] == ("failed", "Provider returned error")
    assert told["expired", BODY["model"]] == ("expired", "Job exceeded maximum time to live")
    assert "Responsible AI" in told["input_moderation", "google/veo-3.1-lite"][1]


def test_addresses_can_be_missing_relative_or_foreign(sandbox: Sandbox, client: httpx.Client) -> None:
    """A submit and a poll can name no address, a path only, or another origin."""
    for mangle in ("no_polling_url", "relative_polling_url", "foreign_polling_url", "no_id"):
        sandbox.add_fault(Fault.model_validate({"on": "submit", "mangle": mangle}))
    missing, relative, foreign, nameless = (client.post("/videos", json=BODY).json() for _ in range(4))
    assert "polling_url" not in missing
    assert relative["polling_url"] == f"/api/v1/videos/{relative['id']}"
    assert foreign["polling_url"] == f"https://evil-openrouter.ai/api/v1/videos/{foreign['id']}"
    assert list(nameless) == ["polling_url", "status"]
    job_id = finished_job(sandbox, client)
    sandbox.add_fault(Fault(on="poll", mangle="foreign_polling_url", origin="http://127.0.0.1:9"))
    body = client.get(f"/videos/{job_id}").json()
    assert body["unsigned_urls"] == [f"http://127.0.0.1:9/api/v1/videos/{job_id}/content?index=0"]


def test_a_status_that_nobody_knows(sandbox: Sandbox, client: httpx.Client) -> None:
    """A completed job can claim to be in a state of the future, without its addresses."""
    job_id = finished_job(sandbox, client)
    sandbox.add_fault(Fault(on="poll", mangle="unknown_status"))
    assert client.get(f"/videos/{job_id}").json().keys() == {"id", "generation_id", "polling_url", "status"}
    sandbox.add_fault(Fault(on="poll", mangle="not_json"))
    with pytest.raises(ValueError, match=r"Unterminated|Expecting|delimiter"):
        client.get(f"/videos/{job_id}").json()
    assert client.get(f"/videos/{job_id}").json()["status"] == "completed"


def test_faults_pick_their_requests(sandbox: Sandbox, client: httpx.Client) -> None:
    """By model, by job, after so many, so many times."""
    sandbox.add_fault(Fault(on="submit", status=503, model=str(OTHER["model"]), times=None))
    assert [client.post("/videos", json=one).status_code for one in (BODY, OTHER, OTHER)] == [202, 503, 503]
    sandbox.clear_faults()
    first, second = (client.post("/videos", json=BODY).json()["id"] for _ in range(2))
    sandbox.add_fault(Fault(on="poll", status=500, job_id=second, after=1, times=2))
    assert [client.get(f"/videos/{second}").status_code for _ in range(5)] == [200, 500, 500, 200, 200]
    assert client.get(f"/videos/{first}").status_code == 200


def test_several_faults_follow_each_other() -> None:
    """The first that applies is used; "after" counts every matching request, whoever answered it."""
    one, two, three = (Fault(on="poll", status=status, after=after) for status, after in ((500, 0), (501, 0), (502, 2)))
    table = FaultTable((one, two, three))
    assert [table.take("poll", None, None) for _ in range(4)] == [one, two, three, None]
    assert FaultTable((one,)).take("submit", None, None) is None


def test_a_mangle_that_does_not_fit_is_refused() -> None:
    """A fault that could never happen is an error at once, naming what fits."""
    with pytest.raises(ValidationError, match=r"does not fit on='poll'.*no_id"):
        Fault(on="poll", mangle="no_moov")
    with pytest.raises(ValidationError, match=r"refusal fits on='submit' only"):
        Fault(on="poll", refusal="moderation")


def test_faults_are_switched_over_http(sandbox: Sandbox, client: httpx.Client) -> None:
    """Another process can switch faults on and off, and is told what is wrong with one."""
    address = sandbox.base_url.removesuffix("/api/v1") + "/sandbox/faults"
    added = httpx.post(address, json={"on": "models", "status": 500, "times": None})
    assert (added.status_code, added.json()["status"]) == (201, 500)
    assert client.get("/videos/models").status_code == 500
    assert httpx.post(address, json={"on": "moon"}).status_code == 422
    assert httpx.delete(address).status_code == 204
    assert client.get("/videos/models").status_code == 200
    assert {seen.kind for seen in sandbox.requests} == {"models"}

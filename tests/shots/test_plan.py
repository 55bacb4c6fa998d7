"""A chain is planned as a whole: how its shots follow each other, what each is, and what all of it may cost."""

from __future__ import annotations

import json
from dataclasses import replace
from importlib.resources import files
from typing import Any

import pytest

from openrouter_video.api import Endpoint, ModelEndpoints
from openrouter_video.api.catalog import parse_catalog
from openrouter_video.errors import Problem
from openrouter_video.ledger import Claim, LedgerEntry, scope_of_key
from openrouter_video.money import Estimate
from openrouter_video.outcome import Outcome
from openrouter_video.planning import Look, hold_to_ceiling
from openrouter_video.report import plan_text
from openrouter_video.request import Input, Inputs
from openrouter_video.shots.chain_request import parse_chain_request
from openrouter_video.shots.identity import joined_path, scope_of_chain
from openrouter_video.shots.next_shot import following, not_sent, why_not_sent
from openrouter_video.shots.plan import ChainPlan, plan_chain
from openrouter_video.shots.plan_lines import chain_plan_lines

OFFERED = parse_catalog(json.loads((files("openrouter_video.sandbox") / "video_models.json").read_text()))
VEO, FLUX, EDITOR = "google/veo-3.1-lite", "black-forest-labs/flux-3-video", "black-forest-labs/flux-video-edit"
SMALL = {"duration": 4, "resolution": "720p", "generate_audio": False}
NEITHER = OFFERED.model_copy(
    update={"models": tuple(one.model_copy(update={"supported_frame_images": None}) for one in OFFERED.models)}
)
NO_WAY = (
    "it neither continues an earlier video nor takes a first frame, so that no shot can follow another; choose a model "
    "that does one of them, or make the shots apart"
)
IGNORED = (
    "input_references are ignored beside the frame that the shot begins with, but they are paid for; leave them out of "
    "all shots but the first"
)
SCOPE = scope_of_chain(scope_of_key("bees"))


def planned(*shots: Any, model: str = VEO, settings: Any = SMALL, catalog: Any = OFFERED, **more: Any) -> ChainPlan:
    """The plan of a chain over the real list."""
    how = {name: more.pop(name) for name in ("inputs", "problems", "health") if name in more}
    chain = parse_chain_request(shots=shots, model=model, settings=settings, **more)
    return plan_chain(chain, SCOPE, catalog, **how)


def keys_of(plan: ChainPlan) -> list[str]:
    """The ledger keys of all shots."""
    return [shot.key for shot in plan.shots]


def test_shots_follow_by_the_last_frame_where_no_job_can_be_continued() -> None:
    """In the place of what is not there yet stand words that name the shot before; sent is what takes their place."""
    plan = planned("One", "Two", "Three")
    one, two, three = plan.shots
    frame = {"type": "image_url", "image_url": {"url": f"the last frame of {one.key}"}, "frame_type": "first_frame"}
    assert (plan.way, plan.problems, plan.sandbox) == ("last_frame", (), False)
    assert one.plan.body == {"model": VEO, "prompt": "One", **SMALL}
    assert two.plan.body == {"model": VEO, "prompt": "Two", **SMALL, "frame_images": [frame]}
    assert two.body == two.plan.body
    sent = following(two, Outcome(model=VEO, status="completed", key=one.key), "data:image/png;base64,AA==").body
    assert sent == {**two.body, "frame_images": [{**frame, "image_url": {"url": "data:image/png;base64,AA=="}}]}
    assert [shot.row for shot in plan.shots] == [1, 2, 3]
    assert [shot.path.rpartition("/")[2] for shot in plan.shots] == [
        f"shot-01-one-{one.key[:8]}.mp4",
        f"shot-02-two-{two.key[:8]}.mp4",
        f"shot-03-three-{three.key[:8]}.mp4",
    ]
    assert joined_path(plan.folder, three.key) == f"{plan.folder}/chain-{three.key[:8]}.mp4"


def test_shots_follow_by_their_jobs_where_the_price_list_has_it() -> None:
    """The words are the key of the shot before, and the job's id takes their place."""
    plan = planned("One", "Two", model=FLUX, settings={"duration": 5, "resolution": "720p"})
    one, two = plan.shots
    assert (plan.way, plan.problems) == ("previous_job_id", ())
    assert two.plan.body["previous_job_id"] == one.key
    before = Outcome(model=FLUX, status="completed", key=one.key, job_id="gen-vid-1")
    assert following(two, before).body == {**two.plan.body, "previous_job_id": "gen-vid-1"}


def test_a_continued_shot_may_cost_what_all_before_it_last() -> None:
    """Whether a provider returns and charges the whole is not published; without a length nobody knows the price."""
    settings = {"duration": 5, "resolution": "720p"}
    most = [shot.plan.estimate for shot in planned("One", "Two", "Three", model=FLUX, settings=settings).shots]
    assert [one and (one.low_usd, one.high_usd) for one in most] == [(0.85, 0.85), (2.05, 4.1), (2.05, 6.15)]
    first = {"prompt": "One", "settings": {"previous_job_id": "gen-vid-0"}}
    unknown = planned(first, "Two", model=FLUX, settings=settings)
    assert [shot.plan.estimate and shot.plan.estimate.priced for shot in unknown.shots] == [False, False]


def test_a_shot_is_known_by_all_before_it() -> None:
    """What changes in one makes it and what follows anew, and nothing else; so does the picture in a file."""
    first = keys_of(planned("One", "Two", "Three"))
    assert keys_of(planned("One", "Two", "Three")) == first
    assert keys_of(planned("One", "Two", "Three", "Four"))[:3] == first
    third, second = keys_of(planned("One", "Two", "Drei")), keys_of(planned("One", "Zwei", "Three"))
    assert (third[:2], third[2] in first) == (first[:2], False)
    assert (second[:1], set(second[1:]) & set(first)) == (first[:1], set())
    shots = [{"prompt": "One", "settings": {"first_frame": "a.png"}}, "Two"]
    by_picture = [
        keys_of(planned(*shots, inputs=[Inputs({"a.png": Input(f"data:image/png;base64,{data}")}), Inputs()]))
        for data in ("AAAA", "BBBB")
    ]
    assert not set(by_picture[0]) & set(by_picture[1])
    assert len({*first, *by_picture[0], *by_picture[1], keys_of(planned("One", model=FLUX, settings=None))[0]}) == 8


def test_the_list_of_models_of_the_day_makes_no_other_shot() -> None:
    """A model that continues jobs since yesterday still has the same shots; what the ledger knows stays as it is."""
    today = planned("One", "Two")
    news = {"pricing_skus": {"cents_per_second_video_continuation_720p": "3", "duration_seconds": "0.1"}}
    models = tuple(one.model_copy(update=news if one.id == VEO else {}) for one in OFFERED.models)
    later = planned("One", "Two", catalog=OFFERED.model_copy(update={"models": models}))
    assert (today.way, later.way, keys_of(today)) == ("last_frame", "previous_job_id", keys_of(later))
    known = later.with_known({shot.key: shot.plan.sent or {} for shot in today.shots})
    assert [shot.plan.sent for shot in known.shots] == [shot.plan.sent for shot in today.shots]
    assert (known.new_shots, known.shares, known.estimate.high) == ((), (), 0)
    # Of what may have been accepted in the other way, the key is not said to be another request's, for which another
    # key would pay twice.
    one, two = today.shots
    sent = {
        "at": "2026-11-26T10:00:00+00:00",
        "model": VEO,
        "take": 1,
        "asked": {},
        "base_url": "x",
        "output": "x",
        "path": "x",
        "run_id": "r",
    }
    claims = [Claim.model_validate({**sent, "key": shot.key, "sent": shot.plan.sent}) for shot in (one, two)]
    entries = {claim.key: LedgerEntry(claim.key, "uncertain", 1, claim=claim) for claim in claims}
    assert today.with_doubts(entries).problems == ()
    (doubt,) = later.with_doubts(entries).problems
    assert "shot 2 may have been submitted already, continued in another way than the" in doubt.message
    assert f"settle it (`openrouter-video ledger settle {two.key}`), then run the chain again" in doubt.message
    assert later.with_doubts({two.key: entries[two.key]._replace(state="free")}).problems == ()


def test_that_the_model_is_down_is_told_once_for_all_shots() -> None:
    """It is the same model for all of them; options go under the slug that its endpoints have."""
    served = ModelEndpoints(model=VEO, endpoints=(Endpoint(slug="google-ai-studio", status=-1),))
    plan = planned("One", "Two", health={VEO: served})
    assert plan.warnings == (
        f"{VEO} is down by OpenRouter's list of its endpoints: a video of it may fail or take long",
    )
    assert [shot.plan.slug for shot in plan.shots] == ["google-ai-studio"] * 2


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        (
            {"catalog": NEITHER},
            f"{VEO}: {NO_WAY}",
        ),
        (
            {"catalog": NEITHER, "continue_by": "last_frame"},
            f"{VEO}: shot 2: first_frame is not supported; frames that it takes: none",
        ),
        ({"model": "acme/film"}, "there is no video model 'acme/film'; `openrouter-video models` lists them"),
        (
            {"settings": {"duration": 5}},
            f"{VEO}: duration 5 s is not supported; it supports 4, 6, 8 s; the nearest is 4",
        ),
        (
            {"settings": {"input_references": [{"url": "https://e.example/a.png"}]}},
            f"shot 2: {IGNORED}",
        ),
        ({"problems": [[], [Problem("last_frame", "there is no image")]]}, "shot 2: there is no image"),
    ],
)
def test_a_chain_that_cannot_be_is_refused_as_a_whole(asked: dict[str, Any], said: str) -> None:
    """Before anything is sent, by the shot that it is of."""
    plan = planned("One", "Two", **asked)
    assert plan.refused
    assert [str(problem) for problem in plan.refusal] == [said]
    assert chain_plan_lines(plan)[0].text == f"refused: {said}"


def test_one_shot_needs_no_way() -> None:
    """It follows nothing."""
    plan = planned("One", catalog=NEITHER)
    assert (plan.way, plan.refused, plan.subject) == (None, False, "Chain of 1 shot: One")


def test_the_whole_chain_is_held_to_its_ceiling_and_told_what_fits() -> None:
    """Each shot costs $0.12; of what is paid for nothing counts."""
    plan = planned("One", "Two", "Three")
    assert plan.estimate.high == 360_000
    (problem,) = hold_to_ceiling(plan, 0.30).refusal
    assert "may cost up to $0.36, above its ceiling of $0.30; what would fit: the first 2 of 3 shots" in problem.message
    known = plan.with_known({plan.shots[0].key: {}})
    assert hold_to_ceiling(known, 0.30).problems == ()
    assert [shot.row for shot in known.new_shots] == [2, 3]
    assert known.content() == plan.content()
    refused = known.with_problems([Problem("ledger", "it is away")]).with_notes(["note"], sandbox=True)
    assert (refused.warnings, refused.sandbox) == (("note",), True)
    assert [problem.field for problem in refused.refusal] == ["ledger", "known"]
    assert (plan.fewer(1), plan.fewer(500_000)) == ([], [])


def test_a_plan_tells_each_shot_and_all_of_it() -> None:
    """What is sent, what it may cost, what is known, and what is left out."""
    plan = planned("One", "Two", provider_options={"google-vertex": {"nothing": 1}}, on_unsupported="drop")
    text = plan_text(chain_plan_lines(plan.with_known({plan.shots[0].key: {}}).with_notes(["a note"], sandbox=True)))
    for line in (
        "warning: a note",
        "Chain of 2 shots: One",
        "each shot begins with the last frame of the one before it",
        f"shot 1, {VEO}: in the ledger already, and not paid for again",
        f"shot 2, {VEO}: to be sent",
        f'          "url": "the last frame of {plan.shots[0].key}"',
        "  may cost sandbox $0.12 (listed)",
        "in all: 1 new shot, sandbox $0.12",
    ):
        assert line in text.split("\n")
    assert "  left out: nothing: not allowed" in text
    unknown = plan.shots[1]._replace(plan=plan.shots[1].plan.model_copy(update={"estimate": Estimate(why=("so",))}))
    unpriced = plan_text(chain_plan_lines(replace(plan, shots=(plan.shots[0], unknown))))
    assert "  unpriced: so\n" in unpriced
    assert unpriced.endswith("in all: 2 shots, $0.12 or more, since some are unpriced")
    refused = plan_text(chain_plan_lines(plan.with_problems([Problem("x", "no")])))
    assert "nothing is sent for any shot; without these problems:\n" in refused
    assert f"shot 1, {VEO}: would be sent" in refused
    all_known = plan.with_known({shot.key: {} for shot in plan.shots})
    assert "in all: 0 new shots" in plan_text(chain_plan_lines(all_known))


def test_only_a_job_that_is_there_already_is_looked_at() -> None:
    """That of the first shot; what the API says of it is a problem or a note of the whole chain."""
    first = {"prompt": "One", "settings": {"previous_job_id": "gen-vid-0"}}
    plan = planned(first, "Two", model=FLUX, settings={"duration": 5, "resolution": "720p"})
    assert plan.continued == ("gen-vid-0",)
    assert planned("One", "Two").continued == ()
    assert plan.with_known({plan.shots[0].key: {}}).continued == ()
    looked = plan.with_looks({"gen-vid-0": Look("it is gone", None), "gen-vid-1": Look(None, "it is old")})
    assert [str(problem) for problem in looked.problems] == ["it is gone"]
    assert looked.warnings[-1] == "it is old"


@pytest.mark.parametrize(
    ("before", "shared", "said"),
    [
        ({"status": "open"}, True, "is still open: let `openrouter-video collect` finish it, then run the chain again"),
        ({"status": "open"}, False, "finish it, then retry this flow run: what is paid for is found"),
        ({"status": "uncertain"}, True, "settle it (`openrouter-video ledger settle abc`), then run the chain again"),
        (
            {"status": "refused"},
            True,
            "was refused, for the reason that it gives; once that is mended, run the chain again",
        ),
        ({"status": "skipped"}, True, "was not sent either; once it can be, run the chain again"),
        ({"status": "failed"}, True, "change what it asks for and run the chain again with the same idempotency key"),
        ({"status": "completed", "url": None}, True, "has no video that is known: run the chain again"),
    ],
)
def test_a_shot_without_the_one_before_it_is_not_sent_and_says_why(
    before: dict[str, Any], shared: bool, said: str
) -> None:
    """And what to do, in words that are for who has a key and for who has none."""
    outcome = Outcome(model=VEO, key="abc", row=1, job_id="gen-1", **{"url": "file:///a.mp4", **before})
    why = why_not_sent(outcome, shared=shared) or ""
    assert why.startswith("it is not sent, since shot 1 ")
    assert said in why
    shot = not_sent(planned("One", "Two").shots[1], why)
    assert (shot.plan.decision, shot.plan.body, shot.plan.sent) == ("skip", {}, None)
    assert shot.plan.problems[-1].message == why


def test_a_shot_follows_one_that_is_there() -> None:
    """Nothing is to be said."""
    there = Outcome(model=VEO, key="abc", row=1, status="completed", url="file:///a.mp4", job_id="gen-1")
    assert why_not_sent(there, shared=True) is None

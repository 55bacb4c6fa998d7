"""What the sandbox's key may spend: budgets, their windows, and the refusal once one is spent."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest

from openrouter_video.errors import ConfigurationError
from openrouter_video.sandbox import Budget, Fault, Sandbox, serve

BODY = {"model": "x-ai/grok-imagine-video", "prompt": "a paper boat", "duration": 1, "resolution": "480p"}
COST = 0.05
# A Wednesday.
NOVEMBER = datetime(2026, 11, 25, 13, 0, tzinfo=UTC).timestamp()
DAY = 86_400.0


class Moved:
    """A clock that a test moves."""

    now = NOVEMBER

    def __call__(self) -> float:
        """Return its unix time."""
        return self.now


@pytest.fixture
def clock() -> Moved:
    """A clock in the middle of a day, a week and a month."""
    return Moved()


@pytest.fixture
def sandbox(clock: Moved) -> Iterator[Sandbox]:
    """A sandbox on that clock."""
    with Sandbox(job_seconds=0, clock=clock) as running:
        yield running


@pytest.fixture
def client(sandbox: Sandbox) -> Iterator[httpx.Client]:
    """A client with the right key."""
    with httpx.Client(base_url=sandbox.base_url, headers={"authorization": f"Bearer {sandbox.api_key}"}) as client:
        yield client


def key(client: httpx.Client) -> dict[str, Any]:
    """What the sandbox says of its key."""
    data: dict[str, Any] = client.get("/key").json()["data"]
    return data


def test_a_key_without_a_budget(client: httpx.Client) -> None:
    """Nothing is limited, and what was charged is counted all the same."""
    client.post("/videos", json=BODY)
    data = key(client)
    assert (data["limit"], data["limit_remaining"], data["effective_budget"], data["budgets"]) == (None, None, None, [])
    assert {data[name] for name in ("usage", "usage_daily", "usage_weekly", "usage_monthly")} == {COST}


def test_charges_count_until_nothing_is_left(sandbox: Sandbox, client: httpx.Client) -> None:
    """The last job may cost more than there was; the next one is refused, and costs nothing."""
    sandbox.set_budgets(Budget(limit_usd=0.08))
    assert [client.post("/videos", json=BODY).status_code for _ in range(3)] == [202, 202, 403]
    assert len(sandbox.charges) == 2
    assert key(client)["limit_remaining"] == -0.02
    sandbox.set_budgets(Budget(limit_usd=1))
    assert client.post("/videos", json=BODY).status_code == 202
    assert key(client)["effective_budget"]["remaining_usd"] == 0.85


@pytest.mark.parametrize(
    ("budget", "message", "metadata"),
    [
        (
            Budget(limit_usd=0),
            "Key limit exceeded (total limit)",
            {"limit_source": "openrouter_key_limit", "scope": "key_limit", "resets_at": None},
        ),
        (
            Budget(limit_usd=0, scope="workspace", reset_interval="monthly"),
            "Budget limit exceeded (monthly limit)",
            {
                "limit_source": "openrouter_workspace_budget",
                "scope": "workspace",
                "resets_at": "2026-12-01T00:00:00Z",
            },
        ),
        (
            Budget(limit_usd=0, scope="member", reset_interval="daily"),
            "Budget limit exceeded (daily limit)",
            {"limit_source": "openrouter_guardrail_budget", "scope": "member", "resets_at": "2026-11-26T00:00:00Z"},
        ),
    ],
    ids=["key", "workspace", "guardrail"],
)
def test_a_spent_budget_says_whose_it_is_and_until_when(
    sandbox: Sandbox, client: httpx.Client, budget: Budget, message: str, metadata: dict[str, Any]
) -> None:
    """In the envelope's metadata; there is no Retry-After."""
    sandbox.set_budgets(budget)
    answer = client.post("/videos", json=BODY)
    expected = {"message": message, "code": 403, "metadata": {**metadata, "limit_usd": 0.0, "spend_usd": 0}}
    assert (answer.status_code, answer.json(), "retry-after" in answer.headers) == (403, {"error": expected}, False)
    assert sandbox.charges == ()


@pytest.mark.parametrize(
    ("interval", "resets_at", "days"),
    [("daily", "2026-11-26", 1), ("weekly", "2026-11-30", 5), ("monthly", "2026-12-01", 6)],
)
def test_a_window_that_rolls_over_sets_the_spend_back(
    sandbox: Sandbox, client: httpx.Client, clock: Moved, interval: Any, resets_at: str, days: int
) -> None:
    """Days, weeks from Monday on, and months, all in UTC; what the key has used in all goes on."""
    sandbox.set_budgets(Budget(limit_usd=COST, reset_interval=interval))
    client.post("/videos", json=BODY)
    budget = key(client)["effective_budget"]
    assert (budget["resets_at"], budget["remaining_usd"]) == (f"{resets_at}T00:00:00Z", 0)
    clock.now += days * DAY
    data = key(client)
    assert (data["effective_budget"]["spend_usd"], data[f"usage_{interval}"], data["usage"]) == (0, 0, COST)
    assert client.post("/videos", json=BODY).status_code == 202


def test_of_several_budgets_the_one_that_refuses_first_is_effective(sandbox: Sandbox, client: httpx.Client) -> None:
    """The one with the least left; and of those that are spent, the first in the order in which they are checked."""
    sandbox.set_budgets(
        Budget(limit_usd=1), Budget(limit_usd=0.3, scope="workspace"), Budget(limit_usd=9, scope="member")
    )
    data = key(client)
    assert [budget["scope"] for budget in data["budgets"]] == ["member", "workspace", "key_limit"]
    assert (data["effective_budget"]["scope"], data["limit_remaining"]) == ("workspace", 1.0)
    sandbox.set_budgets(Budget(limit_usd=0), Budget(limit_usd=0, scope="api_key"))
    assert key(client)["effective_budget"]["scope"] == "api_key"
    refused = client.post("/videos", json=BODY).json()["error"]
    assert refused["metadata"]["limit_source"] == "openrouter_guardrail_budget"


def test_the_key_is_needed_and_faults_reach_it(sandbox: Sandbox, client: httpx.Client) -> None:
    """As every other operation, it can be made to go wrong."""
    assert httpx.get(f"{sandbox.base_url}/key").status_code == 401
    sandbox.add_fault(Fault(on="key", mangle="html"))
    assert client.get("/key").text.startswith("<!doctype html>")
    assert [seen.kind for seen in sandbox.requests] == ["key", "key"]


@pytest.mark.parametrize("budget", [-1, float("nan"), float("inf")])
def test_a_served_budget_that_is_none(budget: float) -> None:
    """Said in words, before anything listens."""
    with pytest.raises(ConfigurationError, match="it must be a number of 0 or more"):
        serve(budget_usd=budget)


@pytest.mark.parametrize("path", ["/videos/models", "/videos/nobody", "/nowhere", "/../../sandbox/billing"])
def test_every_answer_says_that_it_is_a_sandbox(sandbox: Sandbox, path: str) -> None:
    """Success, refusal and what is no route; unless a test wants to look like an API that bills."""
    assert httpx.get(sandbox.base_url + path).headers["x-openrouter-sandbox"] == "nothing is billed"
    with Sandbox(disclosed=False) as silent:
        assert "x-openrouter-sandbox" not in httpx.get(silent.base_url + path).headers

"""What a plan pays for, by model: what one video may cost, and all of them, also where some have no price."""

from __future__ import annotations

import pytest

from openrouter_video.money import Estimate
from openrouter_video.planning.gated_plan import ModelShare

CHEAP = Estimate.of(100_000, 200_000, "listed", ["set duration to narrow it"])
DEAR = Estimate.of(300_000, 900_000, "observed", ["observed in 14 bills"])
UNKNOWN = Estimate(why=("the API lists no price for it",))


@pytest.mark.parametrize(
    ("videos", "each", "together", "most", "cheapest", "unpriced"),
    [
        ([CHEAP], "$0.10 to $0.20", "$0.10 to $0.20", 200_000, 200_000, 0),
        ([CHEAP, CHEAP], "$0.10 to $0.20", "$0.20 to $0.40", 400_000, 200_000, 0),
        ([CHEAP, DEAR], "$0.10 to $0.90", "$0.40 to $1.10", 1_100_000, 200_000, 0),
        ([UNKNOWN, CHEAP], "unpriced", "unpriced", 200_000, 200_000, 1),
        ([UNKNOWN, UNKNOWN], "unpriced", "unpriced", 0, 0, 2),
    ],
)
def test_what_the_videos_of_a_model_may_cost(
    videos: list[Estimate], each: str, together: str, most: int, cheapest: int, unpriced: int
) -> None:
    """One of them from the cheapest to the dearest, and all together; what has no price is counted apart."""
    share = ModelShare.of("acme/film", videos)
    assert (str(share.each), str(share.together)) == (each, together)
    assert (share.videos, share.most, share.cheapest, share.unpriced) == (len(videos), most, cheapest, unpriced)


def test_one_price_keeps_its_reasons_and_several_have_all_of_them() -> None:
    """What a person reads beside a price is not lost where there are many; of unpriced ones it is why."""
    assert ModelShare.of("acme/film", [CHEAP, CHEAP]).each == CHEAP
    assert ModelShare.of("acme/film", [CHEAP, DEAR]).each.why == (*CHEAP.why, *DEAR.why)
    assert ModelShare.of("acme/film", [CHEAP, UNKNOWN]).each.why == UNKNOWN.why

"""Which tests of whole runs make their video in a chain of task runs, and which in a lane, as large runs do."""

from __future__ import annotations

from collections.abc import Iterable

import pytest

in_a_lane = pytest.mark.parametrize("runs", ["lane"], indirect=True)
"""Try it in a lane alone, since each kind of end of a step is in a test that is tried in both."""

in_both_grains = pytest.mark.parametrize("runs", ["chain", "lane"], indirect=True)
"""Try it in a chain and in a lane; of a table, each row in a lane, and the first one in a chain as well.

A lane takes the very steps of a chain as plain calls (tests/prefect/test_lanes.py), so that what the API answers is
judged by the same code in both; what differs is how a step's end reaches the run, which one row shows. A lane has the
fewer task runs, each of which costs a server more than the step itself.
"""


def further_rows_in_a_chain(items: Iterable[pytest.Item]) -> dict[pytest.Item, None]:
    """Return what ``in_both_grains`` leaves out."""
    seen, left_out = set[str](), dict[pytest.Item, None]()
    for item in items:
        callspec = getattr(item, "callspec", None)
        if callspec and in_both_grains.mark in item.own_markers and callspec.params["runs"] == "chain":
            test = item.nodeid.partition("[")[0]
            if test in seen:
                left_out[item] = None
            seen.add(test)
    return left_out

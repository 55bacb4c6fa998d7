"""What a run that waits without a process needs to report. Pure."""

from __future__ import annotations

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from openrouter_video.outcome import Batch, FanOut, unsettled_words

__all__ = ["WaitingRun"]


class WaitingRun(BaseModel):
    """One run as it was when it was suspended.

    ``report``: what it would have reported then; what is open in it is waited for. ``wanted``: how many videos make it
    a success. ``since``: when it began to make them, ``until``: the last deadline. ``restarts``: how often it was begun
    anew after its process had died. ``shard_runs``: of a batch that waits for its shards, which have sent everything,
    the flow runs of those that have not told yet; its report has no videos then.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    run_id: str
    report: Batch | FanOut = Field(union_mode="left_to_right")
    wanted: int
    since: AwareDatetime
    until: AwareDatetime
    restarts: int = 0
    shard_runs: tuple[str, ...] = ()

    @property
    def keys(self) -> frozenset[str]:
        """The ledger keys of what it waits for; a job that the ledger does not know is not waited for."""
        still_open = [one for one in self.report.outcomes if one.status == "open" and not unsettled_words([one])]
        return frozenset(one.key for one in still_open if one.key)

"""Values that Prefect hands on to a task without searching them for futures."""

from __future__ import annotations

from typing import TypeVar, cast

from prefect.utilities.annotations import opaque

__all__ = ["unsearched"]

T = TypeVar("T")


def unsearched(value: T) -> T:
    """Mark an argument of a task as a whole: it arrives as it is, and is linked to the task that made it.

    Prefect walks twice through every field of every argument for futures that it might have to wait for. That was a
    quarter of a fan-out's processor time, for values of ours that never hold any.
    """
    return cast(T, opaque(value))

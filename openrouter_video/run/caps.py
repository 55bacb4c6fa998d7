"""Limits of money that hold for every run of an environment or a key: read from variables, the lowest counts.

Pure.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

from openrouter_video.errors import ConfigurationError
from openrouter_video.ledger import Caps
from openrouter_video.money import micro
from openrouter_video.text import shown

__all__ = ["approval_threshold", "caps_of"]

PER_DAY, PER_MONTH = "OPENROUTER_VIDEO_MAX_USD_PER_DAY", "OPENROUTER_VIDEO_MAX_USD_PER_MONTH"
APPROVE_ABOVE = "OPENROUTER_VIDEO_APPROVE_ABOVE_USD"
MOST_USD = 10**9


def caps_of(per_day: float | None, per_month: float | None, environ: Mapping[str, str]) -> Caps:
    """Return the caps of a day and a month: of those of the key and of the environment the lower one each.

    Raises:
        ConfigurationError: if a variable is not an amount.
    """
    return Caps(
        _lowest(per_day, _usd_variable(PER_DAY, environ)), _lowest(per_month, _usd_variable(PER_MONTH, environ))
    )


def approval_threshold(of_run: float | None, of_key: float | None, environ: Mapping[str, str]) -> float | None:
    """Return the US dollars above which a run asks first: the lowest that is set; None if none is.

    Raises:
        ConfigurationError: if the variable is not an amount.
    """
    limits = (of_run, of_key, _usd_variable(APPROVE_ABOVE, environ, zero="0 asks always"))
    return min((limit for limit in limits if limit is not None), default=None)


def _lowest(*limits: float | None) -> int | None:
    set_ones = [micro(limit) for limit in limits if limit is not None]
    return min(set_ones, default=None)


def _usd_variable(name: str, environ: Mapping[str, str], zero: str = "") -> float | None:
    """Return the US dollars that an environment variable sets; None if it is not set, or empty.

    ``zero`` says what 0 means, where it means anything.

    Raises:
        ConfigurationError: if it is not an amount above 0, or more than anybody has.
    """
    text = environ.get(name, "").strip()
    if not text:
        return None
    try:
        amount = float(text)
    except ValueError:
        amount = math.nan
    if not (amount <= MOST_USD and (amount > 0 or (zero and amount == 0))):
        least = f"({zero})" if zero else "above 0"
        limits = f"{least}, and at most {MOST_USD:,}"
        raise ConfigurationError(
            f"{name} is {shown(text)}; it must be an amount of US dollars {limits}, such as 2.50. Unset it for none"
        )
    return amount

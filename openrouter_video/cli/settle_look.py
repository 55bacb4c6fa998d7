"""``ledger settle --look``: the account is asked what became of an uncertain submission; what it proves is recorded.

Only when a person says so. What is not found stays as it was.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import NamedTuple

from pydantic import SecretStr
from rich.text import Text

from openrouter_video.api import Account, VideoClient, base_url_of, parse_api_key
from openrouter_video.cli.ledger import find_entry, open_ledger, settle_entry
from openrouter_video.cli.options import LedgerOptions
from openrouter_video.cli.prefect_server import start_prefect
from openrouter_video.cli.terminal import Terminal
from openrouter_video.errors import ConfigurationError, LedgerError, Problem, RequestRefused
from openrouter_video.ledger import (
    UNCERTAIN_STATES,
    Ledger,
    LedgerEntry,
    Settlement,
    in_flight,
    read_open,
    why_not,
)
from openrouter_video.run import AccountSearch, why_unreadable
from openrouter_video.text import printable

__all__ = ["settle_by_look"]

NO_KEY = (
    "--look needs a management key: set OPENROUTER_MANAGEMENT_KEY, or put it into the credentials block and name that "
    "by --credentials. An ordinary key cannot see what an account has made"
)


class _Keys(NamedTuple):
    management: SecretStr
    ordinary: SecretStr
    base_url: str


def settle_by_look(place: LedgerOptions, said: Settlement, credentials: str | None, now: datetime) -> int:
    """Look for one submission, or for all that are uncertain, and record the jobs that are found.

    0 if each was found, 1 if one is still uncertain.

    Raises:
        RequestRefused, ConfigurationError: if it is not clear what to look for, or there is no management key.
        LedgerError: if the ledger cannot be read.
    """
    if (problem := said.problem()) is not None:
        raise RequestRefused([Problem("settle", problem)])
    stderr, terminal = Terminal(stderr=True), Terminal()

    def tell(text: str) -> None:
        terminal.print(Text(printable(text)), soft_wrap=True)

    keys = _find_keys(credentials, stderr.announce)
    with open_ledger(place, stderr.announce) as ledger:
        entries, unread = _entries(ledger, said.key, now, tell)
        if not entries:
            tell("There is no submission to look for." if not unread else "Nothing else can be looked for.")
            return 1 if unread else 0
        found = asyncio.run(_look(ledger, entries, keys, now, tell))
    left = len(entries) - found
    if said.key is None:
        tell(f"{found} found" + (f", {left} not" if left else ""))
    return 1 if left or unread else 0


def _find_keys(credentials: str | None, announce: Callable[[str], None]) -> _Keys:
    if not credentials:
        management, ordinary = os.environ.get("OPENROUTER_MANAGEMENT_KEY"), os.environ.get("OPENROUTER_API_KEY")
        if not management or not management.strip():
            raise ConfigurationError(NO_KEY)
        return _Keys(SecretStr(management), parse_api_key(ordinary), base_url_of(os.environ))
    start_prefect(announce)
    from openrouter_video.blocks import load_credentials  # noqa: PLC0415 (imports Prefect)

    block = asyncio.run(load_credentials(credentials))
    if block.management_key is None:
        raise ConfigurationError(NO_KEY)
    return _Keys(block.management_key, block.api_key, block.base_url)


def _entries(
    ledger: Ledger, key: str | None, now: datetime, tell: Callable[[str], None]
) -> tuple[Sequence[LedgerEntry], int]:
    """Return what to look for, and how many keys cannot be read."""
    if key is not None:
        entry = find_entry(ledger, key)
        if (reason := why_not(entry, "job", now)) is not None:
            raise ConfigurationError(f"{entry.key} cannot be settled: {reason}")
        return [entry], 0
    reading = read_open(ledger, now)
    for one in reading.unreadable:
        tell(f"{one.key}: {why_unreadable(one.reason)}")
    uncertain = [one for one in reading.entries if one.state in UNCERTAIN_STATES and not in_flight(one, now)]
    return uncertain, len(reading.unreadable)


async def _look(
    ledger: Ledger, entries: Sequence[LedgerEntry], keys: _Keys, now: datetime, tell: Callable[[str], None]
) -> int:
    """Look for each, and return how many were found; what would be no use for one is not tried for the others."""
    found = 0
    async with VideoClient(keys.ordinary, keys.base_url) as client, Account(keys.management, keys.base_url) as account:
        search = AccountSearch(account, client)
        for n, entry in enumerate(entries, 1):
            seen = await search.look(entry, now)
            if seen.job_id is None:
                tell(f"{entry.key}: still uncertain: {seen.words}")
            else:
                found += _record(ledger, entry, seen.job_id, seen.words, now, tell)
            if seen.useless:
                if n < len(entries):
                    tell(f"{len(entries) - n} more were not looked for")
                break
    return found


def _record(
    ledger: Ledger, entry: LedgerEntry, job_id: str, evidence: str, now: datetime, tell: Callable[[str], None]
) -> bool:
    try:
        tell(f"{settle_entry(ledger, entry, 'job', now, job_id, evidence)} ({evidence})")
    except (ConfigurationError, LedgerError) as error:
        tell(str(error))
        return False
    return True

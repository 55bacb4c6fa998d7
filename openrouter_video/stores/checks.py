"""Whether a store answers, takes a video, can hold a ledger; asked before anything is paid, and in good time."""

from __future__ import annotations

import re
import secrets
import time
from collections.abc import Iterable
from contextlib import suppress

from openrouter_video.errors import ConfigurationError, StorageError
from openrouter_video.stores.store import Store
from openrouter_video.stores.time_limit import answered_in_time

__all__ = ["PROBE", "check_ledger", "check_reachable", "check_writable", "clear_probes"]

PROBE = ".openrouter-video-probe"
"""In an object store one such file stays for ever: only ever creating files needs no right to remove any."""

_ABSENT = ".openrouter-video-absent"  # which nobody ever writes
_CONTENT = b"openrouter-video"
_OLD_PROBE = re.compile(r"\.{1,2}probe-([0-9]+)-.*")  # with two dots it is the temporary of one
_PROBE_SECONDS = 600.0


def check_reachable(store: Store) -> None:
    """Ask one question, so that a store that nobody can reach is refused in good time.

    Raises:
        ConfigurationError: It does not answer, or with an error.
    """
    try:
        answered_in_time(lambda: store.size_of(PROBE), store.url)
    except StorageError as error:
        raise _unusable(store, str(error)) from None


def check_writable(store: Store) -> None:
    """Write, read and look for a small file, so that a store that cannot take a video says so before one is paid.

    Raises:
        ConfigurationError: Something of it is not possible.
    """
    try:
        good = answered_in_time(lambda: _takes_files(store), store.url)
    except StorageError as error:
        raise _unusable(store, str(error)) from None
    if not good:
        raise _unusable(
            store, "it does not give back what was written, or gives back what was removed. Choose another place."
        )


def _unusable(store: Store, why: str) -> ConfigurationError:
    return ConfigurationError(f"The store {store.url} cannot be used. {why}")


def _takes_files(store: Store) -> bool:
    if store.keeps_probe:
        # That it exists shows the right to create it as well: who has none is told that instead.
        try:
            store.create_exclusive(PROBE, _CONTENT)
        except StorageError:
            # A store that knows no conditions may take videos all the same.
            store.write_bytes(PROBE, _CONTENT)
        whole = store.read_bytes(PROBE) is not None
        # S3 answers 403 about an absent object to those who may not list, which nobody can tell from a locked one.
        return whole and store.read_bytes(_ABSENT) is None
    probe = _new_probe()
    store.write_bytes(probe, _CONTENT)
    try:
        whole = store.read_bytes(probe) == _CONTENT
        clear_probes(store, store.list_names(temporaries=True))
    finally:
        store.remove(probe)
    return whole and store.read_bytes(probe) is None


def check_ledger(store: Store) -> None:
    """Create a small file twice: the second attempt must be told that it exists, and change nothing.

    Raises:
        LedgerUnsafe: The store cannot promise that of two processes only one creates a record.
        ConfigurationError: It does not answer.
    """
    try:
        good = answered_in_time(lambda: _creates_once(store), store.url)
    except StorageError as error:
        raise store.ledger_refusal(f"the test of it failed. {error}") from None
    if not good:
        raise store.ledger_refusal("it let a second writer replace a record that must be created only once")


def _creates_once(store: Store) -> bool:
    first, second = (secrets.token_hex(8).encode() for _ in range(2))
    if store.keeps_probe:
        # Refused, and not replaced: that is the test, and no second attempt is needed.
        if not store.create_exclusive(PROBE, first) and store.read_bytes(PROBE) not in {None, first}:
            return True
        return not store.create_exclusive(PROBE, second) and store.read_bytes(PROBE) not in {None, second}
    probe = _new_probe()
    created = store.create_exclusive(probe, first)
    try:
        return created and not store.create_exclusive(probe, second) and store.read_bytes(probe) == first
    finally:
        store.remove(probe)


def clear_probes(store: Store, names: Iterable[str]) -> None:
    """Remove those of the names that are probes of processes killed in the middle, known by their age; best effort."""
    with suppress(StorageError):
        for name in names:
            probe = _OLD_PROBE.fullmatch(name)
            if probe is not None and time.time() - int(probe[1]) > _PROBE_SECONDS:
                store.remove(name)


def _new_probe() -> str:
    return f".probe-{time.time():.0f}-{secrets.token_hex(6)}"

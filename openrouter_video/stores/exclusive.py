"""Edge: creating a file in such a way that of any number of processes only one succeeds."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import Any

from openrouter_video.errors import LedgerUnsafe, StorageError
from openrouter_video.stores.opening import Store
from openrouter_video.stores.path_files import remove_quietly, write_part

__all__ = ["UNKNOWN_KIND", "create_exclusive", "ensure_file", "ledger_refusal", "memory_lock"]

UNKNOWN_KIND = "it is not known whether stores of its kind can create a file exclusively"

memory_lock = threading.Lock()

_EXISTS = frozenset({"PreconditionFailed", "412"})
_CONFLICT = frozenset({"ConditionalRequestConflict", "OperationAborted", "409"})
_UNKNOWN_CONDITION = frozenset({"NotImplemented", "501"})
_CREATE_ATTEMPTS = 3


def create_exclusive(store: Store, relative: str, data: bytes) -> bool:
    """Create a file, whole or not at all, unless it exists; of any number of processes, one is told True.

    False may also mean that a first attempt was ours and its answer was lost: read the file to know whose it is.

    Raises:
        LedgerUnsafe: Stores of this kind cannot promise it.
        StorageError: It failed, or nobody can tell whether the file was created.
    """
    with store.errors("create", relative):
        if store.kind in {"local", "sftp"}:
            return _link_exclusive(store, store.path(relative), data)
        if store.kind == "memory":
            return _create_in_memory(store, store.path(relative), data)
        if store.kind in {"s3", "gcs", "azure"}:
            return _put_exclusive(store, store.path(relative), data)
    raise ledger_refusal(store, UNKNOWN_KIND)


def _link_exclusive(store: Store, path: str, data: bytes) -> bool:
    with store.files() as files:
        for _ in range(_CREATE_ATTEMPTS):
            part = write_part(files, path, data, store.access)
            try:
                return files.link_new(part, path)
            except FileNotFoundError:
                # Whoever ended this key's story has cleared the temporary away.
                continue
            finally:
                remove_quietly(files, part)
    raise StorageError(f"Could not create {path}: its temporary file vanished {_CREATE_ATTEMPTS} times.")


def _create_in_memory(store: Store, path: str, data: bytes) -> bool:
    with memory_lock:
        if store.filesystem.exists(path):
            return False
        store.filesystem.pipe_file(path, data)
        return True


def _put_exclusive(store: Store, path: str, data: bytes) -> bool:
    for _ in range(_CREATE_ATTEMPTS):
        try:
            store.filesystem.pipe_file(path, data, mode="create")
        except FileExistsError:
            return False
        except OSError as error:
            code = _service_code(error)
            if code in _EXISTS:
                return False
            if code not in _CONFLICT:
                raise
            # Somebody wrote at the same time: that refused ours, but says not yet that theirs is there.
            if store.filesystem.exists(path):
                return False
        else:
            return True
    raise StorageError(f"Could not create {path}: the store reports a conflict {_CREATE_ATTEMPTS} times, and no file.")


def ensure_file(store: Store, relative: str, data: bytes) -> None:
    """Create a file in an object store unless it exists; where the store knows no conditions, write it anyway.

    Raises:
        StorageError: It failed.
    """
    path = store.path(relative)
    with store.errors("write", relative):
        try:
            _put_exclusive(store, path, data)
        except OSError as error:
            if _service_code(error) not in _UNKNOWN_CONDITION:
                raise
            store.filesystem.pipe_file(path, data)


def _service_code(error: OSError) -> str:
    response: Mapping[str, Any] = getattr(error.__cause__, "response", None) or {}
    return str(response.get("Error", {}).get("Code", ""))


def ledger_refusal(store: Store, reason: str) -> LedgerUnsafe:
    """Return the error that says why a store cannot hold the ledger, and where it could be instead."""
    return LedgerUnsafe(
        f"{store.url} cannot hold the ledger, which keeps a video from being paid twice: {reason.rstrip('.')}. "
        "The videos may stay there; set the ledger elsewhere with OPENROUTER_VIDEO_LEDGER or --ledger, to a folder of "
        "this machine, or to a place on S3, Google Cloud Storage, Azure or an OpenSSH server."
    )

"""Object stores (S3, Google Cloud Storage, Azure): one request makes a file, and a condition makes it exclusive."""

from __future__ import annotations

import logging
import mimetypes
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any, ClassVar

from fsspec import AbstractFileSystem
from fsspec.asyn import sync

from openrouter_video.errors import StorageError
from openrouter_video.stores.errors import driver_errors
from openrouter_video.stores.store import Store, Writer
from openrouter_video.stores.urls import LONGEST_SIGNATURE_SECONDS

__all__ = ["AzureStore", "GcsStore", "ObjectStore", "S3Store"]

_BLOCK_BYTES = 8 * 2**20  # S3 takes parts from 5 MiB and 10,000 of them: up to 80 GB, and little of it in memory
_EXISTS = frozenset({"PreconditionFailed", "412"})
_CONFLICT = frozenset({"ConditionalRequestConflict", "OperationAborted", "409"})
_CREATE_ATTEMPTS = 3
# Not as this machine's own table has them, which may know none of these.
_MEDIA_TYPES: Mapping[str, str] = {
    ".html": "text/html; charset=utf-8",
    ".jpg": "image/jpeg",
    ".json": "application/json",
    ".jsonl": "application/x-ndjson",
    ".mp4": "video/mp4",
}


@dataclass(frozen=True)
class ObjectStore(Store):
    """A prefix in a bucket."""

    keeps_probe: ClassVar[bool] = True

    def list_tree(self, relative: str = "") -> dict[str, int] | None:
        """Return the sizes of all files beneath a folder by their paths in it: a thousand or more by each request."""
        parts = (relative,) if relative else ()
        path = self.path(*parts)
        with self.errors("list", *parts):
            self.filesystem.invalidate_cache()
            try:
                found: Any = self.filesystem.find(path, detail=True)
            except FileNotFoundError:
                return {}
        if not isinstance(found, Mapping):
            # Azure's driver names a file in place of a folder, and nothing else of it.
            return {}
        sizes = {name.strip("/"): int(info.get("size") or 0) for name, info in found.items()}
        return {name.removeprefix(f"{path.strip('/')}/"): size for name, size in sizes.items() if name != path}

    def list_files(self, relative: str = "", *, without: Collection[str] = ()) -> list[str]:
        """Return the paths of all files beneath a folder; what is left out is listed all the same, with the rest."""
        found = self.list_tree(relative) or {}
        return sorted(path for path in found if not set(path.split("/")[:-1]) & set(without))

    def sign(self, relative: str, seconds: int) -> str:
        """Return an address that opens a file for so long, seven days at most, which is what the stores allow."""
        parts = (relative,) if relative else ()
        # Each driver says in a way of its own that it has no key to sign with.
        with self.errors("sign an address for", *parts, more=(AttributeError, ImportError, KeyError, TypeError)):
            return self._sign(self.path(*parts), min(seconds, LONGEST_SIGNATURE_SECONDS))

    def _sign(self, path: str, seconds: int) -> str:
        return str(self.filesystem.sign(path, expiration=seconds))

    def _write(self, path: str, data: bytes) -> None:
        self.filesystem.pipe_file(path, data, **self._typed(path))

    def _create(self, path: str, data: bytes) -> bool:
        for _ in range(_CREATE_ATTEMPTS):
            try:
                self.filesystem.pipe_file(path, data, mode="create")
            except FileExistsError:
                return False
            except OSError as error:
                code = _service_code(error)
                if code in _EXISTS:
                    return False
                if code not in _CONFLICT:
                    raise
                # Somebody wrote at the same time: that refused ours, but says not yet that theirs is there.
                if self.filesystem.exists(path):
                    return False
            else:
                return True
        raise StorageError(
            f"Could not create {path}: the store reports a conflict {_CREATE_ATTEMPTS} times, and no file."
        )

    @contextmanager
    def _writer(self, path: str) -> Iterator[Writer]:
        yield _ObjectWriter(self.filesystem, path, self._typed(path))

    def _typed(self, path: str) -> Mapping[str, Any]:
        """Return the option by which the driver is told what a file is: a browser shows it or saves it by that."""
        suffix = path[path.rfind(".") :].lower()
        known = _MEDIA_TYPES.get(suffix) or mimetypes.guess_type(f"name{suffix}")[0]
        return self._media_type(known or "application/octet-stream")

    def _media_type(self, media_type: str) -> Mapping[str, Any]:
        """Return the option by which this kind's driver is told the type."""
        return {"content_type": media_type}


def _without_signature(record: logging.LogRecord) -> bool:
    """Keep back what botocore writes into its log at DEBUG when it signs an address."""
    return not str(record.msg).startswith("Signature")


def _service_code(error: OSError) -> str:
    response: Mapping[str, Any] = getattr(error.__cause__, "response", None) or {}
    return str(response.get("Error", {}).get("Code", ""))


class _ObjectWriter:
    """One request for a small file, for a larger one an upload in parts, which the store shows when it is complete."""

    def __init__(self, filesystem: AbstractFileSystem, path: str, options: Mapping[str, Any]) -> None:
        self._filesystem, self._path, self._options = filesystem, path, options
        self._beginning = bytearray()
        self._file: Any = None
        self._bytes = 0

    def write(self, data: bytes, /) -> None:
        self._bytes += len(data)
        if self._file is None:
            self._beginning += data
            if self._bytes <= _BLOCK_BYTES:
                return
            how = {"block_size": _BLOCK_BYTES, "autocommit": False, **self._options}
            self._file = self._filesystem.open(self._path, "wb", **how)
            data, self._beginning = bytes(self._beginning), bytearray()
        self._file.write(data)

    def publish(self) -> None:
        if self._file is None:
            self._filesystem.pipe_file(self._path, bytes(self._beginning), **self._options)
        else:
            # adlfs publishes when closed, s3fs and gcsfs when committed.
            self._file.close()
            self._file.commit()
        stored = self._filesystem.info(self._path)["size"]
        if stored != self._bytes:
            raise OSError(f"{self._bytes} bytes were written and {stored} are there")

    def discard(self) -> None:
        if self._file is None:
            return
        with suppress(*driver_errors()):
            self._file.discard()
        # Or else the garbage collector closes it, which uploads what is left of it.
        self._file.closed = True


@dataclass(frozen=True)
class GcsStore(ObjectStore):
    """A prefix in a bucket of Google Cloud Storage, which drops uploads that were never ended after a week."""

    def _sign(self, path: str, seconds: int) -> str:
        return str(self.filesystem.sign(path, expiration=seconds, version="v4"))


@dataclass(frozen=True)
class S3Store(ObjectStore):
    """A prefix in a bucket of S3, where uploads that were never ended stay, unseen and paid for."""

    def _clear(self, folder: str, names: Collection[str] | None) -> None:
        if not names:
            return
        bucket, prefix, _ = self.filesystem.split_path(folder)
        listed = self.filesystem.call_s3("list_multipart_uploads", Bucket=bucket, Prefix=f"{prefix}/")
        for upload in listed.get("Uploads", ()):
            key, number = upload["Key"], upload["UploadId"]
            if key.removeprefix(f"{prefix}/") in names:
                self.filesystem.call_s3("abort_multipart_upload", Bucket=bucket, Key=key, UploadId=number)

    def _media_type(self, media_type: str) -> Mapping[str, Any]:
        return {"ContentType": media_type}

    def _sign(self, path: str, seconds: int) -> str:
        logging.getLogger("botocore.auth").addFilter(_without_signature)
        filesystem, bucket = self.filesystem, path.partition("/")[0]
        config = filesystem.config_kwargs
        # An address that is signed for another region than the bucket's does not open; requests are led to theirs.
        newer: dict[str, Any] = {"cache_regions": True}
        # For addresses botocore would take the older kind of signature, which newer buckets and encrypted files refuse;
        # it knows better only for buckets of these names. Not for all requests: some need a kind of their own.
        if "signature_version" not in config and not bucket.endswith("--x-s3") and not bucket.startswith("arn:"):
            newer["config_kwargs"] = {**config, "signature_version": "s3v4"}
        filesystem = type(filesystem)(**{**filesystem.storage_options, **newer})
        return str(filesystem.sign(path, expiration=seconds))


@dataclass(frozen=True)
class AzureStore(ObjectStore):
    """A prefix in a container of Azure, which drops blocks that never became a blob after a week."""

    def _list(self, filesystem: AbstractFileSystem, path: str) -> list[str]:
        # Not by adlfs, which asks for everything that begins like the folder's name and sorts it out afterwards: a file
        # of the folder's own name, or the empty blob by which a web page marks a folder, then hides all that is in it.
        found: list[str] = sync(filesystem.loop, _blobs_in, filesystem, path)
        return found

    def _media_type(self, media_type: str) -> Mapping[str, Any]:
        from azure.storage.blob import ContentSettings  # noqa: PLC0415 - an extra; whoever gets here has it

        return {"content_settings": ContentSettings(content_type=media_type)}


async def _blobs_in(filesystem: AbstractFileSystem, folder: str) -> list[str]:
    container, _, prefix = folder.partition("/")
    async with filesystem.service_client.get_container_client(container) as client:
        found = client.walk_blobs(name_starts_with=f"{prefix}/" if prefix else None, delimiter="/")
        return [f"{container}/{entry.name}" async for entry in found]

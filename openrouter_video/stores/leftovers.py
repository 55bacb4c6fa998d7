"""Edge: what processes that were killed have left in a store, removed by whoever finishes their work.

No temporary shows whether its writer is dead or slow, on another machine least of all. So it is left alone until its
file is complete: by then a slow writer's work is superfluous, and it finds the file that another has finished.
"""

from __future__ import annotations

from collections.abc import Collection
from contextlib import suppress

from openrouter_video.errors import StorageError
from openrouter_video.stores.opening import Store
from openrouter_video.stores.path_files import is_part, part_of, remove_quietly

__all__ = ["clear_leftovers"]


def clear_leftovers(store: Store, folder: str, names: Collection[str] | None = None) -> None:
    """Remove the temporaries of the files of these names in a folder (None: of all files in it), best effort.

    On S3 they are uploads that were never ended, which nobody sees and everybody pays for. Google and Azure drop such
    things by themselves after a week.
    """
    with suppress(StorageError), store.errors("clear", folder):
        if store.kind in {"local", "sftp"}:
            _remove_parts(store, store.path(folder), names)
        elif store.kind == "s3" and names:
            _abort_uploads(store, folder, names)


def _remove_parts(store: Store, folder: str, names: Collection[str] | None) -> None:
    with store.files() as files:
        for name in filter(is_part, files.names(folder)):
            if names is None or part_of(name) in names:
                remove_quietly(files, f"{folder}/{name}")


def _abort_uploads(store: Store, folder: str, names: Collection[str]) -> None:
    bucket, prefix, _ = store.filesystem.split_path(store.path(folder))
    listed = store.filesystem.call_s3("list_multipart_uploads", Bucket=bucket, Prefix=f"{prefix}/")
    for upload in listed.get("Uploads", ()):
        key, number = upload["Key"], upload["UploadId"]
        if key.removeprefix(f"{prefix}/") in names:
            store.filesystem.call_s3("abort_multipart_upload", Bucket=bucket, Key=key, UploadId=number)

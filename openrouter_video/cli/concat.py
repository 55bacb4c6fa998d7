"""``concat``: join videos to one file as they are coded, from and to any store."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack, closing

from openrouter_video.cli.target import folder_and_name
from openrouter_video.cli.terminal import Terminal, print_json
from openrouter_video.errors import Problem, RequestRefused
from openrouter_video.stores import open_store
from openrouter_video.text import printable
from openrouter_video.videos import concat

__all__ = ["concat_files"]


def concat_files(files: Sequence[str], *, force: bool, as_json: bool) -> int:
    """Join all files but the last to the last one, and tell what it came to.

    Raises:
        RequestRefused: if they cannot be joined as they are, or the last one is there already.
        ConfigurationError: if one is not in a store that can be opened.
        StorageError: if one cannot be read, or the whole not be written.
    """
    if len(files) < 3:  # noqa: PLR2004 (two videos and what they become)
        raise RequestRefused([Problem("files", "give two videos or more, and last the file to write")])
    *sources, to = files
    folder, name = folder_and_name("files", "the last file", to)
    with ExitStack() as opened:
        target = opened.enter_context(closing(open_store(folder)))
        if target.size_of(name) is not None and not force:
            message = f"{printable(target.url_of(name))} is there already; give --force to write over it"
            raise RequestRefused([Problem("files", message)])
        videos = [opened.enter_context(closing(open_store(source))) for source in sources]
        joined = concat(videos, target, name)
    if as_json:
        print_json(joined._asdict())
    else:
        words = f"{len(sources)} videos, {joined.seconds:.3g} s, {joined.bytes:,} bytes"
        Terminal(stderr=True).announce(f"{words}: {printable(joined.url)}")
    return 0

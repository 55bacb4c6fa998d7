"""``gallery``: make the page of a folder of videos anew, from what lies beside them."""

from __future__ import annotations

from contextlib import closing

from rich.text import Text

from openrouter_video.cli.ledger import find_place
from openrouter_video.cli.options import LedgerOptions
from openrouter_video.cli.terminal import Terminal, print_json
from openrouter_video.gallery import build_page
from openrouter_video.text import printable

__all__ = ["make_gallery"]

EXIT_EMPTY = 1


def make_gallery(output: str | None, store: str | None, *, as_json: bool) -> int:
    """Write the page and tell its URL; 1 if there is no video to show, and then nothing is written.

    Raises:
        ConfigurationError: if the folder cannot be opened.
        StorageError: if it cannot be read, or the page not be written.
    """
    announce = Terminal(stderr=True).announce
    with closing(find_place(LedgerOptions(output=output, store=store), announce).open_store()) as folder:
        made, where = build_page(folder), printable(folder.url)
    if as_json:
        print_json({"output": folder.url, "gallery": made.url, "videos": made.videos})
    elif made.url is None:
        announce(f"There is neither a sidecar nor a manifest of a video in {where}; nothing was written.")
    else:
        words = f"{made.videos:,} video{'s' * (made.videos != 1)} of {where}\ngallery: {printable(made.url)}"
        Terminal().print(Text(words), soft_wrap=True)
    return 0 if made.url else EXIT_EMPTY

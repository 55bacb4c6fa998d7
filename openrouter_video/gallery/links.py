"""Where a page finds a file: by a relative link in its own store, by a web address, or not at all. Pure."""

from __future__ import annotations

import posixpath
import re
from typing import NamedTuple
from urllib.parse import quote

from openrouter_video.stores import path_of_file_url
from openrouter_video.text import clip

__all__ = ["Link", "Place", "path_inside"]

# Without a user, a query or a fragment, in which a secret may be.
_WEB = re.compile(r"https?://[a-z0-9.:\[\]_-]+(?:/[a-z0-9._~%!$&()*+,;=:@/-]*)?", re.IGNORECASE)


class Link(NamedTuple):
    """What is shown of a file, and where it is; ``inside`` if it lies in the page's own store and can be shown there.

    ``href`` is empty where a browser cannot get there: the text then says where the file is.
    """

    text: str
    href: str = ""
    inside: bool = False


class Place(NamedTuple):
    """Where a page lies: in which store, by its URL, and in which folder of it."""

    store_url: str
    folder: str = ""

    def link(self, url: str) -> Link:
        """Return the link to a file by its URL.

        No URL gets into the page as it is: what is inside is percent-encoded, so that nothing of it is a scheme, a
        query or a fragment, and elsewhere only plain web addresses are linked.
        """
        path = path_inside(url, self.store_url)
        if path is None:
            return Link(clip(url), url if _WEB.fullmatch(url) else "")
        return Link(clip(path.rpartition("/")[2]), self.href(path), inside=True)

    def href(self, path: str) -> str:
        """Return the relative link to a path in the store."""
        relative = posixpath.relpath(f"/{path}", f"/{self.folder}")
        try:
            return quote(relative.encode("utf-8", "surrogateescape"), safe="/")
        except UnicodeEncodeError:
            return quote(relative, safe="/", errors="replace")  # half a character is in no name


def path_inside(url: str, store_url: str) -> str | None:
    """Return the path of a file in a store; None for one that lies elsewhere."""
    path, root = (path_of_file_url(one) or one for one in (url, store_url))
    beginning = f"{root.rstrip('/')}/"
    return path.removeprefix(beginning) if path.startswith(beginning) and path != beginning else None

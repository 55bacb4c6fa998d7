"""Where OpenRouter's stored copy of an output is, by an answer to ``GET /videos/{id}``: a signed URL, and so a secret.

Pure. The URLs are read in the moment in which one of them is fetched, and are in no value that outlives it.
"""

from __future__ import annotations

from openrouter_video.api.answers import NOT_FOUND, ContentAnswer, ContentUnavailable, parse_json

__all__ = ["signed_url"]

OK = 200


def signed_url(status: int, body: bytes, index: int) -> str:
    """Return the signed URL of the copy of one output.

    Raises:
        ContentUnavailable: if the answer names none; ``final`` if there is none.
    """
    payload = parse_json(body)
    if status != OK or not isinstance(payload, dict):
        # What a look-alike says may hold a URL: it is not repeated.
        said = f"the job could not be asked for it (HTTP {status})"
        raise ContentUnavailable(ContentAnswer(said, again=False, final=status == NOT_FOUND))
    urls = payload.get("urls")
    url = urls[index] if isinstance(urls, list) and len(urls) > index else None
    if not isinstance(url, str) or not url:
        raise ContentUnavailable(ContentAnswer("the job names none", again=False, final=True))
    return url

"""The body of a request as it leaves: a video or sound in a store is named by an address that its store signs for it.

That is a secret, so it is made for each submission, after the claim and right before the POST, and kept nowhere. So a
batch of hours sends none that is over, and a run that is repeated none that an earlier one had.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from openrouter_video.request import MORE_SECONDS, needs_signature, sign_source

__all__ = ["SignBody", "as_it_is", "signing_body"]

SignBody = Callable[[Mapping[str, Any], float], Mapping[str, Any]]
"""Returns a body whose addresses hold for a deadline of so many seconds; blocks.

It raises StorageError or ConfigurationError if one cannot be signed.
"""


def as_it_is(body: Mapping[str, Any], _deadline_seconds: float) -> Mapping[str, Any]:
    """Return a body that needs no signature."""
    return body


def signing_body(options_for: Callable[[str], Mapping[str, Any] | None], base_url: str) -> SignBody:
    """Return what signs the sources of a body that lie in a store, with the options for it, for the API at an URL."""

    def sign(body: Mapping[str, Any], deadline_seconds: float) -> Mapping[str, Any]:
        references = body.get("input_references")
        if not references:
            return body
        seconds = int(deadline_seconds) + MORE_SECONDS
        return {**body, "input_references": [signed(one, seconds) for one in references]}

    def signed(reference: Mapping[str, Any], seconds: int) -> Mapping[str, Any]:
        kind = reference["type"]
        source = reference[kind]["url"]
        if kind == "image_url" or not needs_signature(source):
            return reference
        return {**reference, kind: {"url": sign_source(source, options_for(source), seconds, base_url)}}

    return sign

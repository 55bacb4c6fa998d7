"""The serializer of every result that this package lets Prefect persist."""

from __future__ import annotations

from prefect.serializers import JSONSerializer

__all__ = ["RESULT_FORMAT"]

RESULT_FORMAT = JSONSerializer(
    object_encoder="openrouter_video.results.encode", object_decoder="openrouter_video.results.decode"
)

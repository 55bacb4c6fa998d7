"""What is known of what a request works from: its frames and references, and the earlier video that it continues. Pure.

An edge reads it, from files, stores and records, before the request is planned. Here and in plans each of them is found
by the text that names it in the request, as it was written.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

from openrouter_video.request.settings import VideoSettings

__all__ = ["Given", "Input", "Inputs", "PreviousJob"]


class Input(NamedTuple):
    """One image, sound or clip: the ``url`` to send for it, and what is known of it; None where nobody has looked."""

    url: str
    seconds: float | None = None
    width: int | None = None
    height: int | None = None
    bytes: int | None = None


class PreviousJob(NamedTuple):
    """The job that ``previous_job_id`` names, and what is known of its video.

    ``base_url``: of the API that made it. ``note``: what could not be found out about it.
    """

    job_id: str
    model: str | None = None
    base_url: str | None = None
    seconds: float | None = None
    width: int | None = None
    height: int | None = None
    note: str | None = None


class Given(NamedTuple):
    """What prices hang on of all that a request works from: None where it is not known, or where there are several.

    ``width`` and ``height`` are those of the video. ``sound_seconds`` is that of a sound beside which there is no
    video, whose length would count instead.
    """

    video_seconds: float | None = None
    width: int | None = None
    height: int | None = None
    sound_seconds: float | None = None
    previous_seconds: float | None = None


class Inputs(NamedTuple):
    """All inputs of a request, or of the requests of a batch, by their sources as they were written."""

    files: Mapping[str, Input] = MappingProxyType({})
    jobs: Mapping[str, PreviousJob] = MappingProxyType({})

    def url(self, source: str) -> str:
        """Return what is sent for a frame or a reference; one of which nothing is known is sent as it is."""
        return self.files[source].url if source in self.files else source

    def job_id(self, previous: str) -> str:
        """Return the id that is sent for a previous job; one of which nothing is known is sent as it is."""
        return self.jobs[previous].job_id if previous in self.jobs else previous

    def given(self, settings: VideoSettings) -> Given:
        """Return what prices hang on of what a request works from."""
        references = settings.input_references or ()
        videos, sounds = ([one.url for one in references if one.type == kind] for kind in ("video_url", "audio_url"))
        previous = self.jobs.get(settings.previous_job_id or "")
        video = self.files.get(videos[0]) if len(videos) == 1 else previous if not videos else None
        alone = not videos and settings.previous_job_id is None
        sound = self.files.get(sounds[0]) if len(sounds) == 1 and alone else None
        return Given(
            video_seconds=video.seconds if video else None,
            width=video.width if video else None,
            height=video.height if video else None,
            sound_seconds=sound.seconds if sound else None,
            previous_seconds=previous.seconds if previous else None,
        )

"""What is to be said of a video that is safe: what was asked against what was got, and what it shows. Pure.

A check is a name and a sentence, never a failure. What was not asked for is the model's to choose and is not checked,
nor is what cannot be known, such as the length of a video that continues another one.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from openrouter_video.outcome import Check, SavedFile

__all__ = ["Checked", "checked"]

LENGTH_SECONDS = 0.3
LENGTH_SHARE = 0.05
"""A video may be so much longer or shorter than asked, by the greater of both: models count frames, not seconds."""
AREA_SHARE = 0.06
"""A frame may have so many pixels more or fewer than asked."""
RATIO_SHARE = 0.05
"""Its ratio may differ by so much: 832 x 480 is what models make of 16:9."""

_SHORT_SIDES = {"1k": 1024, "2k": 1440, "4k": 2160}
_LINES = re.compile(r"([1-9][0-9]{2,3})p")
_RATIO = re.compile(r"([1-9][0-9]{0,3}):([1-9][0-9]{0,3})")
_SIZE = re.compile(r"([1-9][0-9]{1,4})x([1-9][0-9]{1,4})")
_WIDE = 16 / 9  # models that keep the number of pixels take that of this ratio
_SEEN: Mapping[str, str] = {
    "black": "each frame is black",
    "frozen": "nothing moves in it",
    "silent": "its sound track is silent",
}


class Checked(NamedTuple):
    """What was found, with a sentence for each."""

    checks: tuple[Check, ...] = ()
    notes: tuple[str, ...] = ()


def checked(sent: Mapping[str, Any], file: SavedFile) -> Checked:
    """Compare a video with the JSON that it was made from; sights come after what was asked."""
    found = [*_length(sent, file), *_size(sent, file), *_ratio(sent, file), *_sound(sent, file), *_sights(sent, file)]
    return Checked(tuple(check for check, _ in found), tuple(note for _, note in found))


_Found = Iterator[tuple[Check, str]]


def _length(sent: Mapping[str, Any], file: SavedFile) -> _Found:
    asked, got = sent.get("duration"), file.duration_seconds
    if got is None or not isinstance(asked, int | float) or isinstance(asked, bool) or sent.get("previous_job_id"):
        return
    allowed, words = max(LENGTH_SECONDS, asked * LENGTH_SHARE), f"asked {asked:g} s, got {got:.1f} s"
    if got < asked - allowed:
        yield "shorter_than_asked", f"shorter than asked: {words}"
    if got > asked + allowed:
        yield "longer_than_asked", f"longer than asked: {words}"


def _size(sent: Mapping[str, Any], file: SavedFile) -> _Found:
    if not (file.width and file.height):
        return
    asked = sent.get("size") or sent.get("resolution")
    areas = _areas(str(asked), file.width / file.height)
    area, words = file.width * file.height, f"asked {asked}, got {file.width} x {file.height} pixels"
    if areas and area < areas[0] * (1 - AREA_SHARE):
        yield "smaller_than_asked", f"smaller than asked: {words}"
    if areas and area > areas[1] * (1 + AREA_SHARE):
        yield "larger_than_asked", f"larger than asked: {words}"


def _areas(asked: str, ratio: float) -> tuple[float, float] | None:
    """Return the least and the most pixels that a size, or the name of a resolution, may mean at a ratio.

    Some models keep the shorter side, others the number of pixels, and some make something in between.
    """
    if size := _SIZE.fullmatch(asked):
        area = float(int(size[1]) * int(size[2]))
        return area, area
    lines = _LINES.fullmatch(asked.lower())
    short = int(lines[1]) if lines else _SHORT_SIDES.get(asked.lower())
    if short is None:
        return None
    by_side, by_area = short**2 * max(ratio, 1 / ratio), short**2 * _WIDE
    return min(by_side, by_area), max(by_side, by_area)


def _ratio(sent: Mapping[str, Any], file: SavedFile) -> _Found:
    if not (file.width and file.height):
        return
    asked = str(sent.get("size") or sent.get("aspect_ratio"))
    sides = _SIZE.fullmatch(asked) or _RATIO.fullmatch(asked)
    ratio = int(sides[1]) / int(sides[2]) if sides else None
    if ratio and not 1 - RATIO_SHARE <= file.width / file.height / ratio <= 1 + RATIO_SHARE:
        words = f"asked {asked}, got {file.width} x {file.height} pixels"
        yield "other_aspect_ratio", f"other aspect ratio: {words}"


def _sound(sent: Mapping[str, Any], file: SavedFile) -> _Found:
    asked = sent.get("generate_audio")
    if asked is True and file.has_audio is False:
        yield "no_audio", "no audio: asked for sound, got a video without a sound track"
    if asked is False and file.has_audio and "silent" not in file.sights:
        yield "unasked_audio", "unasked audio: asked for no sound, got a video with sound"


def _sights(sent: Mapping[str, Any], file: SavedFile) -> _Found:
    for sight in file.sights:
        # Who wants no sound has it by a track that is silent.
        if sight != "silent" or sent.get("generate_audio") is not False:
            yield sight, f"{sight}: {_SEEN[sight]}"

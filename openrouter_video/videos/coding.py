"""How a video is coded, and in what two of them differ, so that they cannot be joined as they are. Pure."""

from __future__ import annotations

from fractions import Fraction
from typing import NamedTuple

__all__ = ["Coding", "Pictures", "Sound", "differences"]


class Pictures(NamedTuple):
    """How the pictures of a video are coded.

    ``rate`` counts frames a second, ``pixel`` is the shape of a pixel. ``rotation``: by how many degrees a player turns
    them, as those of a phone that was held upright.
    """

    codec: str
    width: int
    height: int
    rate: Fraction | None
    pixel_format: str | None
    pixel: Fraction | None
    headers: bytes
    rotation: int = 0


class Sound(NamedTuple):
    """How the sound of a video is coded; ``rate`` counts samples a second."""

    codec: str
    rate: int
    layout: str
    headers: bytes


class Coding(NamedTuple):
    """How a video is coded; without ``sound`` it is silent. ``tracks``: how many of pictures and of sound it has."""

    pictures: Pictures
    sound: Sound | None
    tracks: tuple[int, int]


def differences(first: Coding, other: Coding) -> list[str]:
    """Return why a video cannot be joined to the first one, or be that one, without encoding; nothing if it can."""
    ours, theirs = first.pictures, other.pictures
    found = [
        _unlike("codec", ours.codec, theirs.codec),
        _unlike("size", f"{ours.width}x{ours.height}", f"{theirs.width}x{theirs.height}"),
        _unlike("frames a second", _number(ours.rate), _number(theirs.rate)),
        _unlike("pixel format", ours.pixel_format, theirs.pixel_format),
        _unlike("shape of a pixel", _ratio(ours.pixel), _ratio(theirs.pixel)),
        _unlike("degrees by which a player turns it", ours.rotation, theirs.rotation),
        *_more_tracks(other.tracks),
    ]
    if first.sound and other.sound:
        found += [
            _unlike("codec of the sound", first.sound.codec, other.sound.codec),
            _unlike("samples a second", first.sound.rate, other.sound.rate),
            _unlike("channels", first.sound.layout, other.sound.layout),
        ]
    elif first.sound or other.sound:
        found.append(_unlike("sound", "some" if first.sound else "none", "some" if other.sound else "none"))
    said = [words for words in found if words]
    return said or _headers(first, other)


def _headers(first: Coding, other: Coding) -> list[str]:
    """All that has a name is the same: what a decoder is told before its first frame may still not be."""
    ours, theirs = first.pictures.headers, other.pictures.headers
    if ours != theirs:
        return [f"the settings of the encoder ({first.pictures.codec}: profile, level or the like)"]
    if first.sound and other.sound and first.sound.headers != other.sound.headers:
        return [f"the settings of the encoder of the sound ({first.sound.codec}: profile or the like)"]
    return []


def _unlike(name: str, ours: object, theirs: object) -> str | None:
    return f"{name} {theirs}, not {ours}" if ours != theirs else None


def _number(rate: Fraction | None) -> str:
    return f"{float(rate):.5g}" if rate else "unknown"


def _ratio(shape: Fraction | None) -> str:
    ratio = shape or Fraction(1)
    return f"{ratio.numerator}:{ratio.denominator}"


def _more_tracks(tracks: tuple[int, int]) -> list[str]:
    named = zip(tracks, ("pictures", "sound"), strict=True)
    return [f"{number} tracks of {name}, and one is joined" for number, name in named if number > 1]

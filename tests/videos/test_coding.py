"""What keeps two videos from being joined as they are, in words."""

from __future__ import annotations

from fractions import Fraction

import pytest

from openrouter_video.videos.coding import Coding, Pictures, Sound, differences

PICTURES = Pictures("h264", 1280, 720, Fraction(24), "yuv420p", None, b"one")
SOUND = Sound("aac", 48000, "stereo", b"sound")
FIRST = Coding(PICTURES, SOUND, (1, 1))


@pytest.mark.parametrize(
    ("other", "said"),
    [
        (FIRST, []),
        (FIRST._replace(pictures=PICTURES._replace(pixel=Fraction(1))), []),
        (FIRST._replace(pictures=PICTURES._replace(codec="hevc", headers=b"two")), ["codec hevc, not h264"]),
        (FIRST._replace(pictures=PICTURES._replace(width=720, height=1280)), ["size 720x1280, not 1280x720"]),
        (FIRST._replace(pictures=PICTURES._replace(rate=Fraction(30000, 1001))), ["frames a second 29.97, not 24"]),
        (FIRST._replace(pictures=PICTURES._replace(rate=None)), ["frames a second unknown, not 24"]),
        (FIRST._replace(pictures=PICTURES._replace(pixel_format="yuv444p")), ["pixel format yuv444p, not yuv420p"]),
        (FIRST._replace(pictures=PICTURES._replace(pixel=Fraction(4, 3))), ["shape of a pixel 4:3, not 1:1"]),
        (FIRST._replace(pictures=PICTURES._replace(rotation=-90)), ["degrees by which a player turns it -90, not 0"]),
        (FIRST._replace(sound=SOUND._replace(codec="opus")), ["codec of the sound opus, not aac"]),
        (
            FIRST._replace(sound=SOUND._replace(rate=44100, layout="mono")),
            ["samples a second 44100, not 48000", "channels mono, not stereo"],
        ),
        (FIRST._replace(sound=None, tracks=(1, 0)), ["sound none, not some"]),
        (
            FIRST._replace(tracks=(2, 3)),
            ["2 tracks of pictures, and one is joined", "3 tracks of sound, and one is joined"],
        ),
        (
            FIRST._replace(pictures=PICTURES._replace(headers=b"two")),
            ["the settings of the encoder (h264: profile, level or the like)"],
        ),
        (
            FIRST._replace(sound=SOUND._replace(headers=b"two")),
            ["the settings of the encoder of the sound (aac: profile or the like)"],
        ),
    ],
)
def test_it_says_exactly_what_differs(other: Coding, said: list[str]) -> None:
    """Each thing by its name, with what it is and what the first one has."""
    assert differences(FIRST, other) == said


def test_it_says_that_the_first_is_silent_and_another_is_not() -> None:
    """None is told from some, either way."""
    assert differences(FIRST._replace(sound=None, tracks=(1, 0)), FIRST) == ["sound some, not none"]

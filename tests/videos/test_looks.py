"""Posters and sights of real videos: what is seen and heard in them, and that nothing odd is more than a note."""

from __future__ import annotations

import array
import io
import math
import random
from collections.abc import Callable, Iterator
from fractions import Fraction
from functools import cache
from typing import Any

import av
import pytest
from PIL import Image, ImageDraw, ImageStat

from openrouter_video.videos import looks, poster
from openrouter_video.videos.looks import look
from openrouter_video.videos.poster import fitted

WIDTH, HEIGHT, RATE = 320, 180, 12


@cache
def scenery() -> Image.Image:
    """A wide picture with something in each corner of it."""
    dice = random.Random(1)  # noqa: S311 (the same picture each time)
    picture = Image.effect_noise((WIDTH, HEIGHT // 2), 60).resize((2 * WIDTH, HEIGHT)).convert("RGB")
    draw = ImageDraw.Draw(picture)
    for _ in range(80):
        x, y, size = dice.randrange(2 * WIDTH), dice.randrange(HEIGHT), dice.randrange(8, 60)
        draw.ellipse((x, y, x + size, y + size), fill=tuple(dice.randrange(256) for _ in range(3)))
    return picture


def still(_: float) -> Image.Image:
    """The same all the time."""
    return scenery().crop((0, 0, WIDTH, HEIGHT))


def black(_: float) -> Image.Image:
    """Nothing."""
    return Image.new("RGB", (WIDTH, HEIGHT), (3, 3, 3))


def slow_pan(second: float) -> Image.Image:
    """One pixel in a second."""
    return scenery().transform(
        (WIDTH, HEIGHT), Image.Transform.AFFINE, (1, 0, second, 0, 1, 0), Image.Resampling.BILINEAR
    )


def fade_in(second: float) -> Image.Image:
    """From black, in a second and a half."""
    return still(0).point(lambda value: int(value * min(1.0, second / 1.5)))


def one_eye_blinks(second: float) -> Image.Image:
    """A small spot moves, late, before a still background."""
    picture = still(0).copy()
    ImageDraw.Draw(picture).rectangle((150, 90, 158, 98), (250, 250, 250) if second > 1.5 else (0, 0, 0))
    return picture


def night(second: float) -> Image.Image:
    """A firefly in the dark."""
    picture = black(0)
    x = int(100 + 40 * second)
    ImageDraw.Draw(picture).ellipse((x, 80, x + 12, 92), (200, 220, 90))
    return picture


def starts_black(second: float) -> Image.Image:
    """Black, and then a cut."""
    return black(0) if second < 0.5 else slow_pan(10 * second)


def encoded(
    scene: Callable[[float], Image.Image],
    seconds: float = 2,
    *,
    keyframes: int = 250,
    codec: str = "libx264",
    container: str = "mp4",
    loudness: float | None = None,
    turn: int = 0,
    pixel: tuple[int, int] = (1, 1),
) -> bytes:
    """A real video of a scene; ``loudness`` is that of a tone, 0 for a silent track, None for none."""
    file = io.BytesIO()
    with av.open(file, "w", format=container) as out:
        stream: Any = out.add_stream(codec, rate=RATE)
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        stream.sample_aspect_ratio, stream.codec_context.gop_size = Fraction(*pixel), keyframes
        if turn:
            stream.set_display_rotation(turn)
        sound = out.add_stream("aac", rate=48000, layout="stereo") if loudness is not None else None
        for number in range(round(seconds * RATE)):
            frame = av.VideoFrame.from_image(scene(number / RATE))  # type: ignore[no-untyped-call]
            frame.pts, frame.time_base = number, Fraction(1, RATE)
            out.mux(stream.encode(frame))
        out.mux(stream.encode())
        if sound is not None:
            for samples in tone(seconds, loudness or 0):
                out.mux(sound.encode(samples))
            out.mux(sound.encode())
    return file.getvalue()


def tone(seconds: float, loudness: float) -> Iterator[av.AudioFrame]:
    """A tone of 330 Hz that begins after half a second."""
    for start in range(0, int(seconds * 48000), 1024):
        frame = av.AudioFrame("fltp", "stereo", 1024)
        frame.sample_rate, frame.pts, frame.time_base = 48000, start, Fraction(1, 48000)
        wave = (math.sin(2 * math.pi * 330 * t / 48000) for t in range(start, start + 1024))
        content = array.array("f", (loudness * one if start > 24000 else 0.0 for one in wave)).tobytes()
        for plane in frame.planes:
            plane.update(content)
        yield frame


def seen(body: bytes, suffix: str = ".mp4") -> looks.Looked:
    """What a look into a body brings."""
    return look(io.BytesIO(body), suffix)


def picture_of(looked: looks.Looked) -> Image.Image:
    """The poster, which is a JPEG of a sensible size."""
    assert looked.poster is not None
    assert len(looked.poster) < 64_000
    picture = Image.open(io.BytesIO(looked.poster))
    assert picture.format == "JPEG"
    return picture


@pytest.mark.parametrize("keyframes", [250, 6], ids=["one keyframe", "many keyframes"])
@pytest.mark.parametrize(
    ("scene", "sights"),
    [
        (still, ("frozen",)),
        (black, ("black",)),
        (slow_pan, ()),
        (fade_in, ()),
        (one_eye_blinks, ()),
        (night, ()),
        (starts_black, ()),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_what_is_seen(scene: Callable[[float], Image.Image], sights: tuple[str, ...], keyframes: int) -> None:
    """Black and frozen are said of nothing else; the poster is bright where any frame is."""
    looked = seen(encoded(scene, keyframes=keyframes))
    assert (looked.sights, looked.has_audio, looked.notes) == (sights, False, ())
    picture = picture_of(looked)
    assert picture.size == (WIDTH, HEIGHT)
    brightest = ImageStat.Stat(picture.convert("L")).extrema[0][1]
    assert brightest < 20 if scene is black else brightest > 150


@pytest.mark.parametrize(("loudness", "sights"), [(0.3, ()), (0.002, ()), (0.0001, ("silent",)), (0.0, ("silent",))])
def test_what_is_heard(loudness: float, sights: tuple[str, ...]) -> None:
    """A quiet tone of -54 dB is heard, one of -80 dB, or none, is not."""
    looked = seen(encoded(slow_pan, 1, loudness=loudness))
    assert (looked.sights, looked.has_audio) == (sights, True)


@pytest.mark.parametrize(
    ("container", "codec", "suffix"),
    [
        ("mov", "libx264", ".mov"),
        ("webm", "libvpx-vp9", ".webm"),
        ("matroska", "libx264", ".mkv"),
        ("avi", "mpeg4", ".avi"),
    ],
)
def test_other_kinds_have_posters_too(container: str, codec: str, suffix: str) -> None:
    """Those that are kept although nobody walks through their boxes."""
    looked = seen(encoded(slow_pan, 1, container=container, codec=codec), suffix)
    assert (picture_of(looked).size, looked.sights) == ((WIDTH, HEIGHT), ())


@pytest.mark.parametrize(
    ("how", "size"),
    [
        ({"turn": 90}, (HEIGHT, WIDTH)),
        ({"pixel": (4, 3)}, (427, HEIGHT)),
        ({"pixel": (4, 3), "turn": -90}, (HEIGHT, 427)),
    ],
    ids=["turned", "wide pixels", "both"],
)
def test_a_poster_is_turned_and_stretched(how: dict[str, Any], size: tuple[int, int]) -> None:
    """As a player shows the video."""
    assert picture_of(seen(encoded(still, 0.5, **how))).size == size


def test_a_poster_is_turned_the_right_way() -> None:
    """A quarter to the left: what was on the right comes to the top."""

    def red_on_the_right(_: float) -> Image.Image:
        picture = Image.new("RGB", (WIDTH, HEIGHT), (0, 0, 200))
        picture.paste((250, 0, 0), (WIDTH // 2, 0, WIDTH, HEIGHT))
        return picture

    picture = picture_of(seen(encoded(red_on_the_right, 0.5, turn=90)))
    top, bottom = (picture.getpixel((HEIGHT // 2, y)) for y in (10, WIDTH - 10))
    assert isinstance(top, tuple)
    assert isinstance(bottom, tuple)
    assert top[0] > 150 > top[2]
    assert bottom[2] > 150 > bottom[0]


@pytest.mark.parametrize(
    ("frame", "ratio", "size"),
    [
        ((1920, 1080), None, (640, 360)),
        ((720, 1280), None, (360, 640)),
        ((320, 180), Fraction(1), (320, 180)),
        ((1440, 1080), Fraction(4, 3), (640, 360)),
        ((1280, 720), Fraction(1, 1000), (640, 360)),
        ((60000, 2), None, (640, 1)),
    ],
)
def test_the_size_of_a_poster(frame: tuple[int, int], ratio: Fraction | None, size: tuple[int, int]) -> None:
    """Its longer side is 640 pixels at most; pixels of an absurd shape are taken for squares."""
    assert fitted(*frame, ratio) == size


def test_a_poster_of_noise_is_small_too() -> None:
    """At a lower quality."""
    noise = av.VideoFrame.from_image(Image.effect_noise((1280, 720), 200).convert("RGB"))  # type: ignore[no-untyped-call]
    assert len(poster.poster_of(noise, None)) < 100_000


# ---- Odd and hostile -------------------------------------------------------------------------------------------------


@cache
def whole() -> bytes:
    """A video with sound to spoil."""
    return encoded(slow_pan, 1, loudness=0.3, keyframes=6)


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"", "FFmpeg cannot decode it (Invalid data found when processing input)"),
        (b"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nhttp://127.0.0.1:1/a.ts\n", "FFmpeg cannot decode it"),
        (whole().replace(b"avc1", b"av9x"), "FFmpeg does not know how its pictures are coded"),
        (whole().replace(b"avc1", b"hvc1").replace(b"avcC", b"hvcC"), "FFmpeg cannot decode it"),
        (whole()[: whole().index(b"mdat") + 4], "FFmpeg"),
    ],
    ids=["empty", "a playlist", "unknown codec", "wrong codec", "no pictures"],
)
def test_what_cannot_be_looked_at_is_a_note(body: bytes, words: str) -> None:
    """In words, without a poster; nothing is said of what nobody has seen."""
    looked = seen(body)
    assert looked.poster is None
    assert looked.sights == ()
    assert looked.notes[0].startswith(f"no poster: {words}")


def test_pictures_that_are_too_large_are_not_decoded(monkeypatch: pytest.MonkeyPatch) -> None:
    """By what the header says of them."""
    monkeypatch.setattr(looks, "_MOST_PIXELS", 10_000)
    assert seen(whole()).notes == ("no poster: its pictures are too large to be looked at, 320 x 180 pixels",)


@pytest.mark.parametrize("seed", range(25))
def test_garbage_within_is_survived(seed: int) -> None:
    """Whatever is written over a video, a look ends, and says in one note why there is no poster."""
    dice = random.Random(seed)  # noqa: S311 (the same garbage each time)
    body = bytearray(whole())
    for _ in range(dice.choice([1, 20, 400])):
        body[dice.randrange(32, len(body))] = dice.randrange(256)
    looked = seen(bytes(body[: dice.choice([len(body), len(body) // 2])]))
    assert (looked.poster is None) == bool(looked.notes)


def test_one_frame_is_a_still() -> None:
    """Nothing moves in it, and it is the poster."""
    looked = seen(encoded(still, 1 / RATE))
    assert (picture_of(looked).size, looked.sights) == ((WIDTH, HEIGHT), ("frozen",))


def test_little_is_decoded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two frames of what moves; of what does not, no more than a limit, and then nothing is said of it."""
    taken: list[int] = []
    real = looks._Watch.take

    def take(watch: Any, frame: av.VideoFrame) -> None:
        taken.append(frame.pts or 0)
        real(watch, frame)

    monkeypatch.setattr(looks._Watch, "take", take)
    assert seen(encoded(lambda second: slow_pan(60 * second))).sights == ()
    assert len(taken) == 2
    monkeypatch.setattr(looks, "_MOST_FRAMES", 10)
    assert seen(encoded(still)).sights == ()
    assert seen(encoded(still, keyframes=6)).sights == ("frozen",)
    monkeypatch.setattr(looks, "_MOST_SOUNDS", 10)
    assert seen(encoded(still, loudness=0.0)).sights == ()

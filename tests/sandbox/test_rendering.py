"""The sandbox's videos are real: they decode, and are of the size, length and sound that were asked."""

from __future__ import annotations

import io
from itertools import combinations
from typing import Any

import av
import pytest
from PIL import ImageChops, ImageStat

from openrouter_video.sandbox.captions import caption
from openrouter_video.sandbox.light import light
from openrouter_video.sandbox.render_queue import RenderQueue
from openrouter_video.sandbox.rendering import render
from openrouter_video.sandbox.scene import Scene
from openrouter_video.videos.looks import look

PROMPT = "A paper boat drifts down a rain gutter at dawn"


@pytest.mark.parametrize(
    "scene",
    [
        Scene("x-ai/grok-imagine-video", PROMPT, 1, 544, 544, audio=True),
        Scene("google/veo-3.1-lite", PROMPT, 4, 1280, 720, audio=False),
        Scene("bytedance/seedance-2.5", PROMPT, 4, 834, 1112, audio=True),
        Scene("bytedance/seedance-2.5", PROMPT, 5, 1470, 630, audio=False),
        Scene("google/veo-3.1", "", 1, 3840, 2160, audio=False),
    ],
    ids=lambda scene: f"{scene.width}x{scene.height}",
)
def test_a_video_is_what_was_asked(scene: Scene) -> None:
    """H.264 in yuv420p, every frame decodes; AAC stereo where sound was asked, and only there."""
    with av.open(io.BytesIO(render(scene)), "r") as container:
        [video] = container.streams.video
        assert (video.codec_context.name, video.pix_fmt) == ("h264", "yuv420p")
        assert (video.width, video.height) == (scene.width, scene.height)
        assert container.duration is not None
        assert abs(container.duration / 1_000_000 - scene.seconds) < 0.1
        assert [(one.codec_context.name, one.channels) for one in container.streams.audio] == (
            [("aac", 2)] if scene.audio else []
        )
        assert len(list(container.decode(video=0))) == video.frames


def test_something_moves_and_the_writing_stays() -> None:
    """The light differs from moment to moment, and between models; the caption covers less than the picture."""
    scene = Scene("google/veo-3.1-lite", PROMPT, 4, 1280, 720, audio=False)
    moved = ImageStat.Stat(ImageChops.difference(light(scene, 0), light(scene, 0.25)))
    other = ImageStat.Stat(ImageChops.difference(light(scene, 0), light(scene._replace(model="x-ai/a"), 0)))
    assert min(sum(moved.mean), sum(other.mean)) > 10
    writing = caption(scene)
    assert writing.size == (1280, 720)
    assert ImageChops.difference(writing, caption(scene._replace(prompt="other"))).getbbox() is not None


@pytest.mark.parametrize(
    ("oddity", "sights", "seconds", "size", "sounds"),
    [
        ("black", ("black",), 2.0, (320, 180), 1),
        ("frozen", ("frozen",), 2.0, (320, 180), 1),
        ("silent", ("silent",), 2.0, (320, 180), 1),
        ("no_audio", (), 2.0, (320, 180), 0),
        ("short", (), 1.0, (320, 180), 1),
        ("small", (), 2.0, (160, 90), 1),
        (None, (), 2.0, (320, 180), 1),
    ],
)
def test_a_video_may_be_odd(oddity: Any, sights: Any, seconds: float, size: tuple[int, int], sounds: int) -> None:
    """In one way each, and whole: its own look into it finds that and nothing else."""
    body = render(Scene("google/veo-3.1-lite", PROMPT, 2, 320, 180, audio=True, oddity=oddity))
    with av.open(io.BytesIO(body), "r") as container:
        [video] = container.streams.video
        assert ((video.width, video.height), len(container.streams.audio)) == (size, sounds)
        assert (container.duration or 0) / 1_000_000 == pytest.approx(seconds, abs=0.1)
    looked = look(io.BytesIO(body))
    assert (looked.sights, looked.has_audio, looked.notes) == (sights, bool(sounds), ())


def test_models_prompts_and_numbers_look_different() -> None:
    """At one glance: no two of these pictures are alike."""
    scenes = [
        Scene(model, prompt, 4, 640, 360, audio=False, number=number)
        for model in ("google/veo-3.1-lite", "alibaba/wan-3.0", "bytedance/seedance-2.0-mini")
        for prompt in (PROMPT, "A kite over the sea")
        for number in (1, 2)
    ]
    pictures = [light(scene, 0) for scene in scenes]
    apart = [sum(ImageStat.Stat(ImageChops.difference(*pair)).mean) for pair in combinations(pictures, 2)]
    assert min(apart) > 5
    assert ImageChops.difference(caption(scenes[0]), caption(scenes[1])).getbbox() is not None


def test_a_scene_is_rendered_once_and_the_same_every_time() -> None:
    """A repeated scene comes from the cache; rendered afresh, it is the same file."""
    scene = Scene("a/b", PROMPT, 1, 320, 180, audio=True)
    first = render(scene)
    assert render(scene) is first
    render.cache_clear()
    assert render(scene) == first


def test_a_very_long_prompt_and_a_tiny_frame_are_drawn() -> None:
    """Neither words without end nor a small frame are an error."""
    scene = Scene("a-very-long-author/with-a-very-long-model-name-1.5-lite", "wörd " * 400, 1, 128, 72, audio=False)
    assert render(scene)[4:8] == b"ftyp"


def test_drawing_happens_in_a_worker_thread() -> None:
    """Beginning returns at once; the same scene is drawn once; the studio says when it is done."""
    queue = RenderQueue()
    scene = Scene("a/c", PROMPT, 2, 1280, 720, audio=False)
    drawing = queue.begin(scene)
    assert not drawing.done()
    assert queue.begin(scene) is drawing
    assert drawing.result(100)[4:8] == b"ftyp"
    assert not queue.is_rendering(scene)

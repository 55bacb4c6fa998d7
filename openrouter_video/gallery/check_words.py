"""What a check of a video says, in a sentence: what was asked, and what came. Pure."""

from __future__ import annotations

from openrouter_video.outcome import Check, Outcome

__all__ = ["sentence_of"]


def sentence_of(check: Check, outcome: Outcome) -> str:
    """Return what is to be said of a video, beside the name of the check."""
    sent = outcome.sent or {}
    got = f"{outcome.width}x{outcome.height}" if outcome.width and outcome.height else "what came"
    lasts = f"It lasts {_seconds(outcome.duration_seconds)}" if outcome.duration_seconds else "Its length differs"
    picture = sent.get("size") or sent.get("resolution")
    asked_picture = f"{picture} was asked" if isinstance(picture, str) else "another size was asked"
    asked_seconds = sent.get("duration")
    asked_length = f"{asked_seconds} s were asked" if isinstance(asked_seconds, int | float) else "not what was asked"
    ratio = sent.get("aspect_ratio")
    sentences: dict[Check, str] = {
        "black": "It is black from beginning to end.",
        "frozen": "Nothing moves in it.",
        "silent": "It has a sound track, on which nothing can be heard.",
        "shorter_than_asked": f"{lasts}; {asked_length}.",
        "longer_than_asked": f"{lasts}; {asked_length}.",
        "smaller_than_asked": f"It is {got}; {asked_picture}.",
        "larger_than_asked": f"It is {got}; {asked_picture}.",
        "other_aspect_ratio": f"It is {got}; {ratio if isinstance(ratio, str) else 'another shape'} was asked.",
        "no_audio": "Sound was asked, and it has none.",
        "unasked_audio": "It has sound, which was not asked.",
    }
    return sentences[check]


def _seconds(value: float) -> str:
    return f"{value:.1f}".removesuffix(".0") + " s"

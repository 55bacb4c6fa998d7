"""Of what kind a failure is, by the words of the API and of the providers behind it.

Pure. Nobody publishes what a failed job's ``error`` may say, so the words are a closed list, from what users of the
providers have reported. An extra take is paid for on the ground of this: what is not surely the one is ``provider``.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from openrouter_video.outcome import FailureKind

__all__ = ["failure_of_job", "speaks_of_moderation"]

EXPIRED = re.compile(r"exceeded maximum time to live", re.IGNORECASE)


def _any_of(patterns: Iterable[str]) -> re.Pattern[str]:
    return re.compile("|".join(patterns), re.IGNORECASE)


OF_INPUT = _any_of(
    [
        # BytePlus, of Seedance: the code, and its sentence alone
        r"\bInput(Text|Image|Video|Audio)SensitiveContentDetected",
        r"\binput (text|image|video|audio)\b[^.]{0,60}\bmay (contain|be related to copyright)",
        # Google, of Veo
        r"\bprompt could not be submitted\b",
        r"\b(input image|prompt) (violates|contains? (sensitive )?words that violate)\b",
        # Runway
        r"\bSAFETY\.INPUT\b|\bINPUT_PREPROCESSING\.SAFETY\b",
        # MiniMax, with and without its code 1026
        r"\binput new_sensitive\b",
        # Alibaba, of Wan
        r"\binput data may contain inappropriate content\b|\bGreen net check failed for (input|image \(input\))",
        # OpenAI, of Sora
        r"\bmoderation system when checking inputs\b|\bmoderation_stage\W{1,5}input\b",
        # Black Forest Labs
        r"\bRequest Moderated\b",
    ]
)
OF_OUTPUT = _any_of(
    [
        r"\bOutput(Text|Image|Video|Audio)SensitiveContentDetected",
        r"\boutput (image|video|audio) may (contain sensitive|be related to copyright)",
        r"\b(videos?|audio) (was|were) filtered out because (it|they) violated\b",
        r"\bissue with the audio for your prompt\b",
        r"\bSAFETY\.OUTPUT\b",
        r"\boutput new_sensitive\b",
        r"(?<!or )\boutput data may contain inappropriate content\b|\bGreen net check failed for output\b",
        r"\bmoderation_stage\W{1,5}output\b",
        r"\bContent Moderated\b",
        # xAI, of Grok
        r"\bGenerated (video|audio) rejected by content moderation\b",
    ]
)
OF_EITHER = _any_of(
    [
        r"\bblocked by our moderation system\b|\bmoderation_blocked\b",
        r"\brisk control system\b|\bcontent security policy\b",
        r"\bcontent[ _](policy[ _])?violation\b|\bcontent policy\b",
        r"\binput was flagged\b|\bprompt (was|has been) (flagged|blocked|rejected)\b",
        r"\bviolates? [^.]{0,40}(usage guidelines|usage polic(y|ies)|Responsible AI)",
        r"\bdata_?inspection_?failed\b|\bcontent[- ]moderat(ed|ion)\b",
    ]
)


def failure_of_job(status: str, error: str | None) -> FailureKind:
    """Return of what kind it is that a job has not been completed.

    A refusal of which it is not said whether it was of what went in or of what came out is ``provider``, as is one of
    both: another take would be paid for in vain, or the words be changed in vain.
    """
    said = error or ""
    if status == "expired" or EXPIRED.search(said):
        return "expired"
    of_input, of_output = OF_INPUT.search(said) is not None, OF_OUTPUT.search(said) is not None
    if of_input is of_output:
        return "provider"
    return "input_moderation" if of_input else "output_moderation"


def speaks_of_moderation(message: str) -> bool:
    """Whether the message of a refused submission, of which nothing can have come out yet, tells of a check."""
    return any(pattern.search(message) for pattern in (OF_INPUT, OF_OUTPUT, OF_EITHER))

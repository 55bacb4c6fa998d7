"""Signatures: each form of the header, each way in which one is wrong, and the secrets that are refused."""

from __future__ import annotations

import hashlib
import hmac

import pytest

from openrouter_video.errors import ConfigurationError
from openrouter_video.webhooks.signature import parse_secret, signature_problem

SECRET = "sixteen-letters!"
BODY = b'{"type": "video.generation.completed"}'
NOW = 1_790_983_457


def digest(moment: object = NOW, body: bytes = BODY, secret: str = SECRET) -> str:
    """The right digest of a body at a moment."""
    return hmac.new(secret.encode(), f"{moment},".encode() + body, hashlib.sha256).hexdigest()


RIGHT, WRONG = digest(), digest(secret="another secret")
MANY = ",".join(f"v1={WRONG}" for _ in range(20))
NO_MOMENT = "the signature does not say when it was made"
NO_DIGEST = "the signature has no v1 of 64 hexadecimal digits"


@pytest.mark.parametrize(
    ("header", "problem"),
    [
        (f"t={NOW},v1={RIGHT}", None),
        (f"v1={RIGHT},t={NOW}", None),
        (f" t = {NOW} , v1 = {RIGHT} ", None),
        (f"t={NOW},v1={RIGHT.upper()}", None),
        (f"t={NOW},v1={WRONG},v1={RIGHT},v1=short", None),
        (f"t={NOW},v0=x,v1={RIGHT},v2={WRONG},", None),
        (f"t={NOW},v1={RIGHT},v1={RIGHT}", None),
        (f"t={NOW},v1={WRONG}", "the signature is wrong"),
        (f"t={NOW + 1},v1={RIGHT}", "the signature is wrong"),
        (f"t={NOW},v2={RIGHT}", NO_DIGEST),
        (f"t={NOW}", NO_DIGEST),
        (f"t={NOW},v1=", NO_DIGEST),
        (f"t={NOW},v1={RIGHT[:-1]}", NO_DIGEST),
        (f"t={NOW},v1={RIGHT}0", NO_DIGEST),
        (f"t={NOW},v1={chr(0xFF46) * 64}", NO_DIGEST),
        (f"v1={RIGHT}", NO_MOMENT),
        (f"t={NOW},t={NOW},v1={RIGHT}", NO_MOMENT),
        (f"t=,v1={RIGHT}", NO_MOMENT),
        (f"t=-{NOW},v1={RIGHT}", NO_MOMENT),
        (f"t={NOW}.0,v1={RIGHT}", NO_MOMENT),
        (f"t=١٢٣,v1={RIGHT}", NO_MOMENT),
        (f"t={'9' * 13},v1={RIGHT}", NO_MOMENT),
        ("", NO_MOMENT),
        ("garbage", NO_MOMENT),
        (f"t={NOW},{MANY}", "the signature is too long"),
    ],
)
def test_the_header(header: str, problem: str | None) -> None:
    """One right v1 is enough, in whatever order and case; anything that is not plain is refused."""
    assert signature_problem([header], BODY, SECRET, NOW) == problem


@pytest.mark.parametrize(
    ("headers", "problem"),
    [([], "there is no signature"), ([f"t={NOW},v1={RIGHT}"] * 2, "there are several signatures")],
)
def test_the_number_of_headers(headers: list[str], problem: str) -> None:
    """One: with two it would be a question which of them another program has looked at."""
    assert signature_problem(headers, BODY, SECRET, NOW) == problem


@pytest.mark.parametrize(
    ("age", "words"),
    [
        (0, None),
        (300, None),
        (-300, None),
        (300.6, "301 s old; at most 300 s are allowed"),
        (86_400, "86400 s old"),
        (-301, "301 s ahead of this machine's clock"),
    ],
)
def test_the_age(age: float, words: str | None) -> None:
    """Five minutes, to both sides."""
    problem = signature_problem([f"t={NOW},v1={RIGHT}"], BODY, SECRET, NOW + age)
    assert problem is None if words is None else words in (problem or "")


def test_a_moment_before_the_epoch_of_everything_is_old() -> None:
    """As is one of a time to come; neither is too large to be compared."""
    for moment in (0, 999_999_999_999):
        problem = signature_problem([f"t={moment},v1={digest(moment)}"], BODY, SECRET, NOW)
        assert "at most 300 s are allowed" in (problem or "")


def test_each_byte_of_the_body_counts() -> None:
    """Also those that JSON does not mind, and those that are no text."""
    for body in (BODY + b" ", BODY[:-1], b"", b"\xff\x00"):
        assert signature_problem([f"t={NOW},v1={RIGHT}"], body, SECRET, NOW) == "the signature is wrong"
        assert signature_problem([f"t={NOW},v1={digest(body=body)}"], body, SECRET, NOW) is None


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "has 0 characters"),
        ("short", "has 5 characters"),
        ("fifteen-letters", "has 15 characters"),
        ("sixteen letters!!", "a space, a line break"),
        ("sixteen-letters!\n", "a space, a line break"),
        ("sixteen-\x00letters!", "a character that cannot be seen"),
    ],
)
def test_a_secret_that_is_none(text: str, words: str) -> None:
    """It is refused in words that do not repeat it."""
    with pytest.raises(ConfigurationError, match="OPENROUTER_VIDEO_WEBHOOK_SECRET") as refused:
        parse_secret(text)
    assert words in str(refused.value)
    assert "letters" not in str(refused.value)


def test_a_secret() -> None:
    """It is taken as it is; without one there is none, which an empty text does not say."""
    taken = [SECRET, "sécrèt-sécrèt-sécrèt", None]
    assert [parse_secret(text) for text in taken] == taken

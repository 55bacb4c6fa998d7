"""What some bytes are, by the first 64 of them: a video, a picture, or the page of an error. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import chain

__all__ = ["FIRST_BOXES", "SNIFFED_BYTES", "UNKNOWN_KIND", "is_page", "peek", "sniff", "suffix_of"]

SNIFFED_BYTES = 64
_EBML = "a WebM or Matroska video"
UNKNOWN_KIND = "data of an unknown kind"
FIRST_BOXES = {
    **dict.fromkeys((b"free", b"skip", b"uuid"), "an MP4 video"),
    **dict.fromkeys((b"wide", b"mdat", b"moov", b"pnot"), "a QuickTime video"),
}
_SIGNATURES: tuple[tuple[bytes, str], ...] = (
    (b"\x1aE\xdf\xa3", _EBML),
    (b"RIFF", "a RIFF file, such as AVI or WAV"),
    (b"\x89PNG", "a PNG image"),
    (b"\xff\xd8\xff", "a JPEG image"),
    (b"GIF8", "a GIF image"),
    (b"BM", "a BMP image"),
    (b"II*\0", "a TIFF image"),
    (b"MM\0*", "a TIFF image"),
    (b"%PDF", "a PDF document"),
    (b"PK\x03\x04", "a ZIP archive"),
    (b"\x1f\x8b", "gzip-compressed data"),
)
_RIFF = {b"AVI ": "an AVI video", b"WEBP": "a WebP image"}
_BRANDS: tuple[tuple[bytes, str], ...] = (
    (b"heic", "a HEIC image"),
    (b"heix", "a HEIC image"),
    (b"mif1", "a HEIF image"),
    (b"avif", "an AVIF image"),
    (b"avis", "an AVIF image"),
    (b"qt  ", "a QuickTime video"),
)
_PAGES = frozenset({"empty", "an HTML page", "an XML document", "an SVG image", "JSON", "plain text"})
# In no text, whatever its language and encoding; a file has one of them in its first 64 bytes, hardly ever none.
_NO_TEXT = (frozenset(range(0x20)) | {0x7F}) - frozenset(b"\t\n\f\r")
_UTF_16 = (b"\xff\xfe", b"\xfe\xff")
_SUFFIXES = {
    "an MP4 video": ".mp4",
    "a QuickTime video": ".mov",
    "a JPEG image": ".jpg",
    "a PNG image": ".png",
    "a WebP image": ".webp",
    "a HEIC image": ".heic",
    "an AVIF image": ".avif",
    "an AVI video": ".avi",
}


def peek(chunks: Iterable[bytes]) -> tuple[bytes, Iterator[bytes]]:
    """Return the first 64 bytes, by which what arrives is judged, and all bytes."""
    body, head = iter(chunks), b""
    for chunk in body:
        head += chunk
        if len(head) >= SNIFFED_BYTES:
            break
    return head[:SNIFFED_BYTES], chain([head], body) if head else body


def is_page(head: bytes) -> bool:
    """Whether a body is an error page or nothing at all, which no label makes a video, from its first 64 bytes."""
    return sniff(head) in _PAGES


def suffix_of(head: bytes) -> str:
    """Return the suffix that a file deserves by its first 64 bytes; ``.bin`` where they say nothing."""
    found = sniff(head)
    if found == _EBML:
        return ".webm" if b"webm" in head else ".mkv"
    return _SUFFIXES.get(found, ".bin")


def sniff(head: bytes) -> str:
    """Return what some bytes look like, in words that follow "it is", from the first 64 of them."""
    if not head:
        return "empty"
    return _sniff_box(head) or _sniff_text(head) or _sniff_magic(head)


def _sniff_box(head: bytes) -> str | None:
    if head[4:8] == b"ftyp":
        return next((name for brand, name in _BRANDS if head[8:12] == brand), "an MP4 video")
    return FIRST_BOXES.get(head[4:8])


def _sniff_text(head: bytes) -> str | None:
    text = head.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if text.startswith((b"<!doctype html", b"<html")):
        return "an HTML page"
    if text.startswith(b"<"):
        return "an SVG image" if b"<svg" in text else "an XML document"
    return "JSON" if text.startswith((b"{", b"[")) else None


def _sniff_magic(head: bytes) -> str:
    if head.startswith(b"RIFF") and head[8:12] in _RIFF:
        return _RIFF[head[8:12]]
    found = next((name for magic, name in _SIGNATURES if head.startswith(magic)), None)
    return found or ("plain text" if _NO_TEXT.isdisjoint(head) or head.startswith(_UTF_16) else UNKNOWN_KIND)

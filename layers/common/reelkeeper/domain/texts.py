"""Text at the gate: subtitles, transcripts and JSON are read as their reader would; a message that came instead is quoted."""

import ast
import json
import re

from reelkeeper.domain.callback import redact
from reelkeeper.domain.containers import Kind

# So much of a text is read; what is longer is judged by its two ends.
TEXT_BYTES = 256 * 1024
# What a person is shown of a message that came in a file's place.
_SAID_CHARS = 120

_TIMES = {
    "srt": re.compile(r"\d{1,2}:\d{2}:\d{2}[,.]\d{1,3}\s*-->\s*\d{1,2}:\d{2}:\d{2}[,.]\d{1,3}"),
    "vtt": re.compile(r"\AWEBVTT(?:\s|\Z)"),
    "ass": re.compile(r"^\[Script Info\]", re.IGNORECASE | re.MULTILINE),
    "ssa": re.compile(r"^\[Script Info\]", re.IGNORECASE | re.MULTILINE),
}
_MISSING = {
    "srt": "there is no line with a time such as 00:00:01,000 --> 00:00:02,000 in it",
    "vtt": "it does not begin with WEBVTT",
    "ass": "there is no [Script Info] in it",
    "ssa": "there is no [Script Info] in it",
}
_WORDS = {
    Kind.PAGE: re.compile(r"<(?:title|h1)\b[^>]*>(.{1,400}?)</(?:title|h1)>", re.IGNORECASE | re.DOTALL),
    Kind.XML: re.compile(r"<(?:Code|Message|Error|Title)>([^<]{1,400})</", re.IGNORECASE),
    Kind.JSON: re.compile(r'"(?:message|error|detail|reason)"\s*:\s*"((?:[^"\\]|\\.){1,400})"', re.IGNORECASE),
    Kind.TEXT: re.compile(r"\A\s*([^\r\n]{1,400})"),
}
_TAG = re.compile(r"<[^>]*>")


def fault_of(extension: str, start: bytes, *, whole: bool) -> str | None:
    """What is wrong with a text that begins with `start` (up to `TEXT_BYTES`, `whole` if that is all); None for nothing."""
    if start[:2] in (b"\xff\xfe", b"\xfe\xff"):
        text = start.decode("utf-16", "replace")
    elif b"\x00" in start:
        return "it is not text"
    else:
        text = start.decode("utf-8-sig", "replace")
    if not text.strip():
        return "there is nothing but blanks in it"
    if extension == "json":
        return _json_fault(text, whole=whole)
    pattern = _TIMES.get(extension)
    return _MISSING[extension] if pattern and not pattern.search(text) else None


def said_in(kind: Kind, head: bytes) -> str:
    """The words of a page or a message that tell a person why it came; empty where it has none."""
    pattern = _WORDS.get(kind)
    found = pattern.findall(head.decode("utf-8", "replace")) if pattern else []
    parts = [" ".join(_TAG.sub(" ", one).split()) for one in found[:2]]
    # A heading mostly repeats the title.
    said = parts[-1] if parts and parts[0] in parts[-1] else ": ".join(parts)
    said = redact("".join(char for char in said if char.isprintable()))
    return said if len(said) <= _SAID_CHARS else said[: _SAID_CHARS - 1] + "…"


def _json_fault(text: str, *, whole: bool) -> str | None:
    """JSON, or the Python literal that NCA writes into the `.json` of a transcription (measured, build 209)."""
    if not whole:
        return None if text.lstrip()[:1] in ("{", "[") else "it is not JSON"
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        try:
            ast.literal_eval(text.strip())
        except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
            return "it is neither JSON nor what NCA writes in its place, or it breaks off"
    return None

"""Outputs that are text, and messages that came in a file's place."""

import re

import pytest

from reelkeeper.domain.containers import Kind, kind_of
from reelkeeper.domain.texts import fault_of, said_in

SRT = b"1\n00:00:00,000 --> 00:00:02,500\nHello\n"


@pytest.mark.parametrize(
    ("extension", "text"),
    [
        ("srt", SRT),
        ("srt", b"\xef\xbb\xbf" + SRT),
        ("srt", SRT.decode().encode("utf-16")),
        ("srt", b"1\r\n0:00:01.5 --> 0:00:02.5\r\nHi\r\n"),
        ("srt", SRT + "Grüße".encode("latin-1")),
        ("vtt", b"WEBVTT\n\n00:01.000 --> 00:02.000\nHello\n"),
        ("ass", b"[Script Info]\nScriptType: v4.00+\n"),
        ("txt", "Grüße, и привет".encode()),
        ("json", b'{"text": "Hello"}'),
        ("json", b"[{'start': 0.0, 'end': 2.5, 'text': \"It's\", 'words': None}]"),
    ],
)
def test_what_its_reader_can_read_passes(extension: str, text: bytes) -> None:
    assert fault_of(extension, text, whole=True) is None


@pytest.mark.parametrize(
    ("extension", "text", "fault"),
    [
        ("srt", b"Hello", "no line with a time"),
        ("srt", b'{"error": "x"}', "no line with a time"),
        ("vtt", SRT, "does not begin with WEBVTT"),
        ("vtt", b"WEBVTTX\n", "does not begin with WEBVTT"),
        ("ass", SRT, r"no \[Script Info\]"),
        ("txt", b"\x00\x01\x02", "not text"),
        ("txt", b" \r\n\t", "nothing but blanks"),
        ("json", b"[{'start': 0.0,", "breaks off"),
        ("json", b"Hello there", "neither JSON"),
        ("json", b"[" * 100_000, "neither JSON"),
        ("json", b"__import__('os').system('true')", "neither JSON"),
    ],
)
def test_what_its_reader_could_not_read_does_not(extension: str, text: bytes, fault: str) -> None:
    found = fault_of(extension, text, whole=True)
    assert found is not None
    assert re.search(fault, found), found


def test_a_long_json_is_judged_by_its_beginning() -> None:
    assert fault_of("json", b"[{'a': 1}, ", whole=False) is None
    assert fault_of("json", b"Hello", whole=False) == "it is not JSON"


@pytest.mark.parametrize(
    ("body", "kind", "said"),
    [
        (b"<!DOCTYPE html><title>Sign in</title><h1>Sign in</h1>", Kind.PAGE, "Sign in"),
        (b"<html><title>Sign in</title><h1>Sign in to continue</h1>", Kind.PAGE, "Sign in to continue"),
        (b"  <html>\n<h1>404 <b>Not</b> Found</h1>", Kind.PAGE, "404 Not Found"),
        (b'<?xml version="1.0"?><html><title>x</title></html>', Kind.PAGE, "x"),
        (b"<Error><Code>NoSuchKey</Code><Message>No such key</Message></Error>", Kind.XML, "NoSuchKey: No such key"),
        (b'{"error": "expired: https://x.test/a?sig=abc"}', Kind.JSON, "expired: https://x.test/a?…"),
        (b"<html></html>", Kind.PAGE, ""),
        (b"rate limited\nplease wait", Kind.TEXT, "rate limited"),
        (b'{"detail": "' + b"x" * 300 + b'"}', Kind.JSON, "x" * 119 + "…"),
    ],
)
def test_a_message_is_quoted_for_the_person_who_reads_why(body: bytes, kind: Kind, said: str) -> None:
    assert kind_of(body) is kind
    assert said_in(kind, body) == said

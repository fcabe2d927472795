"""A source is believed for what it proves: each way of misbehaving is noticed, and named without the URL's query."""

from typing import Any

import pytest

from reelkeeper.adapters.source import Busy, Changed, Facts, Source
from reelkeeper.domain.errors import Gone, Refused, RetryLater
from reelkeeper.domain.parts import Span
from tests.integration.origin import Mood, Origin, serve, some_bytes

FILM = some_bytes(300_000)
MIDDLE = Span(2, 100_000, 50_000)


def read(origin: Origin, **limits: Any) -> tuple[Facts, bytes]:
    with origin.source(**limits).open(origin.url) as stream:
        chunks = stream.rest() if stream.facts.size is None else stream.take(stream.facts.size)
        return stream.facts, b"".join(bytes(chunk) for chunk in chunks)


def part(origin: Origin, facts: Facts, span: Span = MIDDLE, **limits: Any) -> bytes:
    with origin.source(**limits).range(facts, span) as chunks:
        return b"".join(bytes(chunk) for chunk in chunks)


def facts_of(origin: Origin) -> Facts:
    return Facts(origin.url, len(FILM), origin.etag, ranged=True)


def test_one_request_tells_size_validator_and_ranges_and_brings_the_file() -> None:
    with serve(FILM) as origin:
        facts, body = read(origin)
        assert (facts.size, facts.validator, facts.ranged) == (len(FILM), '"first"', True)
        assert body == FILM
        assert origin.asked == ["bytes=0-"]


@pytest.mark.parametrize("mood", [Mood.NO_RANGES, Mood.NO_LENGTH, Mood.NO_VALIDATOR, Mood.WEAK_ETAG])
def test_what_cannot_prove_that_two_ranges_are_of_one_file_is_read_in_one_stream(mood: Mood) -> None:
    with serve(FILM, mood) as origin:
        facts, body = read(origin)
        assert not facts.ranged
        assert body == FILM
        assert (facts.size is None) == (mood is Mood.NO_LENGTH)


def test_a_part_is_exactly_its_bytes_and_its_connection_serves_the_next() -> None:
    with serve(FILM) as origin:
        source = origin.source()
        for start in (0, 50_000, 299_999):
            span = Span(1, start, min(50_000, len(FILM) - start))
            with source.range(facts_of(origin), span) as chunks:
                assert b"".join(bytes(chunk) for chunk in chunks) == FILM[start : start + span.length]


@pytest.mark.parametrize("mood", [Mood.WHOLE_FOR_RANGE, Mood.OTHER_RANGE, Mood.NO_RANGES])
def test_an_answer_that_is_not_the_part_asked_for_says_that_the_source_changed(mood: Mood) -> None:
    with serve(FILM, mood) as origin, pytest.raises(Changed, match=r"^the source .*film\.mp4\?…$"):
        part(origin, facts_of(origin))


def test_another_file_under_the_same_address_is_noticed_though_its_size_is_the_same() -> None:
    with serve(FILM) as origin:
        known = facts_of(origin)
        origin.body, origin.etag = FILM[::-1], '"second"'
        with pytest.raises(Changed):
            part(origin, known)


@pytest.mark.parametrize(
    ("mood", "says"),
    [
        (Mood.SHORT, "broke off after"),
        (Mood.OTHER_LENGTH, "another length than its range"),
        (Mood.BROKEN, "answers 500"),
        (Mood.BUSY, "answers 429"),
    ],
)
def test_what_may_be_better_next_time_is_tried_again(mood: Mood, says: str) -> None:
    with serve(FILM, mood) as origin:
        with pytest.raises(RetryLater, match=rf"{says}.*film\.mp4\?…$"):
            read(origin)
        with pytest.raises(RetryLater, match=rf"{says}.*film\.mp4\?…$"):
            part(origin, facts_of(origin))


def test_a_busy_source_is_left_alone_as_long_as_it_asks() -> None:
    with serve(FILM, Mood.BUSY) as origin:
        origin.retry_after = "17"
        with pytest.raises(Busy) as told:
            read(origin)
        assert told.value.delay is not None
        assert told.value.delay.total_seconds() == 17


@pytest.mark.parametrize("mood", [Mood.STALL, Mood.DRIP])
def test_a_source_that_stalls_or_drips_is_given_up(mood: Mood) -> None:
    """Each single read of a dripping source comes in time; only what came in all that waiting gives it away."""
    with serve(FILM, mood) as origin:
        with pytest.raises(RetryLater, match=r"(broke off|only drips).*film\.mp4\?…$"):
            read(origin, read_s=1.0)
        with pytest.raises(RetryLater, match=r"(broke off|only drips).*film\.mp4\?…$"):
            part(origin, facts_of(origin), read_s=1.0)


def test_the_time_its_reader_takes_is_not_the_sources() -> None:
    now = 0.0
    long = some_bytes(3_000_000)
    with serve(long) as origin:
        source = Source(origin.settings(read_s=10), clock=lambda: now)
        with source.open(origin.url) as stream:
            got = 0
            for chunk in stream.take(len(long)):
                got += len(chunk)
                now += 1000
        assert got == len(long)


def test_a_compressed_answer_is_refused() -> None:
    with serve(FILM, Mood.GZIP) as origin, pytest.raises(Refused, match=r"compressed.*film\.mp4\?…$"):
        read(origin)


def test_what_is_gone_is_gone() -> None:
    with serve(FILM, Mood.GONE) as origin, pytest.raises(Gone, match=r"404.*film\.mp4\?…$"):
        read(origin)


@pytest.mark.parametrize("mood", [None, Mood.NO_LENGTH])
def test_a_file_above_the_limit_is_refused_whether_it_says_its_size_or_not(mood: Mood | None) -> None:
    with serve(FILM, mood) as origin, pytest.raises(Refused, match=r"MaxObjectMiB.*film\.mp4\?…$"):
        read(origin, max_bytes=len(FILM) - 1)

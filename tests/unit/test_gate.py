"""The gate's decisions: what passes under which type, what is set aside, and what is never blamed on a file."""

from collections.abc import Callable

import pytest

from reelkeeper.adapters.probe import GateFailed
from reelkeeper.domain.errors import Gone, Refused, RetryLater
from reelkeeper.domain.media import Look, claim
from reelkeeper.domain.streams import Stream
from reelkeeper.services.gate import TRIES_BEFORE_UNSEEN, Gate, Object
from tests.unit.fakes.store import FakeBucket

KEY = "outputs/job/0-film.mp4"
H264 = Stream("video", "h264", "Main", "yuv420p", 320, 180)
AAC = Stream("audio", "aac")
MP4 = b"\x00\x00\x00\x10ftypisom\x00\x00\x00\x00\x00\x00\x00\x10mdat12345678\x00\x00\x00\x08moov"
MATROSKA = b"\x1a\x45\xdf\xa3\x88\x42\x82\x85matro\x18\x53\x80\x67\x84abcd"


class FakeDecoder:
    """Sees what a test says is there, or fails as it says."""

    def __init__(self, *streams: Stream, error: Exception | None = None) -> None:
        self._look, self._error = Look(2.0, streams, ends_at=2.0), error

    def look(self, demuxer: str, size: int, serve: Callable[[int, int], bytes | None], *, tail_bytes: int, ends: bool) -> Look:
        if self._error is not None:
            raise self._error
        return self._look


def a_bucket(body: bytes = MP4) -> FakeBucket:
    bucket = FakeBucket()
    bucket.objects[KEY] = body
    return bucket


def there(bucket: FakeBucket) -> Object:
    return Object(KEY, len(bucket.objects[KEY]), "AAAAAA==")


def test_what_is_as_it_claims_passes_untouched() -> None:
    bucket = a_bucket()
    passed = Gate(bucket, FakeDecoder(H264, AAC)).admit(claim("film.mp4"), there(bucket), attempts=0)
    assert (passed.object, passed.name, passed.media_type) == (there(bucket), "film.mp4", "video/mp4")
    assert passed.verdict == "plays everywhere"
    assert passed.what == "MP4, H.264 320x180, AAC, 2.0 s: plays everywhere; its index is at its end"
    assert bucket.described == {}


def test_matroska_under_the_name_of_an_mp4_is_served_as_what_it_is() -> None:
    bucket = a_bucket(MATROSKA)
    passed = Gate(bucket, FakeDecoder(H264, AAC)).admit(claim("film.mp4"), there(bucket), attempts=0)
    assert (passed.name, passed.media_type) == ("film.mkv", "video/x-matroska")
    assert passed.verdict == "plays in some browsers: Matroska"
    assert bucket.described == {KEY: ("film.mkv", "video/x-matroska")}


def test_sound_alone_under_the_name_of_an_mp4_is_served_as_sound() -> None:
    bucket = a_bucket()
    passed = Gate(bucket, FakeDecoder(AAC)).admit(claim("film.mp4"), there(bucket), attempts=0)
    assert (passed.name, passed.media_type, passed.verdict) == ("film.m4a", "audio/mp4", "plays everywhere")


def test_what_is_not_as_it_claims_is_set_aside_and_the_reason_told() -> None:
    bucket = a_bucket(b"<!doctype html><title>Sign in</title>")
    with pytest.raises(Refused, match=r"an HTML page \(“Sign in”\) came instead of a video"):
        Gate(bucket, FakeDecoder()).admit(claim("film.mp4"), there(bucket), attempts=0)
    assert list(bucket.objects) == ["quarantine/job/0-film.mp4"]
    assert "Sign in" in bucket.reasons["quarantine/job/0-film.mp4"]


def test_what_another_worker_has_set_aside_already_is_refused_all_the_same() -> None:
    class Outrun(FakeBucket):
        def quarantine(self, key: str, *, reason: str) -> str:
            raise Gone(f"there is no object under {key}")

    bucket = Outrun()
    bucket.objects[KEY] = MP4
    with pytest.raises(Refused, match="concatenate should make a video"):
        Gate(bucket, FakeDecoder(AAC)).admit(claim("film.mp4", operation="concatenate"), there(bucket), attempts=0)


def test_a_gate_that_fails_blames_nobody_and_in_the_end_lets_pass_with_a_remark() -> None:
    bucket = a_bucket()
    gate = Gate(bucket, FakeDecoder(error=GateFailed("the decoder could not be started")))
    for attempts in range(TRIES_BEFORE_UNSEEN):
        with pytest.raises(RetryLater):
            gate.admit(claim("film.mp4"), there(bucket), attempts=attempts)
    passed = gate.admit(claim("film.mp4"), there(bucket), attempts=TRIES_BEFORE_UNSEEN)
    assert (passed.verdict, passed.media_type) == ("not looked into", "video/mp4")
    assert passed.what == "not looked into: the decoder could not be started"
    assert list(bucket.objects) == [KEY]


def test_an_error_page_does_not_pass_even_while_the_decoder_fails() -> None:
    bucket = a_bucket(b"<html><h1>502 Bad Gateway</h1>")
    gate = Gate(bucket, FakeDecoder(error=GateFailed("no")))
    with pytest.raises(Refused, match="502 Bad Gateway"):
        gate.admit(claim("film.mp4"), there(bucket), attempts=99)


def test_a_bucket_that_does_not_answer_is_asked_again_for_ever() -> None:
    bucket = a_bucket()
    at = there(bucket)
    bucket.down = RetryLater("the bucket did not answer")
    with pytest.raises(RetryLater):
        Gate(bucket, FakeDecoder(H264)).admit(claim("film.mp4"), at, attempts=99)


def test_a_thumbnail_that_is_no_picture_is_not_shown_and_costs_the_job_nothing() -> None:
    bucket = a_bucket(b"<html><title>Not found</title>")
    passed = Gate(bucket, FakeDecoder()).admit(claim("film.jpg", role="thumbnail"), there(bucket), attempts=0)
    assert not passed.shown
    assert "Not found" in passed.what


@pytest.mark.parametrize("name", ["data.zip", "output", "report.pdf"])
def test_what_claims_nothing_we_know_passes_as_it_is(name: str) -> None:
    bucket = a_bucket(b"PK\x03\x04\x00\x00")
    assert Gate(bucket, FakeDecoder()).admit(claim(name), there(bucket), attempts=0).verdict == "file"


def test_a_page_under_a_name_that_claims_nothing_does_not_pass() -> None:
    bucket = a_bucket(b"<!DOCTYPE html><title>Sign in</title>")
    with pytest.raises(Refused, match="came instead of output"):
        Gate(bucket, FakeDecoder()).admit(claim("output"), there(bucket), attempts=0)

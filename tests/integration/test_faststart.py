"""FastStart with the real decoder and S3 as moto plays it: the same film, its index first, under an address of its own."""

import base64
import zlib

import boto3
import pytest

from local.media.corpus import SPECIMENS, content
from local.media.probe import probe
from reelkeeper.adapters.bucket import Bucket
from reelkeeper.adapters.probe import Probe
from reelkeeper.domain.media import claim
from reelkeeper.services.faststart import FastStart
from reelkeeper.services.gate import Admitted, Gate, Object

KEY = "outputs/job/0-film.mp4"
MADE = [one.name for one in SPECIMENS if one.name.endswith(".mp4") and one.name.startswith(("h264-", "hevc", "av1"))]
FIRST = {"h264-faststart.mp4", "h264-fragmented.mp4", "h264-flac.mp4"}  # FLAC is not at home in an MP4


def admit(bucket: Bucket, body: bytes, *, name: str = "film.mp4", left_s: float = 900.0) -> Admitted:
    """Keep a file and let it through a gate with FastStart on."""
    stored = crc32(body)
    if bucket.head(KEY) is None:
        bucket.put(KEY, body, name=name, crc32=stored)
    gate = Gate(bucket, Probe(), fast_start=FastStart(bucket, Probe()))
    return gate.admit(claim(name), Object(KEY, len(body), stored), attempts=0, left_s=lambda: left_s)


def crc32(body: bytes) -> str:
    return base64.b64encode(zlib.crc32(body).to_bytes(4, "big")).decode()


def bytes_of(key: str) -> bytes:
    return bytes(boto3.client("s3").get_object(Bucket="kept", Key=key)["Body"].read())


@pytest.mark.parametrize("name", [name for name in MADE if name not in FIRST])
def test_the_copy_is_the_same_film_with_its_index_first(versioned: Bucket, name: str) -> None:
    body = content(name)
    passed = admit(versioned, body)
    assert passed.object.key == "outputs/job/faststart/0-film.mp4"
    assert "its index is at its end" not in passed.what
    copy = bytes_of(passed.object.key)
    assert copy.index(b"moov") < copy.index(b"mdat")
    # What the ledger will say is what is there.
    assert (passed.object.size, passed.object.crc32) == (len(copy), crc32(copy))
    before, after = probe(body), probe(copy)
    assert (after.frames, after.video_codec, after.audio_codec) == (before.frames, before.video_codec, before.audio_codec)
    assert after.sound_seconds == pytest.approx(before.sound_seconds, abs=0.1)
    # The file as NCA made it stays where it was.
    assert bytes_of(KEY) == body


@pytest.mark.parametrize("name", ["h264-faststart.mp4", "h264-fragmented.mp4", "mpeg4.mp4", "sound-alone.mp4"])
def test_what_would_gain_nothing_is_left_alone(versioned: Bucket, name: str) -> None:
    passed = admit(versioned, content(name))
    expected = "outputs/job/faststart/0-film.mp4" if name == "sound-alone.mp4" else KEY
    assert passed.object.key == expected


def test_matroska_under_the_name_of_an_mp4_becomes_one(versioned: Bucket) -> None:
    passed = admit(versioned, content("matroska-inside.mp4"))
    assert (passed.name, passed.media_type, passed.verdict) == ("film.mp4", "video/mp4", "plays everywhere")
    found = boto3.client("s3").head_object(Bucket="kept", Key=passed.object.key)
    assert (found["ContentType"], found["ContentDisposition"]) == ("video/mp4", 'inline; filename="film.mp4"')


def test_a_worker_that_died_before_it_was_noted_is_made_good_by_the_next_with_the_same_bytes(versioned: Bucket) -> None:
    first = admit(versioned, content("h264-main.mp4"))
    again = admit(versioned, content("h264-main.mp4"))
    assert again.object == first.object
    versions = boto3.client("s3").list_object_versions(Bucket="kept", Prefix=first.object.key)["Versions"]
    assert len(versions) == 1


def test_another_copy_that_is_there_already_is_left_alone_and_the_film_passes_as_it_is(versioned: Bucket) -> None:
    versioned.put("outputs/job/faststart/0-film.mp4", b"another", name="film.mp4", crc32=crc32(b"another"))
    assert admit(versioned, content("h264-main.mp4")).object.key == KEY
    assert bytes_of("outputs/job/faststart/0-film.mp4") == b"another"


def test_without_time_the_film_passes_as_it_is(versioned: Bucket) -> None:
    passed = admit(versioned, content("h264-main.mp4"), left_s=30.0)
    assert passed.object.key == KEY
    assert "its index is at its end" in passed.what


def test_without_room_the_film_passes_as_it_is(versioned: Bucket, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("reelkeeper.services.faststart.SPARE_BYTES", 1 << 60)
    assert admit(versioned, content("h264-main.mp4")).object.key == KEY

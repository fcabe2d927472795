"""The bucket at the media gate: read by ranges, set aside, given the right type; on moto and on SeaweedFS."""

import base64
import zlib

import boto3
import pytest

from local import seaweedfs
from local.seaweedfs import Store
from reelkeeper.adapters.bucket import Bucket
from reelkeeper.domain.errors import Gone
from reelkeeper.settings import StorageSettings

KEY = "outputs/job/0-film.mp4"
BODY = bytes(range(256)) * 40
CRC32 = base64.b64encode(zlib.crc32(BODY).to_bytes(4, "big")).decode()


@pytest.fixture
def bucket(versioned: Bucket) -> Bucket:
    versioned.put(KEY, BODY, name="film.mp4", crc32=CRC32)
    return versioned


def test_a_range_is_read_and_nothing_else(bucket: Bucket) -> None:
    assert bucket.read(KEY, 250, 10) == BODY[250:260]
    assert bucket.read(KEY, len(BODY) - 3, 100) == BODY[-3:]


def test_reading_what_is_not_there_says_so(bucket: Bucket) -> None:
    with pytest.raises(Gone, match="no object under outputs/other"):
        bucket.read("outputs/other", 0, 10)


def test_what_is_set_aside_is_gone_from_its_address_and_says_why(bucket: Bucket) -> None:
    aside = bucket.quarantine(KEY, reason="an HTML page, not a vidéo 'Sign in'")
    assert aside == "quarantine/job/0-film.mp4"
    assert bucket.head(KEY) is None
    s3 = boto3.client("s3")
    found = s3.get_object(Bucket="kept", Key=aside)
    assert found["Body"].read() == BODY
    assert found["ContentDisposition"] == "attachment"
    assert found["ContentType"] == "application/octet-stream"
    assert found["Metadata"]["reason"] == "an HTML page, not a vid?o 'Sign in'"


def test_what_was_set_aside_can_be_had_back_and_its_address_taken_again(bucket: Bucket) -> None:
    bucket.quarantine(KEY, reason="a mistake")
    versions = boto3.client("s3").list_object_versions(Bucket="kept", Prefix=KEY)
    assert len(versions["Versions"]) == 1
    bucket.put(KEY, BODY, name="film.mp4", crc32=CRC32)
    assert bucket.read(KEY, 0, 4) == BODY[:4]


def test_a_second_try_at_setting_aside_finds_nothing_left_to_move(bucket: Bucket) -> None:
    bucket.quarantine(KEY, reason="once")
    with pytest.raises(Gone):
        bucket.quarantine(KEY, reason="twice")


def test_an_object_gets_the_type_and_the_name_its_bytes_deserve(bucket: Bucket) -> None:
    bucket.describe(KEY, name="film.mkv", media_type="video/x-matroska")
    found = boto3.client("s3").get_object(Bucket="kept", Key=KEY)
    assert found["Body"].read() == BODY
    assert found["ContentType"] == "video/x-matroska"
    assert found["ContentDisposition"] == 'inline; filename="film.mkv"'
    assert "immutable" in found["CacheControl"]


@pytest.mark.xdist_group("seaweedfs")
def test_another_store_reads_sets_aside_and_describes_in_the_same_way(store: Store) -> None:
    settings = StorageSettings.read(
        {
            "BUCKET": "unused",
            "STORAGE_BUCKET": "kept",
            "STORAGE_ENDPOINT": store.endpoint,
            "STORAGE_REGION": seaweedfs.REGION,
            "STORAGE_ADDRESSING": "path",
            "PUBLIC_URL_TEMPLATE": f"{store.endpoint}/kept/{{key}}",
        }
    )
    bucket = Bucket(settings, keys=store.keys)
    bucket.put("outputs/job/0-one.mp4", BODY, name="one.mp4", crc32=CRC32)
    bucket.put("outputs/job/1-two.mp4", BODY, name="two.mp4", crc32=CRC32)
    assert bucket.read("outputs/job/0-one.mp4", 250, 10) == BODY[250:260]
    bucket.describe("outputs/job/0-one.mp4", name="one.mkv", media_type="video/x-matroska")
    found = store.client().get_object(Bucket="kept", Key="outputs/job/0-one.mp4")
    assert (found["ContentType"], found["Body"].read()) == ("video/x-matroska", BODY)
    bucket.quarantine("outputs/job/1-two.mp4", reason="an HTML page")
    assert bucket.head("outputs/job/1-two.mp4") is None
    aside = store.client().get_object(Bucket="kept", Key="quarantine/job/1-two.mp4")
    assert (aside["Metadata"]["reason"], aside["Body"].read()) == ("an HTML page", BODY)

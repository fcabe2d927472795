"""The audit's eyes and hands on their own: what a viewer sees, what earlier versions give back, what a bucket's rules say."""

import json
import threading
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import boto3
import pytest
from moto import mock_aws

from reelkeeper.adapters.rules import any_object, facts_of
from reelkeeper.adapters.versions import Versions
from reelkeeper.adapters.viewer import Seen, Viewer
from reelkeeper.domain.causes import BucketFacts, Expiry
from reelkeeper.domain.errors import RetryLater
from reelkeeper.domain.parts import crc32_text
from reelkeeper.settings import StorageSettings

FILM = b"film" * 1_000
KEY = "outputs/job/0-film.mp4"
BUCKET = "kept"


# A viewer.


@contextmanager
def site(**moods: Any) -> Iterator[str]:
    """A site with one film, in this mood: `status`, `kind`, `ranges`, `redirects`."""

    class Handler(BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:
            self._answer(body=False)

        def do_GET(self) -> None:
            self._answer(body=True)

        def log_message(self, *_: object) -> None:
            """Not to the terminal."""

        def _answer(self, *, body: bool) -> None:
            hop = int(self.path.rpartition("/")[2] or 0)
            if hop < moods.get("redirects", 0):
                self.send_response(302)
                self.send_header("Location", f"/{hop + 1}")
                self.end_headers()
                return
            asked = self.headers.get("Range")
            part = FILM[: int(asked.partition("-")[2]) + 1] if asked and moods.get("ranges", True) else None
            self.send_response(moods.get("status", 206 if part is not None else 200))
            self.send_header("Content-Type", moods.get("kind", "video/mp4"))
            if part is not None:
                self.send_header("Content-Range", f"bytes 0-{len(part) - 1}/{len(FILM)}")
            self.send_header("Content-Length", str(len(FILM if part is None else part)))
            self.end_headers()
            if body:
                self.wfile.write(FILM if part is None else part)

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/0"
        server.shutdown()
        thread.join()


WHOLE = Seen(200, "video/mp4", len(FILM), gives_ranges=True)


@pytest.mark.parametrize(
    ("moods", "seen"),
    [
        ({}, WHOLE),
        ({"redirects": 3}, WHOLE),
        ({"ranges": False}, Seen(200, "video/mp4", len(FILM), gives_ranges=False)),
        ({"kind": "binary/octet-stream"}, Seen(200, "binary/octet-stream", len(FILM), gives_ranges=True)),
        ({"status": 403, "kind": "application/xml"}, Seen(403, "application/xml", len(FILM), gives_ranges=False)),
        ({"status": 404}, Seen(404, "video/mp4", len(FILM), gives_ranges=False)),
    ],
)
def test_a_viewer_sees_what_a_browser_would(moods: Mapping[str, Any], seen: Seen) -> None:
    with site(**moods) as url:
        assert Viewer().look(url) == seen


@pytest.mark.parametrize("status", [500, 503, 429])
def test_trouble_of_the_other_side_is_no_verdict(status: int) -> None:
    with site(status=status) as url, pytest.raises(RetryLater, match=f"answers {status}"):
        Viewer().look(url)


def test_an_address_that_leads_on_and_on_is_not_readable() -> None:
    with site(redirects=9) as url:
        assert Viewer().look(url).status == 302


def test_nobody_there_is_no_verdict() -> None:
    with site() as url:
        pass
    with pytest.raises(RetryLater, match="did not answer"):
        Viewer().look(url)


# Earlier versions.


@pytest.fixture
def s3(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    with mock_aws():
        make: Any = boto3.client
        client = make("s3")
        client.create_bucket(Bucket=BUCKET)
        client.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Enabled"})
        yield client


def versions() -> Versions:
    return Versions(StorageSettings(BUCKET, "https://kept.example/{key}", "", "", "", "auto"))


def put(s3: Any, body: bytes) -> None:
    described = {"ContentType": "video/mp4", "ContentDisposition": "inline", "CacheControl": "immutable"}
    s3.put_object(Bucket=BUCKET, Key=KEY, Body=body, ChecksumAlgorithm="CRC32", **described)


def bring_back(body: bytes = FILM) -> str | None:
    return versions().bring_back(KEY, size=len(body), crc32=crc32_text(zlib.crc32(body)))


def test_a_deleted_object_comes_back_with_all_that_describes_it(s3: Any) -> None:
    put(s3, FILM)
    s3.delete_object(Bucket=BUCKET, Key=KEY)
    assert bring_back() is not None
    back = s3.get_object(Bucket=BUCKET, Key=KEY)
    assert (back["Body"].read(), back["ContentType"], back["ContentDisposition"]) == (FILM, "video/mp4", "inline")


def test_of_several_versions_the_one_that_was_kept_comes_back(s3: Any) -> None:
    put(s3, FILM)
    put(s3, b"junk" * 1_000)
    put(s3, b"short")
    s3.put_object(Bucket=BUCKET, Key=f"{KEY}.other", Body=FILM)
    assert bring_back() is not None
    assert s3.get_object(Bucket=BUCKET, Key=KEY)["Body"].read() == FILM
    # Nothing was deleted for it.
    assert len(s3.list_object_versions(Bucket=BUCKET, Prefix=KEY)["Versions"]) == 5


def test_where_no_version_is_what_was_kept_nothing_changes(s3: Any) -> None:
    put(s3, b"junk" * 1_000)
    s3.delete_object(Bucket=BUCKET, Key=KEY)
    assert bring_back() is None
    assert "DeleteMarkers" in s3.list_object_versions(Bucket=BUCKET, Prefix=KEY)
    assert len(s3.list_object_versions(Bucket=BUCKET, Prefix=KEY)["Versions"]) == 1


def test_more_than_one_copy_moves_goes_in_parts(s3: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """S3 copies 5 GiB in one request; the limits are lowered here, for no test to move that much."""
    mib = 1024 * 1024
    monkeypatch.setattr("reelkeeper.adapters.versions._ONE_COPY_BYTES", 6 * mib)
    monkeypatch.setattr("reelkeeper.adapters.versions._PART_BYTES", 5 * mib)
    large = bytes(range(256)) * (12 * mib // 256)
    put(s3, large)
    s3.delete_object(Bucket=BUCKET, Key=KEY)
    assert bring_back(large) is not None
    back = s3.get_object(Bucket=BUCKET, Key=KEY)
    assert (back["Body"].read() == large, back["ContentType"]) == (True, "video/mp4")


def test_a_bucket_that_may_not_be_read_is_no_verdict(s3: Any) -> None:
    s3.delete_bucket(Bucket=BUCKET)
    with pytest.raises(RetryLater, match="earlier versions"):
        bring_back()


# The rules of a bucket.


def test_a_bucket_without_rules_says_so(s3: Any) -> None:
    assert facts_of(s3, BUCKET) == BucketFacts(BUCKET, exists=True, expiries=(), versioning="enabled", public=False)
    assert facts_of(s3, "nowhere") == BucketFacts("nowhere", exists=False)


def test_rules_that_delete_are_told_from_those_that_tidy_up(s3: Any) -> None:
    def rule(name: str, status: str = "Enabled", **what: Any) -> dict[str, Any]:
        return {"ID": name, "Status": status, "Filter": {"Prefix": ""}, **what}

    rules = [
        rule("daily", Expiration={"Days": 1}, Filter={"Prefix": "media/"}),
        rule("paused", "Disabled", Expiration={"Days": 1}),
        rule("old versions", NoncurrentVersionExpiration={"NoncurrentDays": 3}),
        rule("dead uploads", AbortIncompleteMultipartUpload={"DaysAfterInitiation": 7}),
    ]
    s3.put_bucket_lifecycle_configuration(Bucket=BUCKET, LifecycleConfiguration={"Rules": rules})
    assert facts_of(s3, BUCKET).expiries == (Expiry("daily", "media/", 1),)


@pytest.mark.parametrize(
    ("statement", "public"),
    [
        ({"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject"}, True),
        ({"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": ["s3:GetObject", "s3:PutObject"]}, True),
        ({"Effect": "Deny", "Principal": "*", "Action": "s3:*"}, False),
        ({"Effect": "Allow", "Principal": {"Service": "cloudfront.amazonaws.com"}, "Action": "s3:GetObject"}, False),
        ({"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", "Condition": {"IpAddress": {}}}, False),
    ],
)
def test_who_may_read_follows_from_the_policy(s3: Any, statement: dict[str, Any], public: bool) -> None:
    policy = {"Version": "2012-10-17", "Statement": [{**statement, "Resource": f"arn:aws:s3:::{BUCKET}/*"}]}
    s3.put_bucket_policy(Bucket=BUCKET, Policy=json.dumps(policy))
    assert facts_of(s3, BUCKET).public is public


def test_an_acl_may_let_everybody_read_too(s3: Any) -> None:
    s3.put_bucket_acl(Bucket=BUCKET, ACL="public-read")
    assert facts_of(s3, BUCKET).public is True


def test_some_object_is_found_to_try_its_address(s3: Any) -> None:
    assert any_object(s3, BUCKET, "outputs/") is None
    put(s3, FILM)
    assert any_object(s3, BUCKET, "outputs/") == KEY
    assert any_object(s3, "nowhere", "outputs/") is None

"""Stores that speak S3 without being S3: SeaweedFS stands for Spaces, R2 and B2, with `StorageEndpoint` set as for them."""

import socket
from dataclasses import replace
from typing import Any

import pytest

from local.seaweedfs import Store
from reelkeeper.adapters.bucket import Bucket
from reelkeeper.adapters.source import Source
from reelkeeper.domain.errors import Refused, RetryLater
from reelkeeper.domain.stores import Place
from reelkeeper.services.transfer import Copier
from reelkeeper.settings import SourceSettings
from tests.integration.conftest import DOMAIN, LARGE, SMALL
from tests.integration.recording import as_b2, before

pytestmark = pytest.mark.xdist_group("seaweedfs")


@pytest.fixture
def names_resolve(monkeypatch: pytest.MonkeyPatch) -> None:
    """What DNS does for `{bucket}.{region}.digitaloceanspaces.com`: every name below DOMAIN leads to the store."""
    ask = socket.getaddrinfo

    def resolve(host: Any, *rest: Any, **more: Any) -> Any:
        return ask("127.0.0.1" if str(host).endswith(DOMAIN) else host, *rest, **more)

    monkeypatch.setattr(socket, "getaddrinfo", resolve)


def source(store: Store) -> Source:
    return Source(SourceSettings(hosts=frozenset(), local_hosts=frozenset({store.host}), max_bytes=2**30))


def copy(store: Store, name: str, key: str, bucket: Bucket) -> None:
    Copier(source(store), bucket).copy(f"{store.endpoint}/made/{name}", key, name=name)


@pytest.mark.parametrize(("name", "body"), [("small.mp4", SMALL), ("large.mp4", LARGE)])
def test_what_is_copied_is_there_byte_for_byte_and_described(store: Store, name: str, body: bytes) -> None:
    copy(store, name, f"described/{name}", Bucket(store.settings("kept"), keys=store.keys))
    found = store.client().get_object(Bucket="kept", Key=f"described/{name}")
    assert found["Body"].read() == body
    assert found["ContentType"] == "video/mp4"
    assert found["ContentDisposition"].startswith("inline")
    assert "immutable" in found["CacheControl"]


@pytest.mark.parametrize("name", ["small.mp4", "large.mp4"])
def test_a_bucket_in_the_host_name_works_like_one_in_the_path(store: Store, name: str, names_resolve: None) -> None:
    virtual = replace(
        store.settings("kept", addressing="virtual"), endpoint=f"http://{DOMAIN}:{store.endpoint.rpartition(':')[2]}"
    )
    copy(store, name, f"virtual/{name}", Bucket(virtual, keys=store.keys))
    assert store.client().head_object(Bucket="kept", Key=f"virtual/{name}")


@pytest.mark.parametrize("name", ["small.mp4", "large.mp4"])
@pytest.mark.parametrize("acl", ["public-read", ""])
def test_an_acl_is_sent_where_one_is_set_and_a_checksum_never(store: Store, name: str, acl: str) -> None:
    with before(store.endpoint) as door:
        behind_it = replace(store.settings("kept", acl=acl), endpoint=door.address)
        copy(store, name, f"acl{acl}/{name}", Bucket(behind_it, keys=store.keys))
    describing = [one for one in door.requests if one.headers.get("content-type") == "video/mp4"]
    assert describing
    assert all(one.headers.get("x-amz-acl", "") == acl for one in describing)
    assert not [one for one in door.requests if "x-amz-acl" in one.headers and one not in describing]
    # Stores that only speak S3 choke on these; `when_required` is what their own pages ask for (docs/storage.md).
    sent = {header for one in door.requests if one.method in ("PUT", "POST") for header in one.headers}
    assert not [header for header in sent if "checksum" in header or header == "x-amz-trailer"]
    assert not [one for one in door.requests if "aws-chunked" in one.headers.get("content-encoding", "")]


@pytest.mark.parametrize("name", ["small.mp4", "large.mp4"])
def test_what_makes_an_object_visible_never_replaces_one(store: Store, name: str) -> None:
    with before(store.endpoint) as door:
        behind_it = replace(store.settings("kept"), endpoint=door.address)
        copy(store, name, f"conditional/{name}", Bucket(behind_it, keys=store.keys))
    assert [one for one in door.requests if one.headers.get("if-none-match") == "*"]
    for one in door.requests:
        visible = (one.method == "PUT" and "partNumber" not in one.target) or (
            one.method == "POST" and "uploads" not in one.target
        )
        assert (one.headers.get("if-none-match") == "*") == visible, one


@pytest.mark.parametrize(("name", "other"), [("small.mp4", "large.mp4"), ("large.mp4", "small.mp4")])
def test_a_second_copy_is_the_same_and_another_file_is_refused(store: Store, name: str, other: str) -> None:
    bucket = Bucket(store.settings("kept"), keys=store.keys)
    copy(store, name, f"twice/{name}", bucket)
    copy(store, name, f"twice/{name}", bucket)
    with pytest.raises(Refused, match=f"twice/{name}"):
        copy(store, other, f"twice/{name}", bucket)
    assert store.client().head_object(Bucket="kept", Key=f"twice/{name}")["ContentLength"] == len(
        SMALL if name == "small.mp4" else LARGE
    )
    assert "Uploads" not in store.client().list_multipart_uploads(Bucket="kept")


@pytest.mark.parametrize(
    ("wrong", "says"),
    [({"keys": ("reelkeeper", "wrong")}, "SignatureDoesNotMatch"), ({"keys": ("nobody", "wrong")}, "InvalidAccessKeyId")],
)
def test_wrong_keys_are_told_as_such_and_remembered_so_that_the_secret_is_read_again(
    store: Store, wrong: dict[str, Any], says: str
) -> None:
    bucket = Bucket(store.settings("kept"), **wrong)
    with pytest.raises(RetryLater, match=says):
        copy(store, "small.mp4", "never.mp4", bucket)
    assert bucket.refused


def test_a_look_is_enough_to_know_that_the_keys_are_refused_and_where_it_is_not_ours_it_says_nothing(store: Store) -> None:
    bucket = Bucket(store.settings("kept"), keys=("nobody", "wrong"))
    assert bucket.look(Place("made", "small.mp4")) is None
    assert not bucket.refused
    with pytest.raises(RetryLater, match="check the storage settings"):
        bucket.head("small.mp4")
    assert bucket.refused


def test_good_keys_are_never_taken_for_refused(store: Store) -> None:
    bucket = Bucket(store.settings("kept"), keys=store.keys)
    assert bucket.head("never.mp4") is None
    assert bucket.look(Place("nowhere", "never.mp4")) is None
    assert not bucket.refused


@pytest.mark.parametrize(("name", "body"), [("small.mp4", SMALL), ("large.mp4", LARGE)])
def test_a_store_without_conditional_writes_keeps_files_all_the_same(store: Store, name: str, body: bytes) -> None:
    with before(store.endpoint) as door:
        door.lacks = as_b2
        bucket = Bucket(replace(store.settings("kept"), endpoint=door.address), keys=store.keys)
        copy(store, name, f"b2/{name}", bucket)
        assert store.client().get_object(Bucket="kept", Key=f"b2/{name}")["Body"].read() == body
        # Asked once, it is not asked again.
        copy(store, name, f"b2/second-{name}", bucket)
    assert [one.status for one in door.requests if "if-none-match" in one.headers] == [501]


@pytest.mark.parametrize(("name", "other"), [("small.mp4", "large.mp4"), ("large.mp4", "small.mp4")])
def test_without_conditional_writes_another_file_is_refused_too(store: Store, name: str, other: str) -> None:
    with before(store.endpoint) as door:
        door.lacks = as_b2
        bucket = Bucket(replace(store.settings("kept"), endpoint=door.address), keys=store.keys)
        copy(store, name, f"b2-taken/{name}", bucket)
        with pytest.raises(Refused, match=f"b2-taken/{name}"):
            copy(store, other, f"b2-taken/{name}", bucket)
    length = store.client().head_object(Bucket="kept", Key=f"b2-taken/{name}")["ContentLength"]
    assert length == len(SMALL if name == "small.mp4" else LARGE)

"""What the integration tests share: AWS in process (moto), and one SeaweedFS for all that need a store (one xdist group)."""

import random
import threading
from collections.abc import Callable, Iterator
from typing import Any

import boto3
import pytest
from moto import mock_aws
from moto.dynamodb.models import DynamoDBBackend

from local import seaweedfs
from local.seaweedfs import Store
from reelkeeper.adapters.bucket import Bucket
from reelkeeper.adapters.ledger import Ledger
from reelkeeper.settings import StorageSettings
from tests.unit.cloudformation import resource

DOMAIN = "spaces.test"
SMALL = b"a short film"
LARGE = random.Random(4).randbytes(21 * 2**20 + 7)


@pytest.fixture(scope="session")
def store() -> Iterator[Store]:
    """A store with NCA's bucket `made`, readable by anyone and with two films in it, and the bucket `kept`."""
    with seaweedfs.serve(domain=DOMAIN) as store:
        store.make_bucket("made", public=True)
        store.make_bucket("kept")
        store.client().put_object(Bucket="made", Key="small.mp4", Body=SMALL)
        store.client().put_object(Bucket="made", Key="large.mp4", Body=LARGE)
        yield store


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Nothing in the block reaches further than this process."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    with mock_aws():
        yield


@pytest.fixture
def dynamodb(aws: None, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A client; the table `ledger` has the template's keys and indexes."""
    _make_atomic(monkeypatch)
    client = boto3.client("dynamodb")
    declared = resource("Ledger")
    names = ("KeySchema", "AttributeDefinitions", "BillingMode", "GlobalSecondaryIndexes")
    client.create_table(TableName="ledger", **{name: declared[name] for name in names})
    return client


def _make_atomic(monkeypatch: pytest.MonkeyPatch) -> None:
    """DynamoDB judges a condition and writes in one step; moto lets another thread in between."""
    alone = threading.RLock()

    def locked(write: Callable[..., Any]) -> Callable[..., Any]:
        def wait_and_write(*args: Any, **options: Any) -> Any:
            with alone:
                return write(*args, **options)

        return wait_and_write

    for name in ("put_item", "update_item", "delete_item", "transact_write_items"):
        monkeypatch.setattr(DynamoDBBackend, name, locked(getattr(DynamoDBBackend, name)))


@pytest.fixture
def ledger(dynamodb: Any) -> Ledger:
    return Ledger(dynamodb, "ledger")


@pytest.fixture
def versioned(aws: None) -> Bucket:
    """The bucket `kept`, which keeps every version, behind https://kept.example.net."""
    client = boto3.client("s3")
    client.create_bucket(Bucket="kept")
    client.put_bucket_versioning(Bucket="kept", VersioningConfiguration={"Status": "Enabled"})
    return Bucket(StorageSettings.read({"BUCKET": "kept", "PUBLIC_URL_TEMPLATE": "https://kept.example.net"}))

"""New keys of a store are tried at the store itself, a real one, before `reelkeeper rotate` puts them into the secret."""

from dataclasses import dataclass
from typing import Any

import pytest

from local import seaweedfs
from local.seaweedfs import Store
from reelkeeper.cli.keys import KEYS
from reelkeeper.domain.errors import RetryLater
from reelkeeper.settings import NcaBucketSettings, SourceSettings, StorageSettings
from scripts.answers import Refused
from scripts.trials import doubts

pytestmark = pytest.mark.xdist_group("seaweedfs")


@dataclass(frozen=True, slots=True)
class Settings:
    """As much of them as these keys are used with."""

    storage: StorageSettings
    nca_bucket: NcaBucketSettings
    source: SourceSettings


@dataclass(frozen=True, slots=True)
class Place:
    settings: Settings


@pytest.fixture
def place(store: Store) -> Any:
    source = SourceSettings(hosts=frozenset(), local_hosts=frozenset({store.host}), max_bytes=2**30)
    return Place(Settings(store.settings("kept"), NcaBucketSettings(f"{store.endpoint}/made", region=seaweedfs.REGION), source))


@pytest.mark.parametrize("what", ["storage", "nca-bucket"])
def test_a_pair_is_accepted_only_where_the_store_accepts_it(store: Store, place: Any, what: str) -> None:
    keys = KEYS[what]
    keys.fits(place, dict(zip(keys.names, store.keys, strict=True)))
    for wrong in (("nobody", store.secret_key), (store.access_key, "wrong")):
        with pytest.raises(RetryLater):
            keys.fits(place, dict(zip(keys.names, wrong, strict=True)))


def test_make_deploy_tries_the_stores_keys_before_anything_is_made(store: Store) -> None:
    values = {
        "AirtableBaseId": "app0123456789ABCD",
        "StorageEndpoint": store.endpoint,
        "StorageBucket": "kept",
        "StorageAddressing": "path",
    }
    good = dict(zip(("storage_access_key", "storage_secret_key"), store.keys, strict=True))
    assert not [line for line in doubts(values, good, {"airtable_token"}) if "store" in line]
    with pytest.raises(Refused, match="does not take these keys for kept"):
        list(doubts(values, {**good, "storage_secret_key": "wrong"}, {"airtable_token"}))

"""A stack that moves to a store of one's own, as docs/operating.md says: new files go there, earlier ones stay."""

import subprocess
from collections.abc import Iterator
from datetime import timedelta

import pytest
import requests

from local import build, seaweedfs
from local.engine import Engine, Order
from local.media import make
from local.media.probe import probe
from local.seaweedfs import Store
from local.stack import ROOT_KEYS
from local.world import World
from local.world import world as start
from reelkeeper.adapters.secret_changes import change_secret
from tests.e2e.ledger import job, let_pass, settled, state
from tests.terminal import REELKEEPER

pytestmark = pytest.mark.xdist_group("moved stack")


@pytest.fixture(scope="module")
def store() -> Iterator[Store]:
    with seaweedfs.serve() as store:
        store.make_bucket("films", public=True)
        yield store


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    with start(port=0, parameters={"PollRate": "rate(1 hour)"}, rate_limited=False) as everything:
        yield everything


@pytest.fixture(scope="module")
def scene(world: World) -> str:
    return world.nca.put_input("scene.mp4", make.video(seconds=2, hue=0.1))


@pytest.fixture(scope="module")
def before(world: World, scene: str) -> Order:
    """A job whose file is kept in the stack's own bucket."""
    engine = Engine(world)
    order = engine.concatenate("Before", [scene])
    settled(world, engine, order)
    assert world.airtable.wait_ingested()
    return order


@pytest.fixture(scope="module")
def moved(world: World, before: Order, store: Store) -> Store:
    """The stack deployed again with `StorageEndpoint`; its keys are in the secret first, as `make deploy` puts them there."""
    keys = {"storage_access_key": store.access_key, "storage_secret_key": store.secret_key}
    change_secret(world.aws.client("secretsmanager"), world.aws.outputs["CredentialsSecretArn"], keys)
    _deploy(
        world,
        StorageEndpoint=store.endpoint,
        StorageRegion=seaweedfs.REGION,
        StorageBucket="films",
        StorageAddressing="path",
        PublicUrlTemplate=f"{store.endpoint}/films/{{key}}",
    )
    return store


def test_files_go_to_the_store_from_then_on_and_play_from_its_address(world: World, moved: Store, scene: str) -> None:
    engine = Engine(world)
    order = engine.concatenate("After", [scene, scene])
    settled(world, engine, order)
    url = engine.permanent_url(order) or ""
    assert url.startswith(f"{moved.endpoint}/films/outputs/{order.job_id}/")
    for name in world.nca.toolkit.made(order.job_id):
        world.nca.storage.delete(name)
    assert probe(requests.get(url, timeout=10).content).frames == 96
    let_pass(world, order.job_id, timedelta(days=8))
    world.aws.invoke("poller")
    assert state(world, order.job_id) == "kept"


def test_what_was_kept_before_stays_where_it_is_and_passes_its_audits(world: World, moved: Store, before: Order) -> None:
    url = Engine(world).permanent_url(before) or ""
    assert url.startswith(world.aws.media_address)
    let_pass(world, before.job_id, timedelta(days=8))
    world.aws.invoke("poller")
    known = job(world, before.job_id)
    assert known is not None
    assert (known.state, known.attempts, known.outputs[0].permanent_url) == ("kept", 0, url)
    assert probe(requests.get(url, timeout=10).content).frames == 48


@pytest.mark.parametrize(
    ("typed", "status", "said"), [("{access}\n{secret}\n", 0, "accepted"), ("{access}\nwrong\n", 2, "Nothing")]
)
def test_the_stores_keys_are_rotated_once_the_store_itself_accepts_them(
    world: World, moved: Store, typed: str, status: int, said: str
) -> None:
    ran = subprocess.run(
        [REELKEEPER, "rotate", "storage", "--yes", "--stack", "reelkeeper-local"],
        env={**ROOT_KEYS, "AWS_ENDPOINT_URL": world.aws.endpoint},
        input=typed.format(access=moved.access_key, secret=moved.secret_key),
        capture_output=True,
        text=True,
        check=False,
    )
    assert (ran.returncode, said in ran.stdout + ran.stderr) == (status, True), ran.stderr


def test_back_in_the_stacks_own_bucket_everything_still_plays(world: World, moved: Store, before: Order, scene: str) -> None:
    engine = Engine(world)
    abroad = engine.concatenate("Abroad", [scene])
    settled(world, engine, abroad)
    _deploy(world, StorageEndpoint="", StorageBucket="", PublicUrlTemplate=f"{world.aws.media_address}/{{key}}")
    home = engine.concatenate("Home", [scene])
    settled(world, engine, home)
    addresses = [engine.permanent_url(order) or "" for order in (before, abroad, home)]
    assert [address.startswith(world.aws.media_address) for address in addresses] == [True, False, True]
    assert [probe(requests.get(address, timeout=10).content).frames for address in addresses] == [48, 48, 48]


def _deploy(world: World, **parameters: str) -> None:
    """The running stack with other parameters, its stand-ins named again: `make deploy` keeps what is in force by itself."""
    stand_ins = {"AirtableEndpoint": world.airtable.address, "NcaUrl": world.nca.address, "SourceLocalHosts": world.nca.host}
    environ = {"AWS_ENDPOINT_URL": world.aws.endpoint, **ROOT_KEYS}
    build.deploy({**stand_ins, **parameters}, environ=environ, log=world.aws.folder / "sam.log")

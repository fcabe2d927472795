"""What goes wrong around the functions, on the deployed stack: nothing is lost, copied twice or failed falsely."""

import json
import secrets
from datetime import timedelta
from typing import Any

import requests

from local.engine import Engine, Order
from local.media.probe import probe
from local.nca import Fault
from local.rights import without
from local.world import World
from reelkeeper.domain.job import Event
from tests.e2e.ledger import job, settled, state
from tests.e2e.waiting import until


def versions(world: World, order: Order) -> list[Any]:
    """Every version of every object of the job."""
    found = world.aws.client("s3").list_object_versions(Bucket=world.aws.bucket, Prefix=f"outputs/{order.job_id}/")
    return list(found.get("Versions", []))


def test_callbacks_that_come_while_sqs_is_down_are_kept_and_taken_by_the_next_sweep(
    world: World, engine: Engine, scene: str
) -> None:
    with without(world.aws, "webhook", "queue"):
        order = engine.concatenate("Down", [scene])
        assert world.nca.toolkit.wait_idle()
        assert [sent.status for sent in world.nca.callbacks.sent][-1] == 202
    assert job(world, order.job_id) is None
    assert world.aws.invoke("poller")["inboxed"] == 1
    settled(world, engine, order)
    waiting = world.aws.client("s3").list_objects_v2(Bucket=world.aws.bucket, Prefix="inbox/")
    assert waiting["KeyCount"] == 0


def test_a_callback_of_six_megabytes_is_kept_word_for_word(world: World) -> None:
    # Random, since the ledger keeps a callback that can be packed small.
    body = json.dumps({"job_id": "large", "code": 500, "message": secrets.token_hex(2_950_000)})
    assert world.aws.post_callback(body).status_code == 202
    until(lambda: state(world, "large") == "failed", "the large callback to be read")

    def kept() -> bool:
        keys = [one["Key"] for one in _objects(world, "callbacks/")]
        texts = [world.aws.client("s3").get_object(Bucket=world.aws.bucket, Key=key)["Body"].read() for key in keys]
        return any(json.loads(text)["body"] == body for text in texts)

    until(kept, "its body to be kept")


def test_airtable_being_down_costs_no_file_and_no_second_copy(world: World, engine: Engine, scene: str) -> None:
    world.airtable.faults.down = True
    order = engine.concatenate("Desk closed", [scene])
    until(lambda: state(world, order.job_id) == "stored", "the file to be kept")
    until(lambda: _tries(world, order), "Airtable to be tried in vain")
    assert len(versions(world, order)) == 1
    world.airtable.faults.clear()
    settled(world, engine, order)
    assert len(versions(world, order)) == 1


def test_a_429_puts_the_job_back_for_half_a_minute_and_sleeps_nowhere(world: World, engine: Engine, scene: str) -> None:
    world.nca.switches.on(Fault.SLOW, seconds=1, times=1)
    order = engine.concatenate("Busy desk", [scene])
    _use_up_the_rate(world)
    refused = until(lambda: _tries(world, order), "the 429 to be noted")[0]
    assert "429" in refused.what
    known = settled(world, engine, order)
    assert known.told_at is not None
    assert known.told_at - refused.at > timedelta(seconds=29)


def test_a_source_that_breaks_off_is_read_again_and_nothing_half_is_ever_seen(world: World, engine: Engine, scene: str) -> None:
    world.nca.switches.on(Fault.CUT_SHORT, times=1)
    order = engine.concatenate("Cut off", [scene])
    settled(world, engine, order)
    assert probe(requests.get(engine.permanent_url(order) or "", timeout=10).content).frames == 48
    assert len(versions(world, order)) == 1


def test_nca_answering_500_fails_nothing(world: World, engine: Engine, scene: str) -> None:
    """The job's callback is lost, and the status routes are down when the poller asks."""
    world.nca.switches.on(Fault.STATUS_500)
    world.aws.post_callback({"job_id": "nobody-knows", "message": "?"}, {"job_id": "recAAAAAAAAAAAAAA"})
    until(lambda: state(world, "nobody-knows") == "submitted", "the job to be known")
    world.aws.invoke("poller")
    assert state(world, "nobody-knows") == "submitted"


def test_a_message_that_is_not_ours_is_buried_with_the_reason(world: World) -> None:
    sqs = world.aws.client("sqs")
    sqs.send_message(QueueUrl=world.aws.queue_url, MessageBody="not one of ours")

    def buried() -> list[Any]:
        received = sqs.receive_message(QueueUrl=world.aws.dead_letter_url, MessageAttributeNames=["All"], VisibilityTimeout=0)
        return [one for one in received.get("Messages", []) if one["Body"] == "not one of ours"]

    (dead, *_) = until(buried, "the message to be buried")
    assert "not a Reelkeeper message" in dead["MessageAttributes"]["reason"]["StringValue"]


def _tries(world: World, order: Order) -> list[Event]:
    """The tries that failed since the file was kept."""
    known = job(world, order.job_id)
    lines = known.history if known else ()
    kept = next((place for place, event in enumerate(lines) if event.what.startswith("stored")), len(lines))
    return list(lines[kept + 1 :])


def _objects(world: World, prefix: str) -> list[Any]:
    return list(world.aws.client("s3").list_objects_v2(Bucket=world.aws.bucket, Prefix=prefix).get("Contents", []))


def _use_up_the_rate(world: World) -> None:
    address = f"{world.airtable.address}/v0/{world.airtable.base_id}/Jobs?maxRecords=1"
    headers = {"Authorization": f"Bearer {world.airtable.token}"}
    codes = [requests.get(address, headers=headers, timeout=10).status_code for _ in range(6)]
    assert codes[-1] == 429

"""The media gate on the deployed stack: what is not what it claims to be reaches neither the CDN nor Airtable."""

import pytest
import requests

from local.engine import Engine, Order
from local.media.probe import probe
from local.nca import Fault
from local.world import World
from reelkeeper.domain.naming import object_key, quarantine_key
from tests.e2e.ledger import settled


def key(order: Order) -> str:
    return object_key(order.job_id, 0, f"{order.job_id}.mp4")


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        (Fault.HTML, "an HTML page (“Sign in to continue”) came instead of a video"),
        (Fault.TRUNCATED, "the MP4 file is not whole"),
    ],
)
def test_a_spoiled_output_is_set_aside_and_airtable_keeps_its_last_good_file(
    world: World, engine: Engine, scene: str, fault: Fault, reason: str
) -> None:
    good = engine.concatenate("Kept", [scene, scene])
    settled(world, engine, good)
    assert world.airtable.wait_ingested(30)
    shown = engine.target(good)
    world.nca.switches.on(fault, times=1)
    bad = engine.concatenate("Kept", [scene], again=good)
    known = settled(world, engine, bad, "failed")
    assert known.state == "rejected"
    # In Airtable: the reason in the job's row, the last good file where it was.
    assert reason in engine.row(bad)["Error Details"]
    assert [one["id"] for one in engine.target(good)[good.field]] == [one["id"] for one in shown[good.field]]
    assert engine.permanent_url(good) == shown[f"{good.field} URL"]
    # In the bucket: aside, with the reason; nothing at the permanent address, and the quarantine is not served.
    aside = world.aws.client("s3").head_object(Bucket=world.aws.bucket, Key=quarantine_key(key(bad)))
    assert reason.split(" (", maxsplit=1)[0] in aside["Metadata"]["reason"]
    for address in (key(bad), quarantine_key(key(bad))):
        assert requests.get(f"{world.aws.media_address}/{address}", timeout=10).status_code in (403, 404)
    # What was good stays so.
    assert probe(requests.get(engine.permanent_url(good) or "", timeout=10).content).frames == 96


def test_a_good_output_passes_and_its_verdict_can_be_read(world: World, engine: Engine, scene: str, voice: str) -> None:
    order = engine.combine("Seen", scene, voice)
    known = settled(world, engine, order)
    (output,) = known.outputs
    assert output.verdict == "plays everywhere"
    assert any("MP4, H.264 320x180, AAC, 2.0 s: plays everywhere" in event.what for event in known.history)
    assert '"playing": ["plays everywhere"]' in engine.row(order)["Response Payload"]
    answer = requests.get(engine.permanent_url(order) or "", headers={"Range": "bytes=0-3"}, timeout=10)
    assert (answer.status_code, answer.headers["Content-Type"], len(answer.content)) == (206, "video/mp4", 4)

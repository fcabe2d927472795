"""The main path on the deployed stack: NCA reports, the file is kept for good, Airtable tells the truth."""

from concurrent.futures import ThreadPoolExecutor

import requests

from local.engine import Engine
from local.media.probe import probe
from local.nca import Fault
from local.rights import unread_queue
from local.world import World
from tests.e2e.ledger import settled, state
from tests.e2e.waiting import until


def test_a_segment_is_kept_shown_and_plays_after_nca_has_deleted_its_copy(
    world: World, engine: Engine, scene: str, voice: str
) -> None:
    order = engine.combine("Opening", scene, voice)
    settled(world, engine, order)
    for name in world.nca.toolkit.made(order.job_id):
        world.nca.storage.delete(name)
    url = engine.permanent_url(order)
    assert url is not None
    played = requests.get(url, timeout=10)
    found = probe(played.content)
    assert (found.frames, found.width, found.audio_codec is not None) == (48, 320, True)
    assert played.headers["Content-Type"] == "video/mp4"
    assert played.headers["Content-Disposition"].startswith("inline")
    assert "immutable" in played.headers["Cache-Control"]
    target = engine.target(order)
    assert target["Status"] == "combined"
    assert world.airtable.wait_ingested()
    (attachment,) = engine.target(order)["Voiceover + Video"]
    assert (attachment["size"], attachment["type"]) == (len(played.content), "video/mp4")
    assert state(world, order.job_id) == "published"


def test_a_video_of_segments_goes_to_a_table_without_a_status(world: World, engine: Engine, scene: str) -> None:
    order = engine.concatenate("Film", [scene, scene])
    settled(world, engine, order)
    content = requests.get(engine.permanent_url(order) or "", timeout=10).content
    assert probe(content).frames == 96
    assert engine.permanent_url(order) in engine.row(order)["Response Payload"]


def test_a_failure_tells_airtable_why(world: World, engine: Engine, scene: str) -> None:
    order = engine.combine("Broken", scene, f"{world.nca.address}/storage/media/missing.mp3?signature=secret")
    settled(world, engine, order, "failed")
    assert "404" in engine.row(order)["Error Details"]
    assert "secret" not in engine.row(order)["Error Details"]
    assert engine.target(order)["Status"] == "combination_failed"
    assert "Voiceover + Video" not in engine.target(order)


def test_the_same_callback_fifty_times_has_one_effect(world: World, engine: Engine, scene: str, voice: str) -> None:
    world.nca.switches.on(Fault.NO_CALLBACK, times=1)
    order = engine.combine("Repeated", scene, voice)
    assert world.nca.toolkit.wait_idle()
    report = world.nca.toolkit.file(order.job_id)
    assert report is not None
    world.airtable.journal.clear()
    # Ten callers, as many as a new account's functions may be at once; persist has all fifty before it.
    with unread_queue(world.aws), ThreadPoolExecutor(10) as callers:
        answers = list(callers.map(lambda _: world.aws.post_callback(report.response, order.query), range(50)))
    assert {answer.status_code for answer in answers} == {202}
    settled(world, engine, order)
    _until_the_queue_is_empty(world)
    versions = world.aws.client("s3").list_object_versions(Bucket=world.aws.bucket, Prefix=f"outputs/{order.job_id}/")
    assert len(versions["Versions"]) == 1
    assert [len(world.airtable.journal.writes(table)) for table in ("Segments", "Jobs")] == [1, 1]
    assert world.airtable.wait_ingested()
    assert len(engine.target(order)["Voiceover + Video"]) == 1


def test_a_callback_without_an_id_finds_its_row_by_its_address(world: World, engine: Engine, scene: str, voice: str) -> None:
    world.nca.switches.on(Fault.NULL_ID, times=1)
    order = engine.combine("Nameless", scene, voice)
    settled(world, engine, order)
    assert engine.permanent_url(order)


def test_a_job_of_a_row_that_is_not_there_yet_waits_for_it(world: World, engine: Engine, scene: str) -> None:
    """The engine writes its row after a short job has called back already."""
    base = world.airtable.base
    address = f"{world.aws.webhook_base_url()}/webhooks/nca-toolkit?operation=concatenate"
    payload = {"video_urls": [{"video_url": scene}], "webhook_url": address}
    job_id = world.nca.submit("/v1/video/concatenate", payload).json()["job_id"]
    until(lambda: state(world, job_id) == "stored", "the file to be kept while nobody asks for it")
    video = base.create("Videos", {"Name": "Late"})
    row = base.create("Jobs", {"Type": "concatenate", "External Job ID": job_id, "Related Video": [video]})
    until(lambda: base.get("Jobs", row).get("Status") == "completed", "the late row to be told")
    assert base.get("Videos", video)["Combined Segments Video URL"]


def _until_the_queue_is_empty(world: World) -> None:
    names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]

    def empty() -> bool:
        found = world.aws.client("sqs").get_queue_attributes(QueueUrl=world.aws.queue_url, AttributeNames=names)
        return all(int(found["Attributes"][name]) == 0 for name in names)

    until(empty, "the queue to be empty", seconds=120)

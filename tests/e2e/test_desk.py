"""Airtable's side on the deployed stack: its share of requests, attachments that are verified, files that stay."""

import json
import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import requests

from local.airtable.schema import FieldType
from local.engine import Engine, Order
from local.stack import REGION, ROOT_KEYS, STACK_NAME
from local.world import World
from reelkeeper.domain.message import Message, encode
from tests.e2e.ledger import job, let_pass, settled, state
from tests.e2e.waiting import until

JOBS = 200
# The template's default.
SHARE = 4


def test_an_attachment_that_airtable_could_not_fetch_is_attached_again(world: World, engine: Engine, scene: str) -> None:
    ingest = world.airtable.ingest
    most, ingest.most_bytes = ingest.most_bytes, 10
    try:
        order = engine.concatenate("Not fetched", [scene])
        settled(world, engine, order, seconds=180)
        assert world.airtable.wait_ingested()
    finally:
        ingest.most_bytes = most
    assert "Combined Segments Video" not in engine.target(order)
    let_pass(world, order.job_id, timedelta(minutes=10))
    world.aws.invoke("poller")
    assert world.airtable.wait_ingested()
    (attachment,) = engine.target(order)["Combined Segments Video"]
    assert attachment["size"] > 10
    let_pass(world, order.job_id, timedelta(minutes=10))
    world.aws.invoke("poller")
    known = job(world, order.job_id)
    assert known is not None
    assert known.ingested_at is not None
    assert engine.row(order)["History"].endswith("attached, at the second try")


def test_a_week_later_the_file_is_kept_and_one_that_was_deleted_comes_back(
    world: World, engine: Engine, scene: str, voice: str
) -> None:
    order = engine.combine("Kept", scene, voice)
    settled(world, engine, order, seconds=180)
    assert world.airtable.wait_ingested()
    let_pass(world, order.job_id, timedelta(days=8))
    world.aws.invoke("poller")
    assert state(world, order.job_id) == "kept"
    url = engine.permanent_url(order) or ""
    whole = requests.get(url, timeout=30).content
    known = job(world, order.job_id)
    assert known is not None
    world.aws.client("s3").delete_object(Bucket=world.aws.bucket, Key=known.outputs[0].key)
    let_pass(world, order.job_id, timedelta(days=60))
    world.aws.invoke("poller")
    answer = requests.get(url, timeout=30)
    assert (answer.status_code, answer.content == whole) == (200, True)
    assert answer.headers["Content-Type"] == "video/mp4"
    known = job(world, order.job_id)
    assert known is not None
    assert "earlier version" in known.history[-1].what


def test_an_object_without_earlier_versions_is_copied_again_from_its_source(world: World, engine: Engine, scene: str) -> None:
    order = engine.concatenate("Copied again", [scene])
    settled(world, engine, order, seconds=180)
    for version in _versions(world, order):
        world.aws.client("s3").delete_object(Bucket=world.aws.bucket, Key=version["Key"], VersionId=version["VersionId"])
    let_pass(world, order.job_id, timedelta(days=8))
    world.aws.invoke("poller")
    until(lambda: state(world, order.job_id) == "published", "the file to be copied again")
    assert requests.get(engine.permanent_url(order) or "", timeout=30).status_code == 200
    assert engine.row(order)["Status"] == "completed"


def test_what_was_in_airtable_before_is_kept_by_one_command(world: World, scene: str) -> None:
    base = world.airtable.base
    before = base.create("Videos", {"Name": "Old", "Combined Segments Video": [{"url": scene, "filename": "old film.mp4"}]})
    address = base.create("Videos", {"Name": "Older", "Combined Segments Video URL": scene})
    assert world.airtable.wait_ingested()
    (attachment,) = base.get("Videos", before)["Combined Segments Video"]
    shown = _reelkeeper(world, "backfill", "--table", "Videos", "--dry-run", "--json")
    assert {one["record_id"] for one in json.loads(shown.stdout)} >= {before, address}
    assert "Combined Segments Video URL" not in base.get("Videos", before)
    done = _reelkeeper(world, "backfill", "--table", "Videos", "--yes", "--json", "--wait", "300")
    assert (done.returncode, {one["now"] for one in json.loads(done.stdout)}) == (0, {"kept"})
    for record in (before, address):
        answer = requests.get(base.get("Videos", record)["Combined Segments Video URL"], timeout=30)
        assert (answer.status_code, answer.headers["Content-Type"]) == (200, "video/mp4")
    assert [one["id"] for one in base.get("Videos", before)["Combined Segments Video"]] == [attachment["id"]]
    again = _reelkeeper(world, "backfill", "--table", "Videos", "--dry-run", "--json")
    assert not {one["record_id"] for one in json.loads(again.stdout)} & {before, address}


def test_check_finds_the_deployed_system_in_order_and_says_what_is_not(world: World, engine: Engine, scene: str) -> None:
    settled(world, engine, engine.concatenate("Checked", [scene]), seconds=180)
    good = _reelkeeper(world, "check", "airtable", "--json")
    assert (good.returncode, {one["verdict"] for one in json.loads(good.stdout)}) == (0, {"good"})
    world.airtable.base.remove_field("Videos", "Video + Music")
    try:
        wrong = _reelkeeper(world, "check", "airtable")
    finally:
        world.airtable.base.add_field("Videos", "Video + Music", FieldType.ATTACHMENTS)
    assert wrong.returncode == 1
    assert "table 'Videos' has no field 'Video + Music'" in wrong.stdout
    leaking = world.airtable.base.create("Videos", {"Name": f"{world.airtable.address}", "Video + Music URL": scene})
    storage = _reelkeeper(world, "check", "storage", "--json")
    verdicts = {one["name"]: one["verdict"] for one in json.loads(storage.stdout)}
    world.airtable.base.delete("Videos", leaking)
    assert storage.returncode == 1
    assert verdicts["NCA's addresses in text"] == "fail"
    for name in ("kept files expire", "deleted files come back", "anybody can read a kept file", "signed addresses in text"):
        assert verdicts[name] == "good", name


@pytest.mark.timeout(900)
def test_two_hundred_jobs_that_finish_at_once_keep_to_the_share_and_every_row_is_right(world: World, scene: str) -> None:
    base = world.airtable.base
    rows = {}
    for number in range(JOBS):
        video = base.create("Videos", {"Name": f"Film {number}"})
        job_id = f"00000000-0000-4000-8000-{number:012d}"
        row = base.create("Jobs", {"Status": "processing", "External Job ID": job_id, "Related Video": [video]})
        rows[job_id] = row, video
    world.airtable.journal.clear()

    # As the webhook puts them there, all within a second; a burst on the webhook itself is another test's.
    texts = []
    for job_id, (row, _) in rows.items():
        body = {"job_id": job_id, "code": 200, "message": "success", "response": scene, "endpoint": "/v1/video/concatenate"}
        texts.append(encode(Message(json.dumps(body).encode(), datetime.now(UTC), {"job_id": row, "operation": "concatenate"})))
    for start in range(0, JOBS, 10):
        entries = [{"Id": str(place), "MessageBody": text} for place, text in enumerate(texts[start : start + 10])]
        world.aws.client("sqs").send_message_batch(QueueUrl=world.aws.queue_url, Entries=entries)
    until(lambda: _completed(world, rows.values()) == JOBS, "every row to be completed", seconds=600)
    asked = world.airtable.journal.all()
    print(f"{len(asked) / JOBS:.3f} requests per job, at most {world.airtable.journal.busiest_second()} in a second")
    assert {entry.status for entry in asked} == {200}
    assert world.airtable.journal.busiest_second() <= SHARE
    assert len(asked) <= 0.5 * JOBS
    assert world.airtable.wait_ingested(120)
    for job_id, (row, video) in rows.items():
        shown = base.get("Videos", video)
        (attachment,) = shown["Combined Segments Video"]
        assert (job_id in shown["Combined Segments Video URL"], attachment["type"]) == (True, "video/mp4")
        assert shown["Combined Segments Video URL"] in base.get("Jobs", row)["Response Payload"]
        assert base.get("Jobs", row)["History"].startswith("called back; stored ")


def _reelkeeper(world: World, *words: str) -> subprocess.CompletedProcess[str]:
    command = [str(Path(sys.executable).with_name("reelkeeper")), *words]
    place = ["--stack", STACK_NAME, "--region", REGION, "--endpoint-url", world.aws.endpoint]
    environ = {"PATH": os.defpath, "HOME": str(world.aws.folder), **ROOT_KEYS}
    return subprocess.run([*command, *place], env=environ, capture_output=True, text=True, timeout=400, check=False)


def _completed(world: World, rows: object) -> int:
    jobs = world.airtable.base.all("Jobs")
    return sum(jobs[row].get("Status") == "completed" for row, _ in rows)  # type: ignore[attr-defined]


def _versions(world: World, order: Order) -> list[dict[str, str]]:
    found = world.aws.client("s3").list_object_versions(Bucket=world.aws.bucket, Prefix=f"outputs/{order.job_id}/")
    return [*found.get("Versions", []), *found.get("DeleteMarkers", [])]

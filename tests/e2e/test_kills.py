"""Persist killed at any moment: whatever it had done stays done, whatever it had not is done by the next, nothing twice."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path

import pytest
import requests

from local.engine import Engine, Order
from local.media.probe import probe
from local.nca import Fault
from local.nca.storage import Stored
from local.stack import ROOT_KEYS
from local.world import World
from reelkeeper.adapters import pace
from reelkeeper.domain.message import Message, encode
from tests.e2e.ledger import job, settled, state
from tests.e2e.waiting import until

ROOT = Path(__file__).parents[2]
# A dead worker's lease has run out by then.
LATER = timedelta(minutes=5)


class Worker:
    """Persist outside Lambda, on the deployed stack's own settings, dying where it is told to."""

    def __init__(self, world: World) -> None:
        configuration = world.aws.client("lambda").get_function_configuration(FunctionName=world.aws.function("persist"))
        environ = {**configuration["Environment"]["Variables"], **ROOT_KEYS, "AWS_ENDPOINT_URL": world.aws.endpoint}
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.e2e.dying"],
            cwd=ROOT,
            env={"PATH": os.defpath, **environ},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def work(self, text: str, *, dies_at: int = 0, later: timedelta = timedelta()) -> str:
        """How it ended: `died`, `done` or `again`."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        wanted = {"text": text, "dies_at": dies_at, "later_s": later.total_seconds()}
        self._process.stdin.write(json.dumps(wanted) + "\n")
        self._process.stdin.flush()
        lines = (line.strip() for line in self._process.stdout)
        # What the worker logs is on the same stream.
        return next(line for line in lines if not line.startswith("{"))

    def end(self) -> None:
        """Close its input and wait for it."""
        self._process.communicate()


@pytest.fixture
def worker(world: World) -> Iterator[Worker]:
    worker = Worker(world)
    world.airtable.rate.on = False
    yield worker
    world.airtable.rate.on = True
    worker.end()


def test_a_kill_before_each_request_loses_nothing_and_repeats_nothing(
    world: World, engine: Engine, worker: Worker, scene: str
) -> None:
    base = world.airtable.base
    answer = world.nca.submit("/v1/video/concatenate", {"video_urls": [{"video_url": scene}]}).json()
    for dies_at in count(1):
        job_id = f"killed-{dies_at}"
        video = base.create("Videos", {"Name": job_id})
        row = base.create("Jobs", {"Status": "processing", "External Job ID": job_id, "Related Video": [video]})
        text = _message({**answer, "id": row, "job_id": job_id})
        world.airtable.journal.clear()

        ended = worker.work(text, dies_at=dies_at)
        shown = base.get("Videos", video).get("Combined Segments Video URL")
        assert shown is None or requests.get(shown, timeout=10).ok, "told before it was kept"
        if ended == "done":
            break
        assert ended == "died"
        _a_minute_passes(world)
        assert worker.work(text, later=LATER) == "done"

        assert base.get("Jobs", row)["Status"] == "completed"
        assert probe(requests.get(base.get("Videos", video)["Combined Segments Video URL"], timeout=10).content).frames == 48
        versions = world.aws.client("s3").list_object_versions(Bucket=world.aws.bucket, Prefix=f"outputs/{job_id}/")
        assert len(versions["Versions"]) == 1
        assert state(world, job_id) == "published"
        assert world.airtable.wait_ingested()
        assert len(base.get("Videos", video)["Combined Segments Video"]) == 1
        assert max(len(world.airtable.journal.writes(table)) for table in ("Videos", "Jobs")) <= 2
    # Ledger, bucket, Airtable: fewer steps than this would mean that the counter sees nothing.
    assert dies_at > 15


def test_a_function_killed_in_the_middle_of_a_copy_is_followed_by_another(world: World, engine: Engine, scene: str) -> None:
    """SIGKILL of the deployed function itself; its message comes back by itself when its hiding ends."""
    world.nca.switches.on(Fault.STALLED, seconds=20, times=1)
    order = engine.concatenate("Killed", [scene])
    until(lambda: state(world, order.job_id) == "finished", "the copy to begin")
    until(lambda: _stalls(world, order), "the copy to hang")
    assert world.aws.kill("persist") >= 1
    killed_at = datetime.now(UTC)
    known = settled(world, engine, order, seconds=150)
    assert known.told_at is not None
    assert known.told_at - killed_at < timedelta(seconds=150)
    assert probe(requests.get(engine.permanent_url(order) or "", timeout=10).content).frames == 48
    assert job(world, order.job_id) == known


def _a_minute_passes(world: World) -> None:
    """A dead worker holds its share of Airtable's requests for that long; the clock of the share is not the workers'."""
    world.aws.client("dynamodb").delete_item(TableName=world.aws.table, Key={"job_id": {"S": pace.KEY}})


def _stalls(world: World, order: Order) -> bool:
    """Whether the stalling download has begun: it stalls once only."""
    found = world.nca.storage.read(world.nca.toolkit.made(order.job_id)[0])
    return isinstance(found, Stored) and not found.stalls_s


def _message(body: dict[str, object]) -> str:
    query = {"job_id": str(body["id"]), "operation": "concatenate"}
    return encode(Message(body=json.dumps(body).encode(), received_at=datetime.now(UTC), query=query))

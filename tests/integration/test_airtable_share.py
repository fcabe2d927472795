"""Two hundred jobs that finish at once, four workers, one share: what the stand-in's journal says of it, in real time."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any, cast

import boto3
import pytest
from moto import mock_aws

from local.airtable import Served, serve
from local.nca import serve as serve_nca
from reelkeeper.adapters.airtable import Airtable
from reelkeeper.adapters.pace import Pace
from reelkeeper.domain.job import JobState
from reelkeeper.domain.message import encode
from reelkeeper.services.outside import Outside
from reelkeeper.services.persist import persist
from tests.unit.builders import a_callback_body, a_message
from tests.unit.fakes.outside import Fakes
from tests.unit.test_pace import OneAtATime

JOBS, WORKERS, SHARE = 200, 4, 4
FILM = b"film" * 100


@pytest.fixture
def table(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    with mock_aws():
        make: Any = boto3.client
        client = make("dynamodb", region_name="us-east-1")
        client.create_table(
            TableName="ledger",
            BillingMode="PAY_PER_REQUEST",
            KeySchema=[{"AttributeName": "job_id", "KeyType": "HASH"}],
            AttributeDefinitions=[{"AttributeName": "job_id", "AttributeType": "S"}],
        )
        yield OneAtATime(client)


def ordered(fakes: Fakes, airtable: Served, url: str) -> dict[str, tuple[str, str]]:
    """Two hundred jobs whose callbacks wait on the queue: their rows and their videos by job id."""
    rows = {}
    for number in range(JOBS):
        job_id = f"00000000-0000-4000-8000-{number:012d}"
        video = airtable.base.create("Videos", {"Name": f"Film {number}"})
        row = airtable.base.create("Jobs", {"Status": "processing", "Related Video": [video]})
        source = f"{url}?{number}"
        fakes.source.files[source] = FILM
        body = a_callback_body(job_id=job_id, id=row, response={"file_url": source, "filename": "film.mp4"})
        query = {"job_id": row, "operation": "concatenate"}
        fakes.queue.send(encode(a_message(body.encode(), query=query)))
        rows[job_id] = row, video
    airtable.journal.clear()
    return rows


def test_two_hundred_jobs_at_once_keep_to_the_share_and_every_row_is_right(table: Any) -> None:
    fakes = Fakes()
    with serve_nca() as nca, serve() as airtable:
        url = nca.put_input("film.mp4", FILM)
        # What Airtable is to fetch is anything at all here; the rows are what is looked at.
        fakes.bucket.address = lambda key: f"{url}?{key}"  # type: ignore[method-assign]
        rows = ordered(fakes, airtable, url)
        batches = [fakes.queue.receive(JOBS // WORKERS) for _ in range(WORKERS)]

        def work(batch: int) -> tuple[str, ...]:
            pace = Pace(cast("Any", table), "ledger", share=SHARE)
            desk = Airtable(token=airtable.token, base_id=airtable.base_id, endpoint=airtable.address, pace=pace)
            outside: Outside = replace(fakes.outside(), airtable=desk)
            return persist(batches[batch], outside=outside, clock=fakes.clock, chance=lambda: 0.5, owner=f"worker-{batch}")

        with ThreadPoolExecutor(WORKERS) as workers:
            again = [message_id for ids in workers.map(work, range(WORKERS)) for message_id in ids]
        entries = airtable.journal.all()
        print(f"{len(entries) / JOBS:.3f} requests per job, at most {airtable.journal.busiest_second()} in a second")
        assert again == []
        assert {entry.status for entry in entries} == {200}
        assert airtable.journal.busiest_second() <= SHARE
        # Each worker reads the schema once; then three reads a batch, and a write for ten rows of each of two tables.
        assert len(entries) <= 0.3 * JOBS
        assert airtable.wait_ingested(60)
        for job_id, (row, video) in rows.items():
            shown = airtable.base.get("Videos", video)
            assert (len(shown["Combined Segments Video"]), job_id in shown["Combined Segments Video URL"]) == (1, True)
            assert airtable.base.get("Jobs", row)["Status"] == "completed"
            assert job_id in airtable.base.get("Jobs", row)["Response Payload"]
            assert fakes.ledger.job(job_id).state is JobState.PUBLISHED

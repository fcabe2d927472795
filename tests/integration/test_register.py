"""The ledger as people ask it, on a table made from the template."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import boto3
import pytest
from moto import mock_aws

from reelkeeper.adapters.ledger import Ledger
from reelkeeper.adapters.register import Register
from reelkeeper.domain.job import Job, JobState
from tests.unit.builders import NOW, a_job
from tests.unit.cloudformation import resource


@pytest.fixture
def client(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    with mock_aws():
        dynamodb = boto3.client("dynamodb", region_name="us-east-1")
        declared = resource("Ledger")
        dynamodb.create_table(
            TableName="ledger",
            **{name: declared[name] for name in ("KeySchema", "AttributeDefinitions", "BillingMode", "GlobalSecondaryIndexes")},
        )
        yield dynamodb


@pytest.fixture
def ledger(client: Any) -> Ledger:
    return Ledger(client, "ledger")


@pytest.fixture
def register(client: Any) -> Register:
    return Register(client, "ledger")


def keep(ledger: Ledger, count: int, state: JobState = JobState.KEPT, **changes: Any) -> list[Job]:
    """Jobs received one minute after the other, their ids counting up."""
    jobs = []
    for number in range(count):
        at = NOW + timedelta(minutes=number)
        times = {"received_at": at, "updated_at": at}
        if state in (JobState.SUBMITTED, JobState.FINISHED):
            times["due_at"] = at
        jobs.append(ledger.save(a_job(state, job_id=f"{state}-{number:03d}", version=0, **{**times, **changes})))
    return jobs


def test_a_name_leads_to_its_jobs_the_latest_first(ledger: Ledger, register: Register) -> None:
    for job in keep(ledger, 15):
        ledger.refer(job, ["My holiday.mp4"])
    assert register.referred("My holiday.mp4", limit=3) == ("kept-014", "kept-013", "kept-012")
    assert register.items_read == 3
    assert register.referred("somebody else's.mp4", limit=3) == ()


def test_a_pointer_written_twice_is_one(ledger: Ledger, register: Register) -> None:
    (job,) = keep(ledger, 1)
    ledger.refer(job, ["m1"])
    ledger.refer(job, ["m1"])
    assert register.referred("m1", limit=10) == (job.job_id,)


def test_a_pointer_is_no_job(ledger: Ledger, register: Register) -> None:
    (job,) = keep(ledger, 1)
    ledger.refer(job, ["m1"])
    assert register.get("ref#m1#kept-000") is None
    assert [one.job_id for one in register.all() if one] == [job.job_id]


def test_the_latest_jobs_of_a_row_are_read_and_no_others(ledger: Ledger, register: Register) -> None:
    keep(ledger, 30, record_id="recOne")
    assert [job.job_id for job in register.of_record("recOne", limit=4)] == [f"kept-{n:03d}" for n in (29, 28, 27, 26)]
    assert register.items_read == 4


def test_open_jobs_come_in_the_order_in_which_they_are_due(ledger: Ledger, register: Register) -> None:
    keep(ledger, 20, JobState.SUBMITTED)
    keep(ledger, 5)
    found = list(register.open())
    assert [job.job_id for job in found] == [f"submitted-{n:03d}" for n in range(20)]


def test_a_list_leaves_out_what_nothing_happened_to_and_other_states(ledger: Ledger, register: Register) -> None:
    keep(ledger, 10)
    keep(ledger, 10, JobState.FAILED)
    since = NOW + timedelta(minutes=7)
    found = {job.job_id for job in register.all(since=since, states=frozenset({JobState.FAILED})) if job}
    assert found == {"failed-007", "failed-008", "failed-009"}


def test_a_job_comes_out_of_a_list_as_it_went_in(ledger: Ledger, register: Register) -> None:
    (job,) = keep(ledger, 1)
    assert [one for one in register.all() if one] == [job]
    assert register.get(job.job_id) == job

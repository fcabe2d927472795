"""A job and its DynamoDB item are the same thing in two forms, and the indexes are as sparse as the template expects."""

from dataclasses import fields, replace
from datetime import timedelta
from typing import Any

import pytest
from boto3.dynamodb.types import TypeDeserializer
from hypothesis import given
from hypothesis import strategies as st

from reelkeeper.adapters import ledger_items as items
from reelkeeper.adapters.ledger_items import from_item, shard, to_item
from reelkeeper.domain.callback import Sender, Timing
from reelkeeper.domain.job import SETTLED_TTL, Event, Job, JobOutput, JobState
from tests.unit.builders import JOB_ID, NOW, a_job, a_stored_output, moments

words = st.text(st.characters(codec="utf-8"), max_size=20)
seconds = st.none() | st.floats(allow_nan=False, allow_infinity=False)
counts = st.integers(0, 10**15)
outputs = st.builds(
    JobOutput,
    source_url=st.none() | words,
    role=st.sampled_from(["file", "thumbnail"]),
    name=words,
    key=st.none() | words,
    size=st.none() | counts,
    checksum=st.none() | words,
    content_type=st.none() | words,
    permanent_url=st.none() | words,
    stored_at=st.none() | moments,
)
jobs = st.builds(
    Job,
    job_id=words.filter(bool),
    state=st.sampled_from(JobState),
    origin=st.sampled_from(["webhook", "poll", "operator"]),
    received_at=moments,
    updated_at=moments,
    record_id=st.none() | words.filter(bool),
    operation=st.none() | words,
    target_id=st.none() | words,
    endpoint=st.none() | words,
    outputs=st.lists(outputs, max_size=3).map(tuple),
    error=st.none() | words,
    timing=st.builds(Timing, seconds, seconds, seconds),
    sender=st.builds(Sender, st.none() | words, st.none() | words),
    submitted_at=st.none() | moments,
    due_at=st.none() | moments,
    told_at=st.none() | moments,
    settled_at=st.none() | moments,
    attempts=counts,
    resubmissions=counts,
    history=st.lists(st.builds(Event, moments, words), max_size=3).map(tuple),
    version=counts,
)


def plain(job: Job) -> dict[str, Any]:
    """The item's attributes as Python has them."""
    read = TypeDeserializer()
    return {name: read.deserialize(value) for name, value in to_item(job).items()}


@given(jobs)
def test_a_job_comes_out_of_the_ledger_as_it_went_in(job: Job) -> None:
    again = from_item(to_item(job))
    assert again == job
    assert all(type(getattr(again, one.name)) is type(getattr(job, one.name)) for one in fields(Job))
    assert [type(output.size) for output in again.outputs] == [type(output.size) for output in job.outputs]


@given(jobs)
def test_nothing_is_written_as_null(job: Job) -> None:
    def nulls(value: object) -> bool:
        if isinstance(value, dict):
            return any(name == "NULL" or nulls(one) for name, one in value.items())
        return isinstance(value, list) and any(nulls(one) for one in value)

    assert not nulls(to_item(job))


def test_every_field_of_a_job_has_its_attribute() -> None:
    whole = a_job(
        target_id="recT",
        endpoint="/v1/video/trim",
        error="x",
        submitted_at=NOW,
        due_at=NOW,
        told_at=NOW,
        settled_at=NOW,
        published_at=NOW,
        audits=2,
        target_told=True,
        attached=("att1", "att2"),
        beside=("att3",),
        attach_tries=1,
        ingested_at=NOW,
        gone_since=NOW,
        outputs=(a_stored_output(),),
        timing=Timing(1.0, 2.0, 3.0),
        sender=Sender("1", "2"),
    )
    assert set(to_item(whole)) == {one.name for one in fields(Job)} | {items.DUE_SHARD, items.EXPIRES_AT}
    assert from_item(to_item(whole)) == whole


def test_a_job_that_is_due_is_in_the_index_and_no_other() -> None:
    due = plain(a_job(due_at=NOW))
    assert (due[items.DUE_SHARD], due[items.DUE_AT]) == (shard(JOB_ID), "2026-11-23T18:00:00.000Z")
    assert not {items.DUE_SHARD, items.DUE_AT} & set(plain(a_job(due_at=None)))


def test_a_kept_job_has_a_shelf_of_its_own() -> None:
    kept = plain(a_job(JobState.KEPT, due_at=NOW))
    assert kept[items.DUE_SHARD] == f"kept-{shard(JOB_ID)}"


def test_a_job_without_a_row_is_not_in_the_index_of_rows() -> None:
    assert items.RECORD_ID not in plain(a_job(record_id=None))
    assert {items.RECORD_ID, items.RECEIVED_AT} <= set(plain(a_job()))


def test_a_settled_job_expires_in_seconds_since_1970() -> None:
    assert plain(a_job(settled_at=NOW))[items.EXPIRES_AT] == int((NOW + SETTLED_TTL).timestamp())
    assert items.EXPIRES_AT not in plain(a_job(settled_at=None))


@given(st.lists(moments, min_size=2, max_size=2))
def test_due_dates_sort_as_text(two: list[Any]) -> None:
    one, other = (plain(a_job(due_at=at))[items.DUE_AT] for at in two)
    assert (one < other) is (two[0] < two[1])


def test_what_others_write_beside_the_job_is_passed_over() -> None:
    item = to_item(a_job()) | {
        items.LEASE_OWNER: {"S": "me"},
        items.LEASE_UNTIL: {"S": "2026-11-23T18:00:00.000Z"},
        items.MESSAGE: {"B": b"packed"},
        "checkpoint_0": {"S": "{}"},
    }
    assert from_item(item) == a_job()


@given(words)
def test_the_shard_of_a_job_is_one_of_a_few(job_id: str) -> None:
    assert shard(job_id) in {f"{number:02d}" for number in range(items.DUE_SHARDS)}


def test_the_shards_are_stable_and_evenly_filled() -> None:
    # Changing this moves every due job out of the poller's sight.
    assert shard(JOB_ID) == "06"
    filled = [shard(f"job-{number}") for number in range(8_000)]
    assert all(850 < filled.count(one) < 1_150 for one in set(filled))


def test_a_moment_finer_than_a_millisecond_is_cut() -> None:
    finer = a_job(due_at=NOW + timedelta(microseconds=1_999))
    assert from_item(to_item(finer)) == replace(finer, due_at=NOW + timedelta(milliseconds=1))


@pytest.mark.parametrize("state", JobState)
def test_a_state_is_written_by_its_name(state: JobState) -> None:
    assert plain(a_job(state))["state"] == str(state)
    assert from_item(to_item(a_job(state))).state is state

"""The ledger on a table made from the template: one writer by version, one worker by lease, and what is due in its order."""

import json
import secrets
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError

from reelkeeper.adapters.ledger import Ledger, Outrun
from reelkeeper.adapters.ledger_items import DUE_SHARDS, shard
from reelkeeper.domain.errors import Refused, RetryLater
from reelkeeper.domain.job import Job, JobState, note, reopened
from reelkeeper.domain.message import Message, Pointer
from tests.unit.builders import JOB_ID, NOW, RECORD_ID, a_job, a_message, a_stored_output

MINUTE = timedelta(minutes=1)


def a_new_job(state: JobState = JobState.SUBMITTED, **changes: Any) -> Job:
    return a_job(state, **{"version": 0, **changes})


class Failing:
    """A client of which every call fails."""

    def __init__(self, error: Exception) -> None:
        self._error = error

    def __getattr__(self, name: str) -> Callable[..., Any]:
        def fail(**_: object) -> Any:
            raise self._error

        return fail


# Writing.


@pytest.mark.parametrize("state", JobState)
def test_a_job_comes_back_as_it_was_written(ledger: Ledger, state: JobState) -> None:
    saved = ledger.save(
        a_new_job(state, outputs=(a_stored_output(), a_stored_output(1, source_url=None)), error="é\n\U0001f3ac")
    )
    assert saved.version == 1
    assert ledger.get(JOB_ID) == saved


def test_a_job_nobody_heard_of_is_none(ledger: Ledger) -> None:
    assert ledger.get(JOB_ID) is None
    assert ledger.message(JOB_ID) is None


def test_a_job_is_born_once(ledger: Ledger) -> None:
    ledger.save(a_new_job())
    with pytest.raises(Outrun):
        ledger.save(a_new_job())


def test_a_writer_that_read_an_old_version_is_outrun_and_changes_nothing(ledger: Ledger) -> None:
    read = ledger.save(a_new_job())
    first = ledger.save(note(read, at=NOW, what="first"))
    with pytest.raises(Outrun):
        ledger.save(note(read, at=NOW, what="second"))
    assert ledger.get(JOB_ID) == first


def test_a_decision_is_made_again_on_what_the_faster_one_wrote(ledger: Ledger) -> None:
    ledger.save(a_new_job())
    seen: list[int] = []

    def decide(job: Job | None) -> Job:
        assert job is not None
        if not seen:
            ledger.save(note(job, at=NOW, what="faster"))
        seen.append(job.version)
        return note(job, at=NOW, what="slower")

    decided = ledger.change(JOB_ID, decide)
    assert seen == [1, 2]
    assert [event.what for event in decided.history[-2:]] == ["faster", "slower"]


def test_a_job_that_many_write_at_once_is_tried_later(ledger: Ledger) -> None:
    ledger.save(a_new_job())

    def decide(job: Job | None) -> Job:
        assert job is not None
        ledger.save(note(job, at=NOW, what="faster"))
        return note(job, at=NOW, what="slower")

    with pytest.raises(RetryLater):
        ledger.change(JOB_ID, decide)


def test_a_decision_that_changes_nothing_is_not_written(ledger: Ledger) -> None:
    saved = ledger.save(a_new_job())
    assert ledger.change(JOB_ID, lambda job: job or a_new_job()) == saved
    assert ledger.get(JOB_ID) == saved


def test_what_no_longer_applies_leaves_the_item(ledger: Ledger, dynamodb: Any) -> None:
    waiting = ledger.save(a_new_job(error="late", due_at=NOW))
    ledger.save(replace(waiting, due_at=None, error=None))
    item = dynamodb.get_item(TableName="ledger", Key={"job_id": {"S": JOB_ID}})["Item"]
    assert not {"due_at", "due_shard", "error", "expires_at"} & set(item)


def test_a_job_larger_than_an_item_may_be_is_refused_with_the_reason(ledger: Ledger) -> None:
    """Trying again would not make it smaller."""
    ledger.save(a_new_job())
    outputs = tuple(a_stored_output(number, source_url=f"https://files.example.com/{'x' * 900}") for number in range(500))
    with pytest.raises(Refused, match="the ledger cannot hold"):
        ledger.change(JOB_ID, lambda _: a_new_job(outputs=outputs, version=1))


@pytest.mark.parametrize(
    "error",
    [
        EndpointConnectionError(endpoint_url="https://dynamodb.example"),
        ClientError({"Error": {"Code": "ProvisionedThroughputExceededException", "Message": "slow down"}}, "GetItem"),
        ClientError({"Error": {"Code": "ResourceNotFoundException", "Message": "no table"}}, "GetItem"),
        ClientError({"Error": {"Code": "AccessDeniedException", "Message": "no right"}}, "GetItem"),
    ],
    ids=["down", "busy", "missing", "forbidden"],
)
def test_a_ledger_that_does_not_answer_is_asked_again_later(error: Exception) -> None:
    ledger = Ledger(Failing(error), "ledger")  # type: ignore[arg-type]
    for call in (
        lambda: ledger.get(JOB_ID),
        lambda: ledger.save(a_new_job()),
        lambda: ledger.lease(JOB_ID, owner="me", now=NOW, until=NOW),
        lambda: ledger.keep_message(JOB_ID, a_message(), elsewhere=lambda _: ""),
    ):
        with pytest.raises(RetryLater):
            call()


# Leases.


def test_a_lease_is_one_workers_until_it_ends(ledger: Ledger) -> None:
    ledger.save(a_new_job())
    assert ledger.lease(JOB_ID, owner="one", now=NOW, until=NOW + MINUTE)
    assert not ledger.lease(JOB_ID, owner="two", now=NOW, until=NOW + MINUTE)
    assert ledger.lease(JOB_ID, owner="one", now=NOW, until=NOW + 2 * MINUTE)
    assert not ledger.lease(JOB_ID, owner="two", now=NOW + MINUTE, until=NOW + 3 * MINUTE)
    assert ledger.lease(JOB_ID, owner="two", now=NOW + 2 * MINUTE + timedelta(seconds=1), until=NOW + 4 * MINUTE)


def test_a_lease_given_back_is_free_and_only_its_owner_gives_it_back(ledger: Ledger) -> None:
    ledger.save(a_new_job())
    ledger.lease(JOB_ID, owner="one", now=NOW, until=NOW + MINUTE)
    ledger.release(JOB_ID, owner="two")
    assert not ledger.lease(JOB_ID, owner="two", now=NOW, until=NOW + MINUTE)
    ledger.release(JOB_ID, owner="one")
    assert ledger.lease(JOB_ID, owner="two", now=NOW, until=NOW + MINUTE)


def test_a_lease_disturbs_no_decision_and_a_decision_no_lease(ledger: Ledger) -> None:
    read = ledger.save(a_new_job())
    ledger.lease(JOB_ID, owner="one", now=NOW, until=NOW + MINUTE)
    saved = ledger.save(note(read, at=NOW, what="decided"))
    assert ledger.get(JOB_ID) == saved
    assert not ledger.lease(JOB_ID, owner="two", now=NOW, until=NOW + MINUTE)


# Messages and checkpoints.


def nowhere(_: Message) -> str:
    raise AssertionError("it fits into the ledger")


@pytest.mark.parametrize("body", [b"", b'{"code": 200}', b"\xff\x00 not text", b" " * 3_000_000], ids=len)
def test_the_last_message_is_kept_word_for_word(ledger: Ledger, body: bytes) -> None:
    saved = ledger.save(a_new_job())
    ledger.keep_message(JOB_ID, a_message(b"an earlier one"), elsewhere=nowhere)
    ledger.keep_message(JOB_ID, a_message(body), elsewhere=nowhere)
    assert ledger.message(JOB_ID) == a_message(body)
    assert ledger.get(JOB_ID) == saved


def test_a_message_too_large_for_the_ledger_lies_elsewhere(ledger: Ledger) -> None:
    ledger.save(a_new_job())
    lies: dict[str, Message] = {}

    def elsewhere(message: Message) -> str:
        lies["callbacks/large.json"] = message
        return "callbacks/large.json"

    message = a_message(secrets.token_bytes(400_000))
    ledger.keep_message(JOB_ID, message, elsewhere=elsewhere)
    assert ledger.message(JOB_ID) == Pointer("callbacks/large.json")
    assert lies == {"callbacks/large.json": message}


def test_a_checkpoint_is_kept_for_each_output_until_it_is_forgotten(ledger: Ledger) -> None:
    saved = ledger.save(a_new_job())
    assert ledger.checkpoint(JOB_ID, 0) is None
    ledger.save_checkpoint(JOB_ID, 0, "three of four")
    ledger.save_checkpoint(JOB_ID, 1, "none of two")
    assert ledger.checkpoint(JOB_ID, 0) == "three of four"
    ledger.save_checkpoint(JOB_ID, 0, None)
    assert ledger.checkpoint(JOB_ID, 0) is None
    assert ledger.checkpoint(JOB_ID, 1) == "none of two"
    assert ledger.get(JOB_ID) == saved


# What is due.


def test_what_is_due_comes_oldest_first_whichever_shard_it_is_in(ledger: Ledger) -> None:
    names = [f"job-{number:02d}" for number in range(40)]
    assert len({shard(name) for name in names}) == DUE_SHARDS
    for number, name in enumerate(names):
        ledger.save(a_new_job(job_id=name, due_at=NOW - number * MINUTE))
    assert [job.job_id for job in ledger.due(now=NOW, limit=100)] == names[::-1]
    assert [job.job_id for job in ledger.due(now=NOW, limit=3)] == names[:-4:-1]


def test_what_is_not_due_yet_or_never_stays_out(ledger: Ledger) -> None:
    ledger.save(a_new_job(job_id="due", due_at=NOW))
    ledger.save(a_new_job(job_id="later", due_at=NOW + timedelta(milliseconds=1)))
    ledger.save(a_new_job(JobState.KEPT, job_id="never"))
    assert [job.job_id for job in ledger.due(now=NOW, limit=10)] == ["due"]


def test_what_is_kept_waits_for_its_audit_on_a_shelf_of_its_own(ledger: Ledger) -> None:
    ledger.save(a_new_job(JobState.KEPT, job_id="kept", due_at=NOW))
    ledger.save(a_new_job(JobState.STORED, job_id="stored", due_at=NOW))
    assert [job.job_id for job in ledger.due(now=NOW, limit=10)] == ["stored"]
    assert [job.job_id for job in ledger.due(now=NOW, limit=10, kept=True)] == ["kept"]
    # Back among the others once it has to be copied again.
    ledger.change("kept", lambda known: reopened(known or a_new_job(), set(), at=NOW, why="an object is gone"))
    later = NOW + timedelta(hours=1)
    assert {job.job_id for job in ledger.due(now=later, limit=10)} == {"stored", "kept"}
    assert list(ledger.due(now=later, limit=10, kept=True)) == []


def test_more_than_one_page_is_due(ledger: Ledger) -> None:
    """DynamoDB answers a megabyte at a time."""
    outputs = (a_stored_output(source_url=f"https://files.example.com/{'x' * 300_000}"),)
    names = [name for number in range(100) if shard(name := f"job-{number}") == "00"][:8]
    for number, name in enumerate(names):
        ledger.save(a_new_job(job_id=name, outputs=outputs, due_at=NOW - number * MINUTE))
    assert [job.job_id for job in ledger.due(now=NOW, limit=100)] == names[::-1]


def test_what_moved_on_while_the_sweep_went_on_shows_it_on_the_next_write(ledger: Ledger) -> None:
    """The index alone is read, which may be late; the version is not."""
    read = ledger.save(a_new_job())
    ledger.save(replace(read, attempts=1))
    with pytest.raises(Outrun):
        ledger.save(replace(read, attempts=2))


def test_a_job_that_a_worker_has_is_left_to_it_until_its_lease_ends(ledger: Ledger) -> None:
    ledger.save(a_new_job(due_at=NOW))
    ledger.lease(JOB_ID, owner="persist", now=NOW, until=NOW + MINUTE)
    assert list(ledger.due(now=NOW, limit=10)) == []
    assert [job.job_id for job in ledger.due(now=NOW + 2 * MINUTE, limit=10)] == [JOB_ID]


def test_which_of_many_jobs_are_known_is_asked_by_the_hundred(ledger: Ledger) -> None:
    for number in range(130):
        ledger.save(a_new_job(job_id=f"job-{number}"))
    asked = [f"job-{number}" for number in range(250)]
    assert ledger.known([*asked, *asked]) == {f"job-{number}" for number in range(130)}
    assert ledger.known([]) == frozenset()


def test_the_jobs_of_a_row_are_found_the_latest_first(ledger: Ledger) -> None:
    for number in range(3):
        ledger.save(a_new_job(job_id=f"job-{number}", received_at=NOW + number * MINUTE))
    ledger.save(a_new_job(job_id="another's", record_id="recAnother"))
    assert [job.job_id for job in ledger.of_record(RECORD_ID)] == ["job-2", "job-1", "job-0"]


def test_only_what_is_due_is_in_the_index(ledger: Ledger, dynamodb: Any) -> None:
    ledger.save(a_new_job(job_id="due", due_at=NOW))
    ledger.save(a_new_job(JobState.KEPT, job_id="never"))
    items = dynamodb.scan(TableName="ledger", IndexName="due")["Items"]
    assert [item["job_id"]["S"] for item in items] == ["due"], json.dumps(items)

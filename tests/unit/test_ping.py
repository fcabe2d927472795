"""A ping is done as soon as it has arrived."""

from datetime import timedelta

import pytest

from reelkeeper.domain.callback import parse
from reelkeeper.domain.job import Job, JobState
from reelkeeper.domain.ping import PING, answered
from reelkeeper.domain.receiving import receive
from tests.unit.builders import NOW, a_callback_body, a_failure_body, a_job


def arrived(body: str) -> Job:
    callback = parse(body, {"operation": PING})
    return answered(receive(None, callback, key="ping", origin="webhook", at=NOW), at=NOW)


@pytest.mark.parametrize("body", [a_callback_body(), '{"job_id": "ping"}', "not JSON"])
def test_a_ping_that_arrived_is_done_and_nothing_of_it_is_to_be_copied_or_told(body: str) -> None:
    job = arrived(body)
    assert (job.state, job.told_at, job.due_at, job.outputs) == (JobState.KEPT, NOW, None, ())
    assert job.done
    assert job.expires_at is not None


def test_a_ping_that_failed_at_nca_is_done_too_and_says_why() -> None:
    job = arrived(a_failure_body("no such module"))
    assert (job.state, job.due_at, job.done) == (JobState.FAILED, None, True)
    assert "no such module" in (job.error or "")


def test_a_repeated_ping_changes_nothing() -> None:
    once = arrived(a_callback_body())
    callback = parse(a_callback_body(), {"operation": PING})
    assert answered(receive(once, callback, key="ping", origin="webhook", at=NOW), at=NOW + timedelta(hours=1)) == once


@pytest.mark.parametrize("state", JobState)
def test_every_other_job_is_left_alone(state: JobState) -> None:
    job = a_job(state)
    assert answered(job, at=NOW) is job

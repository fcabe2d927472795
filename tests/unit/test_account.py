"""The conservation law: every job that NCA finished is kept, or is an exception with its reason."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reelkeeper.domain.account import Account, account
from reelkeeper.domain.job import Job, JobState
from reelkeeper.domain.ping import PING
from reelkeeper.services.report import LISTED, lines, make_account, subject
from tests.unit.builders import NOW, a_job, a_stored_output

SINCE, UNTIL = NOW, NOW + timedelta(days=7)
IN_TIME = NOW + timedelta(days=1)
FINISHED_STATES = (JobState.FINISHED, JobState.STORED, JobState.PUBLISHED, JobState.KEPT, JobState.REJECTED)


def of(*jobs: Job) -> Account:
    return account(jobs, since=SINCE, until=UNTIL)


def heard(state: JobState, at: datetime = IN_TIME, **changes: object) -> Job:
    return a_job(state, received_at=at, **changes)


some_jobs = st.lists(
    st.builds(
        heard,
        state=st.sampled_from(JobState),
        at=st.integers(-10, 200).map(lambda hours: NOW + timedelta(hours=hours)),
        outputs=st.sampled_from([(), (a_stored_output(0),)]),
        told_at=st.sampled_from([None, NOW]),
        operation=st.sampled_from(["combine", None, PING]),
    ),
    max_size=30,
)


@given(some_jobs)
def test_the_law_holds_for_any_jobs_and_each_is_in_exactly_one_place(jobs: list[Job]) -> None:
    made = of(*jobs)
    in_time = [job for job in jobs if SINCE <= job.received_at < UNTIL and job.operation != PING]
    assert made.balanced
    assert made.finished + made.failed + made.running == len(in_time)
    assert len({id(one.job) for one in made.exceptions}) == len(made.exceptions)


@pytest.mark.parametrize("state", FINISHED_STATES)
def test_a_job_that_nca_finished_is_kept_or_an_exception(state: JobState) -> None:
    made = of(heard(state))
    kept = state in (JobState.PUBLISHED, JobState.KEPT)
    assert (made.finished, made.kept, len(made.exceptions)) == (1, int(kept), int(not kept))


def test_a_lost_job_is_an_exception_only_where_nca_had_made_something() -> None:
    assert of(heard(JobState.LOST, outputs=(a_stored_output(0),))).finished == 1
    assert of(heard(JobState.LOST, outputs=())).failed == 1


def test_a_failure_airtable_does_not_know_of_is_remarked() -> None:
    (remark,) = of(heard(JobState.FAILED, told_at=None)).remarks
    assert "Airtable does not know" in remark.why
    assert of(heard(JobState.FAILED, told_at=NOW)).remarks == ()


def test_a_job_nca_is_silent_about_is_remarked_after_an_hour() -> None:
    fresh, old = UNTIL - timedelta(minutes=59), UNTIL - timedelta(minutes=61)
    assert of(heard(JobState.SUBMITTED, fresh)).remarks == ()
    assert len(of(heard(JobState.SUBMITTED, old)).remarks) == 1


def test_the_report_says_the_law_and_each_exception_with_its_reason() -> None:
    rejected = heard(JobState.REJECTED, job_id="bad-1", error="first line\nan HTML page, no video")
    made = of(heard(JobState.KEPT, outputs=(a_stored_output(0, size=2_000_000_000),)), rejected)
    text = "\n".join(lines(made))
    assert "2 finished = 1 kept + 1 exception" in text
    assert "2.00 GB are kept." in text
    assert "bad-1  concatenate  recJob00000000001  rejected: an HTML page, no video" in text
    assert subject(made) == "Reelkeeper: 2 finished, 1 kept, 1 exception"


def test_a_report_is_short_enough_to_be_read_however_much_went_wrong() -> None:
    made = of(*(heard(JobState.REJECTED, job_id=f"bad-{number}", error="x" * 5_000) for number in range(5_000)))
    text = "\n".join(lines(made))
    assert f"… and {5_000 - LISTED:,} more" in text
    assert len(text) < 60_000


@dataclass
class FakeRegister:
    jobs: list[Job | None]
    asked: list[datetime | None] = field(default_factory=list)

    def all(self, *, since: datetime | None = None) -> Iterator[Job | None]:
        self.asked.append(since)
        yield from self.jobs


def test_the_account_of_some_days_leaves_the_rest_in_the_ledger() -> None:
    register = FakeRegister([heard(JobState.KEPT, IN_TIME), None, heard(JobState.KEPT, NOW - timedelta(days=40))])
    made = make_account(register, days=7, at=UNTIL)
    assert (made.finished, register.asked) == (1, [SINCE])

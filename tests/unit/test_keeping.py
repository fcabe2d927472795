"""When a file is looked at: ten minutes, a day, a week, and then for good once in a month or two."""

from dataclasses import replace
from datetime import timedelta

import pytest

from reelkeeper.domain.job import SETTLED_TTL, Job, JobState, told
from reelkeeper.domain.keeping import LOOKS, SAMPLED_AFTER, SAMPLED_WITHIN, passed
from tests.unit.builders import NOW, a_job

DAY = timedelta(days=1)


def a_published_job() -> Job:
    return told(a_job(JobState.STORED), at=NOW, what="Airtable shows it")


def test_it_is_looked_at_after_ten_minutes_a_day_and_a_week_and_is_kept_then() -> None:
    job = a_published_job()
    seen = []
    while job.state is JobState.PUBLISHED:
        assert job.due_at is not None
        seen.append(job.due_at - NOW)
        job = passed(job, at=job.due_at, why="whole", chance=0.5)
    assert seen == [timedelta(minutes=10), DAY, 7 * DAY]
    assert (job.state, job.told_at) == (JobState.KEPT, NOW)


@pytest.mark.parametrize("chance", [0, 0.5, 0.999])
def test_what_is_kept_is_looked_at_again_before_the_ledger_forgets_it(chance: float) -> None:
    job = replace(a_published_job(), audits=2)
    for number in range(10):
        at = NOW + 7 * DAY + number * SAMPLED_AFTER
        job = passed(job, at=at, why="whole", chance=chance)
        assert job.due_at is not None
        assert job.expires_at is not None
        assert (job.state, job.expires_at) == (JobState.KEPT, at + SETTLED_TTL)
        assert at + SAMPLED_AFTER <= job.due_at <= at + SAMPLED_AFTER + SAMPLED_WITHIN < job.expires_at


@pytest.mark.parametrize(("late", "state", "looks"), [(0.5, "published", 1), (3.0, "published", 2), (8.0, "kept", 3)])
def test_after_a_time_without_sweeps_one_look_stands_for_those_that_were_missed(late: float, state: str, looks: int) -> None:
    job = passed(a_published_job(), at=NOW + late * DAY, why="whole", chance=0)
    assert (job.state, job.audits) == (state, looks)


def test_a_look_that_passed_starts_counting_tries_anew() -> None:
    assert passed(replace(a_published_job(), attempts=3), at=NOW + LOOKS[0], why="whole", chance=0).attempts == 0

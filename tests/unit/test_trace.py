"""Finding a job by whatever a person has in hand, and asking everyone about it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta

import pytest

from reelkeeper.domain.callback import Timing
from reelkeeper.domain.errors import RetryLater
from reelkeeper.domain.job import Job, JobState
from reelkeeper.services.trace import Entry, Source, Subject, find, gather, ledger_evidence
from tests.unit.builders import JOB_ID, NOW, RECORD_ID, a_job


@dataclass
class FakeRegister:
    """Jobs by id, and names that lead to them; counts what is read."""

    jobs: Mapping[str, Job]
    names: Mapping[str, Sequence[str]] = field(default_factory=dict)
    read: int = 0

    def get(self, job_id: str) -> Job | None:
        self.read += 1
        return self.jobs.get(job_id)

    def of_record(self, record_id: str, *, limit: int) -> tuple[Job, ...]:
        found = [job for job in self.jobs.values() if job.record_id == record_id][:limit]
        self.read += len(found)
        return tuple(found)

    def referred(self, ref: str, *, limit: int) -> tuple[str, ...]:
        found = tuple(self.names.get(ref, ()))[:limit]
        self.read += len(found)
        return found


def a_register(*jobs: Job, **names: Sequence[str]) -> FakeRegister:
    return FakeRegister({job.job_id: job for job in jobs or (a_job(),)}, names)


@pytest.mark.parametrize(
    "text",
    [
        JOB_ID,
        RECORD_ID,
        f"{JOB_ID}_output_0.mp4",
        f"https://media.example.com/outputs/{JOB_ID}/0-{JOB_ID}_output_0.mp4",
        "recTarget",
        "https://nca.example.com/bucket/My%20holiday.mp4?X-Amz-Signature=0",
        "message-1",
    ],
)
def test_a_job_is_found_by_everything_it_is_known_by(text: str) -> None:
    names = {"recTarget": [JOB_ID], "My holiday.mp4": [JOB_ID], "message-1": [JOB_ID]}
    subject = find(text, register=FakeRegister({JOB_ID: a_job()}, names))
    assert [job.job_id for job in subject.jobs] == [JOB_ID]


def test_finding_reads_twenty_items_at_most_however_many_jobs_there_are() -> None:
    jobs = [a_job(job_id=f"job-{number}", record_id="recBusy") for number in range(1_000)]
    ids = [job.job_id for job in jobs]
    for text in ("recBusy", "film.mp4", f"outputs/none/{JOB_ID}-{JOB_ID}/film.mp4", "https://x.example.com/film.mp4"):
        register = FakeRegister({job.job_id: job for job in jobs}, {"film.mp4": ids, text: [f"gone-{n}" for n in range(100)]})
        find(text, register=register)
        assert register.read <= 20, text


def test_what_the_ledger_does_not_know_may_still_be_a_jobs_id_elsewhere() -> None:
    subject = find(f"{JOB_ID}.mp4", register=FakeRegister({}))
    assert subject.jobs == ()
    assert subject.job_ids[0] == JOB_ID


def test_the_ledgers_evidence_tells_when_nca_took_the_job_and_when_it_is_looked_at_next() -> None:
    job = a_job(submitted_at=NOW - timedelta(minutes=3), due_at=NOW + timedelta(minutes=5), timing=Timing(17.5, 2.0, 19.5))
    told = [(entry.at, entry.what) for entry in ledger_evidence([job])]
    assert (NOW - timedelta(minutes=3), "submitted to NCA, by its own account (2 s queued, 17.5 s run)") in told
    assert (NOW + timedelta(minutes=5), "looked at again, unless something happens before") in told
    assert {event.what for event in job.history} <= {what for _, what in told}


def test_a_source_that_cannot_be_asked_is_one_line_and_costs_no_other() -> None:
    def down() -> Sequence[Entry]:
        raise RetryLater("NCA did not answer")

    late, early = Entry(NOW, "bucket", "stored"), Entry(NOW - timedelta(hours=1), "ledger", "first heard of")
    asks: dict[Source, object] = {"NCA": down, "bucket": lambda: [late], "ledger": lambda: [early]}
    found = gather(asks, failures=(RetryLater,), explain=str)  # type: ignore[arg-type]
    assert found == (early, late, Entry(None, "NCA", "could not be asked: NCA did not answer", knows=False))


def test_a_fault_of_ours_is_not_taken_for_a_source_that_is_down() -> None:
    def faulty() -> Sequence[Entry]:
        raise KeyError("x")

    with pytest.raises(KeyError):
        gather({"NCA": faulty}, failures=(RetryLater,), explain=str)


def test_the_words_to_search_for_are_the_jobs_the_rows_and_what_was_given() -> None:
    job = a_job(JobState.KEPT, target_id="recTarget")
    assert Subject("film.mp4", (job,)).words == ("film.mp4", JOB_ID, RECORD_ID, "recTarget")

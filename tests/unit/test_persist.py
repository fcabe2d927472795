"""Persist in virtual time: at-least-once delivery, one effect."""

from datetime import timedelta

from reelkeeper.domain.errors import Refused
from reelkeeper.domain.job import JobState
from reelkeeper.services.batch import TRIES_IN_QUEUE
from reelkeeper.services.lease import LEASE
from tests.unit.builders import JOB_ID, a_callback_body, a_failure_body, a_job, a_stored_output
from tests.unit.line import FILM, MINUTE, Line, kept

# The main path.


def test_a_callback_becomes_a_kept_file_and_a_true_row(line: Line) -> None:
    line.order()
    line.report()
    assert line.run() == ()
    job = line.job()
    assert job.state is JobState.PUBLISHED
    assert job.told_at == line.fakes.clock.now
    assert kept(line) == [FILM]
    assert line.row()["Status"] == "completed"
    assert line.target()["Combined Segments Video URL"] == job.outputs[0].permanent_url
    [attachment] = line.target()["Combined Segments Video"]
    assert (attachment["url"], attachment["filename"]) == (job.outputs[0].permanent_url, f"{JOB_ID}.mp4")
    assert not line.fakes.ledger.leases


def test_a_batch_costs_one_read_and_one_write_of_each_table(line: Line) -> None:
    for number in range(10):
        line.order(f"job-{number}", record_id=f"rec{number}")
        line.report(f"job-{number}", record_id=f"rec{number}")
    assert line.run() == ()
    assert [table for table, _ in line.fakes.airtable.reads] == ["Jobs", "Videos"]
    assert [(table, len(rows)) for table, rows in line.fakes.airtable.writes] == [("Videos", 10), ("Jobs", 10)]
    assert {line.job(f"job-{number}").state for number in range(10)} == {JobState.PUBLISHED}


def test_a_transcript_that_came_inline_is_kept_as_an_object(line: Line) -> None:
    line.order()
    line.report(body=a_callback_body(response={"text": "hello", "srt": None, "segments": None}))
    assert line.run() == ()
    assert (kept(line), line.job().state) == ([b"hello"], JobState.PUBLISHED)


def test_a_job_that_made_no_file_is_reported_as_done(line: Line) -> None:
    line.order()
    line.report(body=a_callback_body(response={"duration": 2.5}))
    assert line.run() == ()
    assert (line.job().state, line.row()["Status"], line.target()) == (JobState.PUBLISHED, "completed", {})


def test_a_failure_is_told_with_its_reason(line: Line) -> None:
    line.order()
    line.report(body=a_failure_body("no such voice"))
    assert line.run() == ()
    assert line.job().state is JobState.FAILED
    assert (line.row()["Status"], line.row()["Error Details"]) == ("failed", "no such voice")


# At least once, one effect.


def test_fifty_times_the_same_callback_have_one_effect(line: Line) -> None:
    url = line.order()
    for _ in range(50):
        line.report()
    line.until_quiet()
    assert line.fakes.source.reads == [url]
    assert len(line.fakes.airtable.writes) == 2
    assert line.job().state is JobState.PUBLISHED


def test_two_messages_of_one_job_in_one_batch_are_one_piece_of_work(line: Line) -> None:
    url = line.order()
    line.report(body=a_callback_body(response=None, message="?", code=202))
    line.report()
    assert line.run() == ()
    assert (line.fakes.source.reads, line.job().state) == ([url], JobState.PUBLISHED)


def test_a_success_and_a_late_failure_in_one_batch_are_a_success_in_either_order(line: Line) -> None:
    for first, second in ((None, "too late"), ("too early", None)):
        here = Line()
        here.order()
        for message in (first, second):
            here.report(body=a_failure_body(message) if message else None)
        assert here.run() == ()
        assert (here.job().state, here.row()["Status"]) == (JobState.PUBLISHED, "completed")


def test_a_late_failure_does_not_undo_what_airtable_shows(line: Line) -> None:
    line.order()
    line.report()
    line.run()
    line.report(body=a_failure_body())
    assert line.run() == ()
    assert (line.job().state, line.row()["Status"], len(kept(line))) == (JobState.PUBLISHED, "completed", 1)


def test_a_success_after_a_failure_reopens_the_job(line: Line) -> None:
    line.order()
    line.report(body=a_failure_body("out of memory"))
    line.run()
    line.report()
    assert line.run() == ()
    assert (line.job().state, line.row()["Status"]) == (JobState.PUBLISHED, "completed")
    assert not line.row()["Error Details"]


def test_a_job_that_was_rejected_is_reopened_by_another_file(line: Line) -> None:
    line.order(source=Refused("the output is empty"))
    line.report()
    line.run()
    better = "https://files.example.com/bucket/better.mp4"
    line.fakes.source.files[better] = FILM
    line.report(body=a_callback_body(response=better))
    assert line.run() == ()
    assert (line.job().state, kept(line)) == (JobState.PUBLISHED, [FILM])


def test_a_job_that_another_worker_has_is_left_to_it_and_its_message_comes_back(line: Line) -> None:
    line.order()
    message = line.report()
    line.fakes.ledger.leases[JOB_ID] = "another", line.fakes.clock.now + LEASE
    assert line.run() == (message,)
    assert not line.fakes.source.reads
    line.fakes.clock.move(LEASE + MINUTE)
    assert line.run() == ()
    assert line.job().state is JobState.PUBLISHED


def test_a_job_that_another_worker_has_for_long_is_left_to_the_ledger_which_has_the_message(line: Line) -> None:
    """Twelve receives would make it a dead letter, and a copy may take hours."""
    line.order()
    line.report()
    line.fakes.ledger.leases[JOB_ID] = "another", line.fakes.clock.now + timedelta(hours=5)
    line.run()
    assert len(line.until_quiet()) == TRIES_IN_QUEUE
    assert JOB_ID in line.fakes.ledger.messages
    assert line.job().due_at is not None


def test_of_two_workers_on_one_job_the_second_finds_it_done(line: Line) -> None:
    url = line.order()
    line.report()
    line.report()
    # The second begins while the first copies.
    second: list[tuple[str, ...]] = []

    def begin(_: str) -> None:
        line.fakes.source.on_read = lambda _: None
        second.append(line.run(owner="second"))

    line.fakes.source.on_read = begin
    assert line.run(owner="first", most=1) == ()
    assert second == [("message-2",)]
    line.until_quiet()
    assert line.fakes.source.reads == [url]
    assert len(line.fakes.airtable.writes) == 2


def test_a_job_reopened_with_another_file_during_the_copy_is_not_called_stored(line: Line) -> None:
    line.order()
    line.report()

    def reopen(_: str) -> None:
        line.fakes.source.on_read = lambda _: None
        other = a_stored_output(source_url="https://files.example.com/bucket/other.mp4", stored_at=None)
        job = line.job()
        line.fakes.ledger.put(a_job(JobState.FINISHED, outputs=(other,), version=job.version + 1))

    line.fakes.source.on_read = reopen
    line.run()
    assert line.job().state is JobState.FINISHED
    assert line.job().outputs[0].stored_at is None
    assert not line.fakes.airtable.writes

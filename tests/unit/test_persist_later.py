"""Persist in virtual time: what cannot be done now comes back, alone and ever later."""

import threading
import time
from datetime import timedelta
from typing import Any

from reelkeeper.adapters.pace import UsedUp
from reelkeeper.domain.errors import Gone, Refused, RetryLater
from reelkeeper.domain.job import JobState
from reelkeeper.domain.message import Pointer, encode
from reelkeeper.domain.timing import LONGEST_IN_QUEUE
from reelkeeper.services.batch import TRIES_IN_QUEUE
from reelkeeper.services.outputs import TRIES_BEFORE_LOST
from reelkeeper.services.persist import persist
from tests.unit.builders import JOB_ID, RECORD_ID, a_callback_body, a_message
from tests.unit.line import FILM, PATIENCE_S, Line, kept

# Later.


def test_only_what_failed_comes_back(line: Line) -> None:
    line.order("good", record_id="recGood")
    line.order("bad", record_id="recBad", source=RetryLater("the source answers 503"))
    line.order("refused", record_id="recRefused", source=Refused("a private address"))
    line.report("good", record_id="recGood")
    bad = line.report("bad", record_id="recBad")
    line.report("refused", record_id="recRefused")
    assert line.run() == (bad,)
    assert [line.job(name).state for name in ("good", "bad", "refused")] == [
        JobState.PUBLISHED,
        JobState.FINISHED,
        JobState.REJECTED,
    ]
    assert [line.row(name)["Status"] for name in ("recGood", "recBad", "recRefused")] == ["completed", "processing", "failed"]


def test_a_message_comes_back_ever_later_and_is_left_to_the_ledger_in_the_end(line: Line) -> None:
    line.order(source=RetryLater("the source answers 503"))
    line.report()
    line.run()
    waits = line.until_quiet()
    assert len(waits) == TRIES_IN_QUEUE
    assert waits == sorted(waits)
    assert waits[-1] > 10 * waits[0] > timedelta()
    job = line.job()
    assert (job.state, job.attempts) == (JobState.FINISHED, TRIES_IN_QUEUE + 1)
    assert job.due_at is not None
    assert job.due_at > line.fakes.clock.now
    assert "the source answers 503" in job.history[-1].what
    assert line.fakes.ledger.messages[JOB_ID].body == a_message().body  # type: ignore[union-attr]


def test_what_must_come_again_does_so_while_another_job_still_copies(line: Line) -> None:
    """A copy may take a quarter of an hour; the messages of other jobs need not wait for it."""
    line.order("long", record_id="recLong")
    line.order("bad", record_id="recBad", source=RetryLater("the source answers 503"))
    line.report("long", record_id="recLong")
    bad = line.report("bad", record_id="recBad")
    soon = LONGEST_IN_QUEUE / 10
    hidden: list[bool] = []

    def copy(_: str) -> None:
        ends = time.monotonic() + PATIENCE_S
        while not hidden and time.monotonic() < ends:
            if any(receipt == bad and delay < soon for receipt, delay in line.fakes.queue.hidden):
                hidden.append(True)
            time.sleep(0.001)

    line.fakes.source.on_read = copy
    assert line.run(tell_every_s=0.001) == (bad,)
    assert hidden


def test_jobs_that_failed_together_do_not_come_back_together() -> None:
    waits = []
    for chance in (0.0, 0.5, 0.99):
        line = Line(chance=chance)
        line.order(source=RetryLater("the source answers 503"))
        line.report()
        line.run()
        waits.append(line.next_run())
    assert len(set(waits)) == 3


def test_a_delay_that_the_source_asks_for_is_kept(line: Line) -> None:
    line.order(source=RetryLater("the source answers 429", delay=timedelta(seconds=120)))
    line.report()
    line.run()
    assert line.next_run() >= timedelta(seconds=120)


def test_the_ledger_looks_again_only_after_the_message_should_have_come_back(line: Line) -> None:
    line.order(source=RetryLater("the source answers 503"))
    message = line.report()
    line.run()
    due_at = line.job().due_at
    assert due_at is not None
    assert due_at > line.fakes.queue.waiting[message].visible_at


def test_a_file_that_is_late_is_not_lost(line: Line) -> None:
    url = line.order(source=Gone("the source answers 404"))
    line.report()
    line.run()
    line.next_run()
    line.fakes.source.files[url] = FILM
    line.until_quiet()
    assert line.job().state is JobState.PUBLISHED


def test_a_file_that_never_comes_is_lost_after_so_many_tries_and_airtable_says_so(line: Line) -> None:
    line.order(source=Gone("the source answers 404"))
    line.report()
    line.run()
    line.until_quiet()
    assert len(line.fakes.source.reads) == TRIES_BEFORE_LOST + 1
    assert line.job().state is JobState.LOST
    assert line.row()["Status"] == "failed"
    assert "the source answers 404" in line.row()["Error Details"]


def test_a_refused_source_is_rejected_at_once_and_its_good_sibling_stays(line: Line) -> None:
    line.order()
    bad = "https://files.example.com/bucket/bad.mp4"
    line.fakes.source.files[bad] = Refused("the source has more bytes than MaxObjectMiB allows")
    good = next(iter(line.fakes.source.files))
    line.report(body=a_callback_body(response=[{"file_url": good}, {"file_url": bad}]))
    assert line.run() == ()
    assert (line.job().state, kept(line)) == (JobState.REJECTED, [FILM])
    assert "MaxObjectMiB" in line.row()["Error Details"]
    assert line.target() == {}


def test_a_bucket_that_refuses_us_is_not_the_jobs_fault(line: Line) -> None:
    line.order()
    message = line.report()
    line.fakes.bucket.down = RetryLater("the bucket says AccessDenied", delay=timedelta(minutes=5))
    assert line.run() == (message,)
    assert line.job().state is JobState.FINISHED
    line.fakes.bucket.down = None
    assert line.next_run() >= timedelta(minutes=5)
    assert line.job().state is JobState.PUBLISHED


# Airtable.


def test_airtable_being_down_costs_no_second_copy(line: Line) -> None:
    url = line.order()
    line.report()
    line.fakes.airtable.down = RetryLater("Airtable did not answer")
    line.run()
    line.next_run()
    assert line.job().state is JobState.STORED
    line.fakes.airtable.down = None
    line.until_quiet()
    assert line.job().state is JobState.PUBLISHED
    assert line.fakes.source.reads == [url]
    assert list(line.fakes.bucket.puts.values()) == [1]


def test_a_429_is_waited_out_and_nothing_else_waits(line: Line) -> None:
    line.order()
    line.report()
    line.fakes.airtable.down = RetryLater("429 RATE_LIMIT_REACHED", delay=timedelta(seconds=30))
    line.run()
    line.fakes.airtable.down = None
    assert timedelta(seconds=30) <= line.next_run() <= timedelta(seconds=45)
    assert line.job().state is JobState.PUBLISHED


def test_a_wrong_token_keeps_the_file_and_is_tried_again(line: Line) -> None:
    line.order()
    message = line.report()
    line.fakes.airtable.down = Refused("401: put a valid airtable_token into the secret")
    assert line.run() == (message,)
    assert line.job().state is JobState.STORED
    assert "airtable_token" in line.job().history[-1].what
    line.fakes.airtable.down = None
    line.until_quiet()
    assert line.job().state is JobState.PUBLISHED


def test_a_callback_whose_row_is_not_there_yet_is_parked_and_then_found(line: Line) -> None:
    line.order()
    row = line.fakes.airtable.tables["Jobs"].pop(RECORD_ID)
    line.report()
    line.run()
    line.until_quiet()
    parked = line.job()
    assert (parked.state, parked.told_at) == (JobState.STORED, None)
    assert parked.due_at is not None
    line.fakes.airtable.tables["Jobs"][RECORD_ID] = row
    # The poller sends in again what the ledger keeps.
    kept_message = line.fakes.ledger.messages[JOB_ID]
    assert not isinstance(kept_message, Pointer)
    line.fakes.queue.send(encode(kept_message))
    assert line.run() == ()
    assert (line.job().state, line.row()["Status"]) == (JobState.PUBLISHED, "completed")
    assert len(line.fakes.source.reads) == 1


def test_one_row_that_airtable_refuses_holds_up_no_other(line: Line) -> None:
    for name in ("one", "two", "three"):
        line.order(name, record_id=f"rec{name}")
    line.report("one", record_id="recone")
    refused = line.report("two", record_id="rectwo")
    line.report("three", record_id="recthree")
    line.fakes.airtable.refuses = lambda _, row: Refused("422: locked field") if row.record_id == "rectwo" else None
    assert line.run() == (refused,)
    assert [line.job(name).state for name in ("one", "two", "three")] == [
        JobState.PUBLISHED,
        JobState.STORED,
        JobState.PUBLISHED,
    ]


# A batch is as long as its longest copy, and its other jobs do not wait for that.


def test_a_long_copy_keeps_no_other_job_of_its_batch_waiting(line: Line) -> None:
    long, short = "job-long", "job-short"
    slow = line.order(long, record_id="recLong")
    line.order(short, record_id="recShort")
    told = threading.Event()

    def hold(url: str) -> None:
        if url == slow:
            told.wait(60)

    line.fakes.source.on_read = hold
    line.fakes.ledger.on_save = lambda job: told.set() if job.job_id == short and job.told_at else None
    message = line.report(long, record_id="recLong"), line.report(short, record_id="recShort")
    deliveries = line.fakes.queue.receive()
    arguments: Any = {"outside": line.fakes.outside(), "clock": line.fakes.clock, "chance": lambda: 0.0, "owner": "worker"}
    assert persist(deliveries, **arguments, tell_every_s=0.05) == ()
    assert told.is_set()
    # The one that was done first left the queue at once: hidden no longer, it would have come again.
    assert list(line.fakes.queue.waiting) == [message[0]]
    assert [line.job(one).state for one in (long, short)] == [JobState.PUBLISHED, JobState.PUBLISHED]


def test_jobs_that_are_ready_together_are_told_in_one_write(line: Line) -> None:
    for number in range(10):
        line.order(f"job-{number}", record_id=f"rec{number}")
        line.report(f"job-{number}", record_id=f"rec{number}")
    line.run()
    assert [(table, len(rows)) for table, rows in line.fakes.airtable.writes] == [("Videos", 10), ("Jobs", 10)]


def test_what_must_wait_longer_than_a_message_can_is_left_to_the_ledger_at_once(line: Line) -> None:
    """A month whose calls are used up would otherwise fill the dead-letter queue by coming back again and again."""
    line.order()
    line.report()
    line.fakes.airtable.down = UsedUp("Airtable's calls of this month are used up", delay=timedelta(hours=6))
    assert line.run() == ()
    job = line.job()
    assert (job.state, job.attempts) == (JobState.STORED, 1)
    assert job.due_at is not None
    assert job.due_at >= line.fakes.clock() + timedelta(hours=6)


def test_a_429_puts_a_job_back_for_its_half_minute_and_no_longer(line: Line) -> None:
    line.order()
    message = line.report()
    line.chance = 0.999
    line.fakes.airtable.down = RetryLater("Airtable: 429", delay=timedelta(seconds=30))
    assert line.run() == (message,)
    (_, hidden) = line.fakes.queue.hidden[-1]
    assert timedelta(seconds=30) <= hidden <= timedelta(seconds=45)

"""Persist in virtual time: at-least-once delivery, one effect; what cannot be done now comes back, alone and ever later."""

import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pytest

from reelkeeper.adapters.pace import UsedUp
from reelkeeper.domain.errors import Gone, Refused, RetryLater
from reelkeeper.domain.job import Job, JobState
from reelkeeper.domain.message import Pointer, encode, point
from reelkeeper.domain.timing import LONGEST_IN_QUEUE
from reelkeeper.services.lease import LEASE
from reelkeeper.services.outputs import TRIES_BEFORE_LOST
from reelkeeper.services.persist import TRIES_IN_QUEUE, TRIES_OF_POISON, persist
from tests.unit.builders import JOB_ID, RECORD_ID, a_callback_body, a_failure_body, a_job, a_message, a_stored_output
from tests.unit.fakes import Fakes

FILM = b"film"
MINUTE = timedelta(minutes=1)
# No test waits this long; it only keeps a fault from hanging the run.
PATIENCE_S = 10.0


@dataclass(slots=True)
class Line:
    """The event source with persist behind it: it delivers what may be seen and deletes what does not come back."""

    fakes: Fakes = field(default_factory=Fakes)
    chance: float = 0.0

    def order(self, job_id: str = JOB_ID, *, record_id: str = RECORD_ID, source: bytes | Exception = FILM) -> str:
        """A job with its rows in Airtable and its file at NCA; returns the file's URL."""
        url = f"https://files.example.com/bucket/{job_id}.mp4"
        tables = self.fakes.airtable.tables
        tables["Videos"][f"recVideo{record_id}"] = {}
        tables["Jobs"][record_id] = {"Status": "processing", "Related Video": [f"recVideo{record_id}"]}
        self.fakes.source.files[url] = source
        return url

    def report(self, job_id: str = JOB_ID, *, record_id: str = RECORD_ID, body: str | None = None) -> str:
        """NCA's callback on such a job, on the queue; returns the message's id."""
        url = f"https://files.example.com/bucket/{job_id}.mp4"
        body = body or a_callback_body(job_id=job_id, id=record_id, response=url)
        query = {"job_id": record_id, "operation": "concatenate"}
        return self.fakes.queue.send(encode(a_message(body.encode(), query=query)))

    def run(self, *, owner: str = "worker", most: int = 10, tell_every_s: float = PATIENCE_S) -> tuple[str, ...]:
        """One invocation; returns the messages that come back."""
        deliveries = self.fakes.queue.receive(most)
        again = persist(
            deliveries,
            outside=self.fakes.outside(),
            clock=self.fakes.clock,
            chance=lambda: self.chance,
            owner=owner,
            tell_every_s=tell_every_s,
        )
        for one in deliveries:
            if one.message_id not in again:
                self.fakes.queue.delete(one.message_id)
        return again

    def next_run(self) -> timedelta:
        """Let time pass until a message may be seen again and run; returns how long that was."""
        visible_at = min(one.visible_at for one in self.fakes.queue.waiting.values())
        waited = max(visible_at - self.fakes.clock.now, timedelta())
        self.fakes.clock.move(waited)
        self.run()
        return waited

    def until_quiet(self) -> list[timedelta]:
        """Run until the queue is empty; returns how long each time took to come."""
        waits = []
        while self.fakes.queue.waiting:
            waits.append(self.next_run())
            assert len(waits) < 50, "the queue never becomes empty"
        return waits

    def job(self, job_id: str = JOB_ID) -> Job:
        return self.fakes.ledger.job(job_id)

    def row(self, record_id: str = RECORD_ID) -> dict[str, Any]:
        return self.fakes.airtable.tables["Jobs"][record_id]

    def target(self, record_id: str = RECORD_ID) -> dict[str, Any]:
        return self.fakes.airtable.tables["Videos"][f"recVideo{record_id}"]


@pytest.fixture
def line() -> Line:
    return Line()


def kept(line: Line) -> Sequence[bytes]:
    return list(line.fakes.bucket.objects.values())


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


# Nothing that was received is lost.


def test_a_ledger_that_is_down_puts_everything_back(line: Line) -> None:
    line.order()
    message = line.report()
    line.fakes.ledger.down = RetryLater("the ledger did not answer")
    assert line.run() == (message,)
    assert not line.fakes.source.reads
    line.fakes.ledger.down = None
    line.until_quiet()
    assert line.job().state is JobState.PUBLISHED


def test_a_message_stays_on_the_queue_until_the_ledger_keeps_it(line: Line) -> None:
    """A job that was tried often is left to the ledger, but not a message the ledger could not keep."""
    line.fakes.ledger.put(a_job(attempts=TRIES_IN_QUEUE + 1, version=1))
    message = line.report(body=a_callback_body(code=202, response=None, message="x" * 200_000))
    line.fakes.inbox.down = RetryLater("the inbox did not take the message")
    assert line.run() == (message,)
    line.fakes.inbox.down = None
    line.until_quiet()
    assert isinstance(line.fakes.ledger.messages[JOB_ID], Pointer)


def test_what_cannot_be_hidden_comes_back_all_the_same(line: Line) -> None:
    line.order(source=RetryLater("the source answers 503"))
    message = line.report()
    line.fakes.queue.down = RetryLater("SQS did not change the visibility")
    assert line.run() == (message,)


def test_a_claim_check_is_redeemed_and_the_inbox_emptied(line: Line) -> None:
    line.order()
    key = line.fakes.inbox.put(a_message())
    line.fakes.queue.send(point(key))
    assert line.run() == ()
    assert line.job().state is JobState.PUBLISHED
    assert not line.fakes.inbox.messages


def test_a_claim_check_that_was_redeemed_already_is_no_trouble(line: Line) -> None:
    line.fakes.queue.send(point("inbox/2026/11/23/180000.000000-abc.json"))
    assert line.run() == ()
    assert not line.fakes.dead_letters.buried


def test_the_inbox_keeps_what_could_not_be_finished(line: Line) -> None:
    line.order(source=RetryLater("the source answers 503"))
    key = line.fakes.inbox.put(a_message())
    line.fakes.queue.send(point(key))
    line.run()
    assert key in line.fakes.inbox.messages


def test_an_inbox_that_is_down_puts_the_claim_check_back(line: Line) -> None:
    message = line.fakes.queue.send(point(line.fakes.inbox.put(a_message())))
    line.fakes.inbox.down = RetryLater("the inbox cannot be read")
    assert line.run() == (message,)


# Poison.


def test_a_message_that_is_not_ours_is_buried_with_the_reason_and_the_others_go_on(line: Line) -> None:
    line.order()
    line.fakes.queue.send("not one of ours")
    line.report()
    assert line.run() == ()
    [(text, reason)] = line.fakes.dead_letters.buried
    assert (text, line.job().state) == ("not one of ours", JobState.PUBLISHED)
    assert "not a Reelkeeper message" in reason


def test_a_callback_that_no_item_of_the_ledger_can_hold_is_buried_at_once(line: Line) -> None:
    message = line.report()
    text = line.fakes.queue.waiting[message].text
    line.fakes.ledger.down = Refused("the ledger cannot hold this")
    assert line.run() == ()
    assert line.fakes.dead_letters.buried == [(text, "the ledger cannot hold this")]


def test_what_cannot_be_buried_comes_back(line: Line) -> None:
    message = line.fakes.queue.send("not one of ours")
    line.fakes.dead_letters.down = RetryLater("SQS did not take the dead letter")
    assert line.run() == (message,)


def test_a_fault_of_ours_is_tried_four_times_and_buried_with_its_reason(line: Line) -> None:
    line.order("poison", record_id="recPoison", source=ZeroDivisionError("a fault"))
    line.order("good", record_id="recGood")
    poison = line.report("poison", record_id="recPoison")
    line.report("good", record_id="recGood")
    assert line.run() == (poison,)
    assert line.job("good").state is JobState.PUBLISHED
    waits = line.until_quiet()
    assert len(waits) == TRIES_OF_POISON - 1
    assert waits == sorted(waits)
    [(_, reason)] = line.fakes.dead_letters.buried
    assert reason == "a fault of ours: ZeroDivisionError: a fault"


def test_a_fault_of_ours_at_airtables_desk_holds_up_no_other_job(line: Line) -> None:
    for name in ("one", "two"):
        line.order(name, record_id=f"rec{name}")
    line.report("one", record_id="recone")
    poison = line.report("two", record_id="rectwo")
    line.fakes.airtable.refuses = lambda _, row: ZeroDivisionError("a fault") if row.record_id == "rectwo" else None
    assert line.run() == (poison,)
    assert line.job("one").state is JobState.PUBLISHED
    line.until_quiet()
    [(_, reason)] = line.fakes.dead_letters.buried
    assert "ZeroDivisionError" in reason
    assert line.job("two").state is JobState.STORED


def test_a_job_that_cannot_be_read_from_the_ledger_buries_its_own_messages_only(line: Line) -> None:
    line.order("one", record_id="recone")
    line.report("one", record_id="recone")
    line.fakes.ledger.items["two"] = {"state": {"S": "nonsense"}}
    line.report("two", record_id="rectwo")
    line.run()
    assert line.job("one").state is JobState.PUBLISHED
    line.until_quiet()
    assert len(line.fakes.dead_letters.buried) == 1


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

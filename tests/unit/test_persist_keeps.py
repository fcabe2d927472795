"""Persist in virtual time: nothing that was received is lost, and poison is buried with its reason."""

from reelkeeper.domain.errors import Refused, RetryLater
from reelkeeper.domain.job import JobState
from reelkeeper.domain.message import Pointer, point
from reelkeeper.services.batch import TRIES_IN_QUEUE
from reelkeeper.services.deliveries import TRIES_OF_POISON
from tests.unit.builders import JOB_ID, a_callback_body, a_job, a_message
from tests.unit.line import Line

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

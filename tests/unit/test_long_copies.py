"""Copies that outlast a run, meet another file, or end badly: persist in virtual time."""

from datetime import timedelta

import pytest

from reelkeeper.domain.checkpoint import Saved, write
from reelkeeper.domain.errors import Refused, RetryLater, Unfinished
from reelkeeper.domain.job import JobState
from reelkeeper.domain.message import point
from reelkeeper.services.batch import TRIES_IN_QUEUE
from reelkeeper.services.outputs import TRIES_BEFORE_LOST
from reelkeeper.services.persist import persist
from tests.unit.builders import JOB_ID, RECORD_ID, a_callback_body, a_message
from tests.unit.line import FILM, Line, kept
from tests.unit.printed import counts


def test_a_copy_longer_than_many_runs_goes_on_by_fresh_messages_and_is_never_tried_in_vain(line: Line) -> None:
    url = line.order(source=Unfinished("the copy stopped"))
    line.report()
    for _ in range(TRIES_BEFORE_LOST + TRIES_IN_QUEUE):
        line.next_run()
        [message] = line.fakes.queue.waiting.values()
        assert message.receives == 0
        assert line.job().state is JobState.FINISHED
        assert line.job().attempts == 0
        due_at = line.job().due_at
        assert due_at is not None
        assert due_at > message.visible_at
        assert not line.fakes.ledger.leases
    line.fakes.source.files[url] = FILM
    line.until_quiet()
    assert line.job().state is JobState.PUBLISHED
    assert line.fakes.dead_letters.buried == []
    assert [event.what for event in line.job().history].count("its copy is longer than one run, and goes on in the next") == 1


def test_a_source_that_asks_for_a_rest_gets_it_before_the_copy_goes_on(line: Line) -> None:
    line.order(source=Unfinished("the source answers 429", delay=timedelta(seconds=70)))
    line.report()
    line.run()
    [message] = line.fakes.queue.waiting.values()
    assert message.visible_at == line.fakes.clock.now + timedelta(seconds=70)


def test_a_copy_goes_on_though_its_message_lay_in_the_inbox(line: Line) -> None:
    url = line.order(source=Unfinished("the copy stopped"))
    body = a_callback_body(job_id=JOB_ID, id=RECORD_ID, response=url).encode()
    key = line.fakes.inbox.put(a_message(body, query={"job_id": RECORD_ID, "operation": "concatenate"}))
    line.fakes.queue.send(point(key))
    line.next_run()
    assert key not in line.fakes.inbox.messages
    line.fakes.source.files[url] = FILM
    line.until_quiet()
    assert line.job().state is JobState.PUBLISHED


def test_copies_stop_before_the_function_does_and_lose_nothing(line: Line) -> None:
    line.order()
    line.report()
    line.run(ends_at=line.fakes.clock.now)
    assert kept(line) == []
    assert line.job().state is JobState.FINISHED
    assert line.job().attempts == 0
    line.until_quiet()
    assert kept(line) == [FILM]
    assert line.job().state is JobState.PUBLISHED


def test_a_copy_that_cannot_go_on_by_a_fresh_message_keeps_the_old_one(line: Line) -> None:
    line.order(source=Unfinished("the copy stopped"))
    first = line.report()
    deliveries = line.fakes.queue.receive()
    line.fakes.queue.down = RetryLater("SQS did not take the message")
    again = persist(deliveries, outside=line.fakes.outside(), clock=line.fakes.clock, chance=lambda: 0.0, owner="worker")
    assert again == (first,)


def test_another_file_of_a_finished_output_gets_a_key_of_its_own_and_the_ledger_says_so(line: Line) -> None:
    line.order()
    line.report()
    line.fakes.bucket.objects[f"outputs/{JOB_ID}/0-{JOB_ID}.mp4"] = b"an older film"
    line.run()
    [output] = line.job().outputs
    assert output.key == f"outputs/{JOB_ID}/0.2-{JOB_ID}.mp4"
    assert line.fakes.bucket.objects == {f"outputs/{JOB_ID}/0-{JOB_ID}.mp4": b"an older film", output.key: FILM}
    assert line.target()["Combined Segments Video URL"] == f"https://kept.example.net/{output.key}"
    assert any(output.key in event.what and "stays" in event.what for event in line.job().history)


def test_the_parts_of_a_job_that_ends_badly_are_thrown_away(line: Line) -> None:
    line.order(source=Refused("the source is larger than MaxObjectMiB allows"))
    line.report()
    saved = Saved(f"outputs/{JOB_ID}/0-{JOB_ID}.mp4", "upload-1", '"etag"', 10**9, 2**24)
    line.fakes.ledger.checkpoints[JOB_ID, 0] = write(saved)
    line.run()
    assert line.job().state is JobState.REJECTED
    assert line.fakes.bucket.aborted == [(saved.key, "upload-1")]
    assert line.fakes.ledger.checkpoints == {}


def test_every_run_of_a_long_copy_counts_what_it_read_and_none_is_a_failure(
    line: Line, capsys: pytest.CaptureFixture[str]
) -> None:
    counts(capsys)
    url = line.order(source=Unfinished("the copy stopped", read=700, retries=2))
    line.report()
    line.run()
    line.fakes.source.files[url] = FILM
    line.until_quiet()
    counted = counts(capsys)
    assert counted["copy_bytes_read_total"] == 700 + len(FILM)
    assert counted["copy_retries_total"] == 2
    assert not [name for name in counted if name.startswith("file_upload_errors_total")]

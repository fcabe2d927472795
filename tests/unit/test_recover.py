"""A sweep in virtual time: what is open is found, judged and brought back; what is hopeless costs nobody else anything."""

import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from reelkeeper.adapters.nca import Malformed, NoStatusRoute
from reelkeeper.domain.callback import Sender
from reelkeeper.domain.errors import Refused, RetryLater
from reelkeeper.domain.incident import Kind
from reelkeeper.domain.job import Job, JobOutput, JobState
from reelkeeper.domain.mapping import Mapping
from reelkeeper.domain.message import Message, decode, encode
from reelkeeper.domain.moment import show_moment
from reelkeeper.services.persist import persist
from reelkeeper.services.recover import Swept, sweep
from reelkeeper.services.resubmit import Loss, resubmit
from reelkeeper.services.round import Round
from tests.unit.builders import FILE_URL, JOB_ID, NOW, RECORD_ID, a_callback_body, a_failure_body, a_job, a_message
from tests.unit.fakes.outside import MAPPING, Fakes

MINUTE = timedelta(minutes=1)
ROW = {"Status": "processing", "External Job ID": JOB_ID, "Type": "concatenate"}


def no_jitter() -> float:
    return 0.0


@pytest.fixture
def fakes() -> Fakes:
    return Fakes()


def a_row(fakes: Fakes, record_id: str = RECORD_ID, fields: dict[str, Any] | None = None, *, minutes_old: float = 6) -> None:
    created_at = show_moment(fakes.clock() - timedelta(minutes=minutes_old))
    fakes.airtable.tables["Jobs"][record_id] = {**ROW, "created_at": created_at, **(fields or {})}


def an_open_job(fakes: Fakes, job_id: str = JOB_ID, *, minutes_old: float = 6, **changes: Any) -> Job:
    since = fakes.clock() - timedelta(minutes=minutes_old)
    values: dict[str, Any] = {"job_id": job_id, "version": 1, "due_at": fakes.clock()}
    return fakes.ledger.put(a_job(**{**values, "submitted_at": since, "received_at": since, **changes}))


def swept(
    fakes: Fakes, *, minutes: float = 4.5, mapping: Mapping = MAPPING, nca_workers: int = 1, patience_s: float = 60
) -> Swept:
    return sweep(
        outside=fakes.outside(mapping=mapping, nca_workers=nca_workers),
        clock=fakes.clock,
        chance=no_jitter,
        ends_at=fakes.clock() + timedelta(minutes=minutes),
        owner="sweep",
        patience_s=patience_s,
    )


def sent(fakes: Fakes) -> list[Message]:
    found = [decode(one.text) for one in fakes.queue.waiting.values()]
    return [one for one in found if isinstance(one, Message)]


def persisted(fakes: Fakes) -> None:
    """Let persist work through everything that may be seen on the queue."""
    while deliveries := fakes.queue.receive():
        again = persist(deliveries, outside=fakes.outside(), clock=fakes.clock, chance=no_jitter, owner="persist")
        for one in deliveries:
            if one.message_id not in again:
                fakes.queue.delete(one.message_id)


# Finding.


def test_an_open_row_enters_the_ledger_on_first_sight_and_is_looked_at_at_once(fakes: Fakes) -> None:
    a_row(fakes)
    fakes.nca.running.add(JOB_ID)
    assert swept(fakes).entered == 1
    job = fakes.ledger.job(JOB_ID)
    assert (job.state, job.origin, job.record_id, job.operation) == (JobState.SUBMITTED, "poll", RECORD_ID, "concatenate")
    assert job.submitted_at == NOW - 6 * MINUTE
    assert job.due_at is not None
    assert job.due_at > NOW


def test_a_row_younger_than_five_minutes_or_done_is_left_alone(fakes: Fakes) -> None:
    a_row(fakes, "recYoung", minutes_old=4)
    a_row(fakes, "recDone", {"Status": "completed"})
    assert swept(fakes).entered == 0
    assert not fakes.ledger.items


def test_a_row_without_a_job_of_nca_is_counted_and_not_touched(fakes: Fakes) -> None:
    a_row(fakes, fields={"External Job ID": ""})
    found = swept(fakes)
    assert (found.unnamed, found.entered) == (1, 0)
    assert not fakes.airtable.writes


def test_a_row_of_another_service_is_left_alone(fakes: Fakes) -> None:
    a_row(fakes, fields={"Type": "voiceover"})
    assert swept(fakes).entered == 0
    assert not fakes.ledger.items


def test_a_row_that_cannot_be_read_stops_none_of_the_others(fakes: Fakes) -> None:
    a_row(fakes, "recBad", {"External Job ID": "x" * 5_000})
    a_row(fakes, "recOdd", {"External Job ID": ["no", "text"], "Type": 7})
    a_row(fakes, "recGood")
    fakes.nca.reports[JOB_ID] = a_callback_body().encode()
    assert swept(fakes).sent == 1


def test_a_row_whose_job_is_known_costs_the_ledger_no_write(fakes: Fakes) -> None:
    a_row(fakes)
    an_open_job(fakes, due_at=NOW + MINUTE)
    assert swept(fakes).entered == 0
    assert not fakes.ledger.saved


def test_the_operation_is_read_from_the_rows_type_in_whatever_spelling(fakes: Fakes) -> None:
    a_row(fakes, fields={"Type": "Image Zoom"})
    swept(fakes)
    assert fakes.ledger.job(JOB_ID).operation == "image_zoom"


def test_airtable_being_down_does_not_keep_the_ledgers_jobs_waiting(fakes: Fakes) -> None:
    an_open_job(fakes)
    fakes.nca.reports[JOB_ID] = a_callback_body().encode()
    fakes.airtable.down = RetryLater("Airtable is down")
    assert swept(fakes).sent == 1


# Asking, and what comes of it.


def test_a_lost_callback_is_found_and_ends_like_one_that_came(fakes: Fakes) -> None:
    a_row(fakes)
    fakes.airtable.tables["Videos"]["recVideo"] = {}
    fakes.airtable.tables["Jobs"][RECORD_ID]["Related Video"] = ["recVideo"]
    fakes.nca.reports[JOB_ID] = a_callback_body().encode()
    fakes.source.files[FILE_URL] = b"a film"
    swept(fakes)
    persisted(fakes)
    assert fakes.ledger.job(JOB_ID).state is JobState.PUBLISHED
    assert fakes.airtable.tables["Jobs"][RECORD_ID]["Status"] == "completed"


def test_a_verdict_is_sent_in_once_however_often_it_is_swept(fakes: Fakes) -> None:
    an_open_job(fakes)
    fakes.nca.reports[JOB_ID] = a_callback_body().encode()
    for _ in range(3):
        swept(fakes)
        fakes.clock.move(4 * MINUTE)
    assert len(sent(fakes)) == 1


def test_what_the_queue_did_not_take_is_sent_by_a_later_sweep(fakes: Fakes) -> None:
    an_open_job(fakes)
    fakes.nca.reports[JOB_ID] = a_callback_body().encode()
    fakes.queue.down = RetryLater("SQS is down")
    assert swept(fakes).sent == 0
    fakes.queue.down = None
    fakes.clock.move(timedelta(hours=1))
    assert swept(fakes).sent == 1


def test_a_failure_that_nca_reports_is_told_with_its_reason(fakes: Fakes) -> None:
    a_row(fakes)
    fakes.nca.reports[JOB_ID] = a_failure_body("404 Client Error").encode()
    swept(fakes)
    persisted(fakes)
    assert fakes.airtable.tables["Jobs"][RECORD_ID]["Error Details"] == "404 Client Error"


def test_one_call_for_all_covers_the_oldest_and_what_runs_is_not_asked_for_again(fakes: Fakes) -> None:
    for number, minutes in enumerate((6, 12, 25)):
        an_open_job(fakes, f"job-{number}", minutes_old=minutes)
        fakes.nca.running.add(f"job-{number}")
    swept(fakes)
    assert len(fakes.nca.windows) == 1
    assert fakes.nca.windows[0] > 25 * MINUTE
    assert fakes.nca.asked == []


def test_at_thirty_minutes_a_running_job_is_investigated_and_not_failed(fakes: Fakes) -> None:
    an_open_job(fakes, minutes_old=31)
    fakes.nca.running.add(JOB_ID)
    swept(fakes)
    assert fakes.nca.asked == [JOB_ID]
    assert fakes.ledger.job(JOB_ID).state is JobState.SUBMITTED


def test_a_job_of_forty_four_minutes_is_never_failed_and_its_success_arrives(fakes: Fakes) -> None:
    a_row(fakes, minutes_old=5.5)
    fakes.nca.running.add(JOB_ID)
    fakes.nca.states[JOB_ID] = "queued"
    for minute in range(5, 44):
        if minute == 27:
            fakes.nca.states[JOB_ID] = "running"
        swept(fakes)
        assert fakes.ledger.job(JOB_ID).state is JobState.SUBMITTED
        fakes.clock.move(MINUTE)
    fakes.nca.running.clear()
    fakes.nca.reports[JOB_ID] = a_callback_body().encode()
    fakes.source.files[FILE_URL] = b"a film"
    for _ in range(20):
        swept(fakes)
        fakes.clock.move(MINUTE)
    persisted(fakes)
    assert fakes.airtable.tables["Jobs"][RECORD_ID]["Status"] == "completed"


def test_what_such_jobs_take_is_learned_from_callbacks_and_decides_when_to_look(fakes: Fakes) -> None:
    for number in range(20):
        body = a_callback_body(job_id=f"job-{number}", total_time=1_200.0)
        fakes.queue.send(encode(a_message(body.encode())))
        fakes.queue.send(encode(a_message(body.encode())))
    persisted(fakes)
    assert sum(fakes.notebook.steps["concatenate"].values()) == 20
    an_open_job(fakes, minutes_old=6)
    fakes.nca.running.add(JOB_ID)
    swept(fakes)
    job = fakes.ledger.job(JOB_ID)
    assert job.due_at is not None
    assert 13 * MINUTE <= job.due_at - NOW <= 16 * MINUTE


@pytest.mark.parametrize("error", [Malformed("HTML"), RetryLater("no answer"), Refused("401")])
def test_an_answer_that_is_none_changes_nothing(fakes: Fakes, error: Exception) -> None:
    an_open_job(fakes)
    fakes.nca.answers[JOB_ID] = error
    swept(fakes)
    job = fakes.ledger.job(JOB_ID)
    assert (job.state, job.gone_since, job.error) == (JobState.SUBMITTED, None, None)


def test_a_list_of_jobs_that_cannot_be_read_leaves_the_single_answers(fakes: Fakes) -> None:
    an_open_job(fakes)
    fakes.nca.bulk = Malformed("half an answer")
    fakes.nca.reports[JOB_ID] = a_callback_body().encode()
    assert swept(fakes).sent == 1


def test_an_nca_that_does_not_answer_is_asked_once_and_every_job_stays_due(fakes: Fakes) -> None:
    before = [an_open_job(fakes, f"job-{number}") for number in range(50)]
    fakes.nca.down = RetryLater("NCA did not answer")
    swept(fakes)
    assert (len(fakes.nca.windows), fakes.nca.asked) == (1, [])
    assert [fakes.ledger.job(job.job_id) for job in before] == before


def test_an_nca_that_dies_in_the_middle_is_not_asked_for_all_the_others(fakes: Fakes) -> None:
    for number in range(1_000):
        an_open_job(fakes, f"job-{number}")
        fakes.nca.answers[f"job-{number}"] = RetryLater("NCA did not answer")
    swept(fakes)
    assert len(fakes.nca.asked) == 200


def test_a_call_that_hangs_holds_up_nobody(fakes: Fakes) -> None:
    an_open_job(fakes, "hangs", due_at=NOW - MINUTE)
    an_open_job(fakes)
    fakes.nca.hangs.add("hangs")
    fakes.nca.reports[JOB_ID] = a_callback_body().encode()
    try:
        assert swept(fakes, patience_s=1).sent == 1
    finally:
        fakes.nca.woken.set()


def test_a_build_without_status_routes_is_served_by_the_files_alone(fakes: Fakes) -> None:
    an_open_job(fakes)
    fakes.nca.bulk = NoStatusRoute("no such route")
    fakes.nca.answers[JOB_ID] = NoStatusRoute("no such route")
    fakes.nca_bucket.found[JOB_ID] = (FILE_URL,)
    swept(fakes)
    (message,) = sent(fakes)
    assert FILE_URL.encode() in message.body


def test_where_nobody_said_where_nca_is_jobs_stay_open_and_nothing_breaks(fakes: Fakes) -> None:
    a_row(fakes)
    outside = replace(fakes.outside(), nca=None, nca_bucket=None, engine=None)
    for _ in range(3):
        ends_at = fakes.clock() + 4 * MINUTE
        sweep(outside=outside, clock=fakes.clock, chance=no_jitter, ends_at=ends_at, owner="sweep")
        fakes.clock.move(timedelta(hours=2))
    assert fakes.ledger.job(JOB_ID).state is JobState.SUBMITTED


# What NCA lost.


def forgotten(fakes: Fakes, job_id: str = JOB_ID, **changes: Any) -> Job:
    """A job that NCA does not know any more."""
    a_row(fakes)
    return an_open_job(fakes, job_id, **changes)


def test_a_forgotten_job_whose_file_lies_in_the_bucket_is_a_success(fakes: Fakes) -> None:
    forgotten(fakes)
    fakes.nca_bucket.found[JOB_ID] = (FILE_URL,)
    fakes.source.files[FILE_URL] = b"a film"
    swept(fakes)
    persisted(fakes)
    assert fakes.airtable.tables["Jobs"][RECORD_ID]["Status"] == "completed"


def test_a_forgotten_job_without_a_file_is_given_up_on_the_second_look_with_the_reason(fakes: Fakes) -> None:
    forgotten(fakes)
    assert swept(fakes).lost == 0
    fakes.clock.move(11 * MINUTE)
    assert swept(fakes).lost == 1
    persisted(fakes)
    row = fakes.airtable.tables["Jobs"][RECORD_ID]
    assert (row["Status"], fakes.ledger.job(JOB_ID).state) == ("failed", JobState.LOST)
    assert "does not know the job any more" in str(row["Error Details"])


def test_a_bucket_that_cannot_be_listed_or_does_not_answer_gives_nothing_up(fakes: Fakes) -> None:
    forgotten(fakes)
    fakes.nca_bucket.whole = False
    for minute in range(200):
        fakes.nca_bucket.down = RetryLater("503") if minute % 2 else None
        swept(fakes)
        fakes.clock.move(30 * MINUTE)
    assert fakes.ledger.job(JOB_ID).state is JobState.SUBMITTED


def test_a_job_that_may_be_another_services_is_never_given_up_because_nca_does_not_know_it(fakes: Fakes) -> None:
    forgotten(fakes, operation=None)
    for _ in range(20):
        swept(fakes)
        fakes.clock.move(timedelta(hours=1))
    assert fakes.ledger.job(JOB_ID).state is JobState.SUBMITTED


def test_one_file_of_two_is_not_the_job(fakes: Fakes) -> None:
    forgotten(fakes)
    fakes.airtable.tables["Jobs"][RECORD_ID]["Request Payload"] = repr({"outputs": [{}, {}]})
    fakes.nca_bucket.found[JOB_ID] = (f"https://nca.example.com/b/{JOB_ID}_output_0.mp4",)
    swept(fakes)
    fakes.clock.move(11 * MINUTE)
    assert swept(fakes).lost == 1


def test_a_late_success_of_a_lost_job_is_kept(fakes: Fakes) -> None:
    forgotten(fakes)
    for _ in range(2):
        swept(fakes)
        fakes.clock.move(11 * MINUTE)
    persisted(fakes)
    fakes.source.files[FILE_URL] = b"a film"
    fakes.queue.send(encode(a_message()))
    persisted(fakes)
    assert fakes.airtable.tables["Jobs"][RECORD_ID]["Status"] == "completed"


def restarted(fakes: Fakes, *job_ids: str, state: str = "queued") -> None:
    """NCA was killed with these jobs; its files still say what it was doing."""
    for job_id in job_ids:
        an_open_job(fakes, job_id)
        fakes.nca.running.add(job_id)
        fakes.nca.states[job_id] = state
    swept(fakes)
    for job_id in job_ids:
        fakes.nca.owners[job_id] = fakes.nca.worker
    number = str(int(fakes.nca.worker.pid or 0) + 1)
    fakes.nca.worker = Sender(number, number)
    fakes.clock.move(31 * MINUTE)
    swept(fakes)
    fakes.clock.move(11 * MINUTE)


def test_a_restart_with_many_jobs_is_one_incident_told_once(fakes: Fakes) -> None:
    restarted(fakes, *(f"job-{number}" for number in range(30)))
    swept(fakes)
    fakes.clock.move(11 * MINUTE)
    swept(fakes)
    assert [subject for subject, _ in fakes.topic.said] == ["Reelkeeper: NCA was restarted and lost jobs"]
    assert fakes.ledger.job("job-7").state is JobState.LOST


def test_an_incident_ends_half_an_hour_after_its_last_sign_and_the_next_is_told_again(fakes: Fakes) -> None:
    restarted(fakes, "job-1")
    swept(fakes)
    fakes.clock.move(31 * MINUTE)
    swept(fakes)
    assert fakes.notebook.incidents[Kind.NCA_RESTARTED].ended_at == fakes.clock()
    forgotten(fakes, "later")
    swept(fakes)
    assert len(fakes.topic.said) == 2


def test_with_two_workers_another_one_answering_gives_nothing_up(fakes: Fakes) -> None:
    an_open_job(fakes)
    fakes.nca.running.add(JOB_ID)
    fakes.nca.owners[JOB_ID] = Sender("9", "9")
    for _ in range(50):
        swept(fakes, nca_workers=2)
        fakes.clock.move(20 * MINUTE)
    assert fakes.ledger.job(JOB_ID).state is JobState.SUBMITTED


def test_a_dead_thread_is_one_incident_and_fails_nothing(fakes: Fakes) -> None:
    for number in range(5):
        an_open_job(fakes, f"job-{number}", minutes_old=31)
        fakes.nca.running.add(f"job-{number}")
        fakes.nca.states[f"job-{number}"] = "queued"
    for _ in range(6):
        swept(fakes)
        fakes.clock.move(12 * MINUTE)
    assert [subject for subject, _ in fakes.topic.said] == ["Reelkeeper: NCA's queue stands still: restart NCA"]
    assert fakes.ledger.job("job-3").state is JobState.SUBMITTED


def test_jobs_that_end_without_any_callback_for_an_hour_are_told_once(fakes: Fakes) -> None:
    for number in range(8):
        job_id = f"job-{number}"
        an_open_job(fakes, job_id)
        fakes.nca.reports[job_id] = a_callback_body(job_id=job_id).encode()
        swept(fakes)
        fakes.clock.move(15 * MINUTE)
    assert [subject for subject, _ in fakes.topic.said] == ["Reelkeeper: NCA's callbacks do not arrive"]


def test_one_lost_callback_among_others_that_come_is_no_incident(fakes: Fakes) -> None:
    for number in range(8):
        job_id = f"job-{number}"
        an_open_job(fakes, job_id)
        fakes.nca.reports[job_id] = a_callback_body(job_id=job_id).encode()
        swept(fakes)
        fakes.queue.send(encode(a_message(a_callback_body(job_id=f"other-{number}", id="recOther").encode())))
        persisted(fakes)
        fakes.clock.move(15 * MINUTE)
    assert fakes.topic.said == []


# Handing in anew.


def allowing(way: str, **changes: Any) -> Mapping:
    target = replace(MAPPING.operations["concatenate"], resubmit=way, resubmit_path="/v1/again", **changes)
    return Mapping(MAPPING.jobs, {**MAPPING.operations, "concatenate": target})


def lose(fakes: Fakes, mapping: Mapping, job_id: str = JOB_ID) -> Swept:
    """Let a job be given up."""
    forgotten(fakes, job_id)
    fakes.airtable.tables["Jobs"][RECORD_ID]["Related Video"] = ["recVideo"]
    swept(fakes, mapping=mapping)
    fakes.clock.move(11 * MINUTE)
    return swept(fakes, mapping=mapping)


def test_nothing_is_handed_in_anew_unless_the_mapping_says_so(fakes: Fakes) -> None:
    assert lose(fakes, MAPPING).resubmitted == 0
    assert (fakes.engine.asked, fakes.nca.submitted) == ([], [])


def test_the_engine_is_asked_once_for_one_loss_and_airtable_says_so(fakes: Fakes) -> None:
    assert lose(fakes, allowing("engine")).resubmitted == 1
    for _ in range(3):
        fakes.clock.move(timedelta(hours=1))
        swept(fakes, mapping=allowing("engine"))
    persisted(fakes)
    assert fakes.engine.asked == [("/v1/again", {"record_id": "recVideo"})]
    assert "handed in anew through the engine (1 of 2)" in str(fakes.airtable.tables["Jobs"][RECORD_ID]["Error Details"])


def test_one_loss_is_handed_in_once_however_often_a_person_asks_for_it(fakes: Fakes) -> None:
    mapping = allowing("engine", resubmissions=9)
    lose(fakes, mapping)
    by_hand = Round(fakes.outside(mapping=mapping), fakes.clock, no_jitter, fakes.clock() + MINUTE, origin="operator")
    for _ in range(3):
        assert resubmit(by_hand, [Loss(fakes.ledger.job(JOB_ID), was_running=False)]) == {}
    assert len(fakes.engine.asked) == 1


def test_a_job_that_is_lost_again_and_again_is_handed_in_twice_at_most(fakes: Fakes) -> None:
    for number in range(4):
        lose(fakes, allowing("engine"), f"job-{number}")
        persisted(fakes)
    assert len(fakes.engine.asked) == 2
    assert "not handed in anew: it was lost 3 times" in str(fakes.airtable.tables["Jobs"][RECORD_ID]["Error Details"])


def test_an_engine_that_is_down_is_not_asked_again_for_the_same_loss(fakes: Fakes) -> None:
    fakes.engine.down = RetryLater("the engine did not answer")
    assert lose(fakes, allowing("engine")).resubmitted == 0
    fakes.engine.down = None
    fakes.clock.move(timedelta(hours=1))
    swept(fakes, mapping=allowing("engine"))
    assert fakes.engine.asked == []


def test_nca_gets_the_stored_request_with_fresh_links_and_its_row_goes_on(fakes: Fakes) -> None:
    old, new = (f"https://v5.airtableusercontent.com/v3/{word}/film.mp4" for word in ("old", "new"))
    fakes.airtable.tables["Videos"]["recVideo"] = {"Music": [{"id": "attNew", "url": new, "filename": "film.mp4"}]}
    a_row(fakes)
    request = {"video_urls": [{"video_url": old}, {"video_url": "https://elsewhere.example.com/b.mp4"}]}
    forgotten(fakes)
    fakes.airtable.tables["Jobs"][RECORD_ID] |= {"Request Payload": repr(request), "Related Video": ["recVideo"]}
    swept(fakes, mapping=allowing("nca"))
    fakes.clock.move(11 * MINUTE)
    assert swept(fakes, mapping=allowing("nca")).resubmitted == 1
    ((path, payload),) = fakes.nca.submitted
    assert path == "/v1/again"
    assert payload["video_urls"] == [{"video_url": new}, {"video_url": "https://elsewhere.example.com/b.mp4"}]
    row = fakes.airtable.tables["Jobs"][RECORD_ID]
    assert (row["External Job ID"], row["Status"]) == ("new-1", "processing")
    assert fakes.ledger.job("new-1").resubmissions == 1
    persisted(fakes)
    assert row["Status"] == "processing"


def test_a_request_whose_input_is_gone_is_not_handed_in(fakes: Fakes) -> None:
    forgotten(fakes)
    request = {"video_urls": [{"video_url": "https://v5.airtableusercontent.com/v3/old/film.mp4"}]}
    fakes.airtable.tables["Jobs"][RECORD_ID]["Request Payload"] = repr(request)
    assert lose(fakes, allowing("nca")).resubmitted == 0
    assert fakes.nca.submitted == []


def test_a_job_that_kills_ncas_worker_twice_is_not_handed_in_any_more(fakes: Fakes) -> None:
    mapping = allowing("engine", resubmissions=9)
    for number in range(3):
        a_row(fakes, fields={"Related Video": ["recVideo"]})
        restarted(fakes, f"job-{number}", state="running")
        assert swept(fakes, mapping=mapping).lost == 1
    assert len(fakes.engine.asked) == 1
    assert "worker died 2 times" in str(fakes.ledger.job("job-1").error)


# Our own failures.


def test_a_copy_that_was_left_half_way_goes_on_from_the_kept_callback(fakes: Fakes) -> None:
    fakes.ledger.put(a_job(JobState.FINISHED, due_at=NOW, version=1))
    fakes.ledger.messages[JOB_ID] = a_message()
    assert swept(fakes).sent == 1


def test_an_airtable_that_refused_and_now_allows_is_told_without_another_copy(fakes: Fakes) -> None:
    a_row(fakes)
    fakes.nca.reports[JOB_ID] = a_callback_body().encode()
    fakes.source.files[FILE_URL] = b"a film"
    swept(fakes)
    fakes.airtable.down = Refused("403: the token may not write")
    for _ in range(12):
        persisted(fakes)
        fakes.clock.move(timedelta(hours=1))
        swept(fakes)
    assert fakes.ledger.job(JOB_ID).state is JobState.STORED
    fakes.airtable.down = None
    fakes.clock.move(timedelta(hours=12))
    swept(fakes)
    persisted(fakes)
    assert fakes.airtable.tables["Jobs"][RECORD_ID]["Status"] == "completed"
    assert (len(fakes.source.reads), len(fakes.nca.asked)) == (1, 1)


def test_a_copy_under_way_is_left_to_its_worker(fakes: Fakes) -> None:
    fakes.ledger.put(a_job(JobState.FINISHED, due_at=NOW, version=1))
    fakes.ledger.leases[JOB_ID] = "persist", NOW + MINUTE
    assert swept(fakes).due == 0
    fakes.clock.move(2 * MINUTE)
    assert swept(fakes).sent == 1


def test_a_source_that_is_about_to_expire_goes_first(fakes: Fakes) -> None:
    signed = "https://s.example.com/{}.mp4?X-Amz-Date=20261123T175000Z&X-Amz-Expires={}"
    for name, seconds in (("late", 3_600), ("soon", 900), ("next", 1_800)):
        output = JobOutput(source_url=signed.format(name, seconds), role="file", name="film.mp4")
        fakes.ledger.put(a_job(JobState.FINISHED, job_id=name, due_at=NOW, outputs=(output,), version=1))
        fakes.ledger.messages[name] = a_message(a_callback_body(job_id=name).encode())
    swept(fakes)
    assert [json.loads(one.body)["job_id"] for one in sent(fakes)] == ["soon", "next", "late"]


def test_a_dead_letter_gets_three_more_tries_and_then_waits_for_a_person(fakes: Fakes) -> None:
    text = encode(a_message())
    for _ in range(6):
        if not fakes.dead_letters.letters:
            fakes.dead_letters.bury(text, reason="a fault of ours")
        fakes.clock.move(timedelta(hours=5))
        swept(fakes)
    assert len(sent(fakes)) == 3
    assert len(fakes.dead_letters.letters) == 1


def test_a_dead_letter_that_is_no_message_stays_where_it_is(fakes: Fakes) -> None:
    fakes.dead_letters.bury("not one of ours", reason="not a Reelkeeper message")
    fakes.clock.move(timedelta(days=1))
    assert swept(fakes).revived == 0
    assert len(fakes.dead_letters.letters) == 1


# Fair and bounded.


def test_two_sweeps_never_run_together(fakes: Fakes) -> None:
    an_open_job(fakes)
    fakes.nca.reports[JOB_ID] = a_callback_body().encode()
    fakes.notebook.begin_sweep(owner="another", now=NOW, until=NOW + MINUTE)
    assert swept(fakes).busy
    assert sent(fakes) == []
    fakes.clock.move(2 * MINUTE)
    assert swept(fakes).sent == 1
    assert fakes.notebook.sweeper is None


def test_a_thousand_hopeless_jobs_keep_a_recoverable_one_waiting_for_nothing(fakes: Fakes) -> None:
    for number in range(1_000):
        an_open_job(fakes, f"hopeless-{number}", minutes_old=10_000, due_at=NOW - timedelta(hours=number + 1))
        fakes.nca.answers[f"hopeless-{number}"] = RetryLater("NCA did not answer")
    an_open_job(fakes, due_at=NOW)
    fakes.nca.reports[JOB_ID] = a_callback_body().encode()
    assert swept(fakes).sent == 1
    assert fakes.nca.asked[0] == JOB_ID


def test_hopeless_jobs_are_looked_at_ever_more_rarely(fakes: Fakes) -> None:
    an_open_job(fakes, minutes_old=10_000)
    fakes.nca.answers[JOB_ID] = Malformed("HTML")
    for _ in range(24 * 12):
        swept(fakes)
        fakes.clock.move(5 * MINUTE)
    assert len(fakes.nca.asked) <= 5


def test_a_sweep_ends_in_time_and_the_next_goes_on_with_the_rest(fakes: Fakes) -> None:
    for number in range(450):
        an_open_job(fakes, f"job-{number}", due_at=NOW - timedelta(seconds=450 - number))
        fakes.nca.reports[f"job-{number}"] = a_callback_body(job_id=f"job-{number}").encode()
    fakes.ledger.on_save = lambda job: fakes.clock.move(timedelta(milliseconds=100)) if job.job_id == "job-150" else None
    assert swept(fakes, minutes=0.001).sent == 200
    assert swept(fakes).sent == 250


def test_the_history_says_a_thing_once_however_often_it_is_seen(fakes: Fakes) -> None:
    an_open_job(fakes, minutes_old=40)
    fakes.nca.running.add(JOB_ID)
    for _ in range(20):
        swept(fakes)
        fakes.clock.move(30 * MINUTE)
    words = [event.what for event in fakes.ledger.job(JOB_ID).history]
    assert len(words) == len(set(words)) <= 3

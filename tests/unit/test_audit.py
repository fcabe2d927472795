"""The audit in virtual time: the mission's "wait 24 hours", and whatever may happen to a file meanwhile."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from reelkeeper.adapters.viewer import Seen
from reelkeeper.domain.callback import parse
from reelkeeper.domain.errors import RetryLater
from reelkeeper.domain.job import Job, JobState
from reelkeeper.domain.message import decode, encode
from reelkeeper.services.audit import KEPT_A_SWEEP, Audited, audit
from tests.unit.builders import FILE_URL, JOB_ID, NOW, RECORD_ID, a_callback_body, a_job, a_message
from tests.unit.fakes.outside import Fakes
from tests.unit.line import Line

FILM = b"frames" * 1_000
VIDEO_ID = "recVideo000000001"
FIELD = "Combined Segments Video"
DAY, MINUTE = timedelta(days=1), timedelta(minutes=1)


@pytest.fixture
def fakes() -> Fakes:
    """A world in which NCA has just reported a job, whose row and video are there."""
    fakes = Fakes()
    fakes.source.files[FILE_URL] = FILM
    fakes.airtable.tables["Jobs"][RECORD_ID] = {"Status": "processing", "Related Video": [VIDEO_ID], "History": ""}
    fakes.airtable.tables["Videos"][VIDEO_ID] = {"Name": "Film"}
    message = a_message(a_callback_body().encode())
    fakes.ledger.messages[JOB_ID] = message
    fakes.queue.send(encode(message))
    return fakes


def work(fakes: Fakes) -> None:
    """Persist whatever is on the queue."""
    Line(fakes).run(most=50)


def sweep(fakes: Fakes) -> Audited:
    """What a sweep does with published and kept jobs that are due."""
    now = fakes.clock()
    due = [job for job in fakes.ledger.due(now=now, limit=2_000) if job.state is JobState.PUBLISHED]
    return audit(due, outside=fakes.outside(), clock=fakes.clock, chance=lambda: 0.0, ends_at=now + timedelta(minutes=4))


def published(fakes: Fakes) -> Job:
    work(fakes)
    job = fakes.ledger.job(JOB_ID)
    assert job.state is JobState.PUBLISHED
    return job


def kept(fakes: Fakes) -> Job:
    """The job a week later, when it is kept."""
    published(fakes)
    fakes.airtable.fetch("Videos", VIDEO_ID, FIELD, size=len(FILM))
    for until in (10 * MINUTE, DAY, 7 * DAY):
        fakes.clock.now = NOW + until
        assert sweep(fakes) == Audited(1, 0)
    job = fakes.ledger.job(JOB_ID)
    assert job.state is JobState.KEPT
    return job


def video(fakes: Fakes) -> dict[str, Any]:
    return fakes.airtable.tables["Videos"][VIDEO_ID]


def row(fakes: Fakes) -> dict[str, Any]:
    return fakes.airtable.tables["Jobs"][RECORD_ID]


def key(fakes: Fakes) -> str:
    return fakes.ledger.job(JOB_ID).outputs[0].key or ""


# The mission's test: upload a file, wait 24 hours, verify that it is still accessible.


def test_after_24_hours_the_file_is_still_there_although_ncas_copy_is_not(fakes: Fakes) -> None:
    published(fakes)
    fakes.airtable.fetch("Videos", VIDEO_ID, FIELD, size=len(FILM))
    del fakes.source.files[FILE_URL]
    for until in (10 * MINUTE, DAY, 7 * DAY):
        fakes.clock.now = NOW + until - timedelta(seconds=1)
        assert sweep(fakes) == Audited(0, 0)
        fakes.clock.now = NOW + until
        assert sweep(fakes) == Audited(1, 0)
    assert fakes.ledger.job(JOB_ID).state is JobState.KEPT
    assert fakes.viewer.looked == [video(fakes)["Combined Segments Video URL"]] * 3
    assert fakes.topic.said == []


def test_what_is_kept_is_looked_at_for_years_and_never_forgotten(fakes: Fakes) -> None:
    kept(fakes)
    for _ in range(24):
        due_at = fakes.ledger.job(JOB_ID).due_at
        assert due_at is not None
        fakes.clock.now = due_at
        assert sweep(fakes) == Audited(1, 0)
        expires_at = fakes.ledger.job(JOB_ID).expires_at
        assert expires_at is not None
        assert expires_at > due_at + 60 * DAY
    assert fakes.clock() > NOW + 700 * DAY


def test_only_a_bounded_number_of_kept_jobs_is_looked_at_in_a_sweep(fakes: Fakes) -> None:
    whole = kept(fakes)
    for number in range(3 * KEPT_A_SWEEP):
        fakes.ledger.put(replace(whole, job_id=f"job-{number}", due_at=NOW, version=1))
    assert sweep(fakes) == Audited(KEPT_A_SWEEP, 0)
    assert sweep(fakes) == Audited(KEPT_A_SWEEP, 0)


# A file that is gone.


def test_a_missing_object_is_brought_back_from_an_earlier_version_and_people_are_told(fakes: Fakes) -> None:
    kept(fakes)
    fakes.versions.earlier[key(fakes)] = fakes.bucket.objects.pop(key(fakes))
    fakes.clock.move(45 * DAY)
    assert sweep(fakes) == Audited(1, 1)
    assert fakes.bucket.objects[key(fakes)] == FILM
    job = fakes.ledger.job(JOB_ID)
    assert (job.state, "earlier version" in job.history[-1].what) == (JobState.KEPT, True)
    ((subject, text),) = fakes.topic.said
    assert subject == "Reelkeeper: 1 kept file not as they should be"
    assert JOB_ID in text
    fakes.clock.move(5 * MINUTE)
    assert sweep(fakes) == Audited(1, 0)


def test_an_overwritten_object_becomes_what_was_kept(fakes: Fakes) -> None:
    kept(fakes)
    fakes.versions.earlier[key(fakes)] = FILM
    fakes.bucket.objects[key(fakes)] = b"frames" * 999 + b"FRAMES"
    fakes.clock.move(45 * DAY)
    assert sweep(fakes) == Audited(1, 1)
    assert fakes.bucket.objects[key(fakes)] == FILM


def test_a_missing_object_without_versions_is_copied_again_and_airtable_is_left_as_people_have_it(fakes: Fakes) -> None:
    kept(fakes)
    video(fakes).update({"Status": "Approved", FIELD: [{"id": "attTheirs", "filename": "cut.mp4", "size": 5}]})
    row(fakes)["Status"] = "archived"
    del fakes.bucket.objects[key(fakes)]
    fakes.clock.move(45 * DAY)
    assert sweep(fakes) == Audited(1, 1)
    work(fakes)
    assert fakes.bucket.objects[key(fakes)] == FILM
    assert fakes.ledger.job(JOB_ID).state is JobState.PUBLISHED
    assert video(fakes)["Status"] == "Approved"
    assert [one["id"] for one in video(fakes)[FIELD]] == ["attTheirs"]
    assert row(fakes)["Status"] == "archived"
    assert len(fakes.topic.said) == 1


def test_a_missing_object_whose_source_is_gone_too_is_told_in_the_row(fakes: Fakes) -> None:
    kept(fakes)
    del fakes.bucket.objects[key(fakes)]
    del fakes.source.files[FILE_URL]
    fakes.clock.move(45 * DAY)
    sweep(fakes)
    while fakes.ledger.job(JOB_ID).state is JobState.FINISHED:
        fakes.clock.move(timedelta(hours=1))
        work(fakes)
    assert fakes.ledger.job(JOB_ID).state is JobState.LOST
    assert "gone" in row(fakes)["Error Details"]
    assert row(fakes)["Status"] == "completed"
    assert video(fakes)[FIELD][0]["size"] == len(FILM)


def test_an_object_that_cannot_be_brought_back_is_one_incident_and_is_looked_at_ever_more_rarely(fakes: Fakes) -> None:
    kept(fakes)
    fakes.bucket.objects[key(fakes)] = b"x"
    fakes.clock.move(45 * DAY)
    waits = []
    for _ in range(4):
        due_at = fakes.ledger.job(JOB_ID).due_at
        assert due_at is not None
        fakes.clock.now = max(fakes.clock(), due_at)
        assert sweep(fakes) == Audited(1, 1)
        after = fakes.ledger.job(JOB_ID).due_at
        assert after is not None
        waits.append(after - fakes.clock())
    assert waits == sorted(waits)
    assert waits[-1] > waits[0]
    assert len(fakes.topic.said) == 1


@pytest.mark.parametrize(
    ("seen", "words"),
    [
        (Seen(403, "application/xml", 200, gives_ranges=False), "answers 403"),
        (Seen(200, "video/mp4", 17, gives_ranges=True), "17 bytes"),
        (Seen(200, "binary/octet-stream", len(FILM), gives_ranges=True), "its type is binary/octet-stream"),
        (Seen(200, "video/mp4", len(FILM), gives_ranges=False), "no part of the file"),
    ],
)
def test_what_a_viewer_stumbles_over_is_found_though_the_object_is_whole(fakes: Fakes, seen: Seen, words: str) -> None:
    kept(fakes)
    fakes.viewer.instead[video(fakes)["Combined Segments Video URL"]] = seen
    fakes.clock.move(45 * DAY)
    assert sweep(fakes) == Audited(1, 1)
    assert words in fakes.topic.said[0][1]


def test_a_thousand_files_that_are_unreadable_at_once_are_one_message(fakes: Fakes) -> None:
    job = published(fakes)
    fakes.bucket.objects.clear()
    jobs = [replace(job, job_id=f"job-{number}", audits=1, version=1) for number in range(250)]
    for one in jobs:
        fakes.ledger.put(one)
    audit(jobs, outside=fakes.outside(), clock=fakes.clock, chance=lambda: 0.0, ends_at=NOW + DAY)
    ((subject, text),) = fakes.topic.said
    assert "250 kept files" in subject
    assert "and 200 more" in text


def test_an_address_that_does_not_answer_is_no_verdict(fakes: Fakes) -> None:
    job = kept(fakes)
    fakes.viewer.instead[job.outputs[0].permanent_url or ""] = RetryLater("the permanent address did not answer: timeout")
    fakes.clock.move(45 * DAY)
    assert sweep(fakes) == Audited(1, 0)
    assert fakes.topic.said == []
    assert fakes.ledger.job(JOB_ID).state is JobState.KEPT


def test_people_who_cannot_be_told_change_nothing_else(fakes: Fakes) -> None:
    kept(fakes)
    fakes.topic.down = RetryLater("SNS is down")
    fakes.versions.earlier[key(fakes)] = fakes.bucket.objects.pop(key(fakes))
    fakes.clock.move(45 * DAY)
    assert sweep(fakes) == Audited(1, 1)
    assert fakes.bucket.objects[key(fakes)] == FILM


def test_a_job_that_makes_our_own_code_fail_holds_up_no_other(fakes: Fakes) -> None:
    whole = published(fakes)
    fakes.airtable.fetch("Videos", VIDEO_ID, FIELD, size=len(FILM))
    bad = replace(whole.outputs[0], permanent_url="https://bad")
    jobs = [replace(whole, job_id="job-bad", outputs=(bad,), audits=1, version=1), whole]
    fakes.ledger.put(jobs[0])
    fakes.viewer.instead["https://bad"] = ValueError("a fault")
    # The other kind: a cell that no code of ours was made for.
    fakes.airtable.tables["Videos"]["recOdd"] = {FIELD: [{"id": 5}, {"filename": {}}]}
    jobs.append(replace(whole, job_id="job-odd", target_id="recOdd", version=1))
    fakes.ledger.put(jobs[2])
    fakes.clock.move(10 * MINUTE)
    audit(jobs, outside=fakes.outside(), clock=fakes.clock, chance=lambda: 0.0, ends_at=NOW + DAY)
    assert fakes.ledger.job(JOB_ID).audits == 1
    for job_id, audits in (("job-bad", 1), ("job-odd", 0)):
        job = fakes.ledger.job(job_id)
        assert (job.audits, job.attempts) == (audits, 1)
        assert job.due_at is not None
        assert job.due_at > fakes.clock()


def test_a_sweep_that_is_over_leaves_the_rest_due(fakes: Fakes) -> None:
    job = published(fakes)
    fakes.clock.move(DAY)
    assert audit([job], outside=fakes.outside(), clock=fakes.clock, chance=lambda: 0.0, ends_at=NOW) == Audited(0, 0)
    assert fakes.viewer.looked == []


# Ten minutes later: did Airtable fetch the attachment?


def attempts(fakes: Fakes) -> Iterator[list[dict[str, Any]]]:
    """Sweep until the job waits for its second look, and give each write of the cell."""
    while fakes.ledger.job(JOB_ID).audits == 0:
        before = len(fakes.airtable.writes)
        fakes.clock.move(10 * MINUTE)
        sweep(fakes)
        for table, rows in fakes.airtable.writes[before:]:
            if table == "Videos":
                yield list(rows[0].fields[FIELD])


def test_a_file_that_airtable_did_not_fetch_is_attached_again(fakes: Fakes) -> None:
    job = published(fakes)
    fakes.clock.move(10 * MINUTE)
    sweep(fakes)
    assert len(video(fakes)[FIELD]) == 1
    assert video(fakes)[FIELD][0]["id"] not in job.attached
    fakes.airtable.fetch("Videos", VIDEO_ID, FIELD, size=len(FILM))
    fakes.clock.move(10 * MINUTE)
    assert sweep(fakes) == Audited(1, 0)
    assert fakes.ledger.job(JOB_ID).ingested_at == NOW + 20 * MINUTE
    assert row(fakes)["History"].endswith("attached, at the second try")
    assert not row(fakes).get("Error Details")


def test_after_three_tries_the_row_says_so_and_nothing_is_attached_any_more(fakes: Fakes) -> None:
    published(fakes)
    assert len(list(attempts(fakes))) == 2
    assert "could not fetch the file in 3 tries" in row(fakes)["Error Details"]
    assert video(fakes)["Combined Segments Video URL"] in row(fakes)["Error Details"]
    assert row(fakes)["Status"] == "completed"
    fakes.clock.now = NOW + DAY
    assert sweep(fakes) == Audited(1, 0)


def test_a_cell_that_airtable_cleared_gets_the_file_again(fakes: Fakes) -> None:
    published(fakes)
    video(fakes)[FIELD] = []
    assert [one["filename"] for one in next(attempts(fakes))] == [f"{JOB_ID}.mp4"]


def test_what_airtable_fetched_instead_of_the_file_is_replaced_and_the_others_stay(fakes: Fakes) -> None:
    video(fakes)[FIELD] = [{"id": "attTheirs", "filename": "by hand.mp4", "size": 9}]
    published(fakes)
    video(fakes)[FIELD][0]["size"] = 512
    (new, other) = next(attempts(fakes))
    assert (new["filename"], other) == (f"{JOB_ID}.mp4", {"id": "attTheirs"})


@pytest.mark.parametrize("cell", [[], [{"id": "attTheirs", "filename": "better.mp4", "size": 9}]])
def test_a_file_that_a_person_took_away_after_it_was_there_is_not_put_back(fakes: Fakes, cell: list[Any]) -> None:
    published(fakes)
    fakes.airtable.fetch("Videos", VIDEO_ID, FIELD, size=len(FILM))
    fakes.clock.move(10 * MINUTE)
    sweep(fakes)
    video(fakes)[FIELD] = cell
    for until in (DAY, 7 * DAY, 60 * DAY):
        fakes.clock.now = NOW + until
        assert sweep(fakes) == Audited(1, 0)
    assert video(fakes)[FIELD] == cell


def test_a_file_that_a_person_replaced_within_ten_minutes_is_not_put_back(fakes: Fakes) -> None:
    published(fakes)
    video(fakes)[FIELD] = [{"id": "attTheirs", "filename": "better.mp4", "size": 9}]
    assert list(attempts(fakes)) == []
    assert fakes.ledger.job(JOB_ID).state is JobState.PUBLISHED


def test_while_airtable_does_not_answer_the_files_are_not_looked_at_either(fakes: Fakes) -> None:
    """Else each sweep of an outage would look at every one of them again."""
    published(fakes)
    fakes.airtable.down = RetryLater("Airtable's calls of this month are used up", delay=timedelta(hours=6))
    fakes.clock.move(10 * MINUTE)
    sweep(fakes)
    due_at = fakes.ledger.job(JOB_ID).due_at
    assert due_at is not None
    assert due_at >= fakes.clock() + timedelta(hours=6)
    assert fakes.viewer.looked == []


def test_a_job_that_moves_on_meanwhile_is_left_alone(fakes: Fakes) -> None:
    job = published(fakes)
    fakes.clock.move(10 * MINUTE)
    fakes.ledger.put(replace(job, state=JobState.KEPT, due_at=None, version=job.version + 1))
    audit([job], outside=fakes.outside(), clock=fakes.clock, chance=lambda: 0.0, ends_at=NOW + DAY)
    assert fakes.ledger.job(JOB_ID).version == job.version + 1


EARLIER = "https://earlier.example.net/film.mp4"


def moved(fakes: Fakes) -> Job:
    """A kept job whose file stayed in the bucket that files were kept in before."""
    job = kept(fakes)
    output = replace(job.outputs[0], permanent_url=EARLIER)
    fakes.bucket.objects.clear()
    fakes.viewer.instead[EARLIER] = Seen(200, "video/mp4", len(FILM), gives_ranges=True)
    job = fakes.ledger.save(replace(job, outputs=(output,)))
    fakes.clock.now = NOW + 100 * DAY
    return job


def test_a_file_that_stayed_in_an_earlier_bucket_is_looked_at_there_and_nothing_is_lost(fakes: Fakes) -> None:
    moved(fakes)
    assert sweep(fakes) == Audited(1, 0)
    assert fakes.viewer.looked[-1] == EARLIER
    assert (fakes.ledger.job(JOB_ID).state, fakes.topic.said) == (JobState.KEPT, [])


def test_a_thumbnail_nobody_is_shown_is_not_missed_after_a_move(fakes: Fakes) -> None:
    job = moved(fakes)
    hidden = replace(job.outputs[0], key="outputs/x/1-thumb.jpg", permanent_url=None)
    fakes.ledger.save(replace(job, outputs=(*job.outputs, hidden)))
    assert sweep(fakes) == Audited(1, 0)
    assert fakes.ledger.job(JOB_ID).state is JobState.KEPT


def test_an_object_deleted_here_comes_back_though_its_address_was_another_then(fakes: Fakes) -> None:
    job = moved(fakes)
    fakes.viewer.instead[EARLIER] = Seen(404, "text/html", 9, gives_ranges=False)
    fakes.versions.earlier[job.outputs[0].key or ""] = FILM
    assert sweep(fakes) == Audited(1, 1)
    assert "earlier version" in fakes.ledger.job(JOB_ID).history[-1].what


def test_an_earlier_address_that_serves_it_no_more_is_told_and_fails_no_job(fakes: Fakes) -> None:
    moved(fakes)
    fakes.viewer.instead[EARLIER] = Seen(404, "text/html", 9, gives_ranges=False)
    assert sweep(fakes) == Audited(1, 1)
    assert fakes.ledger.job(JOB_ID).state is JobState.KEPT
    assert "where files were kept before, answers 404" in str(fakes.topic.said)


def test_a_job_without_a_file_is_kept_without_a_look(fakes: Fakes) -> None:
    fakes.ledger.put(a_job(JobState.PUBLISHED, due_at=NOW, told_at=NOW, version=1, audits=2))
    fakes.clock.now = NOW + 8 * DAY
    sweep(fakes)
    assert fakes.ledger.job(JOB_ID).state is JobState.KEPT


def test_the_message_that_copies_again_is_the_callback_as_it_came(fakes: Fakes) -> None:
    kept(fakes)
    del fakes.bucket.objects[key(fakes)]
    fakes.clock.move(45 * DAY)
    sweep(fakes)
    (waiting,) = fakes.queue.waiting.values()
    message = decode(waiting.text)
    assert parse(message.body, message.query).outputs[0].url == FILE_URL  # type: ignore[union-attr]

"""What becomes of attachments, and the one line a person reads of a job."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from reelkeeper.domain.attaching import Cell, attached_anew, attached_ids, attachments, look_at, megabytes, not_attached
from reelkeeper.domain.job import Event, Job, JobState
from reelkeeper.domain.mapping import Target
from reelkeeper.domain.telling import history_line
from tests.unit.builders import JOB_ID, NOW, a_job, a_stored_output

TARGET = Target(table="Videos", attachment="Video", url="Video URL")
NAME = f"{JOB_ID}.mp4"
THEIRS = {"id": "attTheirs", "filename": "by hand.mp4", "size": 9}


def a_published_job(**changes: Any) -> Job:
    """A job whose file is in a cell beside one of somebody else's."""
    values: dict[str, Any] = {"outputs": (a_stored_output(),), "attached": ("attOurs",), "beside": ("attTheirs",)}
    return a_job(JobState.PUBLISHED, **(values | changes))


def ours(**changes: Any) -> dict[str, Any]:
    return {"id": "attOurs", "filename": NAME, "size": 1_000_000} | changes


@pytest.mark.parametrize(
    ("cell", "became"),
    [
        ([ours(), THEIRS], Cell.WHOLE),
        ([ours()], Cell.WHOLE),
        ([{"id": "attOurs", "filename": NAME}, THEIRS], Cell.BROKEN),
        ([ours(size=512), THEIRS], Cell.BROKEN),
        ([THEIRS], Cell.CLEARED),
        ([], Cell.EDITED),
        (None, Cell.EDITED),
        ([THEIRS, {"id": "attNew", "filename": "better.mp4", "size": 5}], Cell.EDITED),
    ],
)
def test_a_cell_tells_what_airtable_or_a_person_did(cell: Any, became: Cell) -> None:
    assert look_at(a_published_job(), TARGET, cell) is became


def test_an_empty_cell_was_cleared_by_airtable_unless_the_file_had_been_there() -> None:
    job = a_published_job(beside=())
    assert look_at(job, TARGET, []) is Cell.CLEARED
    assert look_at(replace(job, ingested_at=NOW), TARGET, []) is Cell.EDITED


def test_attaching_anew_sends_only_what_is_not_whole_and_keeps_what_is_beside() -> None:
    second = a_stored_output(1, key=f"outputs/{JOB_ID}/1-b.mp4")
    job = a_published_job(outputs=(a_stored_output(), second))
    cell = attached_anew(job, TARGET, [ours(), THEIRS])
    assert cell == [
        {"id": "attOurs"},
        {"url": second.permanent_url, "filename": f"{JOB_ID[:8]}-b.mp4"},
        {"id": "attTheirs"},
    ]


def test_airtables_ids_are_told_apart_by_the_names_we_gave() -> None:
    assert attached_ids(a_published_job(), TARGET, [ours(), THEIRS]) == (("attOurs",), ("attTheirs",))
    assert attached_ids(a_published_job(), TARGET, None) == ((), ())


def test_a_cell_that_another_job_of_the_batch_is_about_to_fill_keeps_that_file_too() -> None:
    pending = [{"url": "https://kept.example.net/other.mp4", "filename": "other.mp4"}]
    assert attachments(JOB_ID, [a_stored_output()], pending) == [
        {"url": a_stored_output().permanent_url, "filename": NAME},
        *pending,
    ]


def test_why_a_file_is_not_attached_is_said_where_the_mapping_does_not_say_it_of_all() -> None:
    large = a_published_job(outputs=(a_stored_output(size=1_234_000_000),))
    assert "it has 1,234 MB and the most is 1,000 MB" in (not_attached(large, TARGET) or "")
    assert not_attached(large, replace(TARGET, attach="never")) is None
    assert not_attached(a_published_job(), TARGET) is None


@pytest.mark.parametrize(("size", "text"), [(0, "0.0 MB"), (48_300_000, "48 MB"), (1_234_567_890, "1,235 MB")])
def test_sizes_are_for_people(size: int, text: str) -> None:
    assert megabytes(size) == text


# The line.


@pytest.mark.parametrize(
    ("job", "line"),
    [
        (a_job(JobState.STORED, outputs=(a_stored_output(),), attached=("a",)), "called back; stored 1.0 MB; attached"),
        (a_job(JobState.STORED, outputs=(a_stored_output(), a_stored_output(1))), "called back; stored 2.0 MB (2 files)"),
        (
            a_job(JobState.STORED, outputs=(a_stored_output(verdict="plays in some browsers"), a_stored_output(1))),
            "called back; stored 2.0 MB (2 files); plays in some browsers",
        ),
        (a_job(JobState.STORED), "called back; no file was made"),
        (
            a_job(JobState.STORED, origin="poll", submitted_at=NOW - timedelta(minutes=6), outputs=(a_stored_output(),)),
            "callback lost; found by polling after 6 min; stored 1.0 MB",
        ),
        (
            a_job(JobState.STORED, origin="operator", resubmissions=1),
            "callback lost; found by an operator; submitted again 1 time; no file was made",
        ),
        (a_job(JobState.FAILED, error="Traceback\nffmpeg: no such file"), "called back; failed: ffmpeg: no such file"),
        (a_job(JobState.LOST, error=""), "called back; lost: no reason given"),
        (
            a_job(JobState.PUBLISHED, outputs=(a_stored_output(),), attached=("a",), attach_tries=2),
            "called back; stored 1.0 MB; attached, at the third try",
        ),
    ],
)
def test_one_line_says_what_became_of_a_job(job: Job, line: str) -> None:
    assert history_line(job) == line


def test_the_line_never_grows_with_the_reason() -> None:
    job = a_job(JobState.FAILED, error="x" * 40_000, history=(Event(NOW, "failed: x"),))
    assert len(history_line(job)) < 200

"""What Airtable is to show: only what differs is written, a good file is never taken away, and no cell makes it fail."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reelkeeper.domain.attaching import attachments, file_name
from reelkeeper.domain.callback import Timing
from reelkeeper.domain.job import Job, JobState
from reelkeeper.domain.mapping import JobsTable, Target
from reelkeeper.domain.telling import TELLABLE, job_changes, response_text, target_changes, target_id
from tests.unit.builders import JOB_ID, a_job, a_stored_output

JOBS = JobsTable(
    table="Jobs",
    status="Status",
    external_id="External Job ID",
    response="Response Payload",
    error="Error Details",
    request="Request Payload",
)
COMBINE = Target(
    table="Segments",
    attachment="Video",
    url="Video URL",
    status="Status",
    success="combined",
    failure="combination_failed",
    link="Related Segment Video",
    payload=("segment_id", "record_id"),
)
# A table that has nothing but the attachment, as the engine's Videos.
BARE = Target(table="Videos", attachment="Video")
NAME = f"{JOB_ID}.mp4"


def a_stored_job(*outputs: Any, **changes: Any) -> Job:
    return a_job(JobState.STORED, outputs=outputs or (a_stored_output(),), **changes)


def an_attachment(id_: str = "att1", filename: str = NAME, **changes: Any) -> dict[str, Any]:
    return {"id": id_, "filename": filename, "size": 1_000_000, "url": "https://v5.airtableusercontent.com/x"} | changes


def new(index: int = 0, filename: str = NAME) -> dict[str, Any]:
    return {"url": a_stored_output(index).permanent_url, "filename": filename}


# Whose row it is.


def test_the_callback_names_the_target_before_the_row_does() -> None:
    row = {"Related Segment Video": ["recLinked"]}
    assert target_id(a_job(target_id="recNamed"), COMBINE, row, JOBS) == "recNamed"
    assert target_id(a_job(), COMBINE, row, JOBS) == "recLinked"


@pytest.mark.parametrize(
    ("request_", "found"),
    [
        ('{"segment_id": "recA", "record_id": "recB"}', "recA"),
        ('{"segment_id": null, "record_id": "recB"}', "recB"),
        ("{'record_id': 'recB', 'inputs': [{'file_url': None}], 'x': True}", "recB"),
        ('{"segment_id": 5}', None),
        ('["recA"]', None),
        ("", None),
        (None, None),
        (["recA"], None),
        ("{[]: 1}", None),
        ("__import__('os').getcwd()", None),
        ("[" * 90_000, None),
        ("9" * 90_000, None),
        ("\x00", None),
        ("{'record_id': 'recB'}" + " " * 100_000, None),
    ],
)
def test_the_stored_request_is_read_as_json_or_as_python_wrote_it(request_: object, found: str | None) -> None:
    assert target_id(a_job(), COMBINE, {"Request Payload": request_}, JOBS) == found


@pytest.mark.parametrize("link", [None, [], "recLinked", [{"id": "recLinked"}], [None]])
def test_a_link_that_is_none_leaves_the_request(link: object) -> None:
    row = {"Related Segment Video": link, "Request Payload": '{"record_id": "recB"}'}
    assert target_id(a_job(), COMBINE, row, JOBS) == "recB"


def test_a_base_without_links_and_requests_has_no_target() -> None:
    jobs = JobsTable(table="Jobs", status="Status", external_id="ID")
    assert target_id(a_job(), BARE, {"": ["recX"], "Request Payload": '{"record_id": "recB"}'}, jobs) is None


@given(st.text(max_size=60) | st.from_regex(r"[\[\]{}():,'\"0-9a-z ]{0,40}"))
@pytest.mark.filterwarnings("ignore::SyntaxWarning")
def test_no_text_in_the_request_makes_it_fail(text: str) -> None:
    found = target_id(a_job(), COMBINE, {"Request Payload": text}, JOBS)
    assert found is None or isinstance(found, str)


# The target's row.


def test_a_stored_job_shows_its_file_address_and_status() -> None:
    url = a_stored_output().permanent_url
    assert target_changes(a_stored_job(), COMBINE, {}) == {"Video": [new()], "Video URL": url, "Status": "combined"}


def test_a_row_that_shows_it_all_is_left_alone() -> None:
    there = {"Video": [an_attachment()], "Video URL": a_stored_output().permanent_url, "Status": "combined"}
    assert target_changes(a_stored_job(), COMBINE, there) == {}


def test_only_what_differs_is_written() -> None:
    there = {"Video": [an_attachment()], "Video URL": "https://old", "Status": "combined"}
    assert target_changes(a_stored_job(), COMBINE, there) == {"Video URL": a_stored_output().permanent_url}


def test_a_table_with_nothing_but_the_attachment_gets_that_alone() -> None:
    assert target_changes(a_stored_job(), BARE, {}) == {"Video": [new()]}
    assert target_changes(a_job(JobState.FAILED), BARE, {}) == {}


@pytest.mark.parametrize("state", sorted(TELLABLE - {JobState.STORED}))
def test_a_bad_end_changes_the_status_and_leaves_the_last_good_file(state: JobState) -> None:
    there = {"Video": [an_attachment("att0", "good.mp4")], "Status": "combining"}
    assert target_changes(a_job(state), COMBINE, there) == {"Status": "combination_failed"}


def test_thumbnails_are_kept_and_not_attached() -> None:
    job = a_stored_job(a_stored_output(role="thumbnail"), a_stored_output(1))
    assert target_changes(job, BARE, {}) == {"Video": [new(1)]}


def test_a_job_without_a_file_touches_no_attachment() -> None:
    assert target_changes(a_job(JobState.STORED), COMBINE, {"Video": [an_attachment()]}) == {"Status": "combined"}


# The attachment cell, which Airtable replaces as a whole.


@pytest.mark.parametrize("there", [None, [], "", [None, "x"]])
def test_an_empty_cell_gets_the_file(there: object) -> None:
    assert attachments(JOB_ID, [a_stored_output()], there) == [new()]


def test_files_of_others_are_kept_behind_it_by_id() -> None:
    there = [an_attachment("att1", "by hand.mp4"), an_attachment("att2", "older.mp4")]
    assert attachments(JOB_ID, [a_stored_output()], there) == [new(), {"id": "att1"}, {"id": "att2"}]


def test_what_is_there_is_not_sent_again() -> None:
    there = [an_attachment("att1")]
    second = a_stored_output(1, name="b.mp4", key=f"outputs/{JOB_ID}/1-b.mp4")
    assert attachments(JOB_ID, [a_stored_output()], there) is None
    name = f"{JOB_ID[:8]}-b.mp4"
    assert attachments(JOB_ID, [a_stored_output(), second], there) == [
        {"url": second.permanent_url, "filename": name},
        {"id": "att1"},
    ]


def test_two_outputs_of_the_same_name_are_told_apart() -> None:
    outputs = [a_stored_output(place, key=f"outputs/{JOB_ID}/{place}-same.mp4") for place in range(2)]
    written = attachments(JOB_ID, outputs, None)
    assert written is not None
    assert len({one["filename"] for one in written}) == 2
    there = [an_attachment(f"att{place}", one["filename"]) for place, one in enumerate(written)]
    assert attachments(JOB_ID, outputs, there) is None


def test_a_file_that_airtable_is_still_fetching_is_there() -> None:
    assert attachments(JOB_ID, [a_stored_output()], [an_attachment(size=None)]) is None


def test_a_file_of_another_size_under_its_name_is_replaced() -> None:
    assert attachments(JOB_ID, [a_stored_output()], [an_attachment("att1", size=17)]) == [new()]


@given(st.lists(st.sampled_from([NAME, "b.mp4", "c.mp4"]), max_size=5))
def test_what_was_written_needs_no_second_write(names: list[str]) -> None:
    there = [an_attachment(f"att{number}", name, size=number) for number, name in enumerate(names)]
    written = attachments(JOB_ID, [a_stored_output()], there) or []
    by_id = {one["id"]: one for one in there}
    after = [by_id[one["id"]] if "id" in one else an_attachment("attNew", one["filename"]) for one in written]
    assert attachments(JOB_ID, [a_stored_output()], after) is None
    # Nobody else's file is lost.
    assert {one["id"] for one in there if one["filename"] != NAME} <= {one["id"] for one in after}


@pytest.mark.parametrize(
    ("key", "name"),
    [
        (f"outputs/{JOB_ID}/0-{JOB_ID}_output_0.mp4", f"{JOB_ID}_output_0.mp4"),
        (f"outputs/{JOB_ID}/12-my-film.mp4", f"{JOB_ID[:8]}-my-film.mp4"),
        (None, f"{JOB_ID}.mp4"),
    ],
)
def test_an_attachment_is_named_as_the_object_made_unique_by_its_job(key: str | None, name: str) -> None:
    output = a_stored_output(key=key, name=f"0-{JOB_ID}.mp4" if key is None else "other")
    assert file_name(JOB_ID, output) == name


# The job's own row.


def test_a_success_is_completed_and_clears_an_old_error() -> None:
    there = {"Status": "failed", "Error Details": "it broke"}
    job = a_stored_job()
    assert job_changes(job, JOBS, there) == {
        "Status": "completed",
        "Response Payload": response_text(job),
        "Error Details": None,
    }


def test_a_success_may_carry_a_remark() -> None:
    assert job_changes(a_stored_job(), JOBS, {}, remark="could not be attached")["Error Details"] == "could not be attached"


def test_a_row_that_knows_is_left_alone() -> None:
    job = a_stored_job()
    assert job_changes(job, JOBS, {"Status": "completed", "Response Payload": response_text(job)}) == {}
    failed = a_job(JobState.FAILED, error="it broke")
    assert job_changes(failed, JOBS, {"Status": "failed", "Error Details": "it broke"}) == {}


@pytest.mark.parametrize("state", sorted(TELLABLE - {JobState.STORED}))
def test_a_bad_end_never_overwrites_what_another_job_completed(state: JobState) -> None:
    job = a_job(state, error="it broke")
    assert job_changes(job, JOBS, {"Status": "completed"}) == {}
    assert job_changes(job, JOBS, {"Status": "processing"}) == {"Status": "failed", "Error Details": "it broke"}


def test_a_bad_end_without_a_reason_names_the_state() -> None:
    assert job_changes(a_job(JobState.LOST), JOBS, {})["Error Details"] == "the job is lost"


def test_fields_that_the_base_lacks_are_not_written() -> None:
    jobs = JobsTable(table="Jobs", status="Status", external_id="ID")
    assert job_changes(a_stored_job(), jobs, {}) == {"Status": "completed"}
    assert job_changes(a_job(JobState.FAILED, error="x"), jobs, {}) == {"Status": "failed"}


def test_the_response_names_what_lasts_and_nothing_that_expires() -> None:
    signed = a_stored_output(source_url="https://x/a.mp4?X-Amz-Signature=5ecret")
    said = json.loads(response_text(a_stored_job(signed, endpoint="/v1/video/trim", timing=Timing(run_s=1.5))))
    assert said == {
        "job_id": JOB_ID,
        "endpoint": "/v1/video/trim",
        "outputs": [signed.permanent_url],
        "bytes": 1_000_000,
        "run_time": 1.5,
    }


def test_a_response_of_many_outputs_shows_the_first_and_counts_the_rest() -> None:
    said = json.loads(response_text(a_stored_job(*(a_stored_output(index) for index in range(500)))))
    assert (len(said["outputs"]), said["more_outputs"]) == (40, 460)

"""What leads to a job besides its id, and what ids a name gives away."""

import pytest

from reelkeeper.domain.job import JobState
from reelkeeper.domain.references import job_ids_in, name_in_address, references
from tests.unit.builders import JOB_ID, a_job, a_stored_output


def test_a_job_is_known_by_its_messages_and_the_record_with_its_output() -> None:
    known_by = references(a_job(target_id="recAsked"), message_ids=["m1", "inbox/2026/1.json"], target_id="recFound")
    assert known_by == {"m1", "inbox/2026/1.json", "recAsked", "recFound"}


def test_a_file_name_that_shows_the_jobs_id_needs_no_pointer() -> None:
    shown, hidden = f"{JOB_ID}_output_0.mp4", "My holiday.mp4"
    outputs = tuple(a_stored_output(index, name=name) for index, name in enumerate((shown, hidden)))
    assert references(a_job(JobState.STORED, outputs=outputs)) == {hidden}


def test_the_texts_of_a_transcription_lead_nowhere_for_all_are_called_the_same() -> None:
    text = a_stored_output(0, name="transcript.txt", source_url=None)
    assert references(a_job(JobState.STORED, outputs=(text,))) == frozenset()


def test_an_id_that_is_unsafe_in_a_key_is_known_by_the_folder_it_got() -> None:
    (folder,) = references(a_job(job_id="../../etc", outputs=()))
    assert len(folder) == 40


@pytest.mark.parametrize(
    "text",
    [
        JOB_ID,
        f"{JOB_ID}_output_0.mp4",
        f"{JOB_ID}_output_0_thumbnail.jpg",
        f"outputs/{JOB_ID}/0-film.mp4",
        f"https://d1.cloudfront.net/outputs/{JOB_ID}/0-film.mp4",
        f"https://nca.example.com/bucket/{JOB_ID}.mp4?X-Amz-Signature=1",
        f"{JOB_ID[:8]}-film.mp4 {JOB_ID}",
    ],
)
def test_a_name_or_an_address_gives_the_jobs_id_away(text: str) -> None:
    assert job_ids_in(text)[0] == JOB_ID


def test_what_shows_no_id_may_be_one_itself() -> None:
    assert job_ids_in("film.mp4") == ("film.mp4",)
    assert job_ids_in("outputs/odd-id/0-film.mp4") == ("odd-id", "outputs/odd-id/0-film.mp4")


def test_the_name_at_the_end_of_an_address_is_the_files() -> None:
    assert name_in_address("https://nca.example.com/bucket/My%20film.mp4?x=/y") == "My%20film.mp4"

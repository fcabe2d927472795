"""A job's files by their names: which are its own, in which order, and the callback NCA would have sent of them."""

import json

import pytest

from reelkeeper.domain import found
from reelkeeper.domain.callback import parse
from tests.unit.builders import JOB_ID, RECORD_ID


@pytest.mark.parametrize(
    "name",
    [
        f"{JOB_ID}_output_0.mp4",
        f"{JOB_ID}_split_1.mp4",
        f"{JOB_ID}.mp4",
        f"{JOB_ID}.mp3",
        f"{JOB_ID}_output.mp4",
        f"{JOB_ID}_thumbnail.jpg",
        f"{JOB_ID}_captioned.mp4",
        f"{JOB_ID}.ass",
        f"{JOB_ID}.txt",
        f"{JOB_ID}.srt",
        f"{JOB_ID}.json",
    ],
)
def test_every_name_the_toolkit_gives_is_looked_for_and_recognised(name: str) -> None:
    assert name in found.first_names(JOB_ID)
    assert found.of_job(JOB_ID, [name]) == (name,)


@pytest.mark.parametrize("name", ["Sample video.mp4", f"{JOB_ID}0.mp4", f"x{JOB_ID}.mp4", JOB_ID, f"{JOB_ID}-copy.mp4"])
def test_what_only_looks_like_it_is_not_the_jobs(name: str) -> None:
    assert found.of_job(JOB_ID, [name]) == ()


def test_outputs_are_in_the_order_of_their_numbers() -> None:
    names = [f"{JOB_ID}_split_{number}.mp4" for number in (10, 2, 1)]
    assert found.of_job(JOB_ID, names) == tuple(reversed(names))


def test_after_an_output_comes_the_next_number_and_beside_a_text_the_others() -> None:
    assert found.next_names("j_output_9.mp4") == ("j_output_10.mp4",)
    assert found.next_names("j.srt") == ("j.txt", "j.json")
    assert found.next_names("j.mp4") == ()


def test_the_report_of_found_files_is_read_like_ncas_own() -> None:
    base = f"https://nca.example.com/b/{JOB_ID}_output_"
    urls = [f"{base}0.mp4", f"{base}0_thumbnail.jpg", f"{base}1.mp4"]
    callback = parse(found.report(JOB_ID, urls, record_id=RECORD_ID), {})
    assert (callback.outcome, callback.job_id, callback.record_id) == ("success", JOB_ID, RECORD_ID)
    assert [(output.url, output.role) for output in callback.outputs] == [
        (urls[0], "file"),
        (urls[1], "thumbnail"),
        (urls[2], "file"),
    ]


def test_a_thumbnail_alone_is_a_file() -> None:
    url = f"https://nca.example.com/b/{JOB_ID}_thumbnail.jpg"
    assert json.loads(found.report(JOB_ID, [url], record_id=None))["response"] == [{"file_url": url}]

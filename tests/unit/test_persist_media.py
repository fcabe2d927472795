"""Persist with the media gate, in virtual time: what a spoiled output does to the job, the row and the file that was there."""

import json

import pytest

from reelkeeper.adapters.probe import GateFailed
from reelkeeper.domain.callback import Json
from reelkeeper.domain.job import JobState
from reelkeeper.domain.streams import Stream
from reelkeeper.services.gate import TRIES_BEFORE_UNSEEN
from tests.unit.builders import JOB_ID, a_callback_body
from tests.unit.fakes.outside import Fakes
from tests.unit.line import Line
from tests.unit.test_gate import H264, MATROSKA, MP4, FakeDecoder

PAGE = b"<!doctype html><title>Sign in</title>"


def a_line(*streams: Stream, error: Exception | None = None) -> Line:
    return Line(Fakes(decoder=FakeDecoder(*(streams or (H264,)), error=error)))


def test_a_page_in_a_films_place_leaves_the_last_good_film_where_it_is() -> None:
    line = a_line()
    line.order(source=PAGE)
    good = [{"id": "attGood", "filename": "film.mp4", "size": 1000}]
    line.target().update({"Combined Segments Video": good, "Combined Segments Video URL": "https://kept.example.net/good"})
    line.report()
    assert line.run() == ()
    assert line.job().state is JobState.REJECTED
    assert line.row()["Status"] == "failed"
    assert line.row()["Error Details"] == "an HTML page (“Sign in”) came instead of a video"
    assert line.target() == {"Combined Segments Video": good, "Combined Segments Video URL": "https://kept.example.net/good"}
    assert list(line.fakes.bucket.objects) == [f"quarantine/{JOB_ID}/0-{JOB_ID}.mp4"]
    # Airtable knows, and nothing comes back.
    assert line.job().told_at is not None
    assert line.job().due_at is None


def test_a_good_file_of_the_same_job_reopens_it_later() -> None:
    line = a_line()
    url = line.order(source=PAGE)
    line.report()
    line.run()
    line.fakes.source.files[url] = MP4
    # What a queue repeats is no news; another address is.
    better = url.replace(".mp4", "-again.mp4")
    line.fakes.source.files[better] = MP4
    line.report(body=a_callback_body(response=better))
    assert line.run() == ()
    assert (line.job().state, line.row()["Status"]) == (JobState.PUBLISHED, "completed")
    assert not line.row()["Error Details"]


def test_a_worker_that_dies_after_setting_aside_is_followed_by_one_that_comes_to_the_same_end() -> None:
    line = a_line()
    line.order(source=PAGE)
    line.report()

    def dies(job: object) -> None:
        line.fakes.ledger.on_save = lambda _: None
        raise KeyboardInterrupt

    def watch(job: object) -> None:
        if getattr(job, "state", None) is JobState.REJECTED:
            dies(job)

    line.fakes.ledger.on_save = watch
    with pytest.raises(KeyboardInterrupt):
        line.run()
    assert line.job().state is JobState.FINISHED
    line.until_quiet()
    assert line.job().state is JobState.REJECTED
    assert list(line.fakes.bucket.objects) == [f"quarantine/{JOB_ID}/0-{JOB_ID}.mp4"]


def test_a_gate_that_fails_delays_a_film_and_never_rejects_it() -> None:
    line = a_line(error=GateFailed("the decoder could not be started"))
    line.order(source=MP4)
    line.report()
    waits = line.until_quiet()
    assert len(waits) == TRIES_BEFORE_UNSEEN + 1
    assert line.job().state is JobState.PUBLISHED
    assert line.job().outputs[0].verdict == "not looked into"
    assert any("not looked into: the decoder could not be started" in event.what for event in line.job().history)


def test_how_a_film_plays_is_in_the_ledger_and_in_the_rows_response() -> None:
    line = a_line()
    line.order(source=MATROSKA)
    line.report()
    assert line.run() == ()
    [output] = line.job().outputs
    assert (output.verdict, output.content_type) == ("plays in some browsers: Matroska", "video/x-matroska")
    assert json.loads(line.row()["Response Payload"])["playing"] == ["plays in some browsers: Matroska"]
    assert line.target()["Combined Segments Video"][0]["filename"] == f"{JOB_ID}.mkv"


def test_a_broken_thumbnail_costs_its_film_nothing_and_is_not_listed() -> None:
    line = a_line()
    url = line.order(source=MP4)
    line.fakes.source.files["https://files.example.com/t.jpg"] = PAGE
    response: Json = [{"file_url": url, "thumbnail_url": "https://files.example.com/t.jpg"}]
    line.report(body=a_callback_body(response=response))
    assert line.run() == ()
    film, thumbnail = line.job().outputs
    assert line.job().state is JobState.PUBLISHED
    assert (thumbnail.permanent_url, thumbnail.verdict) == (None, "not shown")
    assert json.loads(line.row()["Response Payload"])["outputs"] == [film.permanent_url]


def test_the_seconds_nca_reports_are_held_against_the_file() -> None:
    line = a_line()
    url = line.order(source=MP4)
    line.report(body=a_callback_body(response=[{"file_url": url, "duration": 62.0}]))
    assert line.run() == ()
    assert line.row()["Error Details"] == "NCA made 62.0 seconds, but the MP4 file has 2.0"

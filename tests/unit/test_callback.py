"""NCA's reports are read in every shape they take, and no bytes at all make the reading fail."""

import json
import math
from typing import get_args

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from reelkeeper.domain.callback import ERROR_CHARS, WORD_CHARS, Callback, Json, Outcome, Output, Role, parse, redact
from tests.unit.builders import FILE_URL, JOB_ID, RECORD_ID, a_callback_body, a_failure_body

BUCKET = "https://files.example.com/bucket"
KEYS = ("job_id", "id", "code", "message", "error", "response", "status", "file_url", "url", "thumbnail_url", "media", "text")
MORE_KEYS = ("srt", "segments", "subtitles", "thumbnails", "job_status", "filename", "pid", "queue_id", "run_time", "endpoint")

# Any text JSON can carry, lone surrogates included.
texts = st.text(st.characters(codec=None), max_size=20) | st.sampled_from(
    [FILE_URL, "success", "failed", "HTTPS://x/?a=b", "http://["]
)
numbers = st.integers() | st.floats() | st.sampled_from([200, 202, 408, 500])
leaves: st.SearchStrategy[Json] = st.one_of(st.none(), st.booleans(), numbers, texts)
names = st.sampled_from(KEYS + MORE_KEYS) | texts
values: st.SearchStrategy[Json] = st.recursive(
    leaves, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(names, inner, max_size=6), max_leaves=25
)
bodies = st.binary(max_size=200) | values.map(json.dumps) | st.dictionaries(names, values, max_size=8).map(json.dumps)
queries = st.dictionaries(st.sampled_from(["job_id", "operation", "target_id", "case"]), texts, max_size=4)


def is_text(value: object) -> bool:
    """Text that any store can encode, or nothing."""
    return value is None or (isinstance(value, str) and value.encode().decode() == value)


def is_output(value: Output) -> bool:
    one_of_two = (value.url is None) is not (value.text is None)
    return one_of_two and value.role in get_args(Role) and all(is_text(one) for one in (value.url, value.text, value.name))


def the_outputs(response: Json, **changes: Json) -> list[tuple[str | None, str, str]]:
    callback = parse(a_callback_body(response=response, **changes), {})
    assert callback.outcome == "success"
    return [(output.url, output.role, output.name) for output in callback.outputs]


def the_error(message: Json, **changes: Json) -> str:
    callback = parse(a_failure_body(message, **changes), {})
    assert callback.outcome == "failure"
    assert callback.error is not None
    return callback.error


@given(body=bodies, query=queries)
@example(body=b"", query={})
@example(body=b"\xff\xfe", query={})
@example(body='{"code": 1e999, "run_time": NaN, "job_id": -Infinity}', query={})
@example(body='{"job_id": "\\ud800", "message": "\\udfff", "code": 500}', query={})
@example(body='{"code": "1_0", "job_id": ' + "9" * 4_300 + "}", query={})
@example(body='{"job_id": ' + "9" * 5_000 + "}", query={})
def test_any_bytes_and_any_json_are_read_into_the_declared_types(body: str | bytes, query: dict[str, str]) -> None:
    callback = parse(body, query)
    assert callback == parse(body, query)
    assert callback.outcome in get_args(Outcome)
    words = (callback.job_id, callback.record_id, callback.operation, callback.target_id, callback.endpoint, callback.error)
    assert all(is_text(word) and word != "" for word in words)
    assert all(is_text(word) for word in (callback.sender.pid, callback.sender.queue_id))
    timing = callback.timing
    assert all(math.isfinite(one or 0.0) for one in (timing.run_s, timing.queue_s, timing.total_s))
    assert all(is_output(output) for output in callback.outputs)
    assert callback.outputs == () or callback.outcome == "success"
    assert (callback.error is None) is (callback.outcome != "failure")


@pytest.mark.parametrize(
    "form",
    [
        '{"message": %s}',
        '{"code": 500, "message": %s}',
        '{"status": "failed", "code": %s}',
        '{"code": 200, "response": %s}',
        '{"code": 200, "response": {"srt": null, "segments": %s}}',
    ],
)
@pytest.mark.parametrize(("opening", "closing"), [("[", "]"), ('{"a":', "}")])
def test_no_nesting_is_too_deep(form: str, opening: str, closing: str) -> None:
    # About the depths where Python's json gives up, which differ from version to version.
    for depth in (300, 990, 1_490, 9_995, 100_000):
        callback = parse(form % (opening * depth + "1" + closing * depth), {})
        # What is written down of it is not longer than what came.
        assert sum(len(output.text or "") for output in callback.outputs) <= depth * 10


def test_a_body_of_a_megabyte_is_read() -> None:
    # Without the redaction's care this took minutes: every "http://" was the start of one more search to the end.
    assert len(the_error("http://" * 150_000)) == ERROR_CHARS
    assert len(the_outputs([{"file_url": f"{BUCKET}/{number}.mp4"} for number in range(5_000)])) == 5_000


# The table of responses in docs/callbacks.md, measured against build 209.


def test_compose_answers_a_list_with_thumbnails_in_order() -> None:
    first: Json = {"file_url": f"{BUCKET}/j_output_0.mp4", "filesize": 5, "thumbnail_url": f"{BUCKET}/j_output_0_thumbnail.jpg"}
    assert the_outputs([first, {"file_url": f"{BUCKET}/j_output_1.webm"}], endpoint="/v1/ffmpeg/compose") == [
        (f"{BUCKET}/j_output_0.mp4", "file", "j_output_0.mp4"),
        (f"{BUCKET}/j_output_0_thumbnail.jpg", "thumbnail", "j_output_0_thumbnail.jpg"),
        (f"{BUCKET}/j_output_1.webm", "file", "j_output_1.webm"),
    ]


def test_split_answers_a_list_of_files() -> None:
    urls = [f"{BUCKET}/j_split_{number}.mp4" for number in (1, 2, 3)]
    assert [url for url, _, _ in the_outputs([{"file_url": url} for url in urls])] == urls


@pytest.mark.parametrize("name", ["j.mp4", "j_output.mov", "j_thumbnail.jpg", "j_captioned.mp4", "j.ass", "j.mp3"])
def test_most_endpoints_answer_the_url_alone(name: str) -> None:
    # A thumbnail that was asked for is the file.
    assert the_outputs(f"{BUCKET}/{name}") == [(f"{BUCKET}/{name}", "file", name)]


def test_an_upload_keeps_the_name_it_was_given_and_its_signed_url_whole() -> None:
    url = f"{BUCKET}/copy%20of%20a.mp4?AWSAccessKeyId=A&Signature=b%2Fc%3D&Expires=1"
    answer: Json = {"file_url": url, "filename": "copy of a.mp4", "bucket": "bucket", "public": False}
    assert the_outputs(answer, endpoint="/v1/s3/upload") == [(url, "file", "copy of a.mp4")]


def test_a_download_answers_its_media_thumbnails_and_subtitles() -> None:
    answer: Json = {
        "media": {"media_url": f"{BUCKET}/A%20title.mp4", "title": "A title", "ext": "mp4"},
        "thumbnails": [{"image_url": f"{BUCKET}/1.jpg"}, "no thumbnail", {"image_url": None}],
        "subtitles": {"en": {"url": f"{BUCKET}/en.vtt"}, "de": None},
    }
    assert the_outputs(answer, endpoint="/v1/media/download") == [
        (f"{BUCKET}/A%20title.mp4", "file", "A title.mp4"),
        (f"{BUCKET}/1.jpg", "thumbnail", "1.jpg"),
        (f"{BUCKET}/en.vtt", "file", "en.vtt"),
    ]


def test_a_transcript_inline_becomes_files_of_its_own() -> None:
    segments: Json = [{"start": 0.0, "text": "Grüße"}]
    answer: Json = {
        "text": " Grüße",
        "srt": "1\n",
        "segments": segments,
        "text_url": None,
        "srt_url": None,
        "segments_url": None,
    }
    outputs = parse(a_callback_body(response=answer), {}).outputs
    assert [(output.url, output.name) for output in outputs] == [
        (None, "transcript.txt"),
        (None, "transcript.srt"),
        (None, "segments.json"),
    ]
    assert [output.text for output in outputs[:2]] == [" Grüße", "1\n"]
    assert json.loads(outputs[2].text or "") == segments


def test_a_transcript_in_the_cloud_is_a_file_as_any_other() -> None:
    answer: Json = {"text": None, "srt": None, "segments": None, "text_url": f"{BUCKET}/j.txt", "srt_url": f"{BUCKET}/j.srt"}
    assert [name for _, _, name in the_outputs(answer)] == ["j.txt", "j.srt"]


@pytest.mark.parametrize(
    "answer",
    [
        [{"start": "00:00:01", "end": "00:00:02"}],
        {"duration": 4.0, "format": "mov"},
        {"result": 1, "stdout": "", "text": "x"},
        None,
    ],
)
def test_data_is_a_success_without_files(answer: Json) -> None:
    assert the_outputs(answer) == []


@pytest.mark.parametrize("key", ["output_url", "file_url", "url"])
def test_a_url_at_the_root_counts(key: str) -> None:
    assert the_outputs(None, **{key: FILE_URL}) == [(FILE_URL, "file", f"{JOB_ID}.mp4")]


def test_the_same_url_twice_is_one_output() -> None:
    assert len(the_outputs([{"file_url": FILE_URL, "url": FILE_URL}], file_url=FILE_URL)) == 1


@pytest.mark.parametrize("answer", ["", "j.mp4", "ftp://x/j.mp4", "/bucket/j.mp4", "s3://bucket/j.mp4", "javascript:alert(1)"])
def test_what_is_no_web_address_is_no_output(answer: str) -> None:
    assert the_outputs(answer) == []


@pytest.mark.parametrize(("url", "name"), [(f"{BUCKET}/a%2Fb%20c.mp4?x=/y", "b c.mp4"), ("https://files.example.com", "")])
def test_a_file_is_named_by_the_end_of_its_path(url: str, name: str) -> None:
    assert [one for _, _, one in the_outputs(url)] == [name]


# Whose job it is.


def test_the_query_names_the_row_before_the_payload_does() -> None:
    callback = parse(
        a_callback_body(id="recPayload"), {"job_id": "recQuery", "operation": "combine", "target_id": "recSegment"}
    )
    assert (callback.record_id, callback.operation, callback.target_id) == ("recQuery", "combine", "recSegment")
    assert callback.job_id == JOB_ID


@pytest.mark.parametrize("query", [{}, {"job_id": ""}, {"job_id": "  "}])
def test_the_payload_names_the_row_where_the_query_does_not(query: dict[str, str]) -> None:
    assert parse(a_callback_body(id="recPayload"), query).record_id == "recPayload"


def test_ncas_id_is_left_where_nobody_names_the_row() -> None:
    callback = parse(a_callback_body(id=None), {})
    assert (callback.record_id, callback.job_id) == (None, JOB_ID)


def test_an_id_too_long_for_a_key_is_none() -> None:
    longest = "j" * WORD_CHARS
    assert parse(a_callback_body(job_id=longest), {}).job_id == longest
    assert parse(a_callback_body(job_id=longest + "j"), {}).job_id is None
    assert parse(a_callback_body(), {"job_id": "r" * 5_000}).record_id == RECORD_ID


def test_numbers_are_ids_and_truths_are_not() -> None:
    callback = parse(a_callback_body(job_id=17, id=True, queue_id="nca-job-abc12"), {})
    assert (callback.job_id, callback.record_id) == ("17", None)
    assert (callback.sender.pid, callback.sender.queue_id) == ("24050", "nca-job-abc12")


def test_the_times_are_ncas_own() -> None:
    timing = parse(a_callback_body(run_time=0.161, queue_time="1.148", total_time=None), {}).timing
    assert (timing.run_s, timing.queue_s, timing.total_s) == (0.161, 1.148, None)


# What became of it.


@pytest.mark.parametrize(
    ("code", "outcome"),
    [
        (200, "success"),
        ("200", "success"),
        (202, "unknown"),
        (302, "unknown"),
        (400, "failure"),
        (408, "failure"),
        (429, "failure"),
    ],
)
def test_the_code_decides(code: Json, outcome: Outcome) -> None:
    assert parse(a_callback_body(code=code), {}).outcome == outcome


@pytest.mark.parametrize(
    ("body", "outcome"),
    [
        ({"status": "completed"}, "success"),
        ({"message": "Success"}, "success"),
        ({"output_url": FILE_URL}, "success"),
        ({"status": "failed", "output_url": FILE_URL}, "failure"),
        ({"message": "processing"}, "unknown"),
        ({"message": "Unauthorized"}, "unknown"),
        ({}, "unknown"),
    ],
)
def test_words_decide_where_there_is_no_code(body: dict[str, Json], outcome: Outcome) -> None:
    assert parse(json.dumps(body), {}).outcome == outcome


def test_a_failure_has_no_outputs() -> None:
    callback = parse(a_callback_body(code=500), {})
    assert (callback.outcome, callback.outputs) == ("failure", ())


def the_inner(body: str) -> Json:
    value: Json = json.loads(body)
    return value


def test_cloud_runs_second_report_is_the_first_again() -> None:
    first = a_failure_body({"error": "Error: boom\n", "stdout": "", "exit_code": 0}, code=400, queue_id="nca-job-abc12")
    second = {"code": 400, "id": RECORD_ID, "message": "Job failed with status 400", "error": the_inner(first)}
    assert parse(json.dumps(second), {}) == parse(first, {})
    assert parse(first, {}).error == "Error: boom"


def test_cloud_runs_second_report_lends_its_id_to_one_without() -> None:
    second = {"code": 500, "id": RECORD_ID, "message": "Job failed", "error": the_inner(a_failure_body(id=None))}
    assert parse(json.dumps(second), {}).record_id == RECORD_ID


def test_cloud_runs_report_of_an_invalid_payload_has_no_job_id_anywhere() -> None:
    body = {"code": 500, "id": RECORD_ID, "message": "Job failed with status 500", "error": {"error": "<html></html>"}}
    callback = parse(json.dumps(body), {})
    assert (callback.job_id, callback.record_id, callback.outcome) == (None, RECORD_ID, "failure")
    assert callback.error == "Job failed with status 500"


def the_status(job_status: str, report: Json) -> str:
    """The answer of NCA's status route, whose own envelope has a job_id of its own."""
    inner: Json = {"job_status": job_status, "job_id": JOB_ID, "process_id": 1, "queue_id": 2, "response": report}
    return a_callback_body(job_id="the-status-call", id=None, endpoint="/v1/toolkit/job/status", response=inner)


def test_a_status_answer_says_what_the_callback_would_have_said() -> None:
    assert parse(the_status("done", the_inner(a_callback_body())), {}) == parse(a_callback_body(), {})


@pytest.mark.parametrize("job_status", ["queued", "running", "submitted"])
def test_the_success_of_a_status_call_is_not_the_jobs(job_status: str) -> None:
    callback = parse(the_status(job_status, None), {})
    assert (callback.job_id, callback.outcome, callback.outputs) == (JOB_ID, "unknown", ())


def test_done_also_means_failed() -> None:
    assert parse(the_status("done", the_inner(a_failure_body())), {}).outcome == "failure"


# The reason, for a person.


def test_the_last_lines_of_a_long_message_are_kept() -> None:
    error = the_error("ffmpeg version 5\n" * 2_500 + "Unknown encoder 'nosuchcodec'")
    assert len(error) == ERROR_CHARS
    assert error.startswith("…")
    assert error.endswith("Unknown encoder 'nosuchcodec'")


def test_a_short_message_is_kept_whole() -> None:
    assert the_error("x" * ERROR_CHARS) == "x" * ERROR_CHARS


def test_what_a_script_printed_does_not_push_out_its_error() -> None:
    error = the_error({"error": "Error: boom", "stdout": "line\n" * 1_000, "exit_code": 1})
    assert error.endswith("Error: boom")
    assert "line" in error


@pytest.mark.parametrize("message", [{"error": {"detail": "no space left"}}, ["no space left"]])
def test_a_reason_in_an_unknown_form_is_shown_as_it_is(message: Json) -> None:
    assert the_error(message) == json.dumps(message)


@pytest.mark.parametrize("message", [None, "", {}, []])
def test_a_failure_without_a_reason_says_so(message: Json) -> None:
    assert the_error(message) == "NCA reported a failure (code 500) without a reason"


def test_the_reason_may_stand_under_error() -> None:
    assert the_error(None, error="the reason") == "the reason"


SECRET = "X-Amz-Signature=5ecret&X-Amz-Expires=3600"


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        (
            f"404 Client Error: Not Found for url: {BUCKET}/a.mp4?{SECRET}",
            f"404 Client Error: Not Found for url: {BUCKET}/a.mp4?…",
        ),
        (f"'{BUCKET}/a.mp4?{SECRET}': Invalid data", f"'{BUCKET}/a.mp4?…': Invalid data"),
        (f"HTTP://X/a?{SECRET}\nHTTP://X/b?{SECRET}", "HTTP://X/a?…\nHTTP://X/b?…"),
        (f"Max retries exceeded with url: /a.mp4?{SECRET} (Caused by)", "Max retries exceeded with url: /a.mp4?… (Caused by)"),
        ("https://me:5ecret@x/a.mp4", "https://x/a.mp4"),
        ("https://me@5ecret@x/a.mp4", "https://x/a.mp4"),
        ("https://x/a.mp4#5ecret", "https://x/a.mp4#…"),
        (f"{BUCKET}/a.mp4", f"{BUCKET}/a.mp4"),
        ("is it 5? yes", "is it 5? yes"),
    ],
)
def test_urls_are_shown_without_what_is_secret_in_them(said: str, shown: str) -> None:
    assert the_error(said) == shown
    assert redact(shown) == shown


def test_a_signature_is_hidden_even_where_the_text_is_cut_within_its_url() -> None:
    error = the_error(f"{BUCKET}/a.mp4?{SECRET}" + "&x=1" * 100 + "\n" + "y" * (ERROR_CHARS - 100))
    assert "5ecret" not in error
    assert "&x=1" not in error


def test_a_callback_is_a_value() -> None:
    assert isinstance(parse("", {}), Callback)
    assert hash(parse(a_callback_body(), {})) == hash(parse(a_callback_body().encode(), {}))

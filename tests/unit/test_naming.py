"""Names in the bucket: whatever an id or a name says, the key stays below its prefix, safe in a URL, and the same for ever."""

import mimetypes
import re
from urllib.parse import unquote, urlsplit

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from reelkeeper.domain.naming import content_disposition, content_type, object_key, permanent_url
from tests.unit.builders import JOB_ID

hostile = st.text(max_size=300) | st.sampled_from(
    ["..", ".", "", "../../etc/passwd", "a/../b", "%2e%2e%2f", "C:\\x", "a\r\nb", "j" * 5_000]
)
indexes = st.integers(0, 10**6)


@given(job_id=hostile, index=indexes, name=hostile)
@example(job_id="..", index=0, name="../../x.mp4")
@example(job_id=".", index=0, name=".")
@example(job_id="j" * 101, index=10**6, name="é" * 300 + ".mp4")
@example(job_id="j\n", index=0, name="a.mp4\n")
@example(job_id="a" * 100, index=10**6, name="b" * 400 + ".abcdefghij")
def test_no_id_and_no_name_leads_out_of_the_prefix(job_id: str, index: int, name: str) -> None:
    key = object_key(job_id, index, name)
    assert re.fullmatch(r"outputs/[A-Za-z0-9_-][A-Za-z0-9._-]*/[0-9]+-[A-Za-z0-9_-][A-Za-z0-9._-]*", key)
    assert len(key) <= 230
    assert key == object_key(job_id, index, name)


@given(one=indexes, other=indexes, names=st.tuples(hostile, hostile))
def test_each_output_of_a_job_has_a_key_of_its_own(one: int, other: int, names: tuple[str, str]) -> None:
    keys = object_key(JOB_ID, one, names[0]), object_key(JOB_ID, other, names[1])
    assert one == other or keys[0] != keys[1]


@given(one=hostile, other=hostile)
def test_jobs_do_not_share_a_folder(one: str, other: str) -> None:
    assert (object_key(one, 0, "a.mp4") == object_key(other, 0, "a.mp4")) is (one == other)


@pytest.mark.parametrize(
    ("name", "kept"),
    [
        (f"{JOB_ID}_output_0.mp4", f"{JOB_ID}_output_0.mp4"),
        ("copy of a.MP4", "copy_of_a.mp4"),
        ("a.b.webm", "a.b.webm"),
        ("Grüße.srt", "Gr_e.srt"),
        ("日本.mp4", "output.mp4"),
        (".mp4", "output.mp4"),
        ("", "output"),
        ("___", "output"),
        ("no extension", "no_extension"),
        ("a.mp4?dl=1", "a.mp4_dl_1"),
        ("x" * 300 + ".mp4", "x" * 100 + ".mp4"),
        ("x.averylongextension", "x.averylongextension"),
    ],
)
def test_a_key_keeps_what_it_can_of_the_name(name: str, kept: str) -> None:
    assert object_key(JOB_ID, 3, name) == f"outputs/{JOB_ID}/3-{kept}"


@pytest.mark.parametrize(
    ("name", "type_"),
    [
        ("a.mp4", "video/mp4"),
        ("A.MP4", "video/mp4"),
        (".mp4", "video/mp4"),
        ("a.mov", "video/quicktime"),
        ("a.mkv", "video/x-matroska"),
        ("a.webm", "video/webm"),
        ("a.ts", "video/mp2t"),
        ("a.mp3", "audio/mpeg"),
        ("a.m4a", "audio/mp4"),
        ("a.wav", "audio/wav"),
        ("a.opus", "audio/ogg"),
        ("a.jpg", "image/jpeg"),
        ("a.webp", "image/webp"),
        ("a.json", "application/json"),
        ("a.txt", "text/plain; charset=utf-8"),
        ("a.ass", "text/x-ssa; charset=utf-8"),
        ("a.vtt", "text/vtt; charset=utf-8"),
        ("a.srt", "application/x-subrip; charset=utf-8"),
        ("a.mp4.gz", "application/octet-stream"),
        ("a.unknown", "application/octet-stream"),
        ("a", "application/octet-stream"),
        ("", "application/octet-stream"),
        ("data:text/html,a.mp4", "video/mp4"),
        ("http://x/a.html?b=.mp4", "video/mp4"),
    ],
)
def test_a_name_says_the_type(name: str, type_: str) -> None:
    assert content_type(name) == type_


@given(hostile | hostile.map("data:{}".format))
def test_no_name_writes_a_header_of_its_own(name: str) -> None:
    assert re.fullmatch(r"[a-z0-9.+-]+/[a-z0-9.+-]+(; charset=utf-8)?", content_type(name))
    assert re.fullmatch(r'inline; filename="[A-Za-z0-9._-]+"', content_disposition(name))


def test_the_machines_own_types_do_not_count() -> None:
    mimetypes.add_type("application/x-local", ".mp4")
    try:
        assert content_type("a.mp4") == "video/mp4"
    finally:
        mimetypes.init()


def test_a_file_is_shown_under_its_name() -> None:
    assert content_disposition('my "film".mp4') == 'inline; filename="my_film.mp4"'


@pytest.mark.parametrize(
    ("template", "url"),
    [
        ("https://d1.cloudfront.net/{key}", "https://d1.cloudfront.net/outputs/j/0-a%20b.mp4"),
        ("https://d1.cloudfront.net", "https://d1.cloudfront.net/outputs/j/0-a%20b.mp4"),
        ("https://d1.cloudfront.net/", "https://d1.cloudfront.net/outputs/j/0-a%20b.mp4"),
        ("https://x/{key}?v=1", "https://x/outputs/j/0-a%20b.mp4?v=1"),
    ],
)
def test_the_address_follows_from_the_template(template: str, url: str) -> None:
    assert permanent_url(template, "outputs/j/0-a b.mp4") == url


@given(job_id=hostile, index=indexes, name=hostile)
def test_an_address_leads_back_to_its_key(job_id: str, index: int, name: str) -> None:
    key = object_key(job_id, index, name)
    assert unquote(urlsplit(permanent_url("https://x/{key}", key)).path) == f"/{key}"

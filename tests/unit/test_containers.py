"""What a file is by its first bytes, and whether it is whole: for any bytes there is an answer, and never an error."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from reelkeeper.domain.containers import FORMS, HEAD_BYTES, PICTURES, Kind, kind_of
from reelkeeper.domain.wholeness import Shape, shape

MOOV, MDAT, FTYP = b"\x00\x00\x00\x08moov", b"\x00\x00\x00\x0cmdat1234", b"\x00\x00\x00\x0cftypisom"
STARTS = [
    FTYP,
    MOOV,
    b"RIFF\xff\x00\x00\x00AVI ",
    b"RIFF\x04\x00\x00\x00WAVE",
    b"\x1a\x45\xdf\xa3\x88\x42\x82\x84webm",
    b"OggS\x00\x02",
    b"FLV\x01\x05",
    b"ID3\x04\x00\x00\x7f\x7f\x7f\x7f",
    b"\xff\xfb\x90\x64",
    b"\xff\xf1\x50\x80",
    b"fLaC",
    b"\x47" + bytes(187) + b"\x47",
    b"\xff\xd8\xff",
    b"\x89PNG\r\n\x1a\n",
    b"GIF89a",
    b"FORM\x00\x00\x00\x04AIFF",
    b"<!doctype html>",
    b"<?xml ",
    b'{"a": 1}',
    b"",
]
bodies = st.builds(bytes.__add__, st.sampled_from(STARTS), st.binary(max_size=600))


@given(body=bodies)
@example(body=b"\x00\x00\x00\x01mdat")
@example(body=b"FLV\x01\x05\x00\x00\x00\x09\x00\x00\x00\x00\xff\xff\xff\xff")
@example(body=b"\x1a\x45\xdf\xa3\xff\x18\x53\x80\x67\xff")
def test_whatever_the_bytes_there_is_an_answer(body: bytes) -> None:
    kind = kind_of(body[:HEAD_BYTES])
    for one in (kind, *Kind):
        found = shape(one, len(body), lambda start, length: body[start : start + length])
        assert found.breaks is None or found.breaks


def breaks(body: bytes) -> str | None:
    return shape(Kind.MP4, len(body), lambda start, length: body[start : start + length]).breaks


def test_an_index_before_the_media_is_told_from_one_behind() -> None:
    def first(body: bytes) -> Shape:
        return shape(Kind.MP4, len(body), lambda start, length: body[start : start + length])

    assert first(FTYP + MOOV + MDAT).index_first is True
    assert first(FTYP + MDAT + MOOV).index_first is False


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (FTYP, "index"),
        (FTYP + MDAT, "index"),
        (FTYP + MOOV, "media itself"),
        (FTYP + MOOV + b"\x00\x00\x00\x08moof", "media itself"),
        (FTYP + MDAT + MOOV[:-1], "no part of an MP4"),
        (FTYP + MOOV + MDAT[:-1], "'mdat' should end at byte 32, but the file has only 31"),
        (
            FTYP + MOOV + b"\x00\x00\x00\x01mdat\x00\x00\x01\x00\x00\x00\x00\x00" + bytes(9),
            "'mdat' should end at byte 1,099,511,627,796",
        ),
        (FTYP + b"\x00\x00\x00\x04mdat", "no part of an MP4"),
        (FTYP + bytes(16), "no part of an MP4"),
    ],
)
def test_what_is_missing_of_an_mp4_is_named(body: bytes, words: str) -> None:
    assert words in (breaks(body) or "whole")


def test_padding_behind_a_whole_mp4_is_no_damage() -> None:
    assert breaks(FTYP + MOOV + MDAT + bytes(100)) is None
    assert breaks(FTYP + MOOV + b"\x00\x00\x00\x00mdat1234") is None


def test_no_kind_is_both_a_picture_and_a_film() -> None:
    assert not set(FORMS) & set(PICTURES)

"""Parts within S3's limits for every size there may be, and a checksum that does not care where a file was cut."""

import zlib
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reelkeeper.domain.parts import (
    LARGEST_PART,
    MAX_PARTS,
    MIB,
    SMALLEST_PART,
    USUAL_PART,
    crc32_combine,
    crc32_text,
    crc32_value,
    crc32_whole,
    plan,
    spans,
)

# S3 takes 48.8 TiB (AWS, "Amazon S3 multipart upload limits"); the issue asks for 5 TB.
LARGEST = MAX_PARTS * LARGEST_PART
sizes = st.integers(1, LARGEST) | st.integers(1, 1024 * MIB)
times = st.just(float("inf")) | st.floats(0.1, 900)
widths = st.integers(1, 64)


@given(sizes, widths, times)
def test_a_plan_keeps_to_the_limits_of_every_store(size: int, width: int, left_s: float) -> None:
    made = plan(size, width=width, left_s=left_s)
    count = -(-size // made.part_bytes)
    assert count <= MAX_PARTS
    assert SMALLEST_PART <= made.part_bytes <= LARGEST_PART
    assert 1 <= made.width <= min(width, count)


@given(st.integers(1, 2**36), st.integers(SMALLEST_PART, LARGEST_PART))
def test_the_parts_are_the_file_without_gap_or_overlap_and_equally_long(size: int, part_bytes: int) -> None:
    parts = list(spans(size, part_bytes))
    assert parts[0].start == 0
    assert all(after.start == before.start + before.length for before, after in pairwise(parts))
    assert parts[-1].start + parts[-1].length == size
    assert {part.length for part in parts[:-1]} <= {part_bytes}
    assert [part.number for part in parts] == list(range(1, len(parts) + 1))


@pytest.mark.parametrize(
    ("size", "part_mib"), [(20 * MIB, 5), (100 * MIB, 13), (2**30, 16), (50 * 2**30, 16), (5 * 10**12, 477)]
)
def test_parts_are_short_while_10_000_of_them_are_enough(size: int, part_mib: int) -> None:
    assert plan(size, width=8, left_s=float("inf")).part_bytes == part_mib * MIB


def test_who_has_little_time_takes_short_parts() -> None:
    assert plan(2**30, width=8, left_s=900).part_bytes == USUAL_PART
    assert plan(2**30, width=8, left_s=30).part_bytes == 8 * MIB
    assert plan(2**30, width=8, left_s=1).part_bytes == SMALLEST_PART
    # And still no more than 10,000.
    assert plan(5 * 10**12, width=8, left_s=1).part_bytes == 477 * MIB


@given(st.lists(st.binary(max_size=300), max_size=12))
def test_the_checksum_of_the_parts_is_the_checksum_of_the_file(pieces: list[bytes]) -> None:
    assert crc32_whole((zlib.crc32(piece), len(piece)) for piece in pieces) == zlib.crc32(b"".join(pieces))


@given(st.binary(max_size=64), st.integers(0, 200_000))
def test_a_long_second_piece_counts_by_its_length(first: bytes, zeros: int) -> None:
    second = bytes(zeros)
    assert crc32_combine(zlib.crc32(first), zlib.crc32(second), zeros) == zlib.crc32(first + second)


def test_parts_of_gigabytes_are_put_together_too() -> None:
    # 5 GiB of zeros, by zlib itself in pieces: what no single call of a test could hold.
    piece, count = bytes(64 * MIB), 80
    whole = 0
    for _ in range(count):
        whole = zlib.crc32(piece, whole)
    half = crc32_whole((zlib.crc32(piece), len(piece)) for _ in range(count // 2))
    assert crc32_combine(half, half, len(piece) * count // 2) == whole


@given(st.integers(0, 2**32 - 1))
def test_a_checksum_is_written_as_s3_writes_it(value: int) -> None:
    assert crc32_value(crc32_text(value)) == value
    assert len(crc32_text(value)) == 8

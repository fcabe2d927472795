"""How a file is cut into parts, and how the checksums of the parts become that of the whole.

The limits are S3's (AWS, "Amazon S3 multipart upload limits"), which every store that speaks its language shares: 10,000 parts
of at least 5 MiB, but for the last, and at most 5 GiB. All parts but the last are equally long, which Cloudflare R2 asks for.
"""

import base64
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache

MIB = 1024 * 1024
MAX_PARTS = 10_000
SMALLEST_PART = 5 * MIB
LARGEST_PART = 5 * 1024 * MIB
# Long enough that a part's request costs little beside its bytes, short enough that a killed worker has lost little.
USUAL_PART = 16 * MIB
# A connection that brings less than this cannot be planned for; it only loses its part when the time is over.
_SLOW_BYTES_PER_S = MIB


@dataclass(frozen=True, slots=True)
class Span:
    """One part: its number from 1, where in the file it starts, and its length, both in bytes."""

    number: int
    start: int
    length: int


@dataclass(frozen=True, slots=True)
class Plan:
    """How to move a file: parts of `part_bytes`, `width` of them at once."""

    part_bytes: int
    width: int


def plan(size: int, *, width: int, left_s: float) -> Plan:
    """The plan for a file of `size` bytes over at most `width` connections, with `left_s` seconds to go (may be infinite).

    Parts are as short as keeps all connections busy on a small file, and short enough that even a slow connection brings one
    home in a quarter of the time; they are never shorter than 5 MiB nor more than 10,000.
    """
    shared = min(USUAL_PART, _up(size, max(width, 1)))
    in_time = int(min(left_s / 4 * _SLOW_BYTES_PER_S, LARGEST_PART))
    part_bytes = max(min(shared, in_time), SMALLEST_PART, _up(size, MAX_PARTS))
    part_bytes = min(_up(part_bytes, MIB) * MIB, LARGEST_PART)
    return Plan(part_bytes, max(1, min(width, _up(size, part_bytes))))


def spans(size: int, part_bytes: int) -> Iterator[Span]:
    """The parts of a file in order."""
    for number, start in enumerate(range(0, size, part_bytes), start=1):
        yield Span(number, start, min(part_bytes, size - start))


def crc32_whole(parts: Iterable[tuple[int, int]]) -> int:
    """The CRC32 of a file from (CRC32, length) of its parts in order."""
    whole = 0
    for crc32, length in parts:
        whole = crc32_combine(whole, crc32, length)
    return whole


def crc32_combine(first: int, second: int, length: int) -> int:
    """The CRC32 of two pieces put together, from the CRC32 of each and the second's length in bytes.

    A CRC is a remainder of polynomials over GF(2): appending `length` bytes multiplies the first by x^(8 length), as in zlib's
    crc32.c.
    """
    return _times(_power(length), first) ^ second


def crc32_text(value: int) -> str:
    """A CRC32 as S3 writes it: base64 of its four bytes, the highest first."""
    return base64.b64encode(value.to_bytes(4, "big")).decode("ascii")


def crc32_value(text: str) -> int:
    """What `crc32_text` wrote."""
    return int.from_bytes(base64.b64decode(text), "big")


# Reflected, as CRC32 counts: the highest bit is the coefficient of x^0.
_POLYNOMIAL, _ONE, _X = 0xEDB88320, 1 << 31, 1 << 30


def _times(a: int, b: int) -> int:
    """The product of two polynomials modulo CRC32's."""
    product = 0
    for bit in range(31, -1, -1):
        if a >> bit & 1:
            product ^= b
        b = b >> 1 ^ _POLYNOMIAL if b & 1 else b >> 1
    return product


@lru_cache(maxsize=8)
def _power(length: int) -> int:
    """x^(8 length): nearly all parts of a file have the same length."""
    power, square, left = _ONE, _X, 8 * length
    while left:
        if left & 1:
            power = _times(power, square)
        square = _times(square, square)
        left >>= 1
    return power


def _up(size: int, by: int) -> int:
    return -(-size // by)

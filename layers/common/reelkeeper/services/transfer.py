"""Copy one output into the bucket: streamed, in memory bounded by one part, and verified before anyone is told.

Small sources go in one conditional request, the others in parts; the checksum of the whole is taken on the way, so that the
store refuses what is not byte for byte what came.
"""

import base64
import zlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import chain

from reelkeeper.adapters.bucket import Bucket, Part, Taken
from reelkeeper.adapters.source import Source
from reelkeeper.domain.errors import Refused, RetryLater

MIB = 1024 * 1024
MAX_PARTS = 10_000


@dataclass(frozen=True, slots=True)
class Kept:
    """What lies in the bucket now: bytes and their CRC32, base64 as S3 writes it."""

    size: int
    crc32: str


def part_bytes(size: int | None, *, smallest: int = 8 * MIB) -> int:
    """The size of a part, such that no object needs more than 10,000 (S3's limit) and most need the least memory."""
    needed = -(-(size or 0) // MAX_PARTS)
    return max(smallest, -(-needed // MIB) * MIB)


def crc32_text(value: int) -> str:
    return base64.b64encode(value.to_bytes(4, "big")).decode("ascii")


def cut(chunks: Iterable[bytes], length: int) -> Iterator[bytes]:
    """The same bytes in pieces of `length`, the last one shorter; nothing at all for no bytes."""
    piece = bytearray()
    for chunk in chunks:
        rest = memoryview(chunk)
        while rest:
            taken = rest[: length - len(piece)]
            piece += taken
            rest = rest[len(taken) :]
            if len(piece) == length:
                yield bytes(piece)
                piece.clear()
    if piece:
        yield bytes(piece)


def transfer(
    url: str,
    key: str,
    *,
    name: str,
    source: Source,
    bucket: Bucket,
    confirmed: bool = False,
    progress: Callable[[int], None] = lambda _: None,
) -> Kept:
    """Copy a source to a key and return what was kept; a copy that is there already is compared, never overwritten.

    `progress` hears the bytes so far after each part. Raises RetryLater, Refused or Gone, as the adapters say.
    """
    with source.open(url, confirmed=confirmed) as stream:
        pieces = cut(stream.chunks, part_bytes(stream.size))
        first = next(pieces, b"")
        second = next(pieces, None)
        if second is None:
            return keep(first, key, name=name, bucket=bucket)
        return _in_parts(chain((first, second), pieces), key, name=name, bucket=bucket, progress=progress)


def keep(body: bytes, key: str, *, name: str, bucket: Bucket) -> Kept:
    """Store a small body as it is, a transcript for one; raises Refused for no bytes at all."""
    if not body:
        raise Refused("the output is empty: NCA delivered a file of 0 bytes")
    kept = Kept(len(body), crc32_text(zlib.crc32(body)))
    try:
        bucket.put(key, body, name=name, crc32=kept.crc32)
    except Taken:
        return _same(kept, key, bucket=bucket)
    return _verified(kept, key, bucket=bucket)


def _in_parts(pieces: Iterable[bytes], key: str, *, name: str, bucket: Bucket, progress: Callable[[int], None]) -> Kept:
    upload_id = bucket.begin(key, name=name)
    parts: list[Part] = []
    crc = size = 0
    try:
        for number, piece in enumerate(pieces, start=1):
            parts.append(bucket.put_part(key, upload_id, number, piece))
            crc = zlib.crc32(piece, crc)
            size += len(piece)
            progress(size)
        kept = Kept(size, crc32_text(crc))
        bucket.complete(key, upload_id, parts, size=size, crc32=kept.crc32)
    except Taken:
        bucket.abort(key, upload_id)
        return _same(kept, key, bucket=bucket)
    except (RetryLater, Refused):
        bucket.abort(key, upload_id)
        raise
    return _verified(kept, key, bucket=bucket)


def _verified(kept: Kept, key: str, *, bucket: Bucket) -> Kept:
    there = bucket.head(key)
    if there is None or there.size != kept.size or there.crc32 not in (None, kept.crc32):
        raise RetryLater(f"the bucket does not show what was stored under {key}: {there}")
    return kept


def _same(kept: Kept, key: str, *, bucket: Bucket) -> Kept:
    """An object was there first: fine when it is the same, as after a crash between copy and ledger."""
    there = bucket.head(key)
    if there is not None and there.size == kept.size and there.crc32 in (None, kept.crc32):
        return kept
    raise Refused(f"another object is under {key} already ({there}); it is kept, and this one of {kept.size} bytes is not")

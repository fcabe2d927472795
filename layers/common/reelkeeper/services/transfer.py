"""Copy one output into the bucket: streamed, in memory bounded by one part, and verified before anyone is told.

Small sources go in one conditional request, the others in parts; the checksum of the whole is taken on the way, so that the
store refuses what is not byte for byte what came.
"""

import base64
import zlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import chain
from math import inf
from typing import Literal, Protocol

from reelkeeper.adapters.bucket import Bucket, Part, Taken
from reelkeeper.adapters.source import Source
from reelkeeper.domain.errors import Refused, RetryLater

MIB = 1024 * 1024
MAX_PARTS = 10_000


@dataclass(frozen=True, slots=True)
class Work:
    """How a copy went, and what this run of it cost.

    `moved` bytes went through here (0: the store copied on its own), `kept_before` bytes lay there from earlier runs; `width`
    is the most connections at once, `retries` counts parts that were sent again.
    """

    way: Literal["put", "parts", "stream", "server-side", "found"]
    seconds: float = 0.0
    moved: int = 0
    kept_before: int = 0
    width: int = 1
    retries: int = 0


@dataclass(frozen=True, slots=True)
class Kept:
    """What lies in the bucket now: bytes and their CRC32, base64 as S3 writes it (None: the store copied, and gives none)."""

    size: int
    crc32: str | None
    work: Work = Work("put")


class Unfinished(RetryLater):
    """The copy came further and was saved; the same call goes on where it stopped, by another process too."""


class Checkpoint(Protocol):
    """Where a copy keeps, as text, how far it came; a ledger's attribute, or a file beside a command."""

    def load(self) -> str | None: ...
    def save(self, text: str | None) -> None: ...


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


class Copier:
    """All copies of one process: they share the memory, the connections and the patience with each source's host.

    `memory` in bytes bounds what all copies together hold of the files they move, however large those are.
    """

    def __init__(self, source: Source, bucket: Bucket, *, memory: int = 32 * MIB) -> None:
        self._source = source
        self._bucket = bucket
        self._memory = memory

    def copy(
        self,
        url: str,
        key: str,
        *,
        name: str,
        confirmed: bool = False,
        checkpoint: Checkpoint | None = None,
        left_s: Callable[[], float] = lambda: inf,
        progress: Callable[[int, int | None], None] = lambda _done, _size: None,
    ) -> Kept:
        """Copy a URL to a key of the bucket and return what was kept.

        `name` decides the object's Content-Type and file name; `confirmed` says that NCA named this URL, or that an operator
        typed it. `left_s` tells the seconds that are left: before there are none the copy stops with Unfinished, to be called
        again. Without `checkpoint`, what is broken off starts anew. `progress` hears (bytes in the bucket so far, size or None)
        from any thread. Raises RetryLater (Unfinished among them), Refused or Gone, naming the URL without its query, key and
        reason.
        """
        del checkpoint, left_s
        return transfer(
            url,
            key,
            name=name,
            source=self._source,
            bucket=self._bucket,
            confirmed=confirmed,
            progress=lambda done: progress(done, None),
        )


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
    crc32 = crc32_text(zlib.crc32(body))
    kept = Kept(len(body), crc32)
    try:
        bucket.put(key, body, name=name, crc32=crc32)
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
        crc32 = crc32_text(crc)
        kept = Kept(size, crc32)
        bucket.complete(key, upload_id, parts, size=size, crc32=crc32)
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

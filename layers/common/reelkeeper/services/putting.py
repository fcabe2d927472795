"""The last step of every copy: an object becomes visible whole, once, and is looked at before anyone is told."""

import zlib

from reelkeeper.adapters.bucket import Bucket
from reelkeeper.adapters.verdicts import Conflict, Taken
from reelkeeper.domain.errors import Different, Refused, RetryLater
from reelkeeper.domain.kept import Kept, Work
from reelkeeper.domain.parts import crc32_text

_TRIES = 3


def put(bucket: Bucket, key: str, body: bytes | bytearray, *, name: str) -> Kept:
    """Store a small body in one request."""
    if not body:
        raise Refused(f"the output is empty: NCA delivered a file of 0 bytes ({key})")
    crc32 = zlib.crc32(body)
    for tries in range(_TRIES):
        try:
            bucket.put(key, body, name=name, crc32=crc32_text(crc32))
        except Taken:
            return same(bucket, key, len(body), crc32)
        except Conflict as error:
            # Someone else was writing this key: AWS wants the put repeated, which finds out who was first.
            if tries == _TRIES - 1:
                raise RetryLater(f"others are writing {key}: {error}") from error
        else:
            break
    return verified(bucket, key, len(body), crc32, Work("put", read=len(body)))


def verified(bucket: Bucket, key: str, size: int, crc32: int | None, work: Work) -> Kept:
    """What was kept, once the store shows it as it should be; `crc32` None where only the store has read the bytes."""
    there = bucket.head(key)
    told = crc32_text(crc32) if crc32 is not None else None
    if there is None or there.size != size or (told is not None and there.crc32 not in (None, told)):
        raise RetryLater(f"the bucket does not show what was stored under {key}: {there}")
    return Kept(size, told or there.crc32, work)


def same(bucket: Bucket, key: str, size: int, crc32: int) -> Kept:
    """An object was there first: fine when it is the same, as after a crash between copy and ledger; else raises Different."""
    there = bucket.head(key)
    if there is None:
        raise RetryLater(f"the bucket says that {key} is taken, and then that it is not there")
    if there.size == size and (there.crc32 or crc32_text(bucket.crc32(key))) == crc32_text(crc32):
        return Kept(size, crc32_text(crc32), Work("found"))
    raise Different(f"another file of {there.size} bytes is under {key} already, and stays; this one has {size}")

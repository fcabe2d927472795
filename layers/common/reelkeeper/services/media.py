"""The media gate: between copy and publication every stored object is looked into, by ranges, and passed or set aside."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from reelkeeper.domain.containers import FORMS, HEAD_BYTES, PICTURES, Kind, kind_of
from reelkeeper.domain.media import Claim, Look, Rejected, Sort, Verdict, as_named, check_kind, check_whole, judge, judge_text
from reelkeeper.domain.texts import TEXT_BYTES
from reelkeeper.domain.wholeness import Read, shape
from reelkeeper.services.ranges import Ranges

MIB = 1024 * 1024
Serve = Callable[[int, int], bytes | None]
# No file's index and two ends need more. What is read of a film of 1 GiB is below 1 % (make bench-media).
LEAST_READ, SHARE_READ = 64 * MIB, 0.01
# The end is decoded from its last key frame on if that is no farther away.
LEAST_TAIL, SHARE_TAIL = 2 * MIB, 0.002


class Decoder(Protocol):
    """What opens a file; `serve` gives it the bytes from a start on, None where no more may be read."""

    def look(self, demuxer: str, size: int, serve: Serve, *, tail_bytes: int, ends: bool) -> Look: ...


@dataclass(frozen=True, slots=True)
class Inspection:
    """What was found out about one object, and how many of its bytes that took."""

    verdict: Verdict
    kind: Kind
    index_first: bool | None
    fetched: int


def inspect(claim: Claim, size: int, fetch: Read, *, decoder: Decoder) -> Inspection:
    """Look into a file; raises Rejected with what is wrong with it, or what `fetch` and the decoder raise of their own."""
    if not size:
        raise Rejected(f"{claim.name} is empty")
    ranges = Ranges(fetch, size, most_bytes=max(LEAST_READ, int(size * SHARE_READ)))
    head = ranges.read(0, HEAD_BYTES)
    kind = kind_of(head)
    check_kind(claim, kind, head)
    if claim.sort is Sort.DATA:
        verdict = judge_text(claim, ranges.read(0, TEXT_BYTES), whole=size <= TEXT_BYTES)
        return Inspection(verdict, kind, None, ranges.fetched)
    form = FORMS.get(kind) or PICTURES.get(kind)
    if form is None:
        return Inspection(as_named(claim), kind, None, ranges.fetched)
    seen = shape(kind, size, ranges.read)
    check_whole(kind, seen)
    tail_bytes = max(LEAST_TAIL, int(size * SHARE_TAIL))
    look = decoder.look(form.demuxer, size, ranges.serve, tail_bytes=tail_bytes, ends=kind in FORMS)
    return Inspection(judge(claim, kind, look), kind, seen.index_first, ranges.fetched)

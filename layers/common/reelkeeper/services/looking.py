"""One job's files, looked at as a viewer would and compared with the ledger's account."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, Protocol, TypeAlias

from reelkeeper.adapters.bucket import Stored
from reelkeeper.adapters.viewer import Seen
from reelkeeper.domain.job import Job, JobOutput

# "elsewhere": kept when files still went to another store or had another address, and not to be read there.
Kind: TypeAlias = Literal["missing", "changed", "elsewhere", "unreadable"]


class Bucket(Protocol):
    def head(self, key: str) -> Stored | None: ...
    def address(self, key: str) -> str: ...


class Viewer(Protocol):
    def look(self, url: str) -> Seen: ...


@dataclass(frozen=True, slots=True)
class Finding:
    """One output that is not as it should be: which one, in what way, and in words."""

    index: int
    kind: Kind
    what: str


def look(job: Job, *, bucket: Bucket, viewer: Viewer) -> tuple[Finding, ...]:
    """Everything that is wrong with the job's outputs; raises RetryLater where that cannot be said now."""
    return tuple(finding for index, output in enumerate(job.outputs) for finding in _look(index, output, bucket, viewer))


def _look(index: int, output: JobOutput, bucket: Bucket, viewer: Viewer) -> Iterator[Finding]:
    if output.permanent_url is None:
        # Nobody is led to it: a thumbnail that is no picture, say.
        return
    there = bucket.head(output.key or "")
    if there is None and output.permanent_url == bucket.address(output.key or ""):
        yield Finding(index, "missing", f"{output.key} is not in the bucket any more")
        return
    if there is None:
        # Kept before a move (docs/operating.md, "Move to another bucket"): that bucket is not ours to ask.
        if wrong := _wrong(viewer.look(output.permanent_url), output):
            yield Finding(index, "elsewhere", f"{output.permanent_url}, where files were kept before, {wrong}")
        return
    if there.size != output.size or (output.checksum and there.crc32 not in (None, output.checksum)):
        yield Finding(index, "changed", f"{output.key} has been overwritten: {there.size} bytes, and {output.size} were kept")
        return
    if wrong := _wrong(viewer.look(output.permanent_url), output):
        yield Finding(index, "unreadable", f"{output.permanent_url} {wrong}, though the object is whole")


def _wrong(seen: Seen, output: JobOutput) -> str:
    """What a viewer would stumble over, in words; empty where there is nothing."""
    if seen.status != 200:
        return f"answers {seen.status} to somebody without keys"
    if seen.size is not None and seen.size != output.size:
        return f"gives {seen.size} bytes where {output.size} were kept"
    if output.content_type and seen.content_type.partition(";")[0] != output.content_type.partition(";")[0]:
        return f"says its type is {seen.content_type or 'unknown'} and not {output.content_type}"
    if not seen.gives_ranges:
        return "gives no part of the file when asked for one, which players need"
    return ""

"""What an audit found to be gone is brought back: from an earlier version, or by copying the source again."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from reelkeeper.domain.job import LOOK_AGAIN, Job, JobOutput, note, reopened
from reelkeeper.domain.message import Pointer, encode, point
from reelkeeper.metric import Metric
from reelkeeper.services.looking import Finding
from reelkeeper.services.outside import Outside
from reelkeeper.telemetry import record


@dataclass(frozen=True, slots=True)
class Brought:
    """What was done, in words; `job` is None where nothing could be. `message` sends the callback in again."""

    what: str
    job: Job | None = None
    message: str | None = None


def bring_back(job: Job, findings: Sequence[Finding], *, outside: Outside, at: datetime) -> Brought:
    """Do what can be done about these findings; raises RetryLater where the bucket does not answer."""
    lost = [finding for finding in findings if finding.kind != "unreadable"]
    if not lost:
        return Brought("Nothing to bring back: check who may read the address (reelkeeper check storage).")
    gone = [finding for finding in lost if not _from_version(job.outputs[finding.index], outside)]
    # What went to another store is not lost because this one does not have it.
    left = [finding for finding in gone if finding.kind != "elsewhere"]
    if len(gone) < len(lost):
        record(Metric.OBJECTS_RESTORED_TOTAL, len(lost) - len(gone))
    if not left and gone:
        return Brought("It was kept elsewhere then: check that store, and who may read the address.")
    if not left:
        what = "Brought back from an earlier version."
        return Brought(what, note(replace(job, due_at=at + LOOK_AGAIN), at=at, what=f"an object was gone: {what}"))
    message = outside.ledger.message(job.job_id)
    if message is None or any(finding.kind == "changed" for finding in left):
        return Brought("No earlier version is what was kept, and it cannot be copied again: a person must look.")
    why = "an object is gone and has no earlier version: it is copied again from its source, if that still lives"
    text = point(message.key) if isinstance(message, Pointer) else encode(message)
    missing = {finding.index for finding in left}
    return Brought(f"{why[0].upper()}{why[1:]}.", reopened(job, missing, at=at, why=why), text)


def _from_version(output: JobOutput, outside: Outside) -> bool:
    if output.key is None or output.size is None:
        return False
    return outside.versions.bring_back(output.key, size=output.size, crc32=output.checksum) is not None

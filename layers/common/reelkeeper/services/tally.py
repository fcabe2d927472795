"""What a change of a job counts for: called with each write that the ledger took, so that every step counts exactly once."""

from reelkeeper.domain.job import Job, JobState
from reelkeeper.metric import Metric
from reelkeeper.telemetry import record

_ENDED = frozenset({JobState.FINISHED, JobState.FAILED})


def tally(before: Job | None, after: Job) -> None:
    """Count what lies between two versions of a job."""
    known = before.outputs if before is not None else ()
    for index, output in enumerate(after.outputs):
        was_stored = index < len(known) and known[index].stored_at is not None
        if output.stored_at is not None and not was_stored:
            record(Metric.FILES_STORED_TOTAL)
            record(Metric.BYTES_STORED_TOTAL, output.size or 0)
    if before is not None and before.state is after.state:
        return
    record(Metric.JOBS_TOTAL, state=after.state)
    if after.state in _ENDED:
        record(Metric.CALLBACKS_TOTAL, origin=after.origin)
    if after.state is JobState.PUBLISHED:
        began = after.submitted_at or after.received_at
        record(Metric.JOB_DURATION_SECONDS, (after.updated_at - began).total_seconds(), origin=after.origin)
        if after.origin != "webhook":
            record(Metric.JOBS_RECOVERED_TOTAL)

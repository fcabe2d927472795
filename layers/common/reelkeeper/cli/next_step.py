"""The command to give next, for a job in the state it is in."""

from reelkeeper.domain.job import Job, JobState


def next_step(job: Job) -> str | None:
    """One line with the command, or None where nothing is to be done."""
    match job.state:
        case JobState.KEPT:
            return None
        case JobState.PUBLISHED:
            return "Nothing to do: it is looked at again by itself."
        case JobState.FAILED:
            return f"NCA failed; when the reason is mended: reelkeeper resubmit {job.job_id}"
        case JobState.LOST:
            return f"NCA has no file for it any more. To have it made again: reelkeeper resubmit {job.job_id}"
        case JobState.REJECTED:
            return f"Its output was not kept. When the reason is mended: reelkeeper replay {job.job_id}"
        case _:
            return f"It is looked at again by itself; to have it looked at now: reelkeeper recover {job.job_id}"

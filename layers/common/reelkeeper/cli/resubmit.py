"""`reelkeeper resubmit`: jobs that failed or were lost are handed in anew, the way the mapping says."""

from datetime import UTC, datetime

from reelkeeper.adapters.register import Register
from reelkeeper.cli.acting import decided
from reelkeeper.cli.faults import Unusable
from reelkeeper.cli.jobs import table
from reelkeeper.cli.place import Here
from reelkeeper.cli.recover import chosen, operator
from reelkeeper.cli.screen import Screen
from reelkeeper.cli.words import plural
from reelkeeper.services.by_hand import RESUBMITTABLE, resubmit_now


def resubmit(*ids: str, dry_run: bool = False, yes: bool = False, place: Here) -> int:
    """Have NCA make again what failed or was lost.

    Parameters
    ----------
    ids
        The jobs, by any id that trace takes.
    dry_run
        Show which jobs it would be, and do nothing.
    yes
        Do not ask.
    """
    screen, now = Screen(), datetime.now(UTC)
    if not ids:
        raise Unusable("Name the jobs to hand in anew; those that were lost: reelkeeper jobs --state lost")
    jobs = chosen(ids, Register(place.client("dynamodb"), place.output("LedgerTable")))
    ended = [job for job in jobs if job.state in RESUBMITTABLE]
    screen.table(*table(jobs, now))
    for job in jobs:
        if job not in ended:
            screen.say(f"{job.job_id} is {job.state}: only what failed, was lost or rejected is handed in anew.")
    if not ended or not decided(screen, f"Hand {plural(len(ended), 'job')} in anew?", dry_run=dry_run, yes=yes):
        return 0
    with screen.working("Handing in"):
        result = resubmit_now(ended, by=operator(place))
    for job_id in result.done:
        screen.say(f"{job_id}: handed in anew.")
    for job_id, why in result.refused.items():
        screen.say(f"{job_id}: not handed in anew: {why}")
    if result.done:
        rows = [job.record_id for job in ended if job.job_id in result.done and job.record_id]
        screen.hint(f"What becomes of it: reelkeeper trace {(*rows, result.done[0])[0]}")
    return 1 if result.refused else 0

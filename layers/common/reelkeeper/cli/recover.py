"""`reelkeeper recover`: the sweep's own work, for chosen jobs, now."""

import random
import uuid
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Annotated

from cyclopts import Parameter

from reelkeeper.adapters.register import Register
from reelkeeper.cli.acting import decided
from reelkeeper.cli.faults import Unusable
from reelkeeper.cli.jobs import is_stuck, table
from reelkeeper.cli.place import Here, Place
from reelkeeper.cli.screen import Screen
from reelkeeper.cli.words import plural
from reelkeeper.domain.job import Job
from reelkeeper.services.by_hand import By, Plan, plan, recover_now
from reelkeeper.services.trace import find

_SHOWN = 30


def recover(
    *ids: str,
    stuck: Annotated[bool, Parameter(name="--all")] = False,
    dry_run: bool = False,
    yes: bool = False,
    place: Here,
) -> int:
    """Go after jobs that are still open: ask NCA, send their callbacks in again, look at what is published.

    Parameters
    ----------
    ids
        The jobs, by any id that trace takes.
    stuck
        All jobs that are stuck, as jobs --stuck lists them.
    dry_run
        Show what would be done, and do nothing.
    yes
        Do not ask.
    """
    screen, now = Screen(), datetime.now(UTC)
    if bool(ids) == stuck:
        raise Unusable("Name the jobs to recover, or say --all for those that are stuck: reelkeeper jobs --stuck lists them")
    register = Register(place.client("dynamodb"), place.output("LedgerTable"))
    jobs = [job for job in register.open() if is_stuck(job, now)] if stuck else chosen(ids, register)
    planned = plan(jobs)
    if not jobs:
        screen.say("No job is stuck.")
        return 0
    screen.some(*table(jobs, now), most=_SHOWN)
    _say(screen, planned)
    if not planned.count or not decided(screen, f"Recover {plural(planned.count, 'job')}?", dry_run=dry_run, yes=yes):
        return 0
    with screen.working("Recovering"):
        done = recover_now(planned, by=operator(place))
    parts = [
        f"{plural(done.sent, 'message')} sent in" if done.sent else "",
        f"{plural(done.lost, 'job')} lost, with proof" if done.lost else "",
        f"{plural(done.resubmitted, 'job')} handed in anew" if done.resubmitted else "",
        f"{plural(done.audited, 'job')} looked at again" if done.audited else "",
    ]
    screen.say("; ".join(part for part in parts if part) + "." if any(parts) else "Nothing new was found; they stay open.")
    screen.hint(f"What became of it: reelkeeper trace {jobs[0].job_id}")
    return 0


def chosen(ids: Sequence[str], register: Register) -> list[Job]:
    """The jobs these ids lead to, each once; raises Unusable for an id that leads to none."""
    found: dict[str, Job] = {}
    for one in ids:
        jobs = find(one.strip(), register=register).jobs
        if not jobs:
            raise Unusable(f"The ledger knows no job {one!r}. What others know of it: reelkeeper trace {one}")
        found |= {job.job_id: job for job in jobs}
    return list(found.values())


def operator(place: Place) -> By:
    """The person at this keyboard."""
    return By(place.outside, lambda: datetime.now(UTC), random.random, owner=f"operator-{uuid.uuid4()}")


def _say(screen: Screen, planned: Plan) -> None:
    if planned.ask:
        screen.say(f"{plural(len(planned.ask), 'job')}: NCA is asked, and its bucket is looked through.")
    if planned.send:
        screen.say(f"{plural(len(planned.send), 'job')}: the kept callback is sent in again; persist goes on where it stopped.")
    if planned.audit:
        screen.say(f"{plural(len(planned.audit), 'job')}: the files are looked at as a viewer would.")
    if planned.rest:
        screen.say(f"{plural(len(planned.rest), 'job')}: settled, there is nothing to recover.")

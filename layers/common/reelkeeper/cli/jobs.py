"""`reelkeeper jobs`: which jobs there are, from an index where there is one, else from the whole ledger."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from itertools import islice
from typing import Annotated, Any

from cyclopts import Parameter
from rich.markup import escape

from reelkeeper.adapters.register import Register
from reelkeeper.cli.place import Here
from reelkeeper.cli.screen import Screen
from reelkeeper.cli.words import age, plural, read_since
from reelkeeper.domain.job import Job, JobState
from reelkeeper.domain.moment import show_moment
from reelkeeper.domain.ping import PING
from reelkeeper.services.stock import STUCK_AFTER

STYLES = {
    JobState.KEPT: "green",
    JobState.PUBLISHED: "green",
    JobState.FAILED: "red",
    JobState.LOST: "red",
    JobState.REJECTED: "red",
}
_OF_ONE_ROW = 50
# These are all in the index of what is due.
_OPEN = frozenset({JobState.SUBMITTED, JobState.FINISHED, JobState.STORED, JobState.PUBLISHED})


def jobs(
    *,
    stuck: bool = False,
    state: Annotated[list[JobState] | None, Parameter(consume_multiple=True)] = None,
    op: str | None = None,
    since: str | None = None,
    record: str | None = None,
    limit: int = 50,
    json: bool = False,
    place: Here,
) -> int:
    """List jobs.

    Parameters
    ----------
    stuck
        Only jobs somebody waits for: open for more than an hour, or tried in vain.
    state
        Only jobs in these states: submitted, finished, stored, published, kept, failed, lost, rejected.
    op
        Only jobs of this operation, such as combine.
    since
        Only jobs on which something happened since then: 30m, 2h, 7d, or a date.
    record
        Only jobs of this row of Airtable's table of jobs.
    limit
        How many to show at most.
    json
        Print them as JSON, histories included.
    """
    screen, now = Screen(), datetime.now(UTC)
    register = Register(place.client("dynamodb"), place.output("LedgerTable"))
    states = frozenset(state or ())
    after = read_since(since, now) if since else None
    whole = not record and not stuck and (bool(after) or bool(states)) and not (states and states <= _OPEN)
    if whole:
        found = _all(register, screen, after, states)
    else:
        found = iter(register.of_record(record, limit=_OF_ONE_ROW)) if record else register.open()
    wanted = (
        job
        for job in found
        if job.operation != PING
        and (not states or job.state in states)
        and (op is None or job.operation == op)
        and (after is None or job.updated_at >= after)
        and (not stuck or is_stuck(job, now))
        # It is done, but for a second look; only who asks for these wants to see them.
        and (whole or record or job.state in states or job.state is not JobState.PUBLISHED)
    )
    # One more than is shown, to know whether there are more.
    shown = list(islice(sorted(wanted, key=lambda job: job.updated_at, reverse=True) if whole else wanted, limit + 1))
    if json:
        screen.json([as_json(job) for job in shown[:limit]])
        return 0
    if shown:
        screen.table(*table(shown[:limit], now))
    _conclude(screen, shown, limit=limit, what="stuck" if stuck else "" if whole or record else "open")
    return 0


def is_stuck(job: Job, now: datetime) -> bool:
    """Whether somebody waits for this job in vain; what is published is only to be looked at once more."""
    if job.state is JobState.PUBLISHED or job.due_at is None:
        return False
    return now - job.received_at > STUCK_AFTER or job.attempts > 0


def table(shown: Sequence[Job], now: datetime) -> tuple[Sequence[str], Sequence[Sequence[str]]]:
    """Columns and rows: what each job is, where it stands, and what happened last."""
    rows = []
    for job in shown:
        style = STYLES.get(job.state, "yellow")
        last = job.history[-1].what if job.history else ""
        rows.append(
            (
                escape(job.job_id),
                f"[{style}]{job.state}[/]",
                escape(job.operation or "-"),
                escape(job.record_id or "-"),
                age(job.received_at, now),
                escape(" ".join(last.split())[:160]),
            )
        )
    return ("job", "state", "operation", "record", "age", "what happened last"), rows


def as_json(job: Job) -> dict[str, Any]:
    """A job as a program reads it; these names stay."""
    names = ("job_id", "operation", "record_id", "target_id", "origin", "attempts", "error")
    moments = ("submitted_at", "received_at", "updated_at", "told_at", "due_at")
    outputs = [
        {"name": one.name, "role": one.role, "size": one.size, "key": one.key, "permanent_url": one.permanent_url}
        for one in job.outputs
    ]
    return {
        "state": str(job.state),
        **{name: getattr(job, name) for name in names},
        **{name: show_moment(at) if (at := getattr(job, name)) else None for name in moments},
        "outputs": outputs,
        "history": [{"at": show_moment(event.at), "what": event.what} for event in job.history],
    }


def _all(register: Register, screen: Screen, after: datetime | None, states: frozenset[JobState]) -> Iterator[Job]:
    count = 0
    with screen.working("Reading the ledger") as tell:
        for job in register.all(since=after, states=states):
            if job is not None:
                count += 1
                yield job
            tell(f"Reading the whole ledger, there is no index for this: {register.items_read:,} items, {count:,} found")


def _conclude(screen: Screen, shown: Sequence[Job], *, limit: int, what: str) -> None:
    if not shown:
        screen.say({"stuck": "No job is stuck.", "open": "No job is open."}.get(what, "There are no such jobs."))
        if what == "open":
            screen.hint("Those of the last day, done or not: reelkeeper jobs --since 1d")
        return
    more = f"The first {limit} are shown; more with --limit." if len(shown) > limit else plural(len(shown[:limit]), "job") + "."
    screen.hint(f"{more} What became of one: reelkeeper trace {shown[0].job_id}")
    if what == "stuck":
        screen.hint("To have all of them looked at now: reelkeeper recover --all")

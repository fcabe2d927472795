"""`reelkeeper report`: does the account of the last days come out even?"""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from reelkeeper.adapters.register import Register
from reelkeeper.cli.faults import Unusable
from reelkeeper.cli.place import Here
from reelkeeper.cli.screen import Screen
from reelkeeper.domain.account import Account, Exemption
from reelkeeper.domain.job import Job, JobState
from reelkeeper.domain.moment import show_moment
from reelkeeper.services.report import lines, make_account

# The ledger forgets a job 90 days after it was settled.
_MOST_DAYS = 90


def report(*, days: int = 7, json: bool = False, place: Here) -> int:
    """Add up what NCA finished and what is kept.

    Parameters
    ----------
    days
        How many days back.
    json
        Print the account as JSON.
    """
    if not 1 <= days <= _MOST_DAYS:
        raise Unusable(f"--days is {days}: the ledger knows the last {_MOST_DAYS} days; write 1 to {_MOST_DAYS}")
    screen = Screen()
    register = Register(place.client("dynamodb"), place.output("LedgerTable"))
    with screen.working("Reading the ledger") as tell:
        made = make_account(_Counting(register, tell), days=days, at=datetime.now(UTC))
    if json:
        screen.json(_as_json(made))
    else:
        for line in lines(made):
            screen.say(line)
    return int(bool(made.exceptions) or not made.balanced)


class _Counting:
    """The register, with a word on the screen for each page."""

    def __init__(self, register: Register, tell: Any) -> None:
        self._register = register
        self._tell = tell

    def all(self, *, since: datetime | None = None, states: frozenset[JobState] = frozenset()) -> Iterator[Job | None]:
        for job in self._register.all(since=since, states=states):
            if job is None:
                self._tell(f"Reading the whole ledger: {self._register.items_read:,} items")
            yield job


def _as_json(made: Account) -> dict[str, Any]:
    def plain(one: Exemption) -> dict[str, Any]:
        return {"job_id": one.job.job_id, "state": str(one.job.state), "record_id": one.job.record_id, "why": one.why}

    return {
        "since": show_moment(made.since),
        "until": show_moment(made.until),
        "finished": made.finished,
        "kept": made.kept,
        "kept_bytes": made.kept_bytes,
        "failed": made.failed,
        "running": made.running,
        "balanced": made.balanced,
        "exceptions": [plain(one) for one in made.exceptions],
        "remarks": [plain(one) for one in made.remarks],
    }

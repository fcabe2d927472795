"""Taking stock after a sweep: how many jobs are still open, and how old the oldest of them is."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Protocol

from reelkeeper.domain.job import JobState
from reelkeeper.domain.timing import LONGEST_IN_LEDGER
from reelkeeper.metric import Metric
from reelkeeper.telemetry import record

# An open job is looked at at least this often (a delay may be half longer than asked), so that it is among what is due by then;
# most of the audits of what is published come later, and are not read for nothing.
_HORIZON = 2 * LONGEST_IN_LEDGER
STUCK_AFTER = timedelta(hours=1)


class Ledger(Protocol):
    def waiting(self, *, until: datetime) -> Iterator[tuple[str, datetime]]: ...


def take_stock(ledger: Ledger, *, at: datetime) -> None:
    """Note the numbers of open and stuck jobs and the age of the oldest; raises RetryLater where the ledger does not answer."""
    ages = [at - since for state, since in ledger.waiting(until=at + _HORIZON) if state != JobState.PUBLISHED]
    record(Metric.JOBS_OPEN, len(ages))
    record(Metric.JOBS_STUCK, sum(1 for age in ages if age > STUCK_AFTER))
    record(Metric.OLDEST_OPEN_SECONDS, max(ages, default=timedelta()).total_seconds())

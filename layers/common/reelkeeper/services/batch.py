"""One batch on its way: what was delivered, what it says of which job, how far each job came, and who works on it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from reelkeeper.domain.callback import Callback
from reelkeeper.domain.errors import RetryLater
from reelkeeper.domain.job import Job
from reelkeeper.domain.message import Message
from reelkeeper.domain.receiving import job_key
from reelkeeper.domain.timing import LONGEST_IN_QUEUE, retry_delay, spread
from reelkeeper.domain.trace import trace_id
from reelkeeper.services.lease import Leases
from reelkeeper.services.outputs import Run as CopyRun
from reelkeeper.services.outside import Outside

# After so many tries a job is left to the ledger, whose delays are longer; the message is kept there.
TRIES_IN_QUEUE = 5


@dataclass(frozen=True, slots=True)
class Delivery:
    """One SQS message as it was delivered; `receives` counts this time too."""

    message_id: str
    receipt: str
    text: str
    receives: int = 1


@dataclass(frozen=True, slots=True)
class Heard:
    """A delivery and what it says; `inbox_key` is where it lay if the queue carried only a pointer."""

    delivery: Delivery
    message: Message
    callback: Callback
    inbox_key: str | None = None


@dataclass(frozen=True, slots=True)
class Step:
    """How far a job came: `job` is to be told to Airtable, `again` comes back after that time, neither means done."""

    job: Job | None = None
    again: timedelta | None = None


@dataclass(frozen=True, slots=True)
class Batch:
    """One run's collaborators; everything it leaves behind is in the ledger, the bucket, Airtable and the queue."""

    outside: Outside
    clock: Callable[[], datetime]
    chance: Callable[[], float]
    leases: Leases
    copies: CopyRun

    def delay(self, error: RetryLater, tries: int, *, longest: timedelta = LONGEST_IN_QUEUE) -> timedelta:
        """How long what failed so often waits: as long as the error says, else longer each time."""
        if error.delay is not None:
            return spread(error.delay, chance=self.chance())
        return retry_delay(tries, chance=self.chance(), longest=longest)


def latest(heard: Sequence[Heard]) -> Heard:
    """The one that counts: the last success, else the last."""
    return next((one for one in reversed(heard) if one.callback.outcome == "success"), heard[-1])


def receives(heard: Sequence[Heard]) -> int:
    """How often the most often delivered of them has come."""
    return max(one.delivery.receives for one in heard)


def told_of(heard: Sequence[Heard]) -> dict[str, str | None]:
    """What every line says while a job is worked on; `trace_id` is that of the request which brought the news."""
    last = latest(heard)
    return {
        "job_id": job_key(last.callback, last.message.body),
        "record_id": last.callback.record_id,
        "origin": last.message.origin,
        "trace_id": trace_id(last.message.trace),
    }

"""When to try again, and when to look next: by age, by what such jobs usually take, and before a source expires."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qs, urlsplit

# A message may wait in the queue this long; what needs longer is left to the ledger and the poller.
LONGEST_IN_QUEUE = timedelta(minutes=15)
LONGEST_IN_LEDGER = timedelta(hours=6)
_FIRST = timedelta(seconds=5)

# A job is first looked at when it is this old; the mission's check of 30 minutes investigates, and fails nothing.
FIRST_LOOK = timedelta(minutes=5)
INVESTIGATE = timedelta(minutes=30)
# Durations are counted in steps of a quarter more each: fine enough for a median, and thirty numbers cover a second to a day.
_STEP = 1.25
_STEPS = 52


@dataclass(frozen=True, slots=True)
class Durations:
    """What jobs of one operation took, from NCA's taking them to their end: how many fell into each step."""

    counts: Mapping[int, int]

    @property
    def known(self) -> int:
        return sum(self.counts.values())

    def quantile(self, share: float) -> timedelta | None:
        """The duration that this share of jobs did not exceed, up to a step; None while none is known."""
        wanted = math.ceil(self.known * share)
        for step in sorted(self.counts):
            wanted -= self.counts[step]
            if wanted <= 0:
                return timedelta(seconds=_STEP**step) if self.known else None
        return None


def duration_step(seconds: float) -> int:
    """The step a duration falls into: the first that is not shorter."""
    return min(max(math.ceil(math.log(max(seconds, 1.0)) / math.log(_STEP)), 0), _STEPS)


def next_look(age: timedelta, durations: Durations | None, *, chance: float) -> timedelta:
    """How long to wait before an open job of this age is looked at again.

    Not before such jobs usually end; often while this one should be ending; then ever more rarely, up to six hours, since what
    is hopeless must not cost what is not. `chance` in [0, 1) spreads jobs that were submitted together.
    """
    median = durations.quantile(0.5) if durations else None
    p95 = durations.quantile(0.95) if durations else None
    if median is not None and age < median:
        wait = min(median - age, LONGEST_IN_QUEUE)
    elif p95 is not None and age < p95:
        wait = FIRST_LOOK
    else:
        wait = age / 4
    return spread(min(max(wait, FIRST_LOOK), LONGEST_IN_LEDGER), chance=chance)


def source_ends_at(url: str | None) -> datetime | None:
    """When a signed URL expires by its own account (`Expires`, or `X-Amz-Date` and `X-Amz-Expires`); None: it does not say."""
    try:
        asked = {name.lower(): values[-1] for name, values in parse_qs(urlsplit(url or "").query).items()}
        if "x-amz-date" in asked and "x-amz-expires" in asked:
            signed_at = datetime.strptime(asked["x-amz-date"], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
            return signed_at + timedelta(seconds=int(asked["x-amz-expires"]))
        if "expires" in asked:
            return datetime.fromtimestamp(int(asked["expires"]), UTC)
    except (ValueError, OverflowError, OSError):
        return None
    return None


def retry_delay(tries: int, *, chance: float, longest: timedelta = LONGEST_IN_QUEUE) -> timedelta:
    """How long to wait after so many tries that failed: twice as long each time, spread over the upper half.

    `chance` is a random number in [0, 1); it keeps a thousand jobs that failed together from coming back together.
    """
    doublings: int = 1 << min(max(tries, 0), 20)
    grown = min(_FIRST * doublings, longest)
    return grown * (0.5 + chance / 2)


def spread(delay: timedelta, *, chance: float) -> timedelta:
    """A delay that somebody else asked for, never shorter, up to half longer."""
    return delay * (1 + chance / 2)

"""When to try again, and when to look next."""

from datetime import timedelta

# A message may wait in the queue this long; what needs longer is left to the ledger and the poller.
LONGEST_IN_QUEUE = timedelta(minutes=15)
LONGEST_IN_LEDGER = timedelta(hours=6)
_FIRST = timedelta(seconds=5)


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

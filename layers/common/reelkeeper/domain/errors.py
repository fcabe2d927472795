"""The two kinds of error that decide everything: go back and try again, or stop and tell a person.

Adapters translate their library's errors into these, once; services never look into an error's text.
"""

from datetime import timedelta


class RetryLater(Exception):
    """The outside world is not ready; the same call may well work after `delay` (None: the caller's own rhythm)."""

    def __init__(self, reason: str, *, delay: timedelta | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.delay = delay


class Refused(Exception):
    """The outside world said no and will say no again; the reason says what a person must change."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Gone(Refused):
    """What was asked for does not exist, or not any more."""


class Unfinished(RetryLater):
    """A copy came further and was saved; the same call goes on where it stopped, by another process too.

    `read` bytes came from the source in this run, and `retries` parts were sent again.
    """

    def __init__(self, reason: str, *, delay: timedelta | None = None, read: int = 0, retries: int = 0) -> None:
        super().__init__(reason, delay=delay)
        self.read = read
        self.retries = retries


class Different(Refused):
    """Another file is under that key already; it stays as it is, and this one needs a key of its own."""

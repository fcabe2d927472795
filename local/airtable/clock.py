"""The stand-in's time: any clock, which tests and people can move ahead instead of waiting."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

Clock = Callable[[], datetime]


def system() -> datetime:
    """This machine's time."""
    return datetime.now(UTC)


class MovableClock:
    """Another clock, some time ahead: `MovableClock(lambda: NOON)` stands still until it is moved."""

    def __init__(self, clock: Clock = system) -> None:
        self._clock = clock
        self._ahead = timedelta()

    def __call__(self) -> datetime:
        return self._clock() + self._ahead

    def advance(self, by: timedelta) -> None:
        """Let this much time pass at once."""
        self._ahead += by


def stamp(at: datetime) -> str:
    """Airtable's way to write a time: UTC, milliseconds, Z."""
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")

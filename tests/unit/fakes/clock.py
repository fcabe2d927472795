"""Virtual time."""

from datetime import datetime, timedelta

from tests.unit.builders import NOW


class Clock:
    """Virtual time: it stands still until a test moves it."""

    def __init__(self, now: datetime = NOW) -> None:
        self.now = now

    def __call__(self) -> datetime:
        return self.now

    def move(self, by: timedelta) -> None:
        self.now += by

"""Every request that came, so that a test can say "exactly one write" and "never more than five in a second"."""

import threading
from collections import deque
from dataclasses import dataclass
from datetime import datetime, timedelta

_READING_POSTS = "/listRecords"


@dataclass(frozen=True, slots=True)
class Entry:
    """One request; `status` is None when the connection was dropped, `table` the name, empty when there is no such table."""

    at: datetime
    method: str
    path: str
    table: str
    body: object
    status: int | None

    @property
    def is_write(self) -> bool:
        """Whether it asked to change something, whatever came of it."""
        return self.method != "GET" and not self.path.endswith(_READING_POSTS)


class Journal:
    """Entries in the order in which they were answered."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._entries: list[Entry] = []

    def add(self, entry: Entry) -> None:
        """One more."""
        with self._lock:
            self._entries.append(entry)

    def all(self, table: str | None = None) -> list[Entry]:
        """Every request, or those of one table."""
        with self._lock:
            return [entry for entry in self._entries if table in (None, entry.table)]

    def writes(self, table: str | None = None) -> list[Entry]:
        """Every request that asked to change something, also those that were refused or dropped."""
        return [entry for entry in self.all(table) if entry.is_write]

    def clear(self) -> None:
        """Forget them."""
        with self._lock:
            self._entries.clear()

    def busiest_second(self) -> int:
        """The most requests that came within any one second."""
        window: deque[datetime] = deque()
        most = 0
        for at in sorted(entry.at for entry in self.all()):
            window.append(at)
            while at - window[0] >= timedelta(seconds=1):
                window.popleft()
            most = max(most, len(window))
        return most

"""Airtable's limits: five requests in a second for each base, then thirty seconds of refusal; and the month's quota."""

import threading
from collections import deque
from datetime import datetime, timedelta

from local.airtable import errors
from local.airtable.clock import Clock
from local.airtable.switches import Switches

# https://airtable.com/developers/web/api/rate-limits
REQUESTS = 5
WINDOW = timedelta(seconds=1)
PENALTY = timedelta(seconds=30)


class Rate:
    """Counts by the clock it is given; `on` and `quota_used_up` may be set at any time."""

    def __init__(self, *, clock: Clock, switches: Switches, on: bool) -> None:
        self.on = on
        # Every request gets the other 429, for which no wait helps.
        self.quota_used_up = False
        self._clock = clock
        self._switches = switches
        self._lock = threading.Lock()
        self._recent: deque[datetime] = deque()
        self._refused_until: datetime | None = None

    def admit(self) -> None:
        """Count one request; raises ApiError 429 when it is one too many."""
        if self.quota_used_up:
            raise errors.quota_used_up()
        if not self.on:
            return
        with self._lock:
            now = self._clock()
            if self._refused_until and now < self._refused_until:
                raise errors.rate_limited(self._switches.retry_after_s)
            while self._recent and now - self._recent[0] >= WINDOW:
                self._recent.popleft()
            self._recent.append(now)
            if len(self._recent) > REQUESTS:
                # Requests within the 30 seconds do not prolong them: no source says that they would.
                self._refused_until = now + PENALTY
                self._recent.clear()
                raise errors.rate_limited(self._switches.retry_after_s)

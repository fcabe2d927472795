"""The notes beside the jobs."""

import threading
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime

from reelkeeper.adapters.notebook import Notebook
from reelkeeper.domain.fleet import Fleet
from reelkeeper.domain.incident import Incident, Kind, Pulse
from reelkeeper.domain.timing import Durations, duration_step


class FakeNotebook(Notebook):
    """The notes in memory."""

    def __init__(self) -> None:
        self.sweeper: tuple[str, datetime] | None = None
        self.known_fleet = Fleet()
        self.steps: dict[str, dict[int, int]] = defaultdict(lambda: defaultdict(int))
        self.pulse = Pulse(None, None)
        self.counts: dict[str, int] = defaultdict(int)
        self.incidents: dict[Kind, Incident] = {}
        self._lock = threading.Lock()

    def begin_sweep(self, *, owner: str, now: datetime, until: datetime) -> bool:
        if self.sweeper is not None and self.sweeper[0] != owner and self.sweeper[1] >= now:
            return False
        self.sweeper = owner, until
        return True

    def end_sweep(self, *, owner: str) -> None:
        if self.sweeper is not None and self.sweeper[0] == owner:
            self.sweeper = None

    def fleet(self) -> Fleet:
        return self.known_fleet

    def keep_fleet(self, fleet: Fleet) -> None:
        self.known_fleet = fleet

    def observe(self, operation: str, took_s: float) -> None:
        with self._lock:
            self.steps[operation][duration_step(took_s)] += 1

    def durations(self, operations: Iterable[str]) -> dict[str, Durations]:
        return {operation: Durations(dict(self.steps[operation])) for operation in operations}

    def heard(self, at: datetime) -> None:
        self.pulse = Pulse(at, None)

    def found(self, at: datetime) -> Pulse:
        self.pulse = Pulse(self.pulse.webhook_at, self.pulse.found_since or at)
        return self.pulse

    def count(self, what: str, *, limit: int, until: datetime) -> int | None:
        with self._lock:
            if self.counts[what] >= limit:
                return None
            self.counts[what] += 1
            return self.counts[what]

    def counted(self, what: str) -> int:
        return self.counts[what]

    def incident(self, kind: Kind) -> Incident | None:
        return self.incidents.get(kind)

    def open_incident(self, kind: Kind, *, what: str, at: datetime) -> bool:
        known = self.incidents.get(kind)
        if known is None or known.ended_at is not None:
            self.incidents[kind] = Incident(kind, at, what, at)
            return True
        self.incidents[kind] = replace(known, seen_at=at)
        return False

    def end_incident(self, kind: Kind, *, at: datetime) -> bool:
        known = self.incidents.get(kind)
        if known is None or known.ended_at is not None:
            return False
        self.incidents[kind] = replace(known, ended_at=at)
        return True

"""Incidents: what concerns many jobs at once, and is one event, told once, however many sweeps and jobs show it."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

# After so long without a sign of it an incident is over.
OVER_AFTER = timedelta(minutes=30)


class Kind(StrEnum):
    """What may go wrong with NCA as a whole."""

    NCA_RESTARTED = "nca_restarted"
    NCA_STALLED = "nca_stalled"
    WEBHOOKS_SILENT = "webhooks_silent"


@dataclass(frozen=True, slots=True)
class Incident:
    """One event: since when, what it is in words, when a sweep last saw a sign of it, and when it ended (None: it goes on)."""

    kind: Kind
    opened_at: datetime
    what: str
    seen_at: datetime
    ended_at: datetime | None = None

    def over(self, *, at: datetime) -> bool:
        """Whether nothing has shown it for long enough."""
        return self.ended_at is None and at - self.seen_at >= OVER_AFTER


@dataclass(frozen=True, slots=True)
class Pulse:
    """When the webhook last heard of NCA, and since when sweeps have found ended jobs without hearing (None: never, they have
    not)."""

    webhook_at: datetime | None
    found_since: datetime | None

    def silent(self, *, at: datetime, after: timedelta) -> bool:
        """Whether jobs have been ending for so long without any callback."""
        return self.found_since is not None and at - max(self.found_since, self.webhook_at or self.found_since) >= after

"""NCA's workers as they were seen answering, and the one proof there is that a worker is gone.

A worker is one process with one queue in memory: its `pid` and `queue_id` together name it, and both end with it. Another
worker answering proves nothing by itself, since an installation may run several, and which one answers is anything but fair.
But it never runs more than so many (NcaWorkers): once as many *others* were alive at one moment, the worker that is not among
them was dead by then, and with it whatever it had queued.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from reelkeeper.domain.callback import Sender

_REMEMBERED = 24


@dataclass(frozen=True, slots=True)
class Sighting:
    """A worker and the first and the last time it answered: it lived at least that long."""

    worker: Sender
    first_seen_at: datetime
    last_seen_at: datetime


@dataclass(frozen=True, slots=True)
class Fleet:
    """The workers seen, latest last. `most_at_once` is how many were ever alive together.

    `idle_since` is from when on nothing ran although the jobs in `waiting` waited, none of which has moved since (None:
    something ran, or nothing waited).
    """

    sightings: tuple[Sighting, ...] = ()
    most_at_once: int = 0
    idle_since: datetime | None = None
    waiting: tuple[str, ...] = ()

    def answered(self, worker: Sender, *, since: datetime) -> bool:
        """Whether this worker has answered at or after a moment."""
        return any(one.worker == worker and one.last_seen_at >= since for one in self.sightings)


def watch(fleet: Fleet, listed: Mapping[str, str], *, at: datetime) -> Fleet:
    """The fleet after NCA listed its jobs (the listing call itself left out): does its queue move?

    Sweeps see moments only, and between two jobs nothing runs; so the queue stands still only if nothing ran at any look and
    none of those that waited has begun meanwhile.
    """
    queued = tuple(job_id for job_id, state in listed.items() if state == "queued")
    if not queued or "running" in listed.values():
        return replace(fleet, idle_since=None, waiting=())
    if fleet.idle_since is not None and set(fleet.waiting) <= set(queued):
        return fleet
    return replace(fleet, idle_since=at, waiting=queued[:_REMEMBERED])


def see(fleet: Fleet, workers: Iterable[Sender], *, at: datetime) -> Fleet:
    """The fleet after these workers answered."""
    known = {one.worker: one for one in fleet.sightings}
    for worker in workers:
        if worker.pid is None or worker.queue_id is None:
            continue
        before = known.pop(worker, None)
        known[worker] = Sighting(worker, before.first_seen_at if before else at, at)
    sightings = tuple(sorted(known.values(), key=lambda one: one.last_seen_at))[-_REMEMBERED:]
    together = max((_alive_at(sightings, one.last_seen_at) for one in sightings), default=0)
    return replace(fleet, sightings=sightings, most_at_once=max(fleet.most_at_once, together))


def gone(fleet: Fleet, worker: Sender, *, since: datetime, workers: int) -> bool:
    """Whether a worker that lived at some time up to `since` is certainly dead; `workers` is how many NCA runs.

    0 means that nobody said, and then nothing is proof. More seen together than were said count: too many makes the proof
    rarer, never wrong.
    """
    if worker.pid is None or worker.queue_id is None or workers < 1:
        return False
    places = max(workers, fleet.most_at_once)
    own = [one.last_seen_at for one in fleet.sightings if one.worker == worker]
    alive_until = max([since, *own])
    others = [one for one in fleet.sightings if one.worker != worker]
    return any(one.last_seen_at > alive_until and _alive_at(others, one.last_seen_at) >= places for one in others)


def renewed(fleet: Fleet, *, since: datetime) -> bool:
    """Whether a worker was first seen after `since` although others were seen before it: a sign of a restart, and no proof."""
    begun = min((one.first_seen_at for one in fleet.sightings), default=since)
    return any(one.first_seen_at > max(since, begun) for one in fleet.sightings)


def _alive_at(sightings: Iterable[Sighting], moment: datetime) -> int:
    return sum(1 for one in sightings if one.first_seen_at <= moment <= one.last_seen_at)

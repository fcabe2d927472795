"""Every way NCA fails, as a switch: on for some jobs or all, for some times or until it is turned off."""

import threading
from collections import deque
from dataclasses import dataclass
from enum import StrEnum


class Fault(StrEnum):
    """What can go wrong; each was seen in the real toolkit or its surroundings (facts-nca.md, "How it fails")."""

    NO_CALLBACK = "no-callback"  # the one POST is lost
    LATE_CALLBACK = "late-callback"  # the POST comes `seconds` after the job is done
    TWICE = "twice"  # the same callback again
    NULL_ID = "null-id"  # `id` is null in the callback although one was given
    CLOUD_RUN = "cloud-run"  # a failed job sends a second callback, without job_id on top
    NOT_JSON = "not-json"  # a NaN in the result: no callback, and a status answer that is not JSON
    SLOW = "slow"  # the job takes `seconds` longer
    DEAD_THREAD = "dead-thread"  # the queue's thread dies on this job; all later ones stay queued
    FAIL = "fail"  # the job fails with `message`
    FULL = "full"  # 429: the queue is full; no callback
    TIMEOUT_524 = "524"  # the submitting call gets Cloudflare's 524; the job runs all the same
    DISK_FULL = "disk-full"  # HTML 500 to everything
    NO_STATUS = "no-status"  # a build before April 2025: no status routes
    STATUS_500 = "status-500"  # the status routes answer HTML 500
    STATUS_HTML = "status-html"  # they answer 200 with a page, as what stands before a sleeping NCA does
    STATUS_CUT = "status-cut"  # their answer breaks off in the middle
    STATUS_HUGE = "status-huge"  # their answer never comes to its end
    STATUS_ODD = "status-odd"  # a job_status nobody has heard of
    STATUS_OTHER = "status-other"  # the answer for another job
    STATUS_HANGS = "status-hangs"  # they answer only after `seconds`
    DELETED = "deleted"  # the output is gone `seconds` after it was made
    FORBIDDEN = "forbidden"  # the output cannot be read any more, `seconds` after it was made
    HTML = "html"  # the output's address answers 200 with an HTML page
    TRUNCATED = "truncated"  # only the first half of the output was uploaded
    CUT_SHORT = "cut-short"  # the connection drops in the middle of the output
    STALLED = "stalled"  # the output's next download sends nothing for `seconds` after its first bytes
    NEVER_STORED = "never-stored"  # reported as done, but nothing was uploaded


@dataclass(slots=True)
class Switch:
    """One fault: for one record (None: any), `times` more times (None: until turned off); `seconds`, `message` as it needs."""

    fault: Fault
    record_id: str | None = None
    times: int | None = None
    seconds: float = 0.0
    message: str = ""


class Switchboard:
    """The switches that are on."""

    def __init__(self) -> None:
        self._on: deque[Switch] = deque()
        self._lock = threading.Lock()

    def on(
        self, fault: Fault, *, record_id: str | None = None, times: int | None = None, seconds: float = 0.0, message: str = ""
    ) -> None:
        with self._lock:
            self._on.append(Switch(fault, record_id, times, seconds, message))

    def off(self, fault: Fault | None = None) -> None:
        """Turn one kind off, or everything."""
        with self._lock:
            self._on = deque(switch for switch in self._on if fault is not None and switch.fault is not fault)

    def draw(self, fault: Fault, record_id: str | None = None) -> Switch | None:
        """The switch that applies now, counted as used; None where the fault is off."""
        with self._lock:
            for switch in self._on:
                if switch.fault is fault and switch.record_id in (None, record_id) and switch.times != 0:
                    switch.times = None if switch.times is None else switch.times - 1
                    return switch
        return None

    def shown(self) -> list[dict[str, object]]:
        """The switches as JSON would show them."""
        with self._lock:
            return [{"fault": one.fault, "record_id": one.record_id, "times": one.times} for one in self._on]

"""Leases: one worker a job, renewed with its messages for as long as the block lasts, given back when it ends."""

import threading
from collections.abc import Callable
from datetime import datetime, timedelta

import pytest

from reelkeeper.domain.errors import RetryLater
from reelkeeper.services.lease import BEAT_S, HIDDEN, LEASE, Leases
from tests.unit.builders import NOW

# No test waits this long; it only keeps a fault from hanging the run.
PATIENCE_S = 5.0


class FakeLedger:
    """Leases as the ledger keeps them; `on_lease` is called, in the caller's thread, before each is given."""

    def __init__(self) -> None:
        self.held: dict[str, tuple[str, datetime]] = {}
        self.on_lease: Callable[[str], None] = lambda job_id: None
        self.down = False

    def lease(self, job_id: str, *, owner: str, now: datetime, until: datetime) -> bool:
        self.on_lease(job_id)
        if self.down:
            raise RetryLater("the ledger did not answer")
        other, ends = self.held.get(job_id, (owner, now))
        if other != owner and ends >= now:
            return False
        self.held[job_id] = owner, until
        return True

    def release(self, job_id: str, *, owner: str) -> None:
        if self.down:
            raise RetryLater("the ledger did not answer")
        if self.held.get(job_id, ("", NOW))[0] == owner:
            del self.held[job_id]


class FakeQueue:
    def __init__(self) -> None:
        self.hidden: list[tuple[str, timedelta]] = []
        self.refuses: frozenset[str] = frozenset()
        self.beaten = threading.Event()

    def hide(self, receipt: str, *, delay: timedelta) -> None:
        if receipt in self.refuses:
            raise RetryLater("SQS did not change the visibility")
        self.hidden.append((receipt, delay))
        if threading.current_thread() is not threading.main_thread():
            self.beaten.set()


class Clock:
    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> datetime:
        return self.now


def some_leases(
    ledger: FakeLedger, queue: FakeQueue | None = None, *, owner: str = "me", clock: Clock | None = None, beat_s: float = BEAT_S
) -> Leases:
    return Leases(ledger, queue or FakeQueue(), owner=owner, clock=clock or Clock(), beat_s=beat_s)


def test_a_job_is_taken_with_its_messages_and_given_back_at_the_end() -> None:
    ledger, queue = FakeLedger(), FakeQueue()
    with some_leases(ledger, queue) as leases:
        assert leases.take("job", ["one", "two"])
        assert ledger.held == {"job": ("me", NOW + LEASE)}
        assert queue.hidden == [("one", HIDDEN), ("two", HIDDEN)]
    assert not ledger.held


def test_a_job_that_another_has_is_left_to_it() -> None:
    ledger, queue = FakeLedger(), FakeQueue()
    ledger.held["job"] = "other", NOW + LEASE
    with some_leases(ledger, queue) as leases:
        assert not leases.take("job", ["one"])
    assert ledger.held == {"job": ("other", NOW + LEASE)}
    assert not queue.hidden


def test_a_job_whose_worker_died_is_free_when_its_lease_has_run_out() -> None:
    ledger, clock = FakeLedger(), Clock()
    ledger.held["job"] = "dead", NOW + LEASE
    clock.now += LEASE + timedelta(seconds=1)
    with some_leases(ledger, clock=clock) as leases:
        assert leases.take("job", [])


def test_a_message_comes_back_only_after_the_lease_of_a_dead_worker() -> None:
    assert HIDDEN > LEASE > timedelta(seconds=2 * BEAT_S)


def test_a_fault_in_the_block_gives_the_jobs_back_and_is_not_swallowed() -> None:
    ledger = FakeLedger()

    def work() -> None:
        with some_leases(ledger) as leases:
            leases.take("job", [])
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        work()
    assert not ledger.held


def test_a_dropped_job_is_free_at_once_and_dropped_once() -> None:
    ledger = FakeLedger()
    with some_leases(ledger) as leases:
        leases.take("job", [])
        leases.drop("job")
        assert not ledger.held
        ledger.held["job"] = "me", NOW
        leases.drop("job")
        leases.drop("never taken")
        assert ledger.held


def test_a_heartbeat_renews_the_lease_and_hides_the_messages_again() -> None:
    ledger, queue, clock = FakeLedger(), FakeQueue(), Clock()
    with some_leases(ledger, queue, clock=clock, beat_s=0.001) as leases:
        leases.take("job", ["one"])
        clock.now += timedelta(seconds=20)
        queue.beaten.clear()
        assert queue.beaten.wait(PATIENCE_S)
        assert ledger.held["job"] == ("me", clock.now + LEASE)
        assert queue.hidden[-1] == ("one", HIDDEN)


def test_the_heart_stops_with_the_block() -> None:
    before = threading.active_count()
    with some_leases(FakeLedger(), beat_s=0.001):
        assert threading.active_count() == before + 1
    assert threading.active_count() == before


def test_a_heart_survives_a_ledger_that_does_not_answer() -> None:
    ledger, queue = FakeLedger(), FakeQueue()
    failed = threading.Event()

    def fail_once(job_id: str) -> None:
        if threading.current_thread() is not threading.main_thread():
            ledger.down = not failed.is_set()
            failed.set()

    with some_leases(ledger, queue, beat_s=0.001) as leases:
        leases.take("job", ["one"])
        ledger.on_lease = fail_once
        assert failed.wait(PATIENCE_S)
        assert queue.beaten.wait(PATIENCE_S)


def test_a_heartbeat_never_renews_what_was_just_given_back() -> None:
    ledger = FakeLedger()
    beating, dropped = threading.Event(), threading.Event()

    def linger(job_id: str) -> None:
        if job_id == "slow" and threading.current_thread() is not threading.main_thread() and not beating.is_set():
            beating.set()
            # Long enough for the main thread to come to the drop; that may well wait for this very call.
            dropped.wait(0.05)

    with some_leases(ledger, beat_s=0.001) as leases:
        leases.take("slow", [])
        leases.take("job", [])
        ledger.on_lease = linger
        assert beating.wait(PATIENCE_S)
        leases.drop("job")
        dropped.set()
    assert not ledger.held


def test_messages_that_cannot_be_hidden_do_not_stop_the_others() -> None:
    queue = FakeQueue()
    queue.refuses = frozenset({"one"})
    with some_leases(FakeLedger(), queue) as leases:
        assert leases.take("job", ["one", "two"])
    assert queue.hidden == [("two", HIDDEN)]


def test_a_lease_that_cannot_be_given_back_runs_out_by_itself() -> None:
    ledger = FakeLedger()
    with some_leases(ledger) as leases:
        leases.take("job", [])
        ledger.down = True
    assert ledger.held == {"job": ("me", NOW + LEASE)}


def test_a_ledger_that_does_not_answer_gives_no_lease() -> None:
    ledger = FakeLedger()
    ledger.down = True
    with some_leases(ledger) as leases, pytest.raises(RetryLater):
        leases.take("job", ["one"])

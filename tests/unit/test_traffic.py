"""Copies share memory and connections: never more than there is, in the order they asked, and gentle with a busy host."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from math import inf

import pytest

from reelkeeper.domain.parts import MIB
from reelkeeper.services.traffic import LANE_BYTES, TimeIsUp, Traffic

PATIENCE_S = 20.0


class Now:
    """A clock that stands still until it is moved."""

    def __init__(self) -> None:
        self.s = 100.0

    def __call__(self) -> float:
        return self.s


def forever() -> float:
    return inf


def waits(what: Callable[[], None]) -> threading.Thread:
    """A thread that does this, and is seen to wait."""
    thread = threading.Thread(target=what, daemon=True)
    thread.start()
    thread.join(0.1)
    assert thread.is_alive()
    return thread


def test_all_together_hold_no_more_memory_than_there_is() -> None:
    traffic = Traffic(memory=16 * MIB, width=64, clock=Now())
    held, most, lock = 0, 0, threading.Lock()

    def use(size: int) -> None:
        nonlocal held, most
        with traffic.room(size, forever):
            with lock:
                held += size
                most = max(most, held)
            with lock:
                held -= size

    with ThreadPoolExecutor(12) as pool:
        list(pool.map(use, [(1 + number % 7) * MIB for number in range(400)]))
    assert held == 0
    assert 0 < most <= 16 * MIB
    # Nothing was lost on the way.
    with traffic.room(16 * MIB, forever):
        pass


def test_a_large_wish_is_not_starved_by_small_ones_that_came_later() -> None:
    traffic = Traffic(memory=4 * MIB, width=64, clock=Now())
    order: list[str] = []

    def want(name: str, size: int) -> None:
        with traffic.room(size, forever):
            order.append(name)

    with traffic.room(2 * MIB, forever):
        large = waits(lambda: want("large", 4 * MIB))
        small = waits(lambda: want("small", MIB))
    large.join(PATIENCE_S)
    small.join(PATIENCE_S)
    assert order == ["large", "small"]


def test_a_host_gets_its_width_and_another_host_its_own() -> None:
    traffic = Traffic(memory=64 * MIB, width=2, clock=Now())
    with traffic.lane("a", forever), traffic.lane("a", forever):
        third = waits(lambda: traffic.lane("a", forever).__enter__() and None)
        with traffic.lane("b", forever):
            pass
    third.join(PATIENCE_S)
    assert not third.is_alive()


def test_no_host_gets_more_connections_than_memory_has_lanes() -> None:
    assert Traffic(memory=16 * MIB, width=64, clock=Now()).width == 16 * MIB // LANE_BYTES


def test_a_busy_host_is_left_alone_and_then_gets_half() -> None:
    now = Now()
    traffic = Traffic(memory=64 * MIB, width=4, clock=now)
    traffic.slow("busy", 30.0)
    gone_in: list[int] = []

    def go(number: int) -> None:
        with traffic.lane("busy", forever):
            gone_in.append(number)
            release.wait(PATIENCE_S)

    release = threading.Event()
    threads = [waits(lambda number=number: go(number)) for number in range(3)]  # type: ignore[misc]
    assert gone_in == []
    now.s += 30.0
    for _ in range(200):
        if len(gone_in) == 2:
            break
        threads[0].join(0.05)
    assert len(gone_in) == 2
    release.set()
    for thread in threads:
        thread.join(PATIENCE_S)
    assert sorted(gone_in) == [0, 1, 2]


def test_parts_that_come_home_win_the_width_back() -> None:
    now = Now()
    traffic = Traffic(memory=64 * MIB, width=2, clock=now)
    traffic.slow("busy", 0.0)
    for _ in range(4):
        with traffic.lane("busy", forever):
            pass
    with traffic.lane("busy", forever), traffic.lane("busy", lambda: 0.001):
        pass


def test_a_failed_part_wins_nothing_back_and_gives_its_lane_back() -> None:
    traffic = Traffic(memory=64 * MIB, width=2, clock=Now())
    traffic.slow("busy", 0.0)
    for _ in range(20):
        with pytest.raises(ValueError, match="broken"), traffic.lane("busy", forever):
            raise ValueError("broken")
    with traffic.lane("busy", forever):
        waits(lambda: traffic.lane("busy", forever).__enter__() and None)


def test_who_has_no_time_left_does_not_wait() -> None:
    now = Now()
    traffic = Traffic(memory=64 * MIB, width=1, clock=now)
    with pytest.raises(TimeIsUp), traffic.lane("a", lambda: 0.0):
        pass
    with traffic.lane("a", forever):
        left = iter([5.0, 0.0])
        with pytest.raises(TimeIsUp), traffic.lane("a", lambda: next(left)):
            pass
    # What was given up holds nothing.
    with traffic.lane("a", forever), traffic.room(63 * MIB, forever):
        pass

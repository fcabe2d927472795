"""Which of NCA's workers is gone: provable by as many others, never by one that answers."""

from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from reelkeeper.domain.callback import Sender
from reelkeeper.domain.fleet import Fleet, gone, renewed, see
from tests.unit.builders import NOW

A, B, C, D = (Sender(str(pid), str(pid)) for pid in range(4))


def minutes(count: float) -> timedelta:
    return timedelta(minutes=count)


def seen(*sightings: tuple[float, Sender]) -> Fleet:
    fleet = Fleet()
    for minute, worker in sightings:
        fleet = see(fleet, [worker], at=NOW + minutes(minute))
    return fleet


def test_the_only_worker_is_gone_once_another_answers() -> None:
    assert gone(seen((0, A), (5, B)), A, since=NOW, workers=1)


def test_a_worker_that_was_seen_before_the_job_came_is_no_newer_one() -> None:
    assert not gone(seen((0, B)), A, since=NOW + minutes(1), workers=1)


def test_another_of_two_workers_proves_nothing() -> None:
    assert not gone(seen((0, A), (5, B)), A, since=NOW, workers=2)


def test_two_others_at_one_moment_prove_that_one_of_two_is_gone() -> None:
    assert gone(seen((0, A), (5, B), (10, C), (15, B)), A, since=NOW, workers=2)


def test_two_others_one_after_the_other_prove_nothing() -> None:
    assert not gone(seen((0, A), (5, B), (10, C)), A, since=NOW, workers=2)


def test_more_workers_seen_together_than_were_declared_are_believed() -> None:
    assert not gone(seen((0, A), (1, B), (2, A), (3, B)), A, since=NOW, workers=1)


def test_where_nobody_says_how_many_there_are_nothing_is_proof() -> None:
    assert not gone(seen((0, A), (5, B), (6, C), (7, D), (8, B), (9, C), (10, D)), A, since=NOW, workers=0)


def test_a_worker_without_a_name_is_never_gone() -> None:
    assert not gone(seen((0, A), (5, B)), Sender(), since=NOW, workers=1)


def test_a_worker_that_comes_after_others_is_a_sign_of_a_restart_and_the_first_is_none() -> None:
    assert renewed(seen((0, A), (5, B)), since=NOW + minutes(1))
    assert renewed(seen((2, A), (5, B)), since=NOW + minutes(1))
    assert not renewed(seen((5, B), (6, B)), since=NOW + minutes(1))
    assert not renewed(seen((0, A), (5, B)), since=NOW + minutes(6))
    assert not renewed(Fleet(), since=NOW)


@given(st.lists(st.tuples(st.floats(0, 100), st.sampled_from((A, B, C))), max_size=40))
def test_a_worker_that_still_answers_is_never_gone(sightings: list[tuple[float, Sender]]) -> None:
    fleet = seen(*sorted(sightings, key=lambda one: one[0]), (101, A))
    assert not gone(fleet, A, since=NOW, workers=3)
